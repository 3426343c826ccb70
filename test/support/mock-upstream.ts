/**
 * An OpenAI-compatible server without a model, for tests and the benchmark. The model id chooses what it does (see
 * `mock-replies.ts`): `mock/plain`, `mock/stream-200` (chunk by chunk), `mock/burst-200` (one write), `mock/slow-first`,
 * `mock/reasoning`, `mock/tools`, `mock/endless`, `mock/silent`, `mock/cut`, `mock/error-chunk`, `mock/error-503`. A test
 * may give its own `reply`. `GET /mock/stats` tells the counts to another process.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { builtInReply, jsonReply, type MockReply, type MockRequest } from './mock-replies.ts';

export interface MockUpstreamOptions {
  /** Answers instead of the built-in behaviours; undefined falls back to them. */
  readonly reply?: (request: MockRequest) => MockReply | undefined;
  /** Keeps every request for the test to look at. Off for the benchmark, whose memory it would fill. */
  readonly isRecording?: boolean;
}

export interface MockStats {
  readonly requests: number;
  /** Replies whose connection was closed by the other side before they were complete. */
  readonly closedEarly: number;
  readonly connections: number;
}

export interface MockUpstream {
  /** `http://127.0.0.1:PORT`; the API lies below `/v1` (any prefix will do). */
  readonly url: string;
  readonly requests: readonly MockRequest[];
  readonly stats: MockStats;
  /** Resolves when this many replies in all have been closed early. */
  closedEarly(count: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts the mock on a port of the system's choice. */
export async function startMockUpstream(options: MockUpstreamOptions = {}): Promise<MockUpstream> {
  const requests: MockRequest[] = [];
  const stats = { requests: 0, closedEarly: 0, connections: 0 };
  let waiters: { readonly count: number; readonly resolve: () => void }[] = [];
  const onClosedEarly = (): void => {
    stats.closedEarly++;
    for (const waiter of waiters) if (stats.closedEarly >= waiter.count) waiter.resolve();
    waiters = waiters.filter((waiter) => stats.closedEarly < waiter.count);
  };

  const server = createServer((message, response) => {
    if (message.url === '/mock/stats') {
      response.end(JSON.stringify(stats));
      return;
    }
    response.on('close', () => {
      if (!response.writableFinished) onClosedEarly();
    });
    readBody(message, (body) => {
      const request = requestOf(message, body);
      stats.requests++;
      if (options.isRecording) requests.push(request);
      write(options.reply?.(request) ?? builtInReply(request) ?? unknownModel(request), response);
    });
  });
  server.on('connection', (socket) => {
    stats.connections++;
    socket.setNoDelay(true);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stats,
    closedEarly: (count) =>
      new Promise((resolve) => {
        if (stats.closedEarly >= count) resolve();
        else waiters.push({ count, resolve });
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function readBody(message: IncomingMessage, done: (body: string) => void): void {
  let first: Buffer | undefined;
  let pieces: Buffer[] | undefined;
  message.on('data', (piece: Buffer) => {
    if (first === undefined) first = piece;
    else pieces = [...(pieces ?? [first]), piece];
  });
  message.on('end', () => done((pieces ? Buffer.concat(pieces) : (first ?? Buffer.alloc(0))).toString()));
}

function requestOf(message: IncomingMessage, text: string): MockRequest {
  const body = JSON.parse(text === '' ? '{}' : text) as { readonly [field: string]: unknown };
  const streamOptions = body.stream_options as { readonly include_usage?: boolean } | undefined;
  return {
    path: message.url ?? '/',
    headers: message.headers,
    model: String(body.model),
    isStreaming: body.stream === true,
    wantsUsage: streamOptions?.include_usage === true,
    body,
  };
}

function unknownModel(request: MockRequest): MockReply {
  return jsonReply(404, {
    error: { message: `The model \`${request.model}\` does not exist.`, type: 'NotFoundError', code: 404 },
  });
}

function write(reply: MockReply, response: ServerResponse): void {
  if (reply.delayMs !== undefined) {
    setTimeout(() => write({ ...reply, delayMs: undefined }, response), reply.delayMs);
    return;
  }
  const [only] = reply.chunks;
  if (reply.chunks.length === 1 && only !== undefined && (reply.ending ?? 'end') === 'end') {
    response.writeHead(reply.status ?? 200, { ...reply.headers, ...lengthOf(reply, only) });
    response.end(only);
    return;
  }
  response.writeHead(reply.status ?? 200, reply.headers);
  if (reply.chunks.length === 0) response.flushHeaders();
  writeChunk(reply, response, 0);
}

/** A whole JSON body has a length; a stream in one write stays chunked, as servers send it. */
function lengthOf(reply: MockReply, only: Buffer | string): { readonly [name: string]: number } {
  const isJson = reply.headers?.['content-type'] === 'application/json';
  return isJson ? { 'content-length': Buffer.byteLength(only) } : {};
}

function writeChunk(reply: MockReply, response: ServerResponse, index: number): void {
  if (response.destroyed) return;
  const chunk = reply.chunks[index];
  if (chunk === undefined) {
    finish(reply, response);
    return;
  }
  const isWritable = response.write(chunk);
  if (reply.pace === 'burst') writeChunk(reply, response, index + 1);
  else if (isWritable) setImmediate(writeChunk, reply, response, index + 1);
  else response.once('drain', () => writeChunk(reply, response, index + 1));
}

function finish(reply: MockReply, response: ServerResponse): void {
  switch (reply.ending) {
    case 'cut':
      // Closed without the last chunk of the encoding; a reset would throw away what the other side has not read yet.
      response.socket?.end();
      return;
    case 'hang':
      return;
    case 'repeat':
      setImmediate(writeChunk, reply, response, 0);
      return;
    default:
      response.end();
  }
}
