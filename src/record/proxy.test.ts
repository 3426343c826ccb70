/** The proxy between a real client and a real server, both in this process. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RecordedExchange } from '../core/recordings.ts';
import { createRecordingProxy } from './proxy.ts';

const CALLERS_KEY = 'sk-caller-0123456789abcdef';
const OUR_KEY = 'sk-ours-0123456789abcdef';

let folder: string;
let upstream: Server;
let handle: (request: IncomingMessage, response: ServerResponse) => void;
let proxy: ReturnType<typeof createRecordingProxy>;
let notes: string[];
let noted: () => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atelier-record-'));
  notes = [];
});

afterEach(async () => {
  await proxy.close();
  upstream.close();
  upstream.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function start(key?: string, path = ''): Promise<string> {
  upstream = createServer((request, response) => handle(request, response));
  const target = new URL((await listening(upstream)) + path);
  const onNote = (line: string): void => {
    notes.push(line);
    noted?.();
  };
  proxy = createRecordingProxy({ upstream: target, key, folder, onNote });
  return listening(proxy.server);
}

/** The first note about an exchange, which comes when it is over and kept (or not). */
async function firstNote(): Promise<string> {
  if (notes.length === 0)
    await new Promise<void>((resolve) => {
      noted = resolve;
    });
  return notes[0] ?? '';
}

async function kept(): Promise<RecordedExchange> {
  await firstNote();
  const [file = ''] = readdirSync(folder);
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as RecordedExchange;
}

async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('the recording proxy', () => {
  it('passes large bodies on unharmed, both ways', async () => {
    const sent = Buffer.alloc(9_000_000, 'résumé ');
    let arrived: Promise<Buffer> | undefined;
    handle = (request, response) => {
      arrived = bytesOf(request);
      void arrived.then((bytes) => response.end(bytes));
    };
    const base = await start();
    const response = await fetch(`${base}/echo`, {
      method: 'POST',
      body: sent,
      headers: { 'content-type': 'text/plain' },
    });
    const received = Buffer.from(await response.arrayBuffer());
    expect(digest((await arrived) ?? Buffer.alloc(0))).toBe(digest(sent));
    expect(digest(received)).toBe(digest(sent));
    expect((await kept()).response.body.length).toBe(sent.toString().length);
  });

  it('passes a stream on piece by piece', async () => {
    let sendRest: () => void = () => {};
    handle = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      sendRest = () => response.end('data: 2\n\n');
    };
    const base = await start();
    const response = await fetch(`${base}/v1/chat/completions`);
    const reader = response.body?.getReader();
    const first = await reader?.read();
    // Nothing else has been sent yet: the piece did not wait for the end.
    expect(Buffer.from(first?.value ?? []).toString()).toBe('data: 1\n\n');
    sendRest();
    const second = await reader?.read();
    expect(Buffer.from(second?.value ?? []).toString()).toBe('data: 2\n\n');
    expect(await reader?.read()).toMatchObject({ done: true });
    const exchange = await kept();
    expect(exchange.name).toBe('0001-chat-completions-sse');
    expect(exchange.response.body).toBe('data: 1\n\ndata: 2\n\n');
  });

  it('passes path, query, status and headers on, and leaves those of the connection out', async () => {
    let seen: IncomingMessage | undefined;
    handle = (request, response) => {
      seen = request;
      response.writeHead(429, { 'retry-after': '7', 'x-odd': 'yes', connection: 'close' });
      response.end('{"error":{}}');
    };
    const base = await start(undefined, '/prefix/');
    const response = await fetch(`${base}/v1/models?limit=2`, {
      headers: { 'x-odd': 'no', authorization: 'Bearer k' },
    });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(response.headers.get('x-odd')).toBe('yes');
    expect(seen?.url).toBe('/prefix/v1/models?limit=2');
    expect(seen?.headers).toMatchObject({ 'x-odd': 'no', authorization: 'Bearer k' });
    expect(seen?.headers.host).not.toBe(new URL(base).host);
    const exchange = await kept();
    expect(exchange.request).toMatchObject({ line: 'GET /v1/models?limit=2 HTTP/1.1', body: null });
    expect(exchange.response).toMatchObject({ status: 429, body: '{"error":{}}' });
  });

  it.each([
    ['authorization', `Bearer ${CALLERS_KEY}`],
    ['x-api-key', CALLERS_KEY],
  ])('replaces the key in %s, and writes neither', async (header, value) => {
    let seen: IncomingMessage | undefined;
    handle = (request, response) => {
      seen = request;
      response.end(JSON.stringify({ echoed: `${CALLERS_KEY} ${OUR_KEY}`, user_id: '1234567890123456' }));
    };
    const base = await start(OUR_KEY);
    await (
      await fetch(`${base}/v1/me?token=${CALLERS_KEY}`, { headers: { [header]: value, cookie: 'session=abc' } })
    ).text();
    expect(seen?.headers.authorization).toBe(`Bearer ${OUR_KEY}`);
    expect(seen?.headers['x-api-key']).toBe(header === 'x-api-key' ? OUR_KEY : undefined);
    await firstNote();
    const [file = ''] = readdirSync(folder);
    const text = readFileSync(join(folder, file), 'utf8');
    for (const secret of [CALLERS_KEY, OUR_KEY, '1234567890123456', 'session=abc']) expect(text).not.toContain(secret);
    expect(notes.join()).not.toContain(CALLERS_KEY);
  });

  it('lets go of the upstream when the client leaves, and keeps nothing', async () => {
    const gone = new Promise<void>((resolve) => {
      handle = (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: 1\n\n');
        response.on('close', resolve);
      };
    });
    const base = await start();
    const call = httpRequest(`${base}/v1/chat/completions`);
    call.on('error', () => {});
    call.end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.on('error', () => {});
    await once(response, 'data');
    call.destroy();
    await gone;
    expect(await firstNote()).toContain('the client left');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('breaks off where the upstream breaks off, and keeps nothing', async () => {
    handle = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    };
    const base = await start();
    const response = await fetch(`${base}/v1/x`);
    await expect(response.text()).rejects.toThrow();
    expect(await firstNote()).toContain('not kept');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('answers 502 where there is no upstream', async () => {
    handle = () => {};
    const base = await start();
    upstream.close();
    upstream.closeAllConnections();
    const response = await fetch(`${base}/v1/x`);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: 'upstream_failed' } });
    expect(readdirSync(folder)).toEqual([]);
  });
});
