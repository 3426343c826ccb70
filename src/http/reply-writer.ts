/** Writes a reply on Node's own response: no web streams, no framework on the hot path. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/ports.ts';
import type { ReplyWriter } from '../protocols/reply-writer.ts';

/**
 * The first write of a stream goes out at once; later ones are joined and leave together at the end of the turn of the
 * event loop (one system call a turn instead of one a frame, libraries §1). An explicit cork makes it slower, so the
 * strings are joined here.
 */
export class ResponseWriter implements ReplyWriter {
  readonly #response: ServerResponse;
  readonly #requestId: string;
  readonly #clock: Clock;
  #pending = '';
  #isFlushScheduled = false;
  #hasWritten = false;
  #isGone = false;
  #onGone: (() => void) | undefined;
  #drain: Promise<void> | undefined;
  lastWriteMs = 0;

  constructor(response: ServerResponse, requestId: string, clock: Clock) {
    this.#response = response;
    this.#requestId = requestId;
    this.#clock = clock;
    response.on('close', () => {
      if (response.writableFinished) return;
      this.#isGone = true;
      this.#onGone?.();
    });
    // A reset by the client also arrives as an error; `close` follows and says the same.
    response.on('error', () => {});
  }

  onClientGone(listener: () => void): void {
    this.#onGone = listener;
  }

  get isClientGone(): boolean {
    return this.#isGone;
  }

  get hasStarted(): boolean {
    return this.#response.headersSent;
  }

  startStream(headers: { readonly [name: string]: string }): void {
    if (this.#isGone) return;
    this.#response.writeHead(200, { ...headers, 'x-request-id': this.#requestId });
  }

  write(text: string): void {
    if (this.#isGone) return;
    this.lastWriteMs = this.#clock.monotonic();
    if (!this.#hasWritten) {
      this.#hasWritten = true;
      this.#response.write(text);
      return;
    }
    this.#pending += text;
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushScheduled = false;
    if (this.#pending === '' || this.#isGone) return;
    const text = this.#pending;
    this.#pending = '';
    this.#response.write(text);
  };

  drained(): Promise<void> | undefined {
    if (this.#isGone || !this.#response.writableNeedDrain) return undefined;
    this.#drain ??= new Promise((resolve) => {
      const done = (): void => {
        this.#response.off('drain', done);
        this.#response.off('close', done);
        this.#drain = undefined;
        resolve();
      };
      this.#response.on('drain', done);
      this.#response.on('close', done);
    });
    return this.#drain;
  }

  end(): void {
    if (this.#isGone) return;
    const rest = this.#pending;
    this.#pending = '';
    this.#response.end(rest === '' ? undefined : rest);
  }

  sendBody(status: number, headers: { readonly [name: string]: string }, body: unknown): void {
    if (this.#isGone || this.#response.headersSent) return;
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    this.#response.writeHead(status, {
      'content-type': 'application/json',
      ...headers,
      'content-length': Buffer.byteLength(text),
      'x-request-id': this.#requestId,
    });
    this.#response.end(text);
  }
}
