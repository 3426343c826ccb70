/** Plans for tests and benches: one free answer, decoded greedily, unless they say otherwise. */
import type { DecodePlan, EngineSampling, PromptSegment } from '../../engine-protocol.ts';

/** Always the likeliest token, and nothing that changes what is likely. */
export const GREEDY: EngineSampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 1,
  logitBias: [],
};

export function greedyPlan(prompt: readonly PromptSegment[], changes: Partial<DecodePlan> = {}): DecodePlan {
  return {
    prompt,
    stages: [{ kind: 'answer', opening: '' }],
    choices: 1,
    sampling: GREEDY,
    stopTexts: [],
    stopTokens: [],
    ...changes,
  };
}
