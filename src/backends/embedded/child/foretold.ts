/**
 * How likely a text is that is only read (`DecodePlan.onlyText`): it is read behind the prompt as the prompt is, with the logits
 * behind each token that foretells one of it, and nothing is sampled.
 */
import type { DecodePlan } from '../engine-protocol.ts';
import type { Move } from './choice-decoder.ts';
import type { Choice, Job } from './job.ts';
import type { ModelVocabulary } from './vocabulary.ts';

/** Places of a piece behind which logits are wanted: of a row of `whole` tokens from `from` on the next `count`. */
export function logitsWanted({ logitsFrom }: Job, from: number, count: number, whole: number): readonly number[] {
  if (logitsFrom === undefined) return from + count === whole ? [count - 1] : [];
  const places = Array.from({ length: count }, (_, at) => at);
  return places.filter((at) => from + at >= logitsFrom && from + at < whole - 1);
}

/** What stands behind the prompt before anything is sampled: the text, or what `start` of the plan's stages says. */
export function firstMoveOf(
  { onlyText }: DecodePlan,
  vocabulary: Pick<ModelVocabulary, 'tokenisePlain'>,
  start: () => Move,
): Move {
  return onlyText === undefined ? start() : { kind: 'feed', tokens: vocabulary.tokenisePlain(onlyText) };
}

/** Notes how likely the tokens are that follow the `places` of a piece: the last `count` tokens that are computed. */
export async function foretell(choice: Choice, count: number, places: readonly number[]): Promise<void> {
  const { job, sequence, tokens, sampler, foretold } = choice;
  const from = sequence.tokens.length - count;
  for (const [index, at] of logitsWanted(job, from, count, tokens.length).entries()) {
    const [next, place] = [tokens[from + at + 1], places[index]];
    if (next !== undefined && place !== undefined) foretold.push(await sampler.logprobOf(place, next));
  }
}
