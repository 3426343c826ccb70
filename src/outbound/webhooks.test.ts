import type { LookupAddress, lookup } from 'node:dns';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createWebhooks, publicOnly } from './webhooks.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function webhooks(allowsPrivateAddresses: boolean) {
  const made = createWebhooks({ allowsPrivateAddresses });
  closers.push(() => made.close());
  return made;
}

/** A server that tells what it was sent. */
async function target(status = 200, headers: { [name: string]: string } = {}) {
  const seen: { method?: string | undefined; type?: string | undefined; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    seen.push({ method: request.method, type: request.headers['content-type'], body });
    response.writeHead(status, headers).end('{}');
  });
  closers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return { port: (server.address() as AddressInfo).port, seen };
}

it('posts JSON once where it may', async () => {
  const { port, seen } = await target();
  await webhooks(true).post(`http://127.0.0.1:${port}/done`, { id: 'batch_1' });
  expect(seen).toEqual([{ method: 'POST', type: 'application/json', body: '{"id":"batch_1"}' }]);
});

it('rejects when the answer is an error, and follows no redirect', async () => {
  const { port: elsewhere, seen } = await target();
  const { port } = await target(302, { location: `http://127.0.0.1:${elsewhere}/` });
  await expect(webhooks(true).post(`http://127.0.0.1:${port}/`, {})).rejects.toThrow('status 302');
  expect(seen).toEqual([]);
});

describe('this machine and private networks', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[fd00::1]',
    '[fe80::1]',
    'localhost',
  ])('are not called: %s', async (host) => {
    const { port, seen } = await target();
    await expect(webhooks(false).post(`http://${host}:${port}/`, {})).rejects.toThrow(/private address/);
    expect(seen).toEqual([]);
  });

  it('are not called by another scheme, either', async () => {
    await expect(webhooks(true).post('file:///etc/passwd', {})).rejects.toThrow('not an http or https URL');
  });
});

describe('names', () => {
  const lookUp = (addresses: LookupAddress[], all: boolean) => {
    const look = publicOnly(((_name: string, _options: object, done: (failure: null, found: object) => void) =>
      done(null, addresses)) as unknown as typeof lookup);
    return new Promise((resolve) => {
      look('example.com', { all }, (failure, ...found) => resolve(failure ? failure.message : found));
    });
  };
  const open = { address: '93.184.216.34', family: 4 };

  it('lead to the addresses they have', async () => {
    expect(await lookUp([open], true)).toEqual([[open]]);
    expect(await lookUp([open], false)).toEqual(['93.184.216.34', 4]);
  });

  it('lead nowhere when one of them is private', async () => {
    expect(await lookUp([open, { address: '10.0.0.1', family: 4 }], true)).toBe(
      'the callback leads to a private address',
    );
  });
});
