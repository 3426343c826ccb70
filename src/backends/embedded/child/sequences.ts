/**
 * Which sequence a job gets, and what of it can be kept. Pure: the scheduler does what the plan says.
 *
 * Every sequence remembers the tokens whose cells it holds. A prompt that begins with the same tokens need not be
 * computed again: 2,000 tokens are 8 s (0.5B) or 20 s (1.5B) cold on two cores, and 0.1 s warm.
 */
import { alignedBefore, LONG_PIECE, lastPieceOf, longPartOf, MIN_PIECE } from './batch-plan.ts';
import { leastRecentlyUsed } from './least-recently-used.ts';
import { commonPrefix, type TokenRow } from './token-tree.ts';

/** How the cells of a sequence were computed, as it is kept beside them on disk. */
export interface SequenceBooks {
  /** So many of them were read, not sampled: they are what they would be in any other prompt that begins with them. */
  readonly cold: number;
  /** So many of these in long pieces, the others in short ones: a longer prompt would read more of them so. */
  readonly long: number;
  /** See `Sequence.floor`. */
  readonly floor: number;
}

/** Undefined for anything that `Sequence.books` never gave for so many tokens. */
export function readSequenceBooks(value: unknown, tokens: number): SequenceBooks | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { cold, long, floor } = value as Partial<SequenceBooks>;
  const isLength = (length: unknown): length is number =>
    Number.isInteger(length) && Number(length) >= 0 && Number(length) <= tokens;
  return isLength(cold) && isLength(long) && isLength(floor) ? { cold, long, floor } : undefined;
}

/** For whom a sequence computes. */
export interface SequenceOwner {
  readonly namespace: string;
  readonly usesDisk: boolean;
  readonly isRecurring: boolean;
}

/** What is wanted of a row of tokens beside its cells. */
export interface RowWishes {
  /** It is to be computed as it would be if nothing of it were there. */
  readonly isExact?: boolean | undefined;
  /** The first place of which logits are wanted; the last one is where this is absent. */
  readonly logitsFrom?: number | undefined;
}

/** The books of one native sequence. */
export class Sequence {
  readonly id: number;
  isFree = true;
  /** Grows with each use; the lowest was used longest ago. */
  lastUse = 0;
  /** Whose tokens they are (`CachePlan.namespace`). */
  namespace = '';
  /** They may be put on disk. */
  mayBeStored = false;
  /** They begin as prompts do that many requests bring (`CachePlan.isRecurring`). */
  isRecurring = false;
  /** So many of them end a block of the explicit cache, which should outlive this process. */
  blockTokens = 0;
  /** When it is to be put on disk if nobody has used it until then. */
  saveDueMs = Number.POSITIVE_INFINITY;
  /** Tokens whose cells are really computed. */
  #tokens: number[] = [];
  /** So many of them were computed as the beginning of a cold prompt would be. */
  #cold = 0;
  #long = 0;
  #floor = 0;

  constructor(id: number) {
    this.id = id;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get books(): SequenceBooks {
    return { cold: this.#cold, long: this.#long, floor: this.#floor };
  }

  /**
   * What a prompt keeps is at least so long, or nothing. A file has only the last cells of layers that look back no
   * further than a window, so a restored prefix of such weights cannot be cut.
   */
  get floor(): number {
    return this.#floor;
  }

  /** What it holds and computes from now on is the owner's. */
  giveTo({ namespace, usesDisk, isRecurring }: SequenceOwner): void {
    this.namespace = namespace;
    this.mayBeStored = usesDisk;
    this.isRecurring = isRecurring;
  }

  /** Holds what a file held; whoever loads it says whose it is. */
  restore(tokens: TokenRow, { cold, long, floor }: SequenceBooks): void {
    this.blockTokens = 0;
    this.#tokens = Array.from(tokens);
    this.#cold = cold;
    this.#long = long;
    this.#floor = floor;
  }

  append(tokens: readonly number[], isPrompt: boolean): void {
    const isCold = isPrompt && tokens.length >= MIN_PIECE && this.#cold === this.#tokens.length;
    const isLong = tokens.length >= LONG_PIECE && this.#long === this.#tokens.length;
    if (isCold && isLong) this.#long += tokens.length - (tokens.length % LONG_PIECE);
    if (isCold) this.#cold = alignedBefore(this.#cold + tokens.length);
    for (const token of tokens) this.#tokens.push(token);
  }

  cutTo(length: number): void {
    this.#tokens.length = Math.min(length, this.#tokens.length);
    this.#cold = alignedBefore(Math.min(this.#cold, length));
    this.#long = Math.min(this.#long, this.#cold - (this.#cold % LONG_PIECE));
    this.blockTokens = Math.min(this.blockTokens, length);
    if (length === 0) this.#floor = 0;
  }

  copyFrom(source: Sequence): void {
    this.namespace = source.namespace;
    this.blockTokens = 0;
    this.#tokens = [...source.#tokens];
    this.#cold = source.#cold;
    this.#long = source.#long;
    this.#floor = source.#floor;
  }

  /**
   * How many tokens a prompt may keep; at most all but its last piece, whose logits are wanted. Where nobody will compare
   * the answer (`isExact` false) that is all that is there.
   *
   * As far as a cold prompt of this length would have read it the same way, what was read is kept, and the answer is the
   * very one that a cold prompt gets. What was sampled was computed token by token and rounds differently, which can tip the
   * scales between two nearly equal tokens: where little of it is to be read again, it is; a long answer is kept, as reading
   * it again would be felt.
   */
  usableFor(prompt: readonly number[], { isExact = true, logitsFrom = prompt.length - 1 }: RowWishes = {}): number {
    const last = isExact ? MIN_PIECE : 1;
    const common = Math.max(0, Math.min(commonPrefix(this.#tokens, prompt), logitsFrom + 1 - last));
    if (!isExact) return common < this.#floor ? 0 : common;
    const exact = this.#exactFor(common, prompt.length);
    const isExactWorthIt = common - exact <= MAX_READ_AGAIN && exact >= this.#floor;
    const usable = isExactWorthIt ? exact : common;
    return usable < this.#floor ? 0 : usable;
  }

  /** So many of the common tokens were computed as a cold prompt of this length would compute them. */
  #exactFor(common: number, promptTokens: number): number {
    const read = Math.min(common, this.#cold);
    const long = longPartOf(promptTokens);
    // Where a long piece is parted, what is left of it could only be read in short ones.
    if (long !== this.#long || read < long) return Math.min(read - (read % LONG_PIECE), long, this.#long);
    return Math.min(alignedBefore(read), lastPieceOf(promptTokens));
  }
}

/** Tokens that are read again for exactness at most: a prompt that has grown may have to read one long piece again. */
const MAX_READ_AGAIN = 64;

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
 * used one is taken, with a copy of the prefix if it is worth one. Only what the same caller left there is used.
 */
export function planSequence(
  sequences: readonly Sequence[],
  prompt: readonly number[],
  namespace = '',
  wishes: RowWishes = {},
): SequencePlan | undefined {
  const free = sequences.filter((sequence) => sequence.isFree);
  const oldest = leastRecentlyUsed(free);
  if (oldest === undefined) return undefined;
  const own = sequences.filter((sequence) => sequence.namespace === namespace);
  const savings = new Map(own.map((sequence) => [sequence, sequence.usableFor(prompt, wishes)]));
  const savedBy = (sequence: Sequence): number => savings.get(sequence) ?? 0;

  const mostFree = Math.max(...free.map(savedBy));
  const best = leastRecentlyUsed(free.filter((sequence) => savedBy(sequence) === mostFree)) ?? oldest;
  const wouldLose = best.tokens.length - mostFree;
  const target = wouldLose > Math.max(mostFree, MIN_COPY_GAIN) ? oldest : best;

  const most = Math.max(...sequences.map(savedBy));
  if (most - savedBy(target) < MIN_COPY_GAIN) return { target, copyFrom: undefined, keep: savedBy(target) };
  return { target, copyFrom: sequences.find((sequence) => savedBy(sequence) === most), keep: most };
}
