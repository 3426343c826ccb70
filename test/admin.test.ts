/** The administration without HTTP: its routes over a real store and the keys in memory. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HeldKeyRing, openKeyRing } from '../src/accounts/key-ring.ts';
import type { AdminApi, AdminReply } from '../src/admin/api.ts';
import type {
  AdminErrorBody,
  CreatedKey,
  KeyView,
  ModelView,
  Page,
  PriceView,
  WorkspaceView,
} from '../src/admin/contract.ts';
import { createAdminApi } from '../src/admin/routes.ts';
import { createAdminService } from '../src/admin/service.ts';
import { permissiveCard } from '../src/core/models.ts';
import type { PlatformState } from '../src/core/platform.ts';
import { type Database, openDatabase } from '../src/stores/sql/database.ts';
import { createPlatformStore } from '../src/stores/sql/platform.ts';
import { fixedClock, silentLog } from './support/context.ts';

const NOW_MS = 1_770_764_902_000;
const prices = {
  tiers: [
    { overTokens: 0, upToTokens: null, inputPico: 800_000, outputPico: 2_000_000, outputThinkingPico: 8_000_000 },
  ],
  cacheReadPermille: 200,
  explicitCacheReadPermille: 100,
  cacheWritePermille: 1250,
  batchPermille: 500,
};

let database: Database;
let ring: HeldKeyRing;
let api: AdminApi;
let adminSecret: string;
let adminId: string;
let clock: ReturnType<typeof fixedClock>;

beforeEach(async () => {
  database = await openDatabase(':memory:');
  clock = fixedClock(NOW_MS);
  const store = createPlatformStore(database, clock);
  ring = await openKeyRing({ store, clock, log: silentLog, wait: async () => {} });
  const current = async (): Promise<PlatformState> => {
    await ring.refresh();
    return ring.state;
  };
  const service = createAdminService({ store, current, clock, defaultRegion: 'singapore' });
  const card = { ...permissiveCard('qwen-plus'), terms: { beijing: { prices } } };
  api = createAdminApi({
    service,
    keys: ring,
    clock,
    defaultRegion: 'singapore',
    prices: { pricesOf: ({ region }) => (region === 'beijing' ? prices : undefined) },
    listModels: () => [{ card, servedBy: 'embedded/x', isStandIn: true }],
    freeQuotas: async () => [
      { region: 'beijing', model: 'qwen-plus', tokens: 10, usedTokens: 4, firstUsedAtMs: 1, expiresAtMs: 2 },
    ],
  });
  const { key, secret } = await service.createKey('cli', { name: 'root', kind: 'admin' });
  [adminSecret, adminId] = [secret, key.id];
});
afterEach(() => database.close());

/** As HTTP would ask. */
async function ask(
  method: string,
  url: string,
  body?: unknown,
  authorization: string | undefined = `Bearer ${adminSecret}`,
): Promise<AdminReply> {
  const { pathname, searchParams } = new URL(url, 'http://localhost/');
  for (const route of api.routes) {
    const pattern = new RegExp(`^${route.path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
    const match = pattern.exec(`/admin${pathname}`);
    if (route.method !== method || !match) continue;
    const params = { ...match.groups };
    return route
      .handle({ authorization, params, query: searchParams, body })
      .catch((thrown) => api.handleError(thrown));
  }
  throw new Error(`no route ${method} ${url}`);
}

async function bodyOf<Body>(reply: Promise<AdminReply>, status = 200): Promise<Body> {
  const { status: got, body } = await reply;
  expect({ status: got, body }).toMatchObject({ status });
  return body as Body;
}

describe('who may ask', () => {
  it('is whoever shows an admin key, and nobody else', async () => {
    const { secret } = await bodyOf<CreatedKey>(ask('POST', '/keys', { name: 'app' }), 201);
    const refusals: [string | undefined, number, string][] = [
      ['', 401, 'missing-api-key'],
      [`Basic ${adminSecret}`, 401, 'missing-api-key'],
      [`Bearer ${adminSecret}0`, 401, 'invalid-api-key'],
      [`Bearer sk-admin-${'0'.repeat(32)}`, 401, 'invalid-api-key'],
      [`Bearer ${secret}`, 403, 'access-denied'],
    ];
    for (const route of api.routes)
      for (const [authorization, status, code] of refusals) {
        const path = route.path.slice('/admin'.length).replace(':id', 'key-1');
        const reply = await ask(route.method, path, {}, authorization);
        expect(reply).toEqual({ status, body: { error: { code, message: expect.any(String) } } });
      }
    expect((await ring.verify(adminSecret)) ?? 'no API key').toBe('no API key');
  });

  it('is nobody with a temporary key of an API key', async () => {
    const { key } = await bodyOf<CreatedKey>(ask('POST', '/keys', { name: 'app' }), 201);
    const temporary = await ring.createTemporary(key.id, 60_000);
    expect(await ask('GET', '/keys', undefined, `Bearer ${temporary?.secret}`)).toMatchObject({ status: 403 });
  });

  it('ends when the admin key expires or is revoked', async () => {
    const { key, secret } = await bodyOf<CreatedKey>(
      ask('POST', '/keys', { name: 'guest', kind: 'admin', expiresAtMs: NOW_MS + 1000 }),
      201,
    );
    expect(await ask('GET', `/keys/${key.id}`, undefined, `Bearer ${secret}`)).toMatchObject({ status: 200 });
    clock.advance(1000);
    expect(await ask('GET', `/keys/${key.id}`, undefined, `Bearer ${secret}`)).toMatchObject({ status: 401 });
    await ask('DELETE', `/keys/${adminId}`);
    expect(await ask('GET', '/keys')).toMatchObject({ status: 401 });
  });
});

describe('keys', () => {
  it('are made with everything that was asked for, and hold at once', async () => {
    const { id: workspaceId } = await bodyOf<WorkspaceView>(ask('POST', '/workspaces', { name: 'team' }), 201);
    const rules = {
      name: 'app',
      region: 'virginia',
      workspaceId,
      models: ['qwen3-*', 'qwen-plus'],
      budget: { yuan: '100.000000001', period: 'month' },
      limits: { requestsPerSecond: 5, concurrentStreams: 1 },
      keepsBodies: true,
      expiresAtMs: NOW_MS + 1000,
    };
    const { key, secret } = await bodyOf<CreatedKey>(ask('POST', '/keys', rules), 201);
    expect(secret).toMatch(/^sk-ws-[0-9a-f]{32}$/);
    const hint = `${secret.slice(0, 10)}…${secret.slice(-4)}`;
    const given = { id: key.id, kind: 'api', hint, createdAtMs: NOW_MS, revokedAtMs: null, state: 'live' };
    expect(key).toEqual({ ...rules, ...given });
    expect(await bodyOf(ask('GET', `/keys/${key.id}`))).toEqual(key);
    const held = ring.verify(secret);
    expect(held).toMatchObject({ id: key.id, budget: { nano: 100_000_000_001, period: 'month' } });
  });

  it('are of the default workspace and the region of the server unless said otherwise', async () => {
    const { key, secret } = await bodyOf<CreatedKey>(ask('POST', '/keys', { name: ' app ' }), 201);
    expect(secret).toMatch(/^sk-[0-9a-f]{32}$/);
    expect(key).toMatchObject({
      name: 'app',
      region: 'singapore',
      workspaceId: 'default',
      models: null,
      budget: null,
    });
  });

  it('show their secret once, and their hash never', async () => {
    const { key, secret } = await bodyOf<CreatedKey>(ask('POST', '/keys', { name: 'app' }), 201);
    const replies = [await ask('GET', '/keys'), await ask('GET', `/keys/${key.id}`), await ask('GET', '/audit')];
    replies.push(await ask('PATCH', `/keys/${key.id}`, { name: 'b' }), await ask('DELETE', `/keys/${key.id}`));
    const hash = ring.state.keys.find(({ id }) => id === key.id)?.hash;
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    for (const reply of replies) {
      expect(reply.status).toBe(200);
      expect(JSON.stringify(reply)).not.toContain(secret);
      expect(JSON.stringify(reply)).not.toContain(hash);
    }
  });

  it('change in what is named, and end', async () => {
    const { key, secret } = await bodyOf<CreatedKey>(ask('POST', '/keys', { name: 'app', models: ['a'] }), 201);
    const changed = await bodyOf<KeyView>(ask('PATCH', `/keys/${key.id}`, { limits: { tokensPerMinute: 9 } }));
    expect(changed).toEqual({ ...key, limits: { tokensPerMinute: 9 } });
    expect(await bodyOf(ask('PATCH', `/keys/${key.id}`, { limits: null, models: null }))).toEqual({
      ...key,
      models: null,
    });
    expect(ring.verify(secret)).toMatchObject({ models: null });
    clock.advance(5);
    const revoked = await bodyOf<KeyView>(ask('DELETE', `/keys/${key.id}`));
    expect(revoked).toMatchObject({ state: 'revoked', revokedAtMs: NOW_MS + 5 });
    expect(ring.verify(secret)).toBeUndefined();
    clock.advance(5);
    expect(await bodyOf(ask('DELETE', `/keys/${key.id}`))).toEqual(revoked);
    expect(await ask('PATCH', `/keys/${key.id}`, { name: 'b' })).toMatchObject({ status: 409 });
  });

  it('come in pages, by what is wanted of them', async () => {
    const made = [];
    for (const name of ['a', 'b', 'c'])
      made.push((await bodyOf<CreatedKey>(ask('POST', '/keys', { name, region: 'beijing' }), 201)).key.id);
    await ask('DELETE', `/keys/${made[1]}`);
    const listed = async (query: string) => bodyOf<Page<KeyView>>(ask('GET', `/keys?${query}`));
    const first = await listed('kind=api&limit=2');
    const second = await listed(`kind=api&limit=2&after=${first.nextCursor}`);
    expect([...first.items, ...second.items].map(({ id }) => id).sort()).toEqual([...made].sort());
    expect(second).toMatchObject({ items: [{}], nextCursor: null });
    expect((await listed('state=revoked')).items.map(({ name }) => name)).toEqual(['b']);
    expect((await listed('region=singapore')).items.map(({ name }) => name)).toEqual(['root']);
    expect((await listed('workspaceId=default&state=live&kind=api')).items).toHaveLength(2);
  });

  it.each([
    [{}, 'name'],
    [{ name: '' }, 'name must not be empty.'],
    [{ name: 'a\nb' }, 'name must have no control characters.'],
    [{ name: 'x', hash: 'f' }, 'hash is not known.'],
    [{ name: 'x', region: 'mars' }, 'region'],
    [{ name: 'x', workspaceId: 'ws-unknown' }, 'workspaceId: there is no such workspace.'],
    [{ name: 'x', models: [] }, 'models must name a model; null stands for all.'],
    [{ name: 'x', models: ['a b'] }, 'models.0 must be a model id or a pattern such as qwen3-*.'],
    [{ name: 'x', models: ['*a*b*c*d*'] }, 'models.0 must have at most 4 stars.'],
    [{ name: 'x', budget: { yuan: '1.0000000001', period: 'month' } }, 'budget.yuan must be an amount in yuan'],
    [{ name: 'x', budget: { yuan: -1, period: 'month' } }, 'budget.yuan must be an amount in yuan'],
    [{ name: 'x', budget: { yuan: 1, period: 'day' } }, 'budget.period'],
    [{ name: 'x', limits: {} }, 'limits must set a limit; null stands for none.'],
    [{ name: 'x', limits: { requestsPerSecond: 0 } }, 'limits.requestsPerSecond'],
    [{ name: 'x', expiresAtMs: NOW_MS }, 'expiresAtMs must be in the future.'],
    [{ name: 'x', kind: 'admin', models: ['a'] }, 'models is not for admin keys.'],
    [undefined, 'The body'],
    [[], 'The body'],
  ])('are refused when they are asked for with %j', async (body, message) => {
    const before = await bodyOf(ask('GET', '/audit'));
    const refused = await bodyOf<{ error: { code: string; message: string } }>(ask('POST', '/keys', body), 400);
    expect(refused.error.code).toBe('invalid-parameter');
    expect(refused.error.message).toContain(message);
    expect(await bodyOf(ask('GET', '/audit'))).toEqual(before);
  });

  it('are not found, and not changed into nothing', async () => {
    const { key } = await bodyOf<CreatedKey>(ask('POST', '/keys', { name: 'app' }), 201);
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect(await ask(method, '/keys/key-unknown', { name: 'x' })).toMatchObject({
        status: 404,
        body: { error: { code: 'not-found', message: 'There is no such key.' } },
      });
    expect(await ask('PATCH', `/keys/${key.id}`, {})).toMatchObject({ status: 400 });
    expect(await ask('PATCH', `/keys/${key.id}`, { expiresAtMs: 1 })).toMatchObject({ status: 400 });
    expect(await ask('PATCH', `/keys/${key.id}`, { region: 'beijing' })).toMatchObject({ status: 400 });
    expect(await ask('PATCH', `/keys/${adminId}`, { models: ['a'] })).toMatchObject({ status: 400 });
  });

  it.each(['limit=0', 'limit=1001', 'limit=x', 'state=dead', 'worksapceId=default', 'after=key-unknown'])(
    'are not listed by ?%s',
    async (query) => {
      expect(await ask('GET', `/keys?${query}`)).toMatchObject({ status: 400 });
    },
  );
});

describe('workspaces', () => {
  it('are made, shown, changed and deleted', async () => {
    const rules = { name: 'team', models: ['qwen-*'], budget: { yuan: '5', period: 'total' } };
    const made = await bodyOf<WorkspaceView>(ask('POST', '/workspaces', rules), 201);
    expect(made).toEqual({
      ...rules,
      id: expect.stringMatching(/^ws-[0-9a-f]{16}$/),
      createdAtMs: NOW_MS,
      liveKeys: 0,
    });
    const { secret } = await bodyOf<CreatedKey>(ask('POST', '/keys', { name: 'a', workspaceId: made.id }), 201);
    const changed = await bodyOf<WorkspaceView>(ask('PATCH', `/workspaces/${made.id}`, { budget: null }));
    expect(changed).toEqual({ ...made, budget: null, liveKeys: 1 });
    const { items } = await bodyOf<Page<WorkspaceView>>(ask('GET', '/workspaces'));
    expect(items.map(({ id }) => id)).toEqual(['default', made.id]);
    expect(await ask('DELETE', `/workspaces/${made.id}`)).toEqual({ status: 204 });
    expect(ring.workspace(made.id)).toBeUndefined();
    expect(ring.verify(secret)).toMatchObject({ workspaceId: made.id });
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect(await ask(method, `/workspaces/${made.id}`, { name: 'x' })).toMatchObject({ status: 404 });
    expect(await ask('POST', '/keys', { name: 'b', workspaceId: made.id })).toMatchObject({ status: 400 });
  });

  it('have the id they are to have, which stays', async () => {
    const made = await bodyOf<WorkspaceView>(ask('POST', '/workspaces', { id: 'llm-abc123', name: 'team' }), 201);
    expect(made.id).toBe('llm-abc123');
    expect(await ask('PATCH', '/workspaces/llm-abc123', { id: 'llm-other' })).toMatchObject({ status: 400 });
    const again = () => ask('POST', '/workspaces', { id: 'llm-abc123', name: 'again' });
    const conflict = (message: string) => ({ status: 409, body: { error: { code: 'conflict', message } } });
    expect(await again()).toEqual(conflict('Another workspace has this id.'));
    await ask('DELETE', '/workspaces/llm-abc123');
    expect(await again()).toEqual(conflict('Another workspace had this id.'));
  });

  it.each([
    'default',
    'singapore',
    'cn-beijing',
    'token-plan',
    '',
    'WS-1',
    'ws_1',
    'ws.1',
    '-ws',
    'ws-',
    'w'.repeat(64),
    7,
  ])('cannot have the id %j', async (id) => {
    const { error } = await bodyOf<AdminErrorBody>(ask('POST', '/workspaces', { id, name: 'team' }), 400);
    expect(error.message).toMatch(/^id(?: must|: )/);
  });

  it.each(['w', '0', 'ws-1', `w${'-'.repeat(61)}w`])('can have the id %s', async (id) => {
    expect(await ask('POST', '/workspaces', { id, name: 'team' })).toMatchObject({ status: 201, body: { id } });
  });

  it('have names of their own, and the default one stays', async () => {
    await ask('POST', '/workspaces', { name: 'team' });
    expect(await ask('POST', '/workspaces', { name: 'team' })).toMatchObject({
      status: 409,
      body: { error: { code: 'conflict' } },
    });
    expect(await ask('DELETE', '/workspaces/default')).toMatchObject({ status: 409 });
    expect(await ask('PATCH', '/workspaces/default', { models: ['qwen-plus'] })).toMatchObject({ status: 200 });
    expect(await ask('PATCH', '/workspaces/default', {})).toMatchObject({ status: 400 });
  });
});

describe('money', () => {
  it('prices a model from a time on, and gives it back to the catalogue', async () => {
    const tiers = [
      { upToTokens: 1000, input: '0.8', output: 2, outputThinking: '8' },
      { input: '1.2', output: '4' },
    ];
    const set = await bodyOf<PriceView>(
      ask('PUT', '/prices', { model: 'qwen-plus', region: 'beijing', validFromMs: 5, prices: { tiers } }),
    );
    const shown = [
      { upToTokens: 1000, input: '0.8', output: '2', outputThinking: '8' },
      { upToTokens: null, input: '1.2', output: '4', outputThinking: '4' },
    ];
    expect(set).toMatchObject({ model: 'qwen-plus', region: 'beijing', validFromMs: 5, prices: { tiers: shown } });
    const back = await bodyOf<PriceView>(ask('PUT', '/prices', { model: 'qwen-plus', prices: null }));
    expect(back).toEqual({ model: 'qwen-plus', region: null, validFromMs: NOW_MS, prices: null });
    expect((await bodyOf<Page<PriceView>>(ask('GET', '/prices'))).items).toEqual([set, back]);
    expect(ring.state.prices[0]?.prices).toEqual({
      tiers: [
        { overTokens: 0, upToTokens: 1000, inputPico: 800_000, outputPico: 2_000_000, outputThinkingPico: 8_000_000 },
        {
          overTokens: 1000,
          upToTokens: null,
          inputPico: 1_200_000,
          outputPico: 4_000_000,
          outputThinkingPico: 4_000_000,
        },
      ],
      cacheReadPermille: 200,
      explicitCacheReadPermille: 100,
      cacheWritePermille: 1250,
      batchPermille: 500,
    });
  });

  it.each([
    [[]],
    [[{ upToTokens: 5, input: 1, output: 1 }]],
    [
      [
        { input: 1, output: 1 },
        { input: 1, output: 1 },
      ],
    ],
    [
      [
        { upToTokens: 5, input: 1, output: 1 },
        { upToTokens: 5, input: 1, output: 1 },
        { input: 1, output: 1 },
      ],
    ],
    [[{ input: '0.0000001', output: 1 }]],
  ])('refuses prices of the tiers %j', async (tiers) => {
    expect(await ask('PUT', '/prices', { model: 'm', prices: { tiers } })).toMatchObject({ status: 400 });
  });

  it('switches models to their free tokens only', async () => {
    const used = [
      { region: 'beijing', model: 'qwen-plus', tokens: 10, usedTokens: 4, firstUsedAtMs: 1, expiresAtMs: 2 },
    ];
    expect(await bodyOf(ask('GET', '/quota'))).toEqual({ freeTierOnly: [], used });
    expect(await bodyOf(ask('PUT', '/quota', { freeTierOnly: ['qwen-plus', 'qwen-plus', '*'] }))).toEqual({
      freeTierOnly: ['qwen-plus', '*'],
      used,
    });
    expect(ring.state.freeTierOnly).toEqual(['qwen-plus', '*']);
    expect(await ask('PUT', '/quota', { freeTierOnly: ['qwen-*'] })).toMatchObject({ status: 400 });
  });

  it('shows the models of a region with what they cost there', async () => {
    const { items } = await bodyOf<Page<ModelView>>(ask('GET', '/models?region=beijing'));
    const [tier] = items[0]?.prices?.tiers ?? [];
    expect(items[0]).toMatchObject({ id: 'qwen-plus', servedBy: 'embedded/x', isStandIn: true });
    expect(tier).toEqual({ upToTokens: null, input: '0.8', output: '2', outputThinking: '8' });
    expect((await bodyOf<Page<ModelView>>(ask('GET', '/models'))).items[0]?.prices).toBeNull();
    expect(await ask('GET', '/models?region=mars')).toMatchObject({ status: 400 });
  });
});

it('audits every change by its admin key, and refusals not', async () => {
  const { key } = await bodyOf<CreatedKey>(ask('POST', '/keys', { name: 'app' }), 201);
  await ask('PATCH', `/keys/${key.id}`, { budget: { yuan: 1, period: 'total' } });
  await ask('PATCH', `/keys/${key.id}`, { budget: 1 });
  const workspace = await bodyOf<WorkspaceView>(ask('POST', '/workspaces', { name: 'team' }), 201);
  await ask('DELETE', `/workspaces/${workspace.id}`);
  await ask('PUT', '/prices', { model: 'm', prices: null });
  await ask('PUT', '/quota', { freeTierOnly: [] });
  await ask('DELETE', `/keys/${key.id}`);
  await ask('DELETE', `/keys/${key.id}`);
  const first = await bodyOf<Page<{ actor: string; action: string; subject: string; details: object }>>(
    ask('GET', '/audit?limit=4'),
  );
  const second = await bodyOf<typeof first>(ask('GET', `/audit?after=${first.nextCursor}`));
  expect([...first.items, ...second.items].map(({ actor, action, subject }) => [actor, action, subject])).toEqual([
    [adminId, 'keys.revoke', key.id],
    [adminId, 'quota.set', 'freeTierOnly'],
    [adminId, 'prices.set', 'm'],
    [adminId, 'workspaces.delete', workspace.id],
    [adminId, 'workspaces.create', workspace.id],
    [adminId, 'keys.update', key.id],
    [adminId, 'keys.create', key.id],
    ['cli', 'keys.create', adminId],
  ]);
  expect(second.items[1]?.details).toEqual({ budget: { yuan: '1', period: 'total' } });
  expect(second.nextCursor).toBeNull();
  expect(await ask('GET', '/audit?after=x')).toMatchObject({ status: 400 });
});
