/**
 * A load generator that costs little: HTTP/1.1 on raw sockets, one request at a time a connection, requests built once.
 * An ordinary client would take more of the two cores than the servers it measures.
 */
import { connect, type Socket } from 'node:net';

export interface Reply {
  readonly status: number;
  /** Milliseconds from sending to the first byte of the body that is not a keep-alive. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly bodyBytes: number;
}

/** The bytes of a POST with a JSON body. */
export function requestBytes(
  url: URL,
  path: string,
  key: string,
  body: unknown,
  headers: { readonly [name: string]: string } = {},
): Buffer {
  const text = JSON.stringify(body);
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: ${url.host}\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\n${more.join('')}` +
      `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

const HEAD_END = Buffer.from('\r\n\r\n');
const KEEP_ALIVE = Buffer.from(': keep-alive');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** One kept-alive connection. */
export class LoadConnection {
  readonly #socket: Socket;
  #onData: ((data: Buffer) => void) | undefined;
  #onClose: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (data) => this.#onData?.(data));
    socket.on('close', () => this.#onClose?.());
    socket.on('error', () => {});
  }

  static async open(url: URL): Promise<LoadConnection> {
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new LoadConnection(socket);
  }

  /** Sends one request and resolves with its reply. */
  send(request: Buffer): Promise<Reply> {
    const startedAt = performance.now();
    let head: { status: number; length: number | undefined } | undefined;
    let firstByteMs = 0;
    let bodyBytes = 0;
    let tail: Buffer = Buffer.alloc(0);
    return new Promise((resolve, reject) => {
      this.#onClose = () => reject(new Error('the connection closed before the reply was complete'));
      const done = (): void => {
        this.#onData = undefined;
        this.#onClose = undefined;
        resolve({ status: head?.status ?? 0, firstByteMs, totalMs: performance.now() - startedAt, bodyBytes });
      };
      this.#onData = (data) => {
        let body = data;
        if (!head) {
          tail = Buffer.concat([tail, data]);
          const end = tail.indexOf(HEAD_END);
          if (end < 0) return;
          head = parseHead(tail.toString('latin1', 0, end));
          body = tail.subarray(end + HEAD_END.length);
          tail = Buffer.alloc(0);
        }
        if (body.length === 0) return;
        if (firstByteMs === 0 && !body.includes(KEEP_ALIVE)) firstByteMs = performance.now() - startedAt;
        bodyBytes += body.length;
        if (head.length !== undefined) {
          if (bodyBytes >= head.length) done();
          return;
        }
        tail = body.length >= LAST_CHUNK.length ? body : Buffer.concat([tail, body]).subarray(-LAST_CHUNK.length);
        if (tail.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)) done();
      };
      this.#socket.write(request);
    });
  }

  /** Sends one request and hangs up at the first byte of its body. */
  async sendAndLeave(request: Buffer): Promise<void> {
    let seen = '';
    await new Promise<void>((resolve, reject) => {
      this.#onClose = () => reject(new Error('closed early'));
      this.#onData = (data) => {
        seen += data.toString('latin1');
        const end = seen.indexOf('\r\n\r\n');
        if (end >= 0 && seen.length > end + 4) resolve();
      };
      this.#socket.write(request);
    });
    this.#onClose = undefined;
    this.#socket.destroy();
  }

  close(): void {
    this.#onClose = undefined;
    this.#socket.destroy();
  }
}

function parseHead(head: string): { status: number; length: number | undefined } {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return { status: Number(head.slice(9, 12)), length: length === undefined ? undefined : Number(length) };
}

export interface LoadResult {
  readonly latenciesMs: number[];
  readonly firstBytesMs: number[];
  readonly perSecond: number;
  readonly failures: number;
}

/** Runs `count` requests over `connections` connections and collects their times. */
export async function runLoad(url: URL, request: Buffer, connections: number, count: number): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const firstBytesMs: number[] = [];
  let failures = 0;
  let left = count;
  const clients = await Promise.all(Array.from({ length: connections }, () => LoadConnection.open(url)));
  const startedAt = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (left-- > 0) {
        const reply = await client.send(request);
        if (reply.status !== 200) failures++;
        latenciesMs.push(reply.totalMs);
        firstBytesMs.push(reply.firstByteMs);
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  for (const client of clients) client.close();
  return { latenciesMs, firstBytesMs, perSecond: count / seconds, failures };
}

/** The value below which a share of the numbers lies. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5);
