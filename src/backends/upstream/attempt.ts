/**
 * One HTTP exchange with an upstream, as a handler of undici's `dispatch`: no readable stream is made for the body,
 * which saves a good part of the cost of a small call.
 *
 * The body decides how it is read, whatever was asked for and whatever its content type says: `{` begins a whole JSON
 * body, `<` a page of somebody's proxy, anything else is a stream of events.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { type Failure, failureOfConnection, failureOfReply, unreadableReply } from './errors.ts';
import { SseReader } from './sse-reader.ts';

/** What an attempt tells. After `onEnd` or `onFailure` it is silent. */
export interface AttemptListener {
  /** One JSON text: a chunk, or the whole body. */
  readonly onJson: (text: string) => void;
  /** The reply is over. `hasEndMark`: by `[DONE]`, or because it was a whole body. */
  readonly onEnd: (hasEndMark: boolean) => void;
  readonly onFailure: (failure: Failure) => void;
}

/** Bodies beyond this are no answer of a model; error bodies are cut off early. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
const END_MARK = '[DONE]';

export class Attempt implements Dispatcher.DispatchHandler {
  readonly #listener: AttemptListener;
  readonly #model: string;
  readonly #sent: string;
  readonly #events: SseReader;
  #controller: Dispatcher.DispatchController | undefined;
  #reading: 'unknown' | 'events' | 'body' | 'error' = 'unknown';
  #status = 0;
  #retryAfter: string | undefined;
  #pieces: Buffer[] = [];
  #byteCount = 0;
  #isOver = false;

  /** `model` as the caller named it, for the words of a 404; `sent` is the JSON, which no words may repeat. */
  constructor(listener: AttemptListener, model: string, sent: string) {
    this.#listener = listener;
    this.#model = model;
    this.#sent = sent;
    this.#events = new SseReader((data) => this.#onData(data));
  }

  /** Closes the connection at once and says nothing more. */
  abort(): void {
    this.#isOver = true;
    this.#controller?.abort(ABORTED);
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Aborted while the connection was being made.
    if (this.#isOver) controller.abort(ABORTED);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.#status = status;
    if (status >= 200 && status < 300) return;
    this.#reading = 'error';
    this.#retryAfter = headers['retry-after'];
  }

  onResponseData(_controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#isOver) return;
    if (this.#reading === 'unknown') this.#reading = readingOf(bytes);
    switch (this.#reading) {
      case 'events':
        this.#events.push(bytes);
        return;
      case 'error':
        if (this.#byteCount < MAX_ERROR_BYTES) this.#keep(bytes);
        return;
      case 'body':
      case 'unknown':
        this.#keep(bytes);
        if (this.#byteCount > MAX_BODY_BYTES) this.#fail(unreadableReply('a body without end'), true);
        return;
      default:
        this.#reading satisfies never;
    }
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    switch (this.#reading) {
      case 'events':
        this.#events.end();
        if (!this.#isOver) this.#end(false);
        return;
      case 'body':
        this.#listener.onJson(this.#text());
        this.#end(true);
        return;
      case 'error':
        this.#fail(
          failureOfReply({
            status: this.#status,
            body: this.#text(),
            retryAfter: this.#retryAfter,
            model: this.#model,
            sent: this.#sent,
          }),
        );
        return;
      case 'unknown':
        this.#fail({ ...unreadableReply('an empty reply'), isWorthRetrying: true });
        return;
      default:
        this.#reading satisfies never;
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#isOver) this.#fail(failureOfConnection(error));
  }

  #onData(data: string): void {
    if (this.#isOver) return;
    if (data.startsWith(END_MARK)) this.#end(true);
    else this.#listener.onJson(data);
  }

  #keep(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#byteCount += bytes.length;
  }

  #text(): string {
    const [only] = this.#pieces;
    return (this.#pieces.length === 1 && only ? only : Buffer.concat(this.#pieces)).toString('utf8');
  }

  /** After an end mark the connection is left to finish by itself, so that it can be used again. */
  #end(hasEndMark: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onEnd(hasEndMark);
  }

  #fail(failure: Failure, isOpen = false): void {
    this.#isOver = true;
    if (isOpen) this.#controller?.abort(ABORTED);
    this.#listener.onFailure(failure);
  }
}

/** One error for every abort: it is never shown, and a stack trace costs more than the abort. */
const ABORTED = new Error('aborted');

const OPENING_BRACE = 0x7b;
const LESS_THAN = 0x3c;

function readingOf(bytes: Buffer): 'unknown' | 'events' | 'body' {
  for (const byte of bytes) {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
    return byte === OPENING_BRACE || byte === LESS_THAN ? 'body' : 'events';
  }
  return 'unknown';
}
