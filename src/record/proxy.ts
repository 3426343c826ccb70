/**
 * `atelier record`: a server that stands before another and passes every byte on, both ways, as it comes. What passed is
 * kept once the exchange is over; one that was broken off is not kept, as nobody could tell it from a short answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Pool } from 'undici';
import { type HeaderLines, headerOf, type PassedExchange, toRecorded, UnrecordableError } from './exchange.ts';
import { RecordingFolder } from './folder.ts';

export interface ProxyOptions {
  readonly upstream: URL;
  /** Sent in the place of the caller's key. */
  readonly key?: string | undefined;
  readonly folder: string;
  /** Told of every exchange, in a line for people. */
  readonly onNote: (line: string) => void;
}

/** Of the connection, not of the message (RFC 9110, 7.6.1); the host and the wish to continue are the upstream's affair. */
const HOP_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
]);

/** A larger body passes as any other and is not kept. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/** The proxy, not yet listening. `close` lets nothing go on. */
export function createRecordingProxy(options: ProxyOptions): { readonly server: Server; close(): Promise<void> } {
  const folder = new RecordingFolder(options.folder);
  // The longest answer is for the two ends to bound.
  const pool = new Pool(options.upstream.origin, { headersTimeout: 0, bodyTimeout: 0, allowH2: false });
  const server = createServer((request, response) => {
    void new Exchange(request, response, pool, folder, options).run();
  });
  server.requestTimeout = 0;
  return {
    server,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await pool.destroy();
    },
  };
}

class Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #pool: Pool;
  readonly #folder: RecordingFolder;
  readonly #options: ProxyOptions;
  readonly #number: number;
  readonly #path: string;
  readonly #gone = new AbortController();
  readonly #sent = new KeptBytes();
  readonly #received = new KeptBytes();

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    pool: Pool,
    folder: RecordingFolder,
    options: ProxyOptions,
  ) {
    this.#request = request;
    this.#response = response;
    this.#pool = pool;
    this.#folder = folder;
    this.#options = options;
    this.#number = folder.nextNumber();
    this.#path = request.url ?? '/';
    response.on('close', () => {
      if (!response.writableFinished) this.#gone.abort();
    });
  }

  /** Never rejects. */
  async run(): Promise<void> {
    try {
      const { status, headers } = await this.#pass();
      await this.#keep(status, headers);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  async #pass(): Promise<{ status: number; headers: HeaderLines }> {
    const { method, rawHeaders } = this.#request;
    const reply = await this.#pool.request({
      method: method as 'GET',
      path: this.#options.upstream.pathname.replace(/\/+$/, '') + this.#path,
      headers: this.#withKey(passedOn(rawHeaders)),
      body: hasBody(this.#request) ? Readable.from(this.#sent.watch(this.#request)) : null,
      responseHeaders: 'raw',
      signal: this.#gone.signal,
    });
    // Asked for raw: names and values in one list, which the types do not tell.
    const lines = reply.headers as unknown as readonly (string | Buffer)[];
    const headers = passedOn(lines.map((line) => (typeof line === 'string' ? line : line.toString('latin1'))));
    this.#response.sendDate = false;
    this.#response.writeHead(reply.statusCode, [...headers]);
    this.#response.flushHeaders();
    await pipeline(this.#received.watch(reply.body), this.#response);
    return { status: reply.statusCode, headers };
  }

  #withKey(headers: readonly string[]): string[] {
    const { key } = this.#options;
    if (key === undefined) return [...headers];
    const isMessages = headerOf(headers, 'x-api-key') !== undefined;
    const others = headers.filter((_, at) => !/^(authorization|x-api-key)$/i.test(headers[at - (at % 2)] ?? ''));
    return [...others, 'authorization', `Bearer ${key}`, ...(isMessages ? ['x-api-key', key] : [])];
  }

  async #keep(status: number, responseHeaders: HeaderLines): Promise<void> {
    const what = `${this.#request.method} ${this.#path.split('?', 1)[0]} → ${status}`;
    const requestBody = this.#sent.bytes();
    const responseBody = this.#received.bytes();
    try {
      if (!requestBody || !responseBody) throw new UnrecordableError('a body is too large');
      const requestHeaders = this.#request.rawHeaders;
      const passed: PassedExchange = {
        method: this.#request.method ?? 'GET',
        path: this.#path,
        requestHeaders,
        requestBody,
        status,
        responseHeaders,
        responseBody,
        secrets: [...keysIn(requestHeaders), this.#options.key ?? ''],
      };
      const source = `atelier record: ${this.#options.upstream.host}`;
      this.#options.onNote(`${what}, kept as ${await this.#folder.write(this.#number, toRecorded(passed, source))}`);
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      this.#options.onNote(`${what}, not kept: ${reason}`);
    }
  }

  #fail(thrown: unknown): void {
    const what = `${this.#request.method} ${this.#path.split('?', 1)[0]}`;
    if (this.#gone.signal.aborted) {
      this.#options.onNote(`${what}, not kept: the client left`);
      return;
    }
    const reason = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
    this.#options.onNote(`${what}, not kept: the upstream failed (${reason})`);
    if (this.#response.headersSent) {
      this.#response.destroy();
      return;
    }
    const body = JSON.stringify({ error: { code: 'upstream_failed', message: 'The recorded server did not answer.' } });
    this.#response.writeHead(502, { 'content-type': 'application/json' }).end(body);
  }
}

/** A copy of what passes, up to a limit. */
class KeptBytes {
  #pieces: Buffer[] = [];
  #length = 0;

  async *watch(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      this.#length += piece.length;
      if (this.#length <= MAX_KEPT_BYTES) this.#pieces.push(Buffer.from(piece));
      else this.#pieces = [];
      yield piece;
    }
  }

  /** Undefined when there was too much of it. */
  bytes(): Buffer | undefined {
    return this.#length <= MAX_KEPT_BYTES ? Buffer.concat(this.#pieces) : undefined;
  }
}

/** Without what is of the connection: by rule, or because the connection's own header names it. */
function passedOn(headers: HeaderLines): string[] {
  const named = (headerOf(headers, 'connection') ?? '').toLowerCase().split(/\s*,\s*/);
  return headers.filter((_, at) => {
    const name = (headers[at - (at % 2)] ?? '').toLowerCase();
    return !HOP_HEADERS.has(name) && !named.includes(name);
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** A shorter "key" is a placeholder, and an ordinary word of prompts. */
const MIN_KEY_LENGTH = 8;

function keysIn(headers: HeaderLines): string[] {
  const bearer = /^Bearer\s+(\S+)/i.exec(headerOf(headers, 'authorization') ?? '')?.[1];
  return [bearer, headerOf(headers, 'x-api-key')].filter(
    (key): key is string => key !== undefined && key.length >= MIN_KEY_LENGTH,
  );
}
