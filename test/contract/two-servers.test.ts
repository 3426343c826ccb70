/** Two servers, each with a home of its own, on one Postgres: keys and their rules are the same on both. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DATABASES, POSTGRES_MISSING, type TestDatabase } from '../support/databases.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const title = POSTGRES_MISSING === undefined ? 'on Postgres' : `on Postgres (${POSTGRES_MISSING})`;

describe.skipIf(POSTGRES_MISSING !== undefined)(title, () => {
  let shared: TestDatabase;
  let servers: TestServer[];
  beforeEach(async () => {
    const postgres = DATABASES.find(({ name }) => name === 'Postgres');
    if (!postgres) throw new Error('there is no Postgres');
    shared = await postgres.create();
    servers = [
      await startTestServer({ database: shared.location }),
      await startTestServer({ database: shared.location }),
    ];
  });
  afterEach(async () => {
    for (const server of servers) await server.close();
    await shared.remove();
  });

  const statusOf = async (server: TestServer | undefined, secret: string): Promise<number | undefined> => {
    const body = { model: 'qwen-plus', messages: [{ role: 'user', content: 'Hello!' }] };
    return (await server?.chat(body, { headers: { authorization: `Bearer ${secret}` } }))?.status;
  };

  it('takes a key that the other has made, and refuses it when the other has revoked it', async () => {
    const [here, there] = servers;
    const admin = await here?.createKey({ name: 'root', kind: 'admin' });
    const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
      const response = await fetch(`${here?.running.baseUrl}/admin${path}`, {
        method,
        headers: { authorization: `Bearer ${admin?.secret}`, 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      expect(response.status).toBeLessThan(300);
      return response.json();
    };
    const { key, secret } = (await ask('POST', '/keys', { name: 'app' })) as { key: { id: string }; secret: string };
    expect(await statusOf(there, secret)).toBe(200);
    await ask('PATCH', `/keys/${key.id}`, { models: ['qwen-max'] });
    expect(await statusOf(here, secret)).toBe(403);
    // Each ends when the other server has looked, however soon that is.
    while ((await statusOf(there, secret)) === 200);
    expect(await statusOf(there, secret)).toBe(403);
    await ask('DELETE', `/keys/${key.id}`);
    expect(await statusOf(here, secret)).toBe(401);
    while ((await statusOf(there, secret)) === 403);
    expect(await statusOf(there, secret)).toBe(401);
  });
});
