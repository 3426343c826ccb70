/** Sampling as the engine takes it: what the caller said, else our defaults (docs/decisions/0004-sampling-defaults.md). */
import type { Sampling } from '../../core/generation.ts';
import type { ModelCard } from '../../core/models.ts';
import type { EngineSampling } from './engine-protocol.ts';

/** The founding document's defaults. */
const TEMPERATURE = 1.0;
const TOP_P = 1.0;
/** The vendor's default for nearly all models: "OpenAI compatible - Chat", top_k. */
const TOP_K = 20;
/** Above it the vendor switches top-k off: same place. */
const TOP_K_LIMIT = 100;

export const MAX_SEED = 2 ** 31 - 1;

/** `randomSeed` is used when the caller gives none. */
export function engineSampling(sampling: Sampling, card: ModelCard | undefined, randomSeed: number): EngineSampling {
  const topK = sampling.topK ?? card?.defaultSampling.topK ?? TOP_K;
  return {
    temperature: sampling.temperature ?? TEMPERATURE,
    topP: sampling.topP ?? TOP_P,
    topK: topK > TOP_K_LIMIT ? 0 : topK,
    minP: sampling.minP ?? 0,
    repetitionPenalty: sampling.repetitionPenalty ?? 1,
    presencePenalty: sampling.presencePenalty ?? 0,
    frequencyPenalty: sampling.frequencyPenalty ?? 0,
    seed: sampling.seed ?? randomSeed,
    isSeedOurs: sampling.seed === undefined,
    logitBias: Object.entries(sampling.logitBias ?? {}).map(([token, bias]) => [Number(token), bias]),
  };
}
