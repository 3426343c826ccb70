/**
 * The yardstick: the least a Node proxy can do and still read what passes. Parses the request and each reply or chunk
 * and serialises it again; no keys, no metering, no log, no checks.
 */
import { createServer, type ServerResponse } from 'node:http';
import { Pool } from 'undici';

const upstream = new Pool(process.argv[2] ?? '', { connections: 128, bodyTimeout: 0 });

const server = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => void forward(request.url ?? '/', Buffer.concat(pieces).toString(), response));
});

async function forward(path: string, body: string, response: ServerResponse): Promise<void> {
  const abort = new AbortController();
  response.on('close', () => abort.abort());
  try {
    const reply = await upstream.request({
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(JSON.parse(body)),
      signal: abort.signal,
    });
    const isStream = String(reply.headers['content-type']).startsWith('text/event-stream');
    response.writeHead(reply.statusCode, { 'content-type': String(reply.headers['content-type']) });
    if (!isStream) {
      response.end(JSON.stringify(await reply.body.json()));
      return;
    }
    const decoder = new TextDecoder();
    let rest = '';
    reply.body.on('data', (data: Buffer) => {
      rest += decoder.decode(data, { stream: true });
      const frames = rest.split('\n\n');
      rest = frames.pop() ?? '';
      let out = '';
      for (const frame of frames) {
        const data = frame.slice(6);
        out += data === '[DONE]' ? 'data: [DONE]\n\n' : `data: ${JSON.stringify(JSON.parse(data))}\n\n`;
      }
      if (out !== '') response.write(out);
    });
    reply.body.on('end', () => response.end());
    reply.body.on('error', () => response.destroy());
  } catch {
    response.destroy();
  }
}

server.on('connection', (socket) => socket.setNoDelay(true));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`listening ${typeof address === 'object' ? address?.port : ''}\n`);
});
