/**
 * Which sequence a job gets, and what of it can be kept. Pure: the scheduler does what the plan says.
 *
 * Every sequence remembers the tokens whose cells it holds. A prompt that begins with the same tokens need not be
 * computed again: 2,000 tokens are 8 s (0.5B) or 20 s (1.5B) cold on two cores, and 0.1 s warm.
 */
import { MIN_SLICE } from './batch-plan.ts';

/**
 * How a prompt's tokens are computed (batch-plan.ts): a prompt of 64 tokens and more in long pieces, a shorter one in one
 * short piece. The two round differently.
 */
type Way = 'long' | 'short';

/** The books of one native sequence. */
export class Sequence {
  readonly id: number;
  isFree = true;
  /** Grows with each use; the lowest was used longest ago. */
  lastUse = 0;
  /** Tokens whose cells are really computed. */
  #tokens: number[] = [];
  /** So many of them were computed as the beginning of a cold prompt would be, and which way. */
  #cold = 0;
  #way: Way = 'long';

  constructor(id: number) {
    this.id = id;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  append(tokens: readonly number[], isPrompt: boolean): void {
    const way: Way = tokens.length >= MIN_SLICE ? 'long' : 'short';
    const isCold = isPrompt && tokens.length > 1 && this.#cold === this.#tokens.length;
    if (isCold && (this.#cold === 0 || this.#way === way)) {
      this.#way = way;
      this.#cold += tokens.length;
    }
    for (const token of tokens) this.#tokens.push(token);
  }

  cutTo(length: number): void {
    this.#tokens.length = Math.min(length, this.#tokens.length);
    this.#cold = Math.min(this.#cold, length);
  }

  copyFrom(source: Sequence): void {
    this.#tokens = [...source.#tokens];
    this.#cold = source.#cold;
    this.#way = source.#way;
  }

  /**
   * How many tokens a prompt may keep; at most all but its last, whose logits are wanted.
   *
   * As many as make the answer the very same as a cold one, if that costs no more than one short piece. Else, in a
   * conversation whose own answers are in the sequence, all that is common: those cells were computed token by token and
   * round differently from a prompt's, which can tip the scales between two nearly equal tokens.
   */
  usableFor(prompt: readonly number[]): number {
    const wanted = prompt.length - 1;
    const common = Math.max(0, Math.min(commonPrefix(this.#tokens, prompt), wanted));
    const exact = this.#exactlyUsable(common, wanted);
    return common - exact <= MIN_SLICE ? exact : common;
  }

  #exactlyUsable(common: number, wanted: number): number {
    const way: Way = wanted >= MIN_SLICE ? 'long' : 'short';
    if (this.#way !== way) return 0;
    const cold = Math.min(common, this.#cold);
    const missing = wanted - cold;
    const least = way === 'long' ? MIN_SLICE : Math.min(2, wanted);
    return missing > 0 && missing < least ? wanted - least : cold;
  }
}

export interface SequencePlan {
  readonly target: Sequence;
  /** Copy this sequence's cells first; undefined: go on from what the target holds. */
  readonly copyFrom: Sequence | undefined;
  /** Tokens that need not be computed. */
  readonly keep: number;
}

/** A copy must save at least this many tokens. Copying costs about as much as computing 16; a margin for big contexts. */
export const MIN_COPY_GAIN = 64;

/**
 * The free sequence that saves most, the least recently used among equals. Two exceptions:
 * where another sequence, even a busy one, saves clearly more, that is copied; and where going on in the best sequence
 * would throw away more than it saves (only the system text is shared with a long conversation), the least recently
 * used one is taken, with a copy of the prefix if it is worth one.
 */
export function planSequence(sequences: readonly Sequence[], prompt: readonly number[]): SequencePlan | undefined {
  const free = sequences.filter((sequence) => sequence.isFree);
  const oldest = leastRecentlyUsed(free);
  if (oldest === undefined) return undefined;
  const savings = new Map(sequences.map((sequence) => [sequence, sequence.usableFor(prompt)]));
  const savedBy = (sequence: Sequence): number => savings.get(sequence) ?? 0;

  const mostFree = Math.max(...free.map(savedBy));
  const best = leastRecentlyUsed(free.filter((sequence) => savedBy(sequence) === mostFree)) ?? oldest;
  const wouldLose = best.tokens.length - mostFree;
  const target = wouldLose > Math.max(mostFree, MIN_COPY_GAIN) ? oldest : best;

  const most = Math.max(...sequences.map(savedBy));
  if (most - savedBy(target) < MIN_COPY_GAIN) return { target, copyFrom: undefined, keep: savedBy(target) };
  return { target, copyFrom: sequences.find((sequence) => savedBy(sequence) === most), keep: most };
}

/**
 * The sequence whose loss hurts least: an empty one, else the one used longest ago. Among empty ones the first: streams
 * in neighbouring sequences share their work, others do not.
 */
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
