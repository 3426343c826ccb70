import { expect, it } from 'vitest';
import { createTestApp } from '../../test/support/app.ts';
import { silentLog } from '../../test/support/context.ts';
import type { Wire } from '../protocols/protocol.ts';

const wire: Wire = {
  id: 'test',
  prefixes: ['/'],
  generations: [],
  resources: [
    {
      method: 'GET',
      path: '/broken',
      handle: () => {
        throw Object.assign(new Error('inside'), { detail: 'a row of somebody' });
      },
    },
  ],
  sockets: [],
  encodeError: ({ status, code, region }) => ({ status, headers: {}, body: { code, region } }),
};

it('a resource that fails unexpectedly is refused as our fault, and logged with its stack and nothing else', async () => {
  const logged: unknown[] = [];
  const app = createTestApp([wire], { log: { ...silentLog, error: (fields) => logged.push(fields) } });
  const { port } = await app.listen({ host: '127.0.0.1', port: 0, regionPorts: {} });
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: 'Bearer sk-good' } });
  try {
    const reply = await get('/broken');
    expect([reply.status, await reply.json()]).toEqual([500, { code: 'internal', region: 'beijing' }]);
    expect(logged).toEqual([
      { requestId: reply.headers.get('x-request-id'), cause: expect.stringMatching(/^Error: inside\n/) },
    ]);
    await get('/elsewhere');
    expect(logged).toHaveLength(1);
  } finally {
    await app.close();
  }
});
