import { expect, it } from 'vitest';
import type { Account } from '../core/ports.ts';
import { limitResources } from './limit-routes.ts';

const asked: { account: Account; model: string }[] = [];
const [route] = limitResources({
  left: async (question) => {
    asked.push(question);
    const { model } = question;
    return model === 'off' ? undefined : [{ bucket: 'b', kind: 'tokens', capacity: 60, perSecond: 1, remaining: 58.7 }];
  },
  store: {
    load: async () => ({ keys: [{ id: 'key-1', name: 'ci', workspaceId: 'ws-1', region: 'singapore' }] }) as never,
  },
  defaultRegion: 'beijing',
});
const get = async (query: string) =>
  route?.handle({ params: {}, query: new URLSearchParams(query), body: undefined, actor: 'admin' });

it('tells the limits of a model in a region', async () => {
  const limit = { name: 'b', kind: 'tokens', limit: 60, perSecond: 1, remaining: 58 };
  expect(await get('model=glm-5&region=virginia')).toEqual({ status: 200, body: { areOn: true, items: [limit] } });
  expect(asked.at(-1)).toMatchObject({ model: 'glm-5', account: { keyId: 'anonymous', region: 'virginia' } });
  await get('model=glm-5');
  expect(asked.at(-1)).toMatchObject({ account: { region: 'beijing' } });
  expect(await get('model=off')).toMatchObject({ body: { areOn: false, items: [] } });
});

it('tells those of a key where it belongs', async () => {
  await get('model=glm-5&key=key-1');
  expect(asked.at(-1)?.account).toEqual({ keyId: 'key-1', name: 'ci', workspaceId: 'ws-1', region: 'singapore' });
  await expect(get('model=glm-5&key=key-2')).rejects.toMatchObject({ code: 'not-found' });
  await expect(get('key=key-1')).rejects.toMatchObject({ code: 'invalid-parameter' });
});
