/**
 * One choice's sampler: turns the plan's sampling and the decoder's wishes into the native sampler's settings.
 *
 * - repetition: over the last 64 tokens of the context, prompt included, as Hugging Face and llama.cpp count it.
 * - presence, frequency: over what this choice has generated, as the OpenAI API reference defines them ("Create chat
 *   completion", `frequency_penalty`): logit − count × frequency − (count > 0) × presence. Given as biases, because the
 *   native penalties share one window with the repetition penalty and that one holds the prompt.
 */
import type { TokenLogprob } from '../../../core/events.ts';
import type { EngineSampling } from '../engine-protocol.ts';
import type { DecodingEngine, NativeSampler, NativeSamplerConfig } from './binding.ts';
import type { SamplingWishes } from './choice-decoder.ts';
import type { ClosingBias, TokenBias } from './closing-bias.ts';
import type { ModelVocabulary } from './vocabulary.ts';

const REPETITION_WINDOW = 64;
/** The OpenAI API reference: "values like -100 or 100 should result in a ban or exclusive selection". */
const BAN = -100;
/** llama.cpp reads this seed as "any". */
const RANDOM_SEED = 0xffffffff;

const NO_BIAS: TokenBias = new Map();

export interface Sampled {
  readonly token: number;
  readonly logprob: TokenLogprob | undefined;
  readonly wasSteered: boolean;
}

export class ChoiceSampler {
  readonly #engine: DecodingEngine;
  readonly #vocabulary: ModelVocabulary;
  readonly #closing: ClosingBias;
  readonly #sampling: EngineSampling;
  readonly #seed: number;
  readonly #topLogprobs: number;
  readonly #native: NativeSampler;
  /** Reads the model's own distribution: the one keeps the best few tokens, the other all of them. */
  #best: NativeSampler | undefined;
  #whole: NativeSampler | undefined;
  readonly #generated = new Map<number, number>();
  #applied: Pick<SamplingWishes, 'grammar' | 'closing'> | undefined;

  constructor(
    engine: DecodingEngine,
    vocabulary: ModelVocabulary,
    closing: ClosingBias,
    sampling: EngineSampling,
    choice: { readonly index: number; readonly topLogprobs: number },
  ) {
    this.#engine = engine;
    this.#vocabulary = vocabulary;
    this.#closing = closing;
    this.#sampling = sampling;
    this.#topLogprobs = choice.topLogprobs;
    this.#seed = nativeSeed(sampling.seed + choice.index);
    this.#native = engine.newSampler();
  }

  /** Samples after the logits at `place`. `context` is all tokens before it. */
  async sample(place: number, wishes: SamplingWishes, context: readonly number[]): Promise<Sampled> {
    this.#configure(wishes, context);
    const token = await this.#engine.sample(place, this.#native);
    const logprob = wishes.logprob ? await this.#logprob(place, token) : undefined;
    const wasSteered = wishes.closing !== 'no' && (await this.#wasSteered(place, wishes.closing, token));
    this.#generated.set(token, (this.#generated.get(token) ?? 0) + 1);
    return { token, logprob, wasSteered };
  }

  /** How likely a token is to the model itself behind the logits at `place`. One after the other. */
  logprobOf(place: number, token: number): Promise<TokenLogprob> {
    return this.#logprob(place, token);
  }

  /** Once, and not while it samples. */
  dispose(): void {
    for (const sampler of [this.#native, this.#best, this.#whole]) if (sampler) this.#engine.freeSampler(sampler);
  }

  /** Settings reach the native side only when one changed: applying them rebuilds its chain. */
  #configure({ grammar, closing }: SamplingWishes, context: readonly number[]): void {
    const { presencePenalty, frequencyPenalty } = this.#sampling;
    const changesWithEachToken = presencePenalty !== 0 || frequencyPenalty !== 0;
    const isApplied = this.#applied?.grammar === grammar && this.#applied?.closing === closing;
    if (isApplied && !changesWithEachToken) return;
    this.#applied = { grammar, closing };
    const { temperature, topK, topP, minP, repetitionPenalty } = this.#sampling;
    const bias = this.#bias(grammar !== undefined, closing);
    const config: NativeSamplerConfig = {
      temperature,
      seed: this.#seed,
      ...(topK > 0 ? { topK } : {}),
      ...(topP < 1 ? { topP } : {}),
      ...(minP > 0 ? { minP } : {}),
      ...(repetitionPenalty === 1
        ? {}
        : {
            repeatPenalty: repetitionPenalty,
            repeatPenaltyMaxTokens: REPETITION_WINDOW,
            repeatPenaltyTokens: Uint32Array.from(context.slice(-REPETITION_WINDOW)),
          }),
      ...(grammar === undefined ? {} : { grammarEvaluationState: grammar }),
      ...(bias.size === 0
        ? {}
        : { tokenBiasKeys: Uint32Array.from(bias.keys()), tokenBiasValues: Float32Array.from(bias.values()) }),
    };
    this.#native.applyConfig(config);
  }

  #bias(isHeld: boolean, closing: SamplingWishes['closing']): TokenBias {
    // Penalties would take from the closing quote what the bias gives it: it is the token said most often.
    if (closing !== 'no') return closing === 'string' ? this.#closing.string : this.#closing.value;
    const { presencePenalty, frequencyPenalty, logitBias } = this.#sampling;
    if (logitBias.length === 0 && presencePenalty === 0 && frequencyPenalty === 0) return NO_BIAS;
    const bias = new Map<number, number>();
    for (const [token, value] of logitBias) {
      // Under a grammar a banned token may be the only one left, and then it has to be taken.
      bias.set(token, value <= BAN && !isHeld ? Number.NEGATIVE_INFINITY : value);
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      for (const [token, count] of this.#generated) {
        bias.set(token, (bias.get(token) ?? 0) - presencePenalty - frequencyPenalty * count);
      }
    }
    return bias;
  }

  /** Log probabilities of the model itself, before bias, penalties, temperature and truncation. */
  async #logprob(place: number, token: number): Promise<TokenLogprob> {
    const top = await this.#bestLogits(place, Math.max(1, this.#topLogprobs));
    this.#whole ??= this.#newPlain({ temperature: 0, seed: 0 });
    const { logit, weight } = await this.#engine.logitAndWeight(place, this.#whole, token);
    const highest = top.values().next().value ?? logit;
    const logTotal = highest + Math.log(weight);
    const entries = [...top].slice(0, this.#topLogprobs);
    return {
      ...this.#vocabulary.spell(token),
      logprob: Math.min(0, logit - logTotal),
      top: entries.map(([other, value]) => ({
        ...this.#vocabulary.spell(other),
        logprob: Math.min(0, value - logTotal),
      })),
    };
  }

  /** A closer was taken that the model alone would not have put first. */
  async #wasSteered(place: number, closing: 'string' | 'value', token: number): Promise<boolean> {
    if (!this.#closing[closing].has(token)) return false;
    const best = await this.#bestLogits(place, Math.max(1, this.#topLogprobs));
    return best.keys().next().value !== token;
  }

  #bestLogits(place: number, count: number): Promise<Map<number, number>> {
    this.#best ??= this.#newPlain({ temperature: 1, topK: count, seed: 0 });
    return this.#engine.topLogits(place, this.#best, count);
  }

  #newPlain(config: NativeSamplerConfig): NativeSampler {
    const sampler = this.#engine.newSampler();
    sampler.applyConfig(config);
    return sampler;
  }
}

/** Seeds are 32 bits natively; larger ones are folded. */
function nativeSeed(seed: number): number {
  const folded = ((Math.trunc(seed) % 2 ** 32) + 2 ** 32) % 2 ** 32;
  return folded === RANDOM_SEED ? 0 : folded;
}
