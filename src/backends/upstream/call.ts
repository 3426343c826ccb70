/**
 * One call to an upstream as a stream of events: attempts, retries, abort, and the queue between the socket and the
 * reader.
 *
 * An iterator written by hand, because this is the hot path: a chunk of the socket fills the queue at once, and reading
 * from a filled queue costs one resolved promise an event, where an async generator costs three turns.
 *
 *     idle → trying → (waiting → trying)* → streaming → ended
 *
 * Retries happen while nothing has been emitted; after that a failure is the `error` event. When the caller's signal
 * aborts, the connection is closed at once, and what was queued gives way to the last event.
 */
import type { Dispatcher } from 'undici';
import { StudioError, toStudioError } from '../../core/errors.ts';
import type { GenerationEvent, GenerationStream } from '../../core/events.ts';
import { functionTools, type GenerationRequest } from '../../core/generation.ts';
import { type CallContext, endingOf, startOf } from '../../core/ports.ts';
import { NO_USAGE } from '../../core/usage.ts';
import { ChatReplyDecoder } from '../parsers/chat-reply/decode.ts';
import { Attempt, type AttemptListener } from './attempt.ts';
import { type EncodedRequest, encodeRequest } from './encode.ts';
import { encodeCompletion } from './encode-completion.ts';
import { type Failure, failureOfChunk, unreadableReply } from './errors.ts';
import type { UpstreamQuirks } from './quirks.ts';
import { chatChunkOf } from './text-reply.ts';

/** What calls share; made once by the backend. */
export interface CallPorts {
  readonly backendId: string;
  readonly quirks: UpstreamQuirks;
  readonly retry: RetryPolicy;
  readonly send: (encoded: EncodedRequest, requestId: string, handler: Dispatcher.DispatchHandler) => void;
  readonly nextBlockPrefix: () => string;
  /** How an attempt went, for the health of the backend. */
  readonly report: (failure: StudioError | undefined) => void;
}

export interface RetryPolicy {
  /** Attempts after the first. */
  readonly retries: number;
  /** Wait before the first retry; doubles each time. */
  readonly backoffMs: number;
}

/** A `Retry-After` beyond this is the caller's to wait for. */
const MAX_RETRY_WAIT_MS = 1000;
/** Events that may wait for a slow reader before the upstream has to. */
const MAX_QUEUED_EVENTS = 4096;

type Result = IteratorResult<GenerationEvent>;
const DONE: Result = { done: true, value: undefined };

/** The stream of one call; it can be read once. */
export function startUpstreamCall(
  request: GenerationRequest,
  context: CallContext,
  ports: CallPorts,
): GenerationStream {
  return new UpstreamCall(request, context, ports);
}

class UpstreamCall implements AsyncIterableIterator<GenerationEvent>, AttemptListener {
  readonly #request: GenerationRequest;
  readonly #context: CallContext;
  readonly #ports: CallPorts;
  #state: 'idle' | 'trying' | 'waiting' | 'streaming' | 'ended' = 'idle';
  #encoded: EncodedRequest | undefined;
  #attempt: Attempt | undefined;
  #decoder: ChatReplyDecoder | undefined;
  #retriesLeft: number;
  #timer: NodeJS.Timeout | undefined;
  #startedAtMs = 0;
  #firstBlockAtMs: number | undefined;
  #events: GenerationEvent[] = [];
  #read = 0;
  #isPaused = false;
  #reader: { readonly resolve: (result: Result) => void; readonly reject: (error: unknown) => void } | undefined;
  /** Thrown at the next read: the call failed before its first event. */
  #thrown: StudioError | undefined;

  constructor(request: GenerationRequest, context: CallContext, ports: CallPorts) {
    this.#request = request;
    this.#context = context;
    this.#ports = ports;
    this.#retriesLeft = ports.retry.retries;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    if (this.#state === 'idle') this.#start();
    const value = this.#events[this.#read];
    if (value) {
      if (++this.#read === this.#events.length) this.#emptied();
      return Promise.resolve({ done: false, value });
    }
    if (this.#thrown) {
      const error = this.#thrown;
      this.#thrown = undefined;
      return Promise.reject(error);
    }
    if (this.#state === 'ended') return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** The reader left. */
  return(): Promise<Result> {
    if (this.#state !== 'ended') {
      this.#attempt?.abort();
      this.#finishState();
    }
    this.#events = [];
    this.#read = 0;
    this.#thrown = undefined;
    return Promise.resolve(DONE);
  }

  readonly onJson = (text: string): void => {
    let chunk: unknown;
    try {
      chunk = JSON.parse(text);
    } catch {
      this.#decodeLines(text);
      return;
    }
    this.#decode(chunk);
  };

  readonly onEnd = (hasEndMark: boolean): void => {
    const decoder = this.#decoder ?? this.#createDecoder();
    const failure = guarded(() => (decoder.end(hasEndMark) ? undefined : cutReply()));
    if (failure) {
      this.onFailure(failure);
      return;
    }
    this.#ports.report(undefined);
    this.#emitLast({ type: 'finish', usage: decoder.usage, timings: this.#timings(), ending: 'completed' });
  };

  readonly onFailure = (failure: Failure): void => {
    if (this.#state === 'ended') return;
    const { error } = failure;
    const { log, requestId } = this.#context;
    log.warn(
      { requestId, backend: this.#ports.backendId, code: error.code, cause: describe(error.cause) },
      'upstream failed',
    );
    this.#ports.report(error);
    this.#attempt?.abort();
    if (this.#state === 'streaming') {
      this.#emitLast({ type: 'error', error, usage: this.#decoder?.usage ?? NO_USAGE });
      return;
    }
    const waitMs = this.#retryWaitMs(failure);
    if (waitMs === undefined) this.#throw(error);
    else {
      this.#state = 'waiting';
      this.#timer = setTimeout(() => this.#try(), waitMs);
    }
  };

  #start(): void {
    const { signal, clock } = this.#context;
    this.#startedAtMs = clock.monotonic();
    if (signal.aborted) {
      this.#onAbort();
      return;
    }
    try {
      const { rawPrompt } = this.#request;
      this.#encoded = rawPrompt
        ? encodeCompletion(this.#request, rawPrompt, this.#context, this.#ports.quirks)
        : encodeRequest(this.#request, this.#context, this.#ports.quirks);
    } catch (thrown) {
      this.#throw(toStudioError(thrown));
      return;
    }
    signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#try();
  }

  #try(): void {
    if (!this.#encoded) return;
    this.#state = 'trying';
    this.#decoder = undefined;
    this.#attempt = new Attempt(this, this.#request.model, this.#encoded.body);
    this.#ports.send(this.#encoded, this.#context.requestId, this.#attempt);
  }

  /** How long to wait before another attempt; undefined when there is none. */
  #retryWaitMs({ error, isWorthRetrying }: Failure): number | undefined {
    if (!isWorthRetrying || this.#retriesLeft === 0) return undefined;
    const { retries, backoffMs } = this.#ports.retry;
    const waitMs = Math.max(backoffMs * 2 ** (retries - this.#retriesLeft), (error.retryAfterSeconds ?? 0) * 1000);
    if (waitMs > MAX_RETRY_WAIT_MS) return undefined;
    this.#retriesLeft--;
    return waitMs;
  }

  readonly #onAbort = (): void => {
    if (this.#state === 'ended') return;
    this.#attempt?.abort();
    const hasBegun = this.#state === 'streaming';
    const usage = (hasBegun ? this.#decoder?.usage : undefined) ?? NO_USAGE;
    const { reason } = this.#context.signal;
    if (reason instanceof StudioError && !hasBegun) {
      this.#throw(reason);
      return;
    }
    // What was not read yet gives way; only `start` has to come before the end.
    const isStartUnread = !hasBegun || (this.#read === 0 && this.#events[0]?.type === 'start');
    this.#events = isStartUnread ? [startOf(this.#request, this.#context)] : [];
    this.#read = 0;
    this.#state = 'streaming';
    if (reason instanceof StudioError) this.#emitLast({ type: 'error', error: reason, usage });
    else this.#emitLast({ type: 'finish', usage, timings: this.#timings(), ending: endingOf(this.#context.signal) });
    this.#wake();
  };

  #decode(chunk: unknown): void {
    if (typeof chunk !== 'object' || chunk === null) return;
    const decoder = this.#decoder ?? this.#createDecoder();
    const failure = guarded(() => {
      const told = decoder.push(this.#request.rawPrompt ? chatChunkOf(chunk) : chunk);
      return told && failureOfChunk(told.error, this.#encoded?.body ?? '');
    });
    if (failure) this.onFailure(failure);
  }

  /** Several chunks in one event: some servers forget the empty line between them. */
  #decodeLines(text: string): void {
    const lines = text.split('\n');
    try {
      const chunks = lines.map((line): unknown => JSON.parse(line));
      for (const chunk of chunks) if (this.#state !== 'ended') this.#decode(chunk);
    } catch {
      this.onFailure(unreadableReply('what is not JSON'));
    }
  }

  #createDecoder(): ChatReplyDecoder {
    const { tools, toolChoice, sampling, rawPrompt } = this.#request;
    const { readsCallsFromText, readsThinkingFromText } = this.#ports.quirks;
    const mayCallInText = readsCallsFromText && toolChoice !== 'none' && tools.length > 0;
    this.#decoder = new ChatReplyDecoder({
      ids: this.#context.ids,
      blockPrefix: this.#ports.nextBlockPrefix(),
      emit: this.#emit,
      callables: mayCallInText
        ? functionTools(this.#request).map(({ name, inputSchema }) => ({ name, schema: inputSchema }))
        : undefined,
      // What goes on from a raw prompt is text, tags and all.
      splitsThinking: readsThinkingFromText && !rawPrompt,
      stopTexts: sampling.stopTexts ?? [],
    });
    return this.#decoder;
  }

  readonly #emit = (event: GenerationEvent): void => {
    if (this.#state !== 'streaming') {
      this.#state = 'streaming';
      this.#push(startOf(this.#request, this.#context));
    }
    if (this.#firstBlockAtMs === undefined && event.type !== 'usage')
      this.#firstBlockAtMs = this.#context.clock.monotonic();
    this.#push(event);
  };

  #emitLast(event: GenerationEvent): void {
    this.#finishState();
    this.#push(event);
  }

  #push(event: GenerationEvent): void {
    const reader = this.#reader;
    if (reader && this.#read === this.#events.length) {
      this.#reader = undefined;
      reader.resolve({ done: false, value: event });
      return;
    }
    this.#events.push(event);
    if (this.#events.length - this.#read < MAX_QUEUED_EVENTS || this.#isPaused) return;
    this.#isPaused = true;
    this.#attempt?.pause();
  }

  /** Gives a waiting reader the first event of a queue that was replaced. */
  #wake(): void {
    const reader = this.#reader;
    if (!reader) return;
    this.#reader = undefined;
    this.next().then(reader.resolve, reader.reject);
  }

  #emptied(): void {
    this.#events = [];
    this.#read = 0;
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#attempt?.resume();
  }

  #throw(error: StudioError): void {
    this.#finishState();
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) reader.reject(error);
    else this.#thrown = error;
  }

  #finishState(): void {
    this.#state = 'ended';
    clearTimeout(this.#timer);
    this.#context.signal.removeEventListener('abort', this.#onAbort);
  }

  #timings(): { firstTokenMs: number | undefined; totalMs: number } {
    const first = this.#firstBlockAtMs;
    return {
      firstTokenMs: first === undefined ? undefined : first - this.#startedAtMs,
      totalMs: this.#context.clock.monotonic() - this.#startedAtMs,
    };
  }
}

function cutReply(): Failure {
  return { ...unreadableReply('an answer without an end'), isWorthRetrying: true };
}

/** A surprise in what an upstream sent is a failure of the upstream, never an exception across the socket. */
function guarded(step: () => Failure | undefined): Failure | undefined {
  try {
    return step();
  } catch (thrown) {
    return { error: new StudioError('upstream-failed', undefined, { cause: thrown }), isWorthRetrying: false };
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
