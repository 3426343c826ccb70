/**
 * Which sequence a job gets, and what of it can be kept. Pure: the scheduler does what the plan says.
 *
 * Every sequence remembers the tokens whose cells it holds. A prompt that begins with the same tokens need not be
 * computed again: 2,000 tokens are 8 s (0.5B) or 20 s (1.5B) cold on two cores, and 0.1 s warm.
 */

export interface Sequence {
  readonly id: number;
  /** Tokens whose cells are really computed. */
  tokens: number[];
  isFree: boolean;
  /** Grows with each use; the lowest was used longest ago. */
  lastUse: number;
}

export interface SequencePlan {
  readonly target: Sequence;
  /** Copy this sequence's cells first; undefined: go on from what the target holds. */
  readonly copyFrom: Sequence | undefined;
  /** Tokens that need not be computed. At most all but the last: its logits are wanted. */
  readonly keep: number;
}

/** A copy must save at least this many tokens. Copying costs about as much as computing 16; a margin for big contexts. */
export const MIN_COPY_GAIN = 64;

/**
 * The free sequence with the longest common prefix, the least recently used among equals. Two exceptions:
 * where another sequence, even a busy one, holds a clearly longer prefix, that is copied; and where going on in the best
 * sequence would throw away more than it reuses (only the system text is shared with a long conversation), the
 * least recently used one is taken, with a copy of the prefix if it is worth one.
 */
export function planSequence(sequences: readonly Sequence[], prompt: readonly number[]): SequencePlan | undefined {
  const free = sequences.filter((sequence) => sequence.isFree);
  const oldest = leastRecentlyUsed(free);
  if (oldest === undefined) return undefined;
  const usable = (sequence: Sequence): number => Math.min(commonPrefix(sequence.tokens, prompt), prompt.length - 1);
  const kept = new Map(sequences.map((sequence) => [sequence, Math.max(0, usable(sequence))]));
  const keptBy = (sequence: Sequence): number => kept.get(sequence) ?? 0;

  const longestFree = Math.max(...free.map(keptBy));
  const best = leastRecentlyUsed(free.filter((sequence) => keptBy(sequence) === longestFree)) ?? oldest;
  const wouldLose = best.tokens.length - longestFree;
  const target = wouldLose > Math.max(longestFree, MIN_COPY_GAIN) ? oldest : best;

  const longest = Math.max(...sequences.map(keptBy));
  if (longest - keptBy(target) < MIN_COPY_GAIN) return { target, copyFrom: undefined, keep: keptBy(target) };
  return { target, copyFrom: sequences.find((sequence) => keptBy(sequence) === longest), keep: longest };
}

/** The sequence whose loss hurts least: an empty one, else the one used longest ago. */
export function leastRecentlyUsed(sequences: readonly Sequence[]): Sequence | undefined {
  const age = (sequence: Sequence): number => (sequence.tokens.length === 0 ? -1 : sequence.lastUse);
  return sequences.toSorted((a, b) => age(a) - age(b) || a.id - b.id)[0];
}

export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}
