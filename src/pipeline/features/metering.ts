/**
 * Settles every call once, by whatever way it ends: a receipt for the ledger, a line for the log, the metrics.
 *
 * Outermost, so that it sees what the client sees. The last usage an event carried is what is billed: on `finish` and
 * `error` it is exact; when the consumer goes away without either, the last `usage` event stands.
 */
import { type StudioError, toStudioError } from '../../core/errors.ts';
import type { GenerationEvent } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import type { CallContext, Ledger, Metrics, Receipt } from '../../core/ports.ts';
import type { Charge, ChargedCall, ModelPrices } from '../../core/prices.ts';
import { observeStream } from '../../core/streams.ts';
import { NO_USAGE, type Usage } from '../../core/usage.ts';
import type { Feature } from '../feature.ts';

export interface MeteringPorts {
  readonly ledger: Ledger;
  readonly metrics: Metrics;
  /** What a call costs by the prices of a model. */
  readonly charge: (call: ChargedCall, prices: ModelPrices | undefined) => Charge;
}

export function metering(ports: MeteringPorts): Feature {
  return {
    name: 'metering',
    apply(request, context, next) {
      const meter = new CallMeter(request, context, ports);
      ports.metrics.callStarted(context.protocol, request.model);
      return observeStream(() => next(request, context), {
        onEvent: (event) => meter.onEvent(event),
        onEnd: (thrown) => meter.settle(thrown),
      });
    },
  };
}

/** The account of one call. */
class CallMeter {
  readonly #request: GenerationRequest;
  readonly #context: CallContext;
  readonly #ports: MeteringPorts;
  readonly #startedAt: number;
  #usage: Usage = NO_USAGE;
  #ending: Receipt['ending'] | undefined;
  #error: StudioError | undefined;
  #firstTokenMs: number | undefined;

  constructor(request: GenerationRequest, context: CallContext, ports: MeteringPorts) {
    this.#request = request;
    this.#context = context;
    this.#ports = ports;
    this.#startedAt = context.clock.monotonic();
  }

  onEvent(event: GenerationEvent): GenerationEvent {
    switch (event.type) {
      case 'text-delta':
      case 'reasoning-delta':
      case 'tool-input-start':
        this.#firstTokenMs ??= this.#context.clock.monotonic() - this.#startedAt;
        break;
      case 'usage':
        this.#usage = event.usage;
        break;
      case 'finish':
        this.#usage = event.usage;
        this.#ending = event.ending;
        break;
      case 'error':
        this.#usage = event.usage;
        this.#ending = 'failed';
        this.#error = event.error;
        break;
      default:
        break;
    }
    return event;
  }

  settle(thrown: unknown): void {
    const { clock, log } = this.#context;
    if (thrown !== undefined) {
      this.#ending = 'failed';
      this.#error = toStudioError(thrown);
    }
    const ending = this.#ending ?? 'client-gone';
    const { priority, card } = this.#context;
    const receipt: Receipt = {
      requestId: this.#context.requestId,
      protocol: this.#context.protocol,
      keyId: this.#context.account.keyId,
      priority,
      charge: this.#ports.charge({ usage: this.#usage, ending, priority }, card?.prices),
      model: this.#request.model,
      servedBy: this.#context.route?.servedBy ?? '',
      usage: this.#usage,
      ending,
      errorCode: this.#error?.code,
      startedAtMs: this.#context.receivedAtMs,
      totalMs: clock.monotonic() - this.#startedAt,
      firstTokenMs: this.#firstTokenMs,
    };
    this.#ports.ledger.record(receipt);
    this.#ports.metrics.callEnded(receipt);
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
      totalMs: Math.round(receipt.totalMs),
    };
    if (!this.#error) log.info(line, 'call');
    else if (this.#error.fault === 'client') log.info({ ...line, code: this.#error.code }, 'call refused');
    else log.error({ ...line, code: this.#error.code, cause: describeCause(this.#error.cause) }, 'call failed');
  }
}

/** A cause for the log: its kind and message, never a body. */
function describeCause(cause: unknown): string | undefined {
  if (cause === undefined) return undefined;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
