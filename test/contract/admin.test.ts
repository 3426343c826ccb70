/** The administration over HTTP, on a whole server. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CreatedKey, KeyView } from '../../src/admin/contract.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let adminKey: string;
beforeAll(async () => {
  server = await startTestServer();
  adminKey = (await server.createKey({ name: 'root', kind: 'admin' })).secret;
});
afterAll(() => server.close());

const hello = { model: 'qwen-plus', messages: [{ role: 'user', content: 'Hello!' }] };

function admin(method: string, path: string, body?: unknown, key = adminKey): Promise<Response> {
  return fetch(`${server.running.baseUrl}/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

async function makeKey(rules: object): Promise<CreatedKey> {
  const response = await admin('POST', '/keys', { name: 'app', ...rules });
  expect(response.status).toBe(201);
  return (await response.json()) as CreatedKey;
}

const chat = (secret: string, body: object = hello): Promise<Response> =>
  server.chat(body, { headers: { authorization: `Bearer ${secret}` } });

it('makes keys that work at once and are refused at once', async () => {
  const { key, secret } = await makeKey({});
  expect((await chat(secret)).status).toBe(200);
  const revoked = await admin('DELETE', `/keys/${key.id}`);
  expect(((await revoked.json()) as KeyView).state).toBe('revoked');
  expect((await chat(secret)).status).toBe(401);
});

it('follows what another process does: a new key at once, its end within the next look', async () => {
  const { key, secret } = await server.createKey({ name: 'made elsewhere' });
  expect((await chat(secret)).status).toBe(200);
  await server.admin.revokeKey('cli', key.id);
  // Ends when the server has looked; nothing here depends on how soon that is.
  while ((await chat(secret)).status === 200);
  expect((await chat(secret)).status).toBe(401);
});

it('holds a key to its models', async () => {
  const { secret } = await makeKey({ models: ['qwen-max', 'qwen3-coder-*'] });
  expect((await chat(secret)).status).toBe(403);
  expect((await chat(secret, { ...hello, model: 'qwen-max' })).status).toBe(200);
  const listed = await fetch(`${server.openAiBaseUrl}/models`, { headers: { authorization: `Bearer ${secret}` } });
  const { data } = (await listed.json()) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toContain('qwen-max');
  expect(data.filter(({ id }) => !/^(qwen-max$|qwen3-coder-)/.test(id))).toEqual([]);
});

it('makes temporary keys by the native wire, which open no administration and die with their key', async () => {
  const { key, secret } = await makeKey({});
  const response = await fetch(`${server.running.baseUrl}/api/v1/tokens?expire_in_seconds=60`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}` },
  });
  const { token } = (await response.json()) as { token: string };
  expect(token).toMatch(/^st-[0-9a-f]{32}$/);
  expect((await chat(token)).status).toBe(200);
  expect((await admin('GET', '/keys', undefined, token)).status).toBe(403);
  await admin('DELETE', `/keys/${key.id}`);
  expect((await chat(token)).status).toBe(401);
});

it('opens with an admin key only, which calls no model', async () => {
  expect((await admin('GET', '/keys')).status).toBe(200);
  expect((await chat(adminKey)).status).toBe(401);
  const refused = await admin('GET', '/keys', undefined, server.key);
  expect(refused.status).toBe(403);
  expect(await refused.json()).toEqual({
    error: { code: 'access-denied', message: 'An API key does not open the administration.' },
  });
  for (const headers of [{}, { 'x-api-key': adminKey }] as Record<string, string>[])
    expect((await fetch(`${server.running.baseUrl}/admin/keys`, { headers })).status).toBe(401);
});

it.each([
  ['GET', '/nothing', undefined, 404, 'not-found'],
  ['POST', '/keys', '{"name":', 400, 'malformed-body'],
  ['POST', '/keys', '[]', 400, 'invalid-parameter'],
  ['POST', '/keys', undefined, 400, 'invalid-parameter'],
  ['GET', '/keys/key-unknown', undefined, 404, 'not-found'],
  ['DELETE', '/workspaces/default', undefined, 409, 'conflict'],
])('refuses %s %s with %j', async (method, path, body, status, code) => {
  const response = await admin(method, path, body);
  expect(response.status).toBe(status);
  expect(await response.json()).toEqual({ error: { code, message: expect.any(String) } });
});

it('shows every model of a region, with its price', async () => {
  const response = await admin('GET', '/models?region=beijing');
  const { items } = (await response.json()) as { items: { id: string; prices: { tiers: { input: string }[] } }[] };
  expect(items.find(({ id }) => id === 'qwen-plus')?.prices.tiers[0]?.input).toBe('2');
});

it('charges what was set from the next call on, and the catalogue’s price when that is taken back', async () => {
  const { secret } = await makeKey({});
  const cost = async (): Promise<number> => {
    const before = (await server.receipts()).length;
    expect((await chat(secret, { ...hello, model: 'qwen-turbo' })).status).toBe(200);
    return (await server.receiptAfter(before)).chargeNano;
  };
  const usual = await cost();
  const free = { model: 'qwen-turbo', region: 'beijing', prices: { tiers: [{ input: '0', output: '0' }] } };
  expect((await admin('PUT', '/prices', free)).status).toBe(200);
  expect(await cost()).toBe(0);
  expect((await admin('PUT', '/prices', { ...free, prices: null })).status).toBe(200);
  expect(await cost()).toBe(usual);
  expect(usual).toBeGreaterThan(0);
});
