/**
 * A plan's sampling as fields of `/completion`. The samplers and their order are those of the other engine
 * (child/sampling.ts), so that the same plan means the same.
 */
import type { SamplingWishes } from '../child/choice-decoder.ts';
import type { ClosingBias, TokenBias } from '../child/closing-bias.ts';
import type { EngineSampling } from '../engine-protocol.ts';
import type { CompletionBody } from './completions.ts';

/** llama.cpp reads this seed as "any". */
const RANDOM_SEED = 0xffffffff;
const REPETITION_WINDOW = 64;
/** The OpenAI API reference: "values like -100 or 100 should result in a ban or exclusive selection". */
const BAN = -100;
const SAMPLERS = ['penalties', 'top_k', 'top_p', 'min_p', 'temperature'] as const;
/** A prime, so that no two completions of the choices of one answer meet at one seed. */
const SEED_STEP = 7_919;

export type SamplingFields = Pick<
  CompletionBody,
  | 'temperature'
  | 'top_k'
  | 'top_p'
  | 'min_p'
  | 'repeat_penalty'
  | 'repeat_last_n'
  | 'seed'
  | 'samplers'
  | 'logit_bias'
  | 'n_probs'
>;

/** One choice's sampling, from completion to completion. */
export class CompletionSampling {
  readonly #sampling: EngineSampling;
  readonly #closing: ClosingBias;
  /** How many of the best tokens are told beside each. */
  readonly topLogprobs: number;
  readonly #generated = new Map<number, number>();
  readonly #firstSeed: number;
  #completions = 0;

  constructor(
    sampling: EngineSampling,
    closing: ClosingBias,
    choice: { readonly index: number; readonly topLogprobs: number },
  ) {
    this.#sampling = sampling;
    this.#closing = closing;
    this.topLogprobs = choice.topLogprobs;
    this.#firstSeed = sampling.seed + choice.index;
  }

  /**
   * Every token needs a completion of its own: presence and frequency count what this choice has said, which
   * llama-server cannot tell from the prompt, and a closing bias changes as brackets close.
   */
  needsSteps({ closing }: Pick<SamplingWishes, 'closing'>): boolean {
    const { presencePenalty, frequencyPenalty } = this.#sampling;
    return closing !== 'no' || presencePenalty !== 0 || frequencyPenalty !== 0;
  }

  note(token: number): void {
    this.#generated.set(token, (this.#generated.get(token) ?? 0) + 1);
  }

  /** The fields of the next completion. */
  fields({ closing, grammar, logprob }: SamplingWishes): SamplingFields {
    const { temperature, topK, topP, minP, repetitionPenalty } = this.#sampling;
    const bias = this.#bias(closing);
    return {
      temperature,
      top_k: topK,
      top_p: topP,
      min_p: minP,
      repeat_penalty: repetitionPenalty,
      repeat_last_n: repetitionPenalty === 1 ? 0 : REPETITION_WINDOW,
      seed: nativeSeed(this.#firstSeed + this.#completions++ * SEED_STEP),
      samplers: SAMPLERS,
      // Under a grammar a banned token may be the only one left, and then it has to be taken.
      logit_bias: [...bias].map(([token, value]) => [token, value <= BAN && grammar === undefined ? false : value]),
      n_probs: logprob || closing !== 'no' ? Math.max(1, this.topLogprobs) : 0,
    };
  }

  /** The closing bias gave this token what the model alone would not have put first. */
  wasSteered(closing: SamplingWishes['closing'], token: number, best: number | undefined): boolean {
    return closing !== 'no' && this.#closing[closing].has(token) && best !== token;
  }

  #bias(closing: SamplingWishes['closing']): TokenBias {
    // Penalties would take from the closing quote what the bias gives it: it is the token said most often.
    if (closing !== 'no') return this.#closing[closing];
    const { presencePenalty, frequencyPenalty, logitBias } = this.#sampling;
    const bias = new Map<number, number>(logitBias);
    if (presencePenalty === 0 && frequencyPenalty === 0) return bias;
    for (const [token, count] of this.#generated)
      bias.set(token, (bias.get(token) ?? 0) - presencePenalty - frequencyPenalty * count);
    return bias;
  }
}

/** Seeds are 32 bits natively; larger ones are folded. */
function nativeSeed(seed: number): number {
  const folded = ((Math.trunc(seed) % 2 ** 32) + 2 ** 32) % 2 ** 32;
  return folded === RANDOM_SEED ? 0 : folded;
}
