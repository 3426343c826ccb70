import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import type { Region } from '../core/regions.ts';
import type { Wire } from '../protocols/protocol.ts';
import { openCertificate } from '../tls/certificate-source.ts';
import type { Certificate } from './app.ts';
import type { OpenPorts } from './listeners.ts';

/** Answers with what it was asked as. */
const wire: Wire = {
  id: 'test',
  prefixes: ['/'],
  generations: [],
  resources: [
    {
      method: 'GET',
      path: '/where',
      isPublic: true,
      handle: ({ account, origin, query }) => ({
        status: 200,
        body: { region: account.region, origin, a: query.get('a') },
      }),
    },
  ],
  sockets: [
    { path: '/talk', maxFrameBytes: 1000, idleMs: 60_000, open: (socket, { account }) => socket.send(account.region) },
  ],
  encodeError: (error, requestId) => ({
    status: error.status,
    headers: {},
    body: { code: error.code, message: error.message, region: error.region, requestId },
  }),
};

let app: TestApp;
let ports: OpenPorts;
afterEach(() => app.close());

async function listen(regionPorts: OpenPorts['regionPorts'], certificate?: Certificate, port = 0): Promise<void> {
  app = createTestApp([wire], { certificate, isAuthRequired: false });
  ports = await app.listen({ host: '127.0.0.1', port, regionPorts });
}

/** GETs over a connection of its own. */
async function get(
  port: number,
  path: string,
  headers: { [name: string]: string } = {},
  ca?: string,
): Promise<unknown> {
  const options = { host: '127.0.0.1', port, path, headers, agent: false } as const;
  const sent = ca === undefined ? httpRequest(options) : httpsRequest({ ...options, ca, servername: 'localhost' });
  const [reply] = await once(sent.end(), 'response');
  let text = '';
  for await (const piece of reply) text += piece;
  return JSON.parse(text);
}

async function regionOfSocket(url: string, options = {}): Promise<string> {
  const client = new WebSocket(url, options);
  const [data] = await once(client, 'message');
  client.terminate();
  return String(data);
}

const portOf = (region: Region): number => ports.regionPorts[region] as number;

describe('the ports of regions', () => {
  it('lead to the same routes and sockets, each in its region', async () => {
    await listen({ singapore: 0, frankfurt: 0 });
    expect(Object.keys(ports.regionPorts)).toEqual(['singapore', 'frankfurt']);
    expect(new Set([ports.port, portOf('singapore'), portOf('frankfurt')]).size).toBe(3);
    expect(await get(ports.port, '/where')).toMatchObject({ region: 'beijing' });
    for (const region of ['singapore', 'frankfurt'] as const) {
      const port = portOf(region);
      expect(await get(port, '/where?a=1')).toEqual({ region, origin: `http://127.0.0.1:${port}`, a: '1' });
      expect(await regionOfSocket(`ws://127.0.0.1:${port}/talk`)).toBe(region);
      expect(await get(port, '/nowhere')).toMatchObject({ code: 'not-found', region });
    }
  });

  it('are told by the path and by the host before the port', async () => {
    await listen({ singapore: 0 });
    const port = portOf('singapore');
    const host = { host: 'dashscope-us.aliyuncs.com' };
    expect(await get(port, '/where', host)).toEqual({
      region: 'virginia',
      origin: 'http://dashscope-us.aliyuncs.com',
      a: null,
    });
    expect(await get(port, '/hong-kong/where/?a=2', host)).toEqual({
      region: 'hong-kong',
      origin: 'http://dashscope-us.aliyuncs.com/hong-kong',
      a: '2',
    });
    expect(await regionOfSocket(`ws://127.0.0.1:${port}/hong-kong/talk?a=1`)).toBe('hong-kong');
    expect(await regionOfSocket(`ws://127.0.0.1:${port}/talk`, { headers: host })).toBe('virginia');
    expect(await get(port, '/hong-kong/nowhere?a=2')).toMatchObject({
      message: 'Not found: GET /hong-kong/nowhere',
      region: 'hong-kong',
    });
  });

  it('may be the own port of the server', async () => {
    const port = await freePort();
    await listen({ virginia: port }, undefined, port);
    expect(ports).toEqual({ port, regionPorts: { virginia: port } });
    expect(await get(port, '/where')).toMatchObject({ region: 'virginia' });
  });

  it('are refused when they are taken, and given back when the server closes', async () => {
    const taken = createServer();
    await once(taken.listen(0, '127.0.0.1'), 'listening');
    const { port } = taken.address() as AddressInfo;
    app = createTestApp([wire]);
    await expect(
      app.listen({ host: '127.0.0.1', port: 0, regionPorts: { singapore: 0, frankfurt: port } }),
    ).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await app.close();
    taken.close();
    await listen({ frankfurt: port });
    await app.close();
    await listen({ beijing: port });
    expect(await get(port, '/where')).toMatchObject({ region: 'beijing' });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('with TLS', () => {
  const homes: string[] = [];
  const certificates: Certificate[] = [];
  const authorityOf = ({ cert }: Certificate): string => cert.slice(cert.lastIndexOf('-----BEGIN'));

  beforeAll(async () => {
    for (let times = 0; times < 2; times++) {
      const home = mkdtempSync(join(tmpdir(), 'atelier-tls-'));
      homes.push(home);
      const settings = { home, host: '127.0.0.1', certFile: undefined, keyFile: undefined };
      certificates.push(await openCertificate(settings, Date.now()));
    }
  });
  afterAll(() => {
    for (const home of homes) rmSync(home, { recursive: true, force: true });
  });

  it('serves every port encrypted, sockets too', async () => {
    const [certificate] = certificates as [Certificate, Certificate];
    const ca = authorityOf(certificate);
    await listen({ singapore: 0 }, certificate);
    for (const [port, region] of [
      [ports.port, 'beijing'],
      [portOf('singapore'), 'singapore'],
    ] as const) {
      expect(await get(port, '/where', {}, ca)).toEqual({ region, origin: `https://127.0.0.1:${port}`, a: null });
      expect(await regionOfSocket(`wss://localhost:${port}/talk`, { ca })).toBe(region);
    }
  });

  it('shows new connections a renewed certificate', async () => {
    const [before, after] = certificates as [Certificate, Certificate];
    await listen({}, before);
    expect(await get(ports.port, '/where', {}, authorityOf(before))).toMatchObject({ region: 'beijing' });
    app.renewCertificate(after);
    expect(await get(ports.port, '/where', {}, authorityOf(after))).toMatchObject({ region: 'beijing' });
    await expect(get(ports.port, '/where', {}, authorityOf(before))).rejects.toThrow();
  });

  it('does not wait at its end for who has said nothing', async () => {
    const [certificate] = certificates as [Certificate, Certificate];
    await listen({ singapore: 0 }, certificate);
    const silent = [connect(ports.port, '127.0.0.1'), connect(portOf('singapore'), '127.0.0.1')];
    const greeted = tlsConnect({ host: '127.0.0.1', port: ports.port, ca: authorityOf(certificate) });
    const ended = [...silent, greeted].map((client) => {
      client.on('error', () => {});
      return once(client, 'close');
    });
    await Promise.all([...silent.map((client) => once(client, 'connect')), once(greeted, 'secureConnect')]);
    // The server's side of a connection comes a moment after the client's.
    await get(ports.port, '/where', {}, authorityOf(certificate));
    await get(portOf('singapore'), '/where', {}, authorityOf(certificate));
    await app.close();
    await Promise.all(ended);
  });
});
