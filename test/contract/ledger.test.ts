/** What a caller meets of the ledger: free quotas, budgets, prices of the day, and a database that takes nothing. */
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, expect, it } from 'vitest';
import { startTestServer, type TestServer, type TestServerOptions } from '../support/server.ts';

const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** A server with a model `own` that says 20 tokens, at 1 yuan a million tokens in and 2 out. */
async function start(model: object, options: TestServerOptions = {}): Promise<TestServer> {
  const own = { backend: 'scripted/text-20', price: { input: 1, output: 2 }, ...model };
  const environment = {
    ATELIER_ENGINE_ENABLED: 'false',
    ATELIER_QUOTA_ENABLED: 'true',
    ATELIER_MODELS: JSON.stringify({ own }),
    ...options.environment,
  };
  const server = await startTestServer({ scripted: false }, { ...options, environment });
  servers.push(server);
  return server;
}

// Five words and a dot: six tokens in.
const request = { model: 'own', messages: [{ role: 'user', content: 'What is left of it.' }] };

async function call(server: TestServer, key = server.key) {
  const response = await server.chat(request, { headers: { authorization: `Bearer ${key}` } });
  return { status: response.status, headers: response.headers, body: (await response.json()) as { error?: object } };
}

async function charges(server: TestServer): Promise<number[]> {
  return (await server.receipts()).map(({ chargeNano }) => chargeNano);
}

it('a free quota pays until it is used up; then calls are paid for', async () => {
  const server = await start({ freeQuota: 30 });
  for (let index = 0; index < 3; index++) expect((await call(server)).status).toBe(200);
  // 26 tokens are free; then 4 of the next input of 6 tokens; then nothing.
  expect(await charges(server)).toEqual([0, 2 * 1000 + 20 * 2000, 6 * 1000 + 20 * 2000]);
});

it('a free quota that is used up stops calls when that is switched on, in the words of the service', async () => {
  const server = await start({ freeQuota: 30 }, { environment: { ATELIER_QUOTA_FREE_TIER_ONLY: 'true' } });
  await call(server);
  await call(server);
  const { status, body } = await call(server);
  expect(status).toBe(403);
  expect(body.error).toMatchObject({
    code: 'AllocationQuota.FreeTierOnly',
    message: expect.stringMatching(/^The free tier of the model has been exhausted\. /),
  });
  expect(await charges(server)).toEqual([0, 42_000, 0]);
});

it('a budget stops a key when it is spent, and no other', async () => {
  const server = await start({});
  // Two calls cost 0.000092 yuan.
  const { secret } = await server.createKey({ budget: { yuan: '0.000092', period: 'total' } });
  const statuses = [];
  for (let index = 0; index < 3; index++) statuses.push((await call(server, secret)).status);
  expect(statuses).toEqual([200, 200, 429]);
  const { status, headers, body } = await call(server, secret);
  expect(status).toBe(429);
  expect(headers.get('x-should-retry')).toBe('false');
  expect(body.error).toMatchObject({
    code: 'insufficient_quota',
    message: expect.stringMatching(/^You exceeded your current quota, please check your plan and billing details\./),
  });
  expect((await call(server)).status).toBe(200);
});

it('a database that takes nothing keeps calls going until too many receipts wait; no receipt is lost', async () => {
  const server = await start({}, { environment: { ATELIER_LEDGER_SPOOL_RECEIPTS: '100' } });
  expect((await call(server)).status).toBe(200);
  const before = (await charges(server)).length;
  const intruder = new BetterSqlite3(join(server.home, 'atelier.db'));
  intruder.exec('BEGIN IMMEDIATE');
  for (let index = 0; index < 100; index++) expect((await call(server)).status).toBe(200);
  const refused = await call(server);
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  intruder.exec('ROLLBACK');
  intruder.close();
  for (;;) {
    const { status } = await call(server);
    if (status === 200) break;
    expect(status).toBe(503);
    await server.running.flush();
  }
  expect((await charges(server)).length).toBe(before + 101);
});
