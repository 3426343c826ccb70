/**
 * Lets a call in, or says why not: the key and its workspace may use the model, somebody would pay, and no limit is
 * reached ("Rate limits", models reference §7). What it took from limits is settled when the call ends.
 *
 * Lines of batches are exempt from limits, as in the service.
 */
import { setTimeout } from 'node:timers/promises';
import { type ErrorCode, StudioError } from '../../core/errors.ts';
import type { GenerationEvent, GenerationStream } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import type { Admission, AdmitSocket, LimitedCall, Limiter, LimitKind } from '../../core/limits.ts';
import type { CallPolicy, Funds } from '../../core/platform.ts';
import { type Account, type CallContext, endingOf, startOf } from '../../core/ports.ts';
import { observeStream, streamLater } from '../../core/streams.ts';
import { estimateInput } from '../../core/token-estimate.ts';
import { NO_USAGE, type Usage } from '../../core/usage.ts';
import { CallLimits, type LimitPorts, type LimitSettings, leftOf } from '../call-limits.ts';
import type { Feature, Generate } from '../feature.ts';

export interface AdmissionPorts extends LimitPorts {
  readonly funds: Funds;
  /** Waits; rejects when the signal aborts. For tests. */
  readonly pause?: ((milliseconds: number, signal: AbortSignal) => Promise<unknown>) | undefined;
}

const CODES: { readonly [kind in LimitKind]: ErrorCode } = {
  requests: 'rate-limited',
  tokens: 'tokens-limited',
  burst: 'burst-limited',
  concurrency: 'concurrency-limited',
};

type Refusal = Extract<Admission, { isAdmitted: false }>;

const NO_PLACES: LimitedCall['concurrency'] = [];

export function admission(ports: AdmissionPorts): Feature {
  const { policies, funds, limits, modelOf = (id) => id } = ports;
  const admit = limits && new LimitedAdmission(limits.limiter, limits.settings, ports.pause ?? pause);
  return {
    name: 'admission',
    apply(request, context, next) {
      const model = modelOf(request.model);
      const policy = grantedPolicy(policies, context.account, [request.model, model]);
      funds.check({ account: context.account, model: request.model, priority: context.priority });
      if (!admit || context.priority === 'batch') return next(request, context);
      return admit.open(request, context, { model, policy, next });
    },
  };
}

/** A key may be revoked, and a grant taken back, after the request was let in or while its socket is open. */
function grantedPolicy(policies: AdmissionPorts['policies'], account: Account, names: readonly string[]): CallPolicy {
  const policy = policies.policyOf(account);
  if (!policy) throw new StudioError('invalid-api-key');
  if (!names.some((name) => policy.mayUse(name))) throw new StudioError('model-access-denied');
  return policy;
}

const pause = (milliseconds: number, signal: AbortSignal): Promise<unknown> =>
  setTimeout(milliseconds, undefined, { signal });

interface Granted {
  /** The model whose limits count. */
  readonly model: string;
  readonly policy: CallPolicy;
  readonly next: Generate;
}

/** A call on its way past the limits. */
interface Asking {
  readonly request: GenerationRequest;
  readonly context: CallContext;
  readonly next: Generate;
  readonly call: LimitedCall;
}

class LimitedAdmission {
  readonly #limiter: Limiter;
  readonly #limits: CallLimits;
  readonly #pause: NonNullable<AdmissionPorts['pause']>;
  /** How many wait for the growth of a model, by its bucket. */
  readonly #waiting = new Map<string, number>();

  constructor(limiter: Limiter, settings: LimitSettings, pause: NonNullable<AdmissionPorts['pause']>) {
    this.#limiter = limiter;
    this.#limits = new CallLimits(settings);
    this.#pause = pause;
  }

  open(request: GenerationRequest, context: CallContext, { model, policy, next }: Granted): GenerationStream {
    const { account, card } = context;
    const rates = this.#limits.ratesOf(account, model, card?.terms[account.region]?.limits, policy.limits);
    const isStream = context.isStreaming && !context.isOnSocket;
    const call: LimitedCall = {
      rates,
      concurrency: isStream ? this.#limits.placesOf(account, policy.limits) : NO_PLACES,
      tokens: rates.some(({ kind }) => kind === 'tokens') ? estimateInput(request) : 0,
    };
    const asking: Asking = { request, context, next, call };
    const answer = this.#limiter.admit(call);
    if (!(answer instanceof Promise)) return this.#answer(asking, answer);
    context.admitting = answer;
    return streamLater(async () => this.#answer(asking, await answer));
  }

  #answer(asking: Asking, answer: Admission): GenerationStream {
    const { context, call } = asking;
    context.rateLimits = leftOf(call.rates, answer.levels);
    if (answer.isAdmitted) return admitted(asking, answer);
    const { waitTimeoutMs = 0 } = context;
    if (answer.kind !== 'burst' || waitTimeoutMs <= 0) throw refusalOf(answer);
    return streamLater(() => this.#wait(asking, answer, waitTimeoutMs));
  }

  /**
   * Asks again when there is room, at the latest when the caller has waited long enough. Who comes after others that wait
   * already, waits for as many more: all would be woken for one and the same room otherwise.
   */
  async #wait(asking: Asking, first: Refusal, waitTimeoutMs: number): Promise<GenerationStream> {
    const { request, context, call } = asking;
    const burst = call.rates.find(({ kind }) => kind === 'burst');
    const bucket = burst?.bucket ?? '';
    const before = this.#waiting.get(bucket) ?? 0;
    this.#waiting.set(bucket, before + 1);
    const untilMs = context.clock.monotonic() + waitTimeoutMs;
    let answer: Admission = first;
    let waitMs = (first.retryAfterMs ?? 0) + (before / (burst?.perSecond ?? 1)) * 1000;
    try {
      for (;;) {
        const leftMs = untilMs - context.clock.monotonic();
        if (leftMs <= 0) throw refusalOf(answer);
        await this.#pause(Math.min(waitMs, leftMs), context.signal);
        answer = await this.#limiter.admit(call);
        if (answer.isAdmitted || answer.kind !== 'burst') break;
        waitMs = answer.retryAfterMs ?? 0;
      }
    } catch (thrown) {
      if (context.signal.aborted) return abortedStream(request, context);
      throw thrown;
    } finally {
      this.#leaveLine(bucket);
    }
    context.rateLimits = leftOf(call.rates, answer.levels);
    if (answer.isAdmitted) return admitted(asking, answer);
    throw refusalOf(answer);
  }

  #leaveLine(bucket: string): void {
    const waiting = (this.#waiting.get(bucket) ?? 1) - 1;
    if (waiting > 0) this.#waiting.set(bucket, waiting);
    else this.#waiting.delete(bucket);
  }
}

/** The call goes on. Where nothing is to be settled, nobody watches it. */
function admitted(
  { request, context, next, call }: Asking,
  { settle }: Extract<Admission, { isAdmitted: true }>,
): GenerationStream {
  if (call.tokens === 0 && call.concurrency.length === 0) return next(request, context);
  let usage: Usage = NO_USAGE;
  return observeStream(() => next(request, context), {
    onEvent(event) {
      if (event.type === 'usage' || event.type === 'finish' || event.type === 'error') usage = event.usage;
      return event;
    },
    onEnd: () => settle(usage.input.total + usage.output.total),
  });
}

function refusalOf({ kind, retryAfterMs }: Refusal): StudioError {
  const retryAfterSeconds = retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1000));
  return new StudioError(CODES[kind], undefined, { retryAfterSeconds });
}

/** Nobody waits for the answer of a call whose caller has left while it waited. */
async function* abortedStream(
  request: GenerationRequest,
  context: CallContext,
): GenerationStream & AsyncGenerator<GenerationEvent> {
  yield startOf(request, context);
  yield { type: 'finish', usage: NO_USAGE, timings: {}, ending: endingOf(context.signal) };
}

/** Sockets take places beside streams: the other door to the same limits. */
export function socketAdmission({ policies, limits }: LimitPorts): AdmitSocket {
  const callLimits = limits && new CallLimits(limits.settings);
  const enter = (answer: Admission): (() => void) => {
    if (!answer.isAdmitted) throw refusalOf(answer);
    let isOpen = true;
    return () => {
      if (isOpen) answer.settle(0);
      isOpen = false;
    };
  };
  return (account) => {
    const policy = policies.policyOf(account);
    if (!policy) throw new StudioError('invalid-api-key');
    if (!limits || !callLimits) return () => {};
    const places = callLimits.placesOf(account, policy.limits);
    const answer = limits.limiter.admit({ rates: [], concurrency: places, tokens: 0 });
    return answer instanceof Promise ? answer.then(enter) : enter(answer);
  };
}
