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
import { setImmediate } from 'node:timers/promises';
import { Assembler, type GenerationResult } from '../core/assemble.ts';
import { traceOf } from '../core/error-trace.ts';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { GenerationEvent, GenerationStream } from '../core/events.ts';
import type { GenerationRequest } from '../core/generation.ts';
import { type Account, type CallContext, type Clock, type IdSource, type Logger, startOf } from '../core/ports.ts';
import { NO_USAGE } from '../core/usage.ts';
import type { CallGate } from './call-gate.ts';
import { silentWriter } from './frame-writer.ts';
import type { Decoded, DecodeInfo, GenerationProtocol, Headers, ReplyPlan } from './protocol.ts';
import type { ReplyWriter } from './reply-writer.ts';
import type { RunningCalls } from './running-calls.ts';

/** One HTTP call as this file sees it. */
export interface Exchange {
  readonly requestId: string;
  readonly account: Account;
  readonly headers: Headers;
  readonly query: URLSearchParams;
  /** The body as text; undefined when there was none. */
  readonly body: string | undefined;
  readonly writer: ReplyWriter;
  /** `live` unless said otherwise. */
  readonly priority?: CallContext['priority'] | undefined;
  /** Aborting it ends the call as cancelled. */
  readonly cancelSignal?: AbortSignal | undefined;
  /** The call came on a WebSocket. */
  readonly isOnSocket?: boolean | undefined;
}

export type Generate = (request: GenerationRequest, context: CallContext) => GenerationStream;

export interface ServePorts {
  readonly generate: Generate;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly keepAlives: KeepAlives;
  readonly gate: CallGate;
  readonly running: RunningCalls;
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
  const reply = new Reply(protocol, exchange, ports);
  ports.gate.enter();
  let call: Call | undefined;
  try {
    const info = decodeInfoOf(exchange, ports);
    let decoded = protocol.decodeRequest(parseBody(exchange.body), info);
    reply.plan = decoded.plan;
    call = startCall(reply, decoded.plan, info.receivedAtMs);
    reply.context = call.context;
    if (protocol.prepare) decoded = await protocol.prepare(decoded, info, call.context.signal);
    await generateReply(reply, decoded, call);
  } catch (thrown) {
    reply.fail(call?.failure() ?? thrown);
  } finally {
    call?.end();
    ports.gate.leave();
  }
}

function decodeInfoOf(exchange: Exchange, ports: ServePorts): DecodeInfo {
  const { headers, query, requestId, account } = exchange;
  return { headers, query, requestId, account, ids: ports.ids, receivedAtMs: ports.clock.now() };
}

/** Who is answered and how; the writer changes when the call goes on without its client. */
class Reply<Plan extends ReplyPlan> {
  readonly protocol: GenerationProtocol<Plan>;
  readonly exchange: Exchange;
  readonly ports: ServePorts;
  writer: ReplyWriter;
  plan: Plan | undefined;
  /** Undefined until the request was understood. */
  context: CallContext | undefined;

  constructor(protocol: GenerationProtocol<Plan>, exchange: Exchange, ports: ServePorts) {
    this.protocol = protocol;
    this.exchange = exchange;
    this.ports = ports;
    this.writer = exchange.writer;
  }

  headers(more?: { readonly [name: string]: string }): { [name: string]: string } {
    const { requestId } = this.exchange;
    return { ...this.protocol.replyHeaders?.(requestId, this.plan, this.context?.rateLimits), ...more };
  }

  /** What is thrown as the client reads it; what nobody expected goes to the log. */
  errorOf(thrown: unknown): StudioError {
    const { requestId } = this.exchange;
    const error = toStudioError(thrown);
    if (error.code === 'internal') this.ports.log.error({ requestId, cause: traceOf(error.cause) }, 'internal error');
    return error.madeIn(this.exchange.account.region);
  }

  refuse(thrown: unknown): void {
    const { requestId, headers: asked } = this.exchange;
    const error = this.errorOf(thrown);
    const { status, headers, body } = this.protocol.encodeError(error, requestId, this.plan, asked);
    this.writer.sendBody(status, this.headers(headers), body);
  }

  fail(thrown: unknown): void {
    if (!this.writer.hasStarted) {
      this.refuse(thrown);
      return;
    }
    const { requestId } = this.exchange;
    this.ports.log.error({ requestId, cause: traceOf(thrown) }, 'a stream threw after its first frame');
    this.writer.end();
  }
}

async function generateReply<Plan extends ReplyPlan>(
  reply: Reply<Plan>,
  { request, plan }: Decoded<Plan>,
  call: Call,
): Promise<void> {
  const { protocol, ports } = reply;
  reply.plan = plan;
  const settlement = protocol.settle && new Settlement(async (result) => protocol.settle?.(plan, result));
  try {
    let stream = ports.generate(request, call.context);
    const accepted = protocol.encodeAccepted?.(plan);
    if (accepted !== undefined) {
      stream = await unlessRefused(stream, call.context);
      reply.writer.sendBody(200, reply.headers(), accepted);
      reply.writer = silentWriter(ports.clock);
    }
    const isStreamed = plan.isStreaming || accepted !== undefined;
    if (isStreamed) await streamReply(reply, { request, plan }, stream, call, settlement);
    else await plainReply(reply, plan, stream, call, settlement);
  } finally {
    await settlement?.end();
  }
}

/**
 * Begins a stream whose caller is told at once that it was accepted: what is refused without waiting for anything but
 * limits that are counted elsewhere (by validation, by a full queue) is thrown here, so that the caller reads it instead.
 */
async function unlessRefused(stream: GenerationStream, context: CallContext): Promise<GenerationStream> {
  const events = stream[Symbol.asyncIterator]();
  const first = events.next();
  if (context.admitting) await context.admitting;
  await Promise.race([first, setImmediate()]);
  return begunStream(first, events);
}

async function* begunStream(
  first: Promise<IteratorResult<GenerationEvent>>,
  events: AsyncIterator<GenerationEvent>,
): GenerationStream & AsyncGenerator<GenerationEvent> {
  try {
    for (let next = await first; !next.done; next = await events.next()) yield next.value;
  } finally {
    await events.return?.();
  }
}

/** Tells a protocol once how its call ended; only calls of protocols that want it are assembled. */
class Settlement {
  readonly #assembler = new Assembler();
  readonly #settle: (result: GenerationResult | undefined) => Promise<void>;
  #isSettled = false;
  #hasEvents = false;

  constructor(settle: (result: GenerationResult | undefined) => Promise<void>) {
    this.#settle = settle;
  }

  /** To be awaited before the event is shown. */
  async push(event: GenerationEvent): Promise<void> {
    this.#assembler.push(event);
    this.#hasEvents = true;
    if (event.type === 'finish' || event.type === 'error') await this.end();
  }

  async end(): Promise<void> {
    if (this.#isSettled) return;
    this.#isSettled = true;
    await this.#settle(this.#hasEvents ? this.#assembler.result() : undefined);
  }
}

interface Call {
  readonly context: CallContext;
  readonly abort: (reason: 'client-gone' | 'cancelled') => void;
  readonly end: () => void;
  /** Set when it is we who cut the call: a cut stream must not look like a finished one. */
  readonly failure: () => StudioError | undefined;
}

function startCall<Plan extends ReplyPlan>(reply: Reply<Plan>, plan: Plan, receivedAtMs: number): Call {
  const { protocol, exchange, ports } = reply;
  const controller = new AbortController();
  let failure: StudioError | undefined;
  const abort = (reason: 'client-gone' | 'cancelled'): void => {
    if (!controller.signal.aborted) controller.abort(reason);
  };
  const cancel = (): void => abort('cancelled');
  if (!plan.outlivesClient) {
    exchange.writer.onClientGone(() => abort('client-gone'));
    if (exchange.writer.isClientGone) abort('client-gone');
  }
  const forget = plan.outlivesClient ? ports.running.add(exchange.requestId, cancel) : undefined;
  const { cancelSignal } = exchange;
  cancelSignal?.addEventListener('abort', cancel, { once: true });
  if (cancelSignal?.aborted) cancel();
  const onShutdown = (): void => {
    failure = new StudioError('shutting-down', undefined, { retryAfterSeconds: 1 });
    abort('cancelled');
  };
  ports.shutdownSignal.addEventListener('abort', onShutdown, { once: true });
  return {
    abort,
    failure: () => failure,
    end: () => {
      forget?.();
      cancelSignal?.removeEventListener('abort', cancel);
      ports.shutdownSignal.removeEventListener('abort', onShutdown);
    },
    context: {
      requestId: exchange.requestId,
      protocol: protocol.id,
      // A call of a batch has no connection that could time out, so models that demand streaming answer it.
      isStreaming: plan.isStreaming || exchange.priority === 'batch',
      account: exchange.account,
      priority: exchange.priority ?? 'live',
      isOnSocket: exchange.isOnSocket,
      waitTimeoutMs: waitTimeoutOf(exchange.headers),
      signal: controller.signal,
      failure: () => failure,
      receivedAtMs,
      clock: ports.clock,
      ids: ports.ids,
      log: ports.log,
      card: undefined,
      route: undefined,
    },
  };
}

/** "Rate limits", waiting instead of failing: whole seconds; more than two minutes make no difference there. */
const LONGEST_WAIT_SECONDS = 120;

function waitTimeoutOf({ 'x-dashscope-wait-timeout': asked }: Headers): number | undefined {
  const seconds = asked === undefined ? Number.NaN : Number(asked);
  return seconds > 0 ? Math.min(seconds, LONGEST_WAIT_SECONDS) * 1000 : undefined;
}

async function streamReply<Plan extends ReplyPlan>(
  reply: Reply<Plan>,
  { request, plan }: Decoded<Plan>,
  stream: GenerationStream,
  call: Call,
  settlement: Settlement | undefined,
): Promise<void> {
  const { protocol, writer, ports } = reply;
  const encoder = protocol.createEncoder(plan);
  let headers = reply.headers(STREAM_HEADERS);
  const keepAlive = ports.keepAlives.watch(writer, () => headers, protocol.keepAliveFrame);
  let refusal: StudioError | undefined;
  let hasEvents = false;
  try {
    for await (const each of stream) {
      hasEvents = true;
      const event = placed(cutByUs(each, call), call);
      if (event.type === 'start') headers = reply.headers({ ...STREAM_HEADERS, 'x-atelier-backend': event.servedBy });
      if (settlement) await settlement.push(event);
      if (writer.isClientGone && !plan.outlivesClient) continue;
      if (event.type === 'error' && !writer.hasStarted && !plan.outlivesClient) {
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
  } catch (thrown) {
    if (hasEvents || !writer.hasStarted) throw thrown;
    // A keep-alive has sent the headers: the refusal can only be told in the stream.
    const error = reply.errorOf(call.failure() ?? thrown);
    const start = encoder.push(startOf(request, call.context));
    writer.write(start + encoder.push({ type: 'error', error, usage: NO_USAGE }));
  } finally {
    keepAlive.stop();
  }
  if (refusal) reply.refuse(refusal);
  else writer.end();
}

async function plainReply<Plan extends ReplyPlan>(
  reply: Reply<Plan>,
  plan: Plan,
  stream: GenerationStream,
  call: Call,
  settlement: Settlement | undefined,
): Promise<void> {
  // Nobody waits at a connection for a line of a batch, which may have to wait for live calls far longer than this.
  const isLive = call.context.priority === 'live';
  const timer = isLive ? setTimeout(() => call.abort('cancelled'), PLAIN_REPLY_TIMEOUT_MS) : undefined;
  try {
    const assembler = new Assembler();
    for await (const each of stream) {
      const event = cutByUs(each, call);
      assembler.push(event);
      if (settlement) await settlement.push(event);
    }
    const result = assembler.result();
    if (result.error) {
      reply.refuse(result.error);
      return;
    }
    const headers = reply.headers({ 'x-atelier-backend': result.start.servedBy });
    reply.writer.sendBody(200, headers, reply.protocol.encodeResult(result, plan));
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

/** An error frame links the help page of the region. */
function placed(event: GenerationEvent, { context }: Call): GenerationEvent {
  return event.type === 'error' ? { ...event, error: event.error.madeIn(context.account.region) } : event;
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
