/**
 * One generation call, the same for every wire: decode → generate → encode → write.
 *
 * The web framework stays outside: a call comes as an `Exchange` and is answered through its `ReplyWriter`.
 *
 * - Before the first byte a failure is an HTTP status in the wire's envelope; after it, the wire's error frame, then
 *   the end. Headers of a streamed reply go out with the first frame, or with the first keep-alive when the model is
 *   slow to begin.
 * - When the client leaves, the signal aborts at once and the stream is read to its end without writing, so that its
 *   usage is settled.
 */
import { Assembler } from '../core/assemble.ts';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { GenerationEvent, GenerationStream } from '../core/events.ts';
import type { GenerationRequest } from '../core/generation.ts';
import type { Account, CallContext, Clock, IdSource, Logger } from '../core/ports.ts';
import type { CallGate } from './call-gate.ts';
import type { GenerationProtocol, ReplyPlan } from './protocol.ts';

/** One HTTP call as this file sees it. */
export interface Exchange {
  readonly requestId: string;
  readonly account: Account;
  readonly headers: { readonly [name: string]: string | undefined };
  /** The body as text; undefined when there was none. */
  readonly body: string | undefined;
  readonly writer: ReplyWriter;
}

/** Writes one reply. Writes after the client left are dropped. */
export interface ReplyWriter {
  /** Called once, when the client goes away before the reply is complete. */
  onClientGone(listener: () => void): void;
  readonly isClientGone: boolean;
  /** Sends status and headers of a stream; later `write` calls add to it. */
  startStream(headers: { readonly [name: string]: string }): void;
  readonly hasStarted: boolean;
  /** Queues text; small writes of one turn of the event loop are joined, the first goes out at once. */
  write(text: string): void;
  /** Resolves when the client has taken what was written; undefined when there is nothing to wait for. */
  drained(): Promise<void> | undefined;
  /** Monotonic time of the last write, for keep-alives. */
  readonly lastWriteMs: number;
  end(): void;
  /** A whole JSON reply. */
  sendJson(status: number, headers: { readonly [name: string]: string }, body: unknown): void;
}

export type Generate = (request: GenerationRequest, context: CallContext) => GenerationStream;

export interface ServePorts {
  readonly generate: Generate;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly keepAlives: KeepAlives;
  readonly gate: CallGate;
  /** Aborts every call with `shutting-down` when the grace of a shutdown is over. */
  readonly shutdownSignal: AbortSignal;
}

/**
 * A plain reply is cut off here and returns what was generated, with status 200 (openai-chat §1, "Timeouts":
 * non-streaming calls run at least 300 s and are then cut, not failed).
 */
const PLAIN_REPLY_TIMEOUT_MS = 300_000;

/** Serves one call to its end. Never rejects. */
export async function serveGeneration<Plan extends ReplyPlan>(
  protocol: GenerationProtocol<Plan>,
  exchange: Exchange,
  ports: ServePorts,
): Promise<void> {
  const { writer, requestId } = exchange;
  let plan: Plan | undefined;
  ports.gate.enter();
  const refuse = (thrown: unknown): void => {
    const error = toStudioError(thrown);
    if (error.code === 'internal') ports.log.error({ requestId, cause: stackOf(error.cause) }, 'internal error');
    const reply = protocol.encodeError(error, requestId, plan);
    writer.sendJson(reply.status, reply.headers, reply.body);
  };
  try {
    const decoded = protocol.decodeRequest(parseBody(exchange.body), { headers: exchange.headers, ids: ports.ids });
    plan = decoded.plan;
    const call = startCall(protocol.id, exchange, decoded.plan, ports);
    try {
      const stream = ports.generate(decoded.request, call.context);
      if (plan.isStreaming) await streamReply(protocol, decoded.plan, stream, call, writer, ports.keepAlives, refuse);
      else await plainReply(protocol, decoded.plan, stream, call, writer, refuse);
    } finally {
      call.end();
    }
  } catch (thrown) {
    if (!writer.hasStarted) refuse(thrown);
    else {
      ports.log.error({ requestId, cause: stackOf(thrown) }, 'a stream threw after its first frame');
      writer.end();
    }
  } finally {
    ports.gate.leave();
  }
}

interface Call {
  readonly context: CallContext;
  readonly abort: (reason: 'client-gone' | 'cancelled') => void;
  readonly end: () => void;
  /** Set when it is we who cut the call: a cut stream must not look like a finished one. */
  readonly failure: () => StudioError | undefined;
}

function startCall(protocolId: string, exchange: Exchange, plan: ReplyPlan, ports: ServePorts): Call {
  const controller = new AbortController();
  let failure: StudioError | undefined;
  const abort = (reason: 'client-gone' | 'cancelled'): void => {
    if (!controller.signal.aborted) controller.abort(reason);
  };
  exchange.writer.onClientGone(() => abort('client-gone'));
  if (exchange.writer.isClientGone) abort('client-gone');
  const onShutdown = (): void => {
    failure = new StudioError('shutting-down', undefined, { retryAfterSeconds: 1 });
    abort('cancelled');
  };
  ports.shutdownSignal.addEventListener('abort', onShutdown, { once: true });
  return {
    abort,
    failure: () => failure,
    end: () => ports.shutdownSignal.removeEventListener('abort', onShutdown),
    context: {
      requestId: exchange.requestId,
      protocol: protocolId,
      isStreaming: plan.isStreaming,
      account: exchange.account,
      signal: controller.signal,
      receivedAtMs: ports.clock.now(),
      clock: ports.clock,
      ids: ports.ids,
      log: ports.log,
      card: undefined,
      route: undefined,
    },
  };
}

async function streamReply<Plan extends ReplyPlan>(
  protocol: GenerationProtocol<Plan>,
  plan: Plan,
  stream: GenerationStream,
  call: Call,
  writer: ReplyWriter,
  keepAlives: KeepAlives,
  refuse: (thrown: unknown) => void,
): Promise<void> {
  const encoder = protocol.createEncoder(plan);
  let headers: { [name: string]: string } = STREAM_HEADERS;
  const keepAlive = keepAlives.watch(writer, () => headers, protocol.keepAliveFrame);
  let refusal: StudioError | undefined;
  try {
    for await (const each of stream) {
      const event = cutByUs(each, call);
      if (event.type === 'start') headers = { ...STREAM_HEADERS, 'x-atelier-backend': event.servedBy };
      if (writer.isClientGone) continue;
      if (event.type === 'error' && !writer.hasStarted) {
        refusal = event.error;
        continue;
      }
      const frames = encoder.push(event);
      if (frames === '') continue;
      if (!writer.hasStarted) writer.startStream(headers);
      writer.write(frames);
      const drained = writer.drained();
      if (drained) await drained;
    }
  } finally {
    keepAlive.stop();
  }
  if (refusal) refuse(refusal);
  else writer.end();
}

async function plainReply<Plan extends ReplyPlan>(
  protocol: GenerationProtocol<Plan>,
  plan: Plan,
  stream: GenerationStream,
  call: Call,
  writer: ReplyWriter,
  refuse: (thrown: unknown) => void,
): Promise<void> {
  const timer = setTimeout(() => call.abort('cancelled'), PLAIN_REPLY_TIMEOUT_MS);
  try {
    const assembler = new Assembler();
    for await (const event of stream) assembler.push(cutByUs(event, call));
    const result = assembler.result();
    if (result.error) {
      refuse(result.error);
      return;
    }
    writer.sendJson(200, { 'x-atelier-backend': result.start.servedBy }, protocol.encodeResult(result, plan));
  } finally {
    clearTimeout(timer);
  }
}

/** The end of a call that we cut ourselves is a failure to its client, with the usage it had. */
function cutByUs(event: GenerationEvent, call: Call): GenerationEvent {
  if (event.type !== 'finish' || event.ending === 'completed') return event;
  const error = call.failure();
  return error ? { type: 'error', error, usage: event.usage } : event;
}

/** `x-accel-buffering` keeps a reverse proxy from holding frames back. */
const STREAM_HEADERS = {
  'content-type': 'text/event-stream;charset=UTF-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
} as const;

function parseBody(body: string | undefined): unknown {
  try {
    return JSON.parse(body ?? '');
  } catch (thrown) {
    throw new StudioError('malformed-body', undefined, { cause: thrown });
  }
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

/**
 * Sends a keep-alive to every stream that has been silent too long. One timer for all streams: a timer a stream costs
 * more than the stream's own bookkeeping.
 */
export class KeepAlives {
  /** Clients and proxies want a byte at most 15 s apart (client-behaviour §2); checked every third of that. */
  static readonly SILENCE_MS = 10_000;
  readonly #clock: Clock;
  readonly #watched = new Set<{
    writer: ReplyWriter;
    headers: () => { [name: string]: string };
    frame: string;
    sinceMs: number;
  }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  watch(writer: ReplyWriter, headers: () => { [name: string]: string }, frame: string): { stop(): void } {
    const entry = { writer, headers, frame, sinceMs: this.#clock.monotonic() };
    this.#watched.add(entry);
    this.#timer ??= setInterval(() => this.sweep(), KeepAlives.SILENCE_MS / 2).unref();
    return {
      stop: () => {
        this.#watched.delete(entry);
      },
    };
  }

  /** Writes what is due now. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const { writer, headers, frame, sinceMs } of this.#watched) {
      if (writer.isClientGone || now - Math.max(sinceMs, writer.lastWriteMs) < KeepAlives.SILENCE_MS) continue;
      if (!writer.hasStarted) writer.startStream(headers());
      writer.write(frame);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watched.clear();
  }
}
