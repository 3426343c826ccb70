import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findFreePort, listeningInodes, ownerOfPort, probePort } from './port-owner.ts';

let server: Server;
let port: number;
beforeEach(async () => {
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

it('knows a taken port, its owner and a free one', async () => {
  expect(await probePort('127.0.0.1', port)).toBe('taken');
  const free = await findFreePort('127.0.0.1', port);
  expect(free).not.toBe(port);
  expect(await probePort('127.0.0.1', free)).toBe('free');
  if (process.platform === 'linux') expect(await ownerOfPort(port)).toContain(`(pid ${process.pid})`);
});

it('passes on why the system refuses an address', async () => {
  // 192.0.2.0/24 is for documentation (RFC 5737): never an address of this machine.
  expect(await probePort('192.0.2.1', port)).toMatchObject({ refusal: expect.stringContaining('EADDRNOTAVAIL') });
});

it('reads listeners, and only them, from the table of the kernel', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1
   1: 0100007F:2253 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 222 1
   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1`;
  expect(listeningInodes(table, 0x2253)).toEqual(['111']);
  expect(listeningInodes(table, 80)).toEqual(['333']);
  expect(listeningInodes(table, 81)).toEqual([]);
});
