import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { silentLog } from '../../test/support/context.ts';
import type { AdminApi, AdminRequest } from '../admin/api.ts';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { Wire } from '../protocols/protocol.ts';

const wire: Wire = {
  id: 'test',
  prefixes: ['/'],
  generations: [],
  resources: [],
  sockets: [],
  encodeError: ({ status, code }) => ({ status, headers: {}, body: { wire: code } }),
};

let asked: AdminRequest[];
let logged: unknown[];
let app: TestApp;
let baseUrl: string;

async function* lines(): AsyncGenerator<string> {
  yield 'a,b\n';
  yield '1,2\n';
}

const api: AdminApi = {
  routes: [
    {
      method: 'PATCH',
      path: '/admin/things/:id',
      handle: async (request) => {
        asked.push(request);
        return { status: 200, body: { done: true } };
      },
    },
    {
      method: 'GET',
      path: '/admin/table',
      handle: async () => ({ status: 200, headers: { 'content-type': 'text/csv' }, stream: lines() }),
    },
    { method: 'DELETE', path: '/admin/things/:id', handle: async () => ({ status: 204 }) },
    {
      method: 'GET',
      path: '/admin/broken',
      handle: async () => {
        throw new Error('inside');
      },
    },
  ],
  handleError: (thrown) => {
    const { status, code } = toStudioError(thrown);
    return { status, body: { error: { code } } };
  },
};

beforeEach(async () => {
  asked = [];
  logged = [];
  app = createTestApp([wire], { admin: api, log: { ...silentLog, error: (fields) => logged.push(fields) } });
  const { port } = await app.listen({ host: '127.0.0.1', port: 0, regionPorts: {} });
  baseUrl = `http://127.0.0.1:${port}`;
});
afterEach(() => app.close());

const send = (method: string, path: string, body?: string) =>
  fetch(baseUrl + path, {
    method,
    headers: { authorization: 'Bearer x', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
  });

describe('the administration', () => {
  it('is told what it needs, without a key of the API', async () => {
    const reply = await send('PATCH', '/admin/things/7?deep=1', '{"a":1}');
    expect(reply.status).toBe(200);
    expect(await reply.json()).toEqual({ done: true });
    expect(reply.headers.get('content-type')).toBe('application/json');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(reply.headers.get('x-request-id')).toBeTruthy();
    expect(asked).toMatchObject([{ authorization: 'Bearer x', params: { id: '7' }, body: { a: 1 } }]);
    expect(asked[0]?.query.get('deep')).toBe('1');
  });

  it('answers under the prefix of a region as without', async () => {
    expect((await send('PATCH', '/singapore/admin/things/7')).status).toBe(200);
    expect(asked[0]?.body).toBeUndefined();
  });

  it('may answer piece by piece, or with nothing', async () => {
    const table = await send('GET', '/admin/table');
    expect([table.headers.get('content-type'), await table.text()]).toEqual(['text/csv', 'a,b\n1,2\n']);
    const gone = await send('DELETE', '/admin/things/7');
    expect([gone.status, await gone.text()]).toEqual([204, '']);
  });

  it.each([
    ['GET', '/admin', undefined, 404, 'not-found'],
    ['GET', '/admin/', undefined, 404, 'not-found'],
    ['POST', '/admin/elsewhere', '{}', 404, 'not-found'],
    ['POST', '/admin/things/7', '{}', 404, 'not-found'],
    ['PATCH', '/admin/things/7', '{', 400, 'malformed-body'],
    ['PATCH', '/admin/things/7', `"${'x'.repeat(1024 * 1024)}"`, 413, 'body-too-large'],
    ['GET', '/admin/broken', undefined, 500, 'internal'],
  ])('refuses %s %s in its own form', async (method, path, body, status, code) => {
    const reply = await send(method, path, body);
    expect([reply.status, await reply.json()]).toEqual([status, { error: { code } }]);
  });

  it('leaves what is not its own to the wires', async () => {
    expect(await (await send('GET', '/administer')).json()).toEqual({ wire: 'not-found' });
  });

  it('logs what nobody expected', async () => {
    await send('GET', '/admin/broken');
    expect(logged).toMatchObject([{ requestId: expect.any(String), cause: expect.stringMatching(/^Error: inside\n/) }]);
    await send('GET', '/admin/elsewhere');
    expect(logged).toHaveLength(1);
  });
});

it('is not there unless it was given', async () => {
  const bare = createTestApp([wire]);
  const { port } = await bare.listen({ host: '127.0.0.1', port: 0, regionPorts: {} });
  const reply = await fetch(`http://127.0.0.1:${port}/admin/table`);
  expect(await reply.json()).toEqual({ wire: 'not-found' });
  await bare.close();
  expect(new StudioError('not-found').status).toBe(404);
});
