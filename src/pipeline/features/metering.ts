/**
 * Settles every call once, by whatever way it ends: a receipt for the ledger, a line for the log, the metrics.
 *
 * Outermost, so that it sees what the client sees. The account is opened before anything else, so that a call that could not
 * be accounted for costs nothing, and closed before the terminal event is passed on: no client sees an end whose receipt a
 * kill could lose. The usage of `finish` and `error` is exact. Until one of them comes, and where none comes because the
 * consumer goes away, each delta counts as a token on top of the last `usage` event.
 */
import { traceOf } from '../../core/error-trace.ts';
import { type StudioError, toStudioError } from '../../core/errors.ts';
import type { GenerationEvent, Timings } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import type { CallContext, Ledger, Metrics, OpenAccount, Receipt } from '../../core/ports.ts';
import { observeStream } from '../../core/streams.ts';
import { NO_USAGE, type Usage, withoutCacheWritten } from '../../core/usage.ts';
import type { Feature } from '../feature.ts';

export interface MeteringPorts {
  readonly ledger: Ledger;
  readonly metrics: Metrics;
}

export function metering(ports: MeteringPorts): Feature {
  return {
    name: 'metering',
    apply(request, context, next) {
      let meter: CallMeter | undefined;
      const open = () => {
        meter = new CallMeter(request, context, ports);
        return next(request, context);
      };
      return observeStream(open, {
        onEvent: (event) => meter?.onEvent(event) ?? event,
        // Without a meter the call was refused before it began, and the refusal is on its way to the client.
        onEnd: (thrown) => meter?.onEnd(thrown),
      });
    },
  };
}

/** No model has so long a name; what a caller writes there is kept by everybody who counts. */
const MAX_MODEL_CHARACTERS = 256;

/** The account of one call. */
class CallMeter {
  readonly #context: CallContext;
  readonly #ports: MeteringPorts;
  readonly #startedAt: number;
  readonly #account: OpenAccount;
  #usage: Usage = NO_USAGE;
  /** Since the last word on usage. */
  #deltas = 0;
  #reasoningDeltas = 0;
  #firstTokenMs: number | undefined;
  #timings: Timings = {};
  #isClosed = false;

  constructor(request: GenerationRequest, context: CallContext, ports: MeteringPorts) {
    this.#context = context;
    this.#ports = ports;
    this.#startedAt = context.clock.monotonic();
    const { requestId, protocol, priority, isStreaming, account, receivedAtMs, ids } = context;
    const receiptId = receiptIdOf(ids.uuid(), receivedAtMs);
    context.receiptId = receiptId;
    this.#account = ports.ledger.open(
      {
        receiptId,
        requestId,
        protocol,
        keyId: account.keyId,
        workspaceId: account.workspaceId,
        region: account.region,
        priority,
        model: request.model.slice(0, MAX_MODEL_CHARACTERS),
        startedAtMs: receivedAtMs,
        isStreaming,
      },
      () => this.#soFar(),
    );
    ports.metrics.callStarted(protocol, request.model);
  }

  onEvent(event: GenerationEvent): GenerationEvent {
    switch (event.type) {
      case 'reasoning-delta':
        this.#reasoningDeltas++;
        this.#generated();
        break;
      case 'text-delta':
      case 'tool-input-delta':
        this.#generated();
        break;
      case 'tool-input-start':
        this.#firstTokenMs ??= this.#elapsedMs();
        break;
      case 'usage':
        // What will be written, if the call comes to its end; only then is it owed.
        this.#told(withoutCacheWritten(event.usage));
        break;
      case 'finish':
        this.#told(event.usage);
        this.#timings = event.timings;
        this.#finish(event.ending);
        break;
      case 'error':
        this.#told(event.usage);
        this.#close('failed', event.error);
        break;
      default:
        break;
    }
    return event;
  }

  onEnd(thrown: unknown): void {
    if (thrown !== undefined) this.#close('failed', toStudioError(thrown));
    else this.#close('client-gone');
  }

  /** A call that we cut ourselves has failed, as its client reads it. */
  #finish(ending: Receipt['ending']): void {
    const failure = ending === 'completed' ? undefined : this.#context.failure?.();
    if (failure) this.#close('failed', failure);
    else this.#close(ending);
  }

  #generated(): void {
    this.#deltas++;
    this.#firstTokenMs ??= this.#elapsedMs();
  }

  #told(usage: Usage): void {
    this.#usage = usage;
    this.#deltas = 0;
    this.#reasoningDeltas = 0;
  }

  #soFar(): Usage {
    if (this.#deltas === 0) return this.#usage;
    const { input, output, hostedTools } = this.#usage;
    const total = output.total + this.#deltas;
    const reasoning = output.reasoning + this.#reasoningDeltas;
    this.#told({ input, output: { total, reasoning, audio: output.audio }, ...(hostedTools ? { hostedTools } : {}) });
    return this.#usage;
  }

  #elapsedMs(): number {
    return this.#context.clock.monotonic() - this.#startedAt;
  }

  #close(ending: Receipt['ending'], error?: StudioError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const receipt = this.#account.close({
      servedBy: this.#context.route?.servedBy ?? '',
      usage: this.#soFar(),
      ending,
      errorCode: error?.code,
      totalMs: this.#elapsedMs(),
      firstTokenMs: this.#firstTokenMs,
    });
    this.#ports.metrics.callEnded(receipt);
    this.#tell(receipt, error);
  }

  #tell(receipt: Receipt, error: StudioError | undefined): void {
    const { log } = this.#context;
    const line = {
      requestId: receipt.requestId,
      protocol: receipt.protocol,
      keyId: receipt.keyId,
      model: receipt.model,
      servedBy: receipt.servedBy,
      ending: receipt.ending,
      inputTokens: receipt.usage.input.total,
      cachedTokens: receipt.usage.input.cachedRead,
      outputTokens: receipt.usage.output.total,
      chargeNano: receipt.charge.totalNano,
      // Where there is a queue. Undefined fields are not written.
      queueMs: this.#timings.queueMs,
      callsAhead: this.#timings.callsAhead,
      totalMs: Math.round(receipt.totalMs),
    };
    if (!error) log.info(line, 'call');
    else if (error.fault === 'client') log.info({ ...line, code: error.code }, 'call refused');
    else
      log.error(
        { ...line, code: error.code, cause: error.cause === undefined ? undefined : traceOf(error.cause) },
        'call failed',
      );
  }
}

/** An id that begins with the time: the newest receipts lie together in the index, which makes writing them much cheaper. */
function receiptIdOf(uuid: string, atMs: number): string {
  const time = atMs.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}${uuid.slice(13)}`;
}
