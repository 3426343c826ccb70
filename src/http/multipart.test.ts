import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { StudioError } from '../core/errors.ts';
import { partsOf } from './multipart.ts';

type Seen = string | { readonly file: string; readonly type: string; readonly bytes: number };

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.closeAllConnections();
});

/** A server that reads multipart bodies with `read` and tells what came of it. */
async function serverOf(read: (request: IncomingMessage) => Promise<unknown>): Promise<{ url: string; port: number }> {
  const server = createServer((request, response) => {
    read(request).then(
      (seen) => response.end(JSON.stringify(seen)),
      (thrown) => response.end(JSON.stringify({ code: thrown instanceof StudioError ? thrown.code : String(thrown) })),
    );
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port };
}

async function readAll(request: IncomingMessage): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const part of partsOf(request)) {
    if (part.type === 'field') {
      seen.push(`${part.name}=${part.value}`);
      continue;
    }
    let bytes = 0;
    for await (const piece of part.bytes) bytes += piece.length;
    seen.push({ file: part.fileName, type: part.contentType, bytes });
  }
  return seen;
}

function form(): FormData {
  const data = new FormData();
  data.append('purpose', 'file-extract');
  data.append('file', new Blob(['x'.repeat(300_000)], { type: 'text/plain' }), 'a.txt');
  data.append('file', new Blob(['yy']), '文件.bin');
  return data;
}

describe('the parts of a multipart body', () => {
  it('keep the bytes of a file whose reader takes its time over the fields before it', async () => {
    const { url } = await serverOf(async (request) => {
      for await (const part of partsOf(request)) {
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
        if (part.type === 'field') continue;
        let bytes = 0;
        for await (const piece of part.bytes) bytes += piece.length;
        return bytes;
      }
      return undefined;
    });
    const data = new FormData();
    for (const name of ['key', 'policy', 'signature']) data.append(name, 'x');
    data.append('file', new Blob(['x'.repeat(300_000)]), 'a.txt');
    const response = await fetch(url, { method: 'POST', body: data });
    expect(await response.json()).toBe(300_000);
  });

  it('come in their order, files whole', async () => {
    const { url } = await serverOf(readAll);
    const response = await fetch(url, { method: 'POST', body: form() });
    expect(await response.json()).toEqual([
      'purpose=file-extract',
      { file: 'a.txt', type: 'text/plain', bytes: 300_000 },
      { file: '文件.bin', type: 'application/octet-stream', bytes: 2 },
    ]);
  });

  it('need not be read', async () => {
    const { url } = await serverOf(async (request) => {
      const names: string[] = [];
      for await (const part of partsOf(request)) names.push(part.name);
      return names;
    });
    const response = await fetch(url, { method: 'POST', body: form() });
    expect(await response.json()).toEqual(['purpose', 'file', 'file']);
  });

  it('may be left in the middle', async () => {
    const { url } = await serverOf(async (request) => {
      for await (const part of partsOf(request)) if (part.type === 'file') return 'left';
      return 'read';
    });
    const response = await fetch(url, { method: 'POST', body: form() });
    expect(await response.json()).toBe('left');
  });

  it.each([
    ['no boundary', 'multipart/form-data', 'x'],
    [
      'no end',
      'multipart/form-data; boundary=b',
      '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nx',
    ],
  ])('are refused: %s', async (_what, contentType, body) => {
    const { url } = await serverOf(readAll);
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': contentType } });
    expect(await response.json()).toEqual({ code: 'malformed-body' });
  });

  it('end in an error when the client leaves', async () => {
    const ended = Promise.withResolvers<unknown>();
    const { port } = await serverOf(async (request) => readAll(request).then(ended.resolve, ended.resolve));
    const socket = connect(port, '127.0.0.1');
    socket.write(
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 1000\r\n\r\n' +
        '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nx',
      () => setImmediate(() => socket.destroy()),
    );
    expect(await ended.promise).toMatchObject({ code: 'malformed-body' });
  });
});
