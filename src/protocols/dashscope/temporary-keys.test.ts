import { expect, it } from 'vitest';
import { callResource } from '../../../test/support/wires.ts';
import type { Account } from '../../core/ports.ts';
import { temporaryKeyRoutes } from './temporary-keys.ts';

const account: Account = { keyId: 'key-1', name: 'test', workspaceId: 'default', region: 'beijing' };
const wire = {
  resources: temporaryKeyRoutes('/api/v1', {
    temporaryKeys: {
      createTemporary: async (keyId, ttlMs) =>
        keyId === 'key-1' ? { secret: `st-${ttlMs}`, expiresAtMs: 1_744_080_369_500 } : undefined,
    },
  }),
};
const ask = async (query: string, by = account) =>
  callResource(wire, 'POST', '/api/v1/tokens', { query: new URLSearchParams(query), account: by });

it.each([
  ['', 60],
  ['expire_in_seconds=1', 1],
  ['expire_in_seconds=1800', 1800],
])('makes a key for %j', async (query, seconds) => {
  const { status, body } = await ask(query);
  expect(status).toBe(200);
  expect(JSON.stringify(body)).toBe(`{"token":"st-${seconds * 1000}","expires_at":1744080369}`);
});

it.each(['0', '1801', '-1', '1.5', '1e2', '', 'soon'])('refuses %j seconds', async (seconds) => {
  await expect(ask(`expire_in_seconds=${seconds}`)).rejects.toMatchObject({
    code: 'invalid-parameter',
    message: 'Range of expire_in_seconds should be [1, 1800]',
  });
});

it('lets no temporary key make another, and nobody without a key', async () => {
  await expect(ask('', { ...account, isTemporary: true })).rejects.toMatchObject({ code: 'access-denied' });
  await expect(ask('', { ...account, keyId: 'anonymous' })).rejects.toMatchObject({ code: 'missing-api-key' });
});
