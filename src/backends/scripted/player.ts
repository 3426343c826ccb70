/** Says a script, token by token: every delta is one token, so the usage can be counted by hand. */
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { GenerationEvent, GenerationStream, TokenLogprob } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import { type CallContext, type Clock, endingOf, startOf } from '../../core/ports.ts';
import type { InputUsage, Usage } from '../../core/usage.ts';
import type { Script, Step } from './script.ts';

/** Waits, or returns early when the signal aborts. */
export type Sleep = (milliseconds: number, signal: AbortSignal) => Promise<void>;

export const sleep: Sleep = async (milliseconds, signal) => {
  try {
    await setTimeout(milliseconds, undefined, { signal });
  } catch {
    // Aborted: whoever waits looks at the signal.
  }
};

/** Without a rate nothing would ever wait; the event loop gets its turn after so many tokens. */
const TOKENS_PER_TURN = 64;

export interface Performance {
  readonly script: Script;
  readonly request: GenerationRequest;
  readonly context: CallContext;
  readonly input: InputUsage;
  /** The answer has come to its end; done before that is told. */
  readonly settle: () => void;
  readonly clock: Clock;
  readonly sleep: Sleep;
}

/** The stream of one answer. */
export function play(performance: Performance): GenerationStream {
  return new Player(performance).events();
}

type Block = { readonly choice: 0; readonly blockId: string };

class Player {
  readonly #performance: Performance;
  readonly #startedAt: number;
  #firstTokenMs: number | undefined;
  #output = 0;
  #reasoning = 0;

  constructor(performance: Performance) {
    this.#performance = performance;
    this.#startedAt = performance.clock.monotonic();
  }

  async *events(): GenerationStream & AsyncGenerator<GenerationEvent> {
    const { script, request, context } = this.#performance;
    yield startOf(request, context);
    yield { type: 'usage', usage: this.#usage() };
    for (const [index, step] of script.steps.entries()) {
      if (step.type === 'fail') {
        yield { type: 'error', error: step.error, usage: this.#usage() };
        return;
      }
      const block: Block = { choice: 0, blockId: `${step.type}-${index}` };
      // A call without arguments.
      if (step.tokens.length === 0) yield this.#startOfBlock(step, block);
      for (const [position, token] of step.tokens.entries()) {
        // Nothing shows before the first token: a block that opens early would look like one.
        await this.#untilDue();
        if (context.signal.aborted) {
          yield* this.#leave(position > 0 ? endOfBlock(step, block, false) : undefined);
          return;
        }
        if (position === 0) yield this.#startOfBlock(step, block);
        yield this.#delta(step, block, token);
      }
      if (!('isCut' in step && step.isCut)) yield endOfBlock(step, block, true);
    }
    if (context.signal.aborted) {
      yield* this.#leave();
      return;
    }
    yield { type: 'choice-end', choice: 0, reason: script.reason, stopText: script.stopText };
    this.#performance.settle();
    yield this.#finish('completed');
  }

  /** Ends at once; somebody still listens to a cancelled stream, so there everything open is closed. */
  *#leave(end?: GenerationEvent): Iterable<GenerationEvent> {
    const ending = endingOf(this.#performance.context.signal);
    if (ending === 'cancelled') {
      if (end) yield end;
      yield { type: 'choice-end', choice: 0, reason: 'stop' };
    }
    yield this.#finish(ending);
  }

  /** Tokens are due by the clock from the first one on, so that waits do not add up. */
  async #untilDue(): Promise<void> {
    const { script, context, clock, sleep } = this.#performance;
    const intervalMs = script.rate > 0 ? 1000 / script.rate : 0;
    const waitMs = this.#startedAt + script.firstTokenMs + this.#output * intervalMs - clock.monotonic();
    if (context.signal.aborted) return;
    if (waitMs > 0 && (intervalMs > 0 || this.#output === 0)) await sleep(waitMs, context.signal);
    else if (this.#output % TOKENS_PER_TURN === TOKENS_PER_TURN - 1) await setImmediate();
  }

  #startOfBlock(step: Exclude<Step, { type: 'fail' }>, block: Block): GenerationEvent {
    if (step.type !== 'call') return { type: `${step.type}-start`, ...block };
    const callId = this.#performance.context.ids.callId();
    return { type: 'tool-input-start', ...block, callId, name: step.name, executedBy: 'client' };
  }

  #delta(step: Exclude<Step, { type: 'fail' }>, block: Block, text: string): GenerationEvent {
    this.#firstTokenMs ??= this.#elapsedMs();
    this.#output++;
    switch (step.type) {
      case 'reasoning':
        this.#reasoning++;
        return { type: 'reasoning-delta', ...block, text };
      case 'text': {
        const wanted = this.#performance.request.sampling.logprobs;
        return { type: 'text-delta', ...block, text, ...(wanted ? { logprobs: [certain(text, wanted.top)] } : {}) };
      }
      case 'call':
        return { type: 'tool-input-delta', ...block, text };
      default:
        return step satisfies never;
    }
  }

  #finish(ending: 'completed' | 'cancelled' | 'client-gone'): GenerationEvent {
    const timings = { queueMs: 0, firstTokenMs: this.#firstTokenMs, totalMs: this.#elapsedMs() };
    return { type: 'finish', usage: this.#usage(), timings, ending };
  }

  #usage(): Usage {
    return {
      input: this.#performance.input,
      output: { total: this.#output, reasoning: this.#reasoning, audio: 0 },
    };
  }

  #elapsedMs(): number {
    return this.#performance.clock.monotonic() - this.#startedAt;
  }
}

function endOfBlock(step: Exclude<Step, { type: 'fail' }>, block: Block, isWhole: boolean): GenerationEvent {
  if (step.type !== 'call') return { type: `${step.type}-end`, ...block };
  return { type: 'tool-input-end', ...block, isValidJson: isWhole && step.isWhole };
}

/** A scripted token could not have been another: its probability is 1, and there is no alternative. */
function certain(token: string, top: number): TokenLogprob {
  const sure = { token, bytes: [...Buffer.from(token)], logprob: 0 };
  return { ...sure, top: top > 0 ? [sure] : [] };
}
