/**
 * Which tokens the next batch computes. Pure.
 *
 * The cut decides more than the pace. llama.cpp computes the attention of a piece of 64 tokens and more in one way, of a
 * shorter one in another, and of a single token in a third; and it multiplies rows in fours, and what is left over of them
 * one by one. All of these round differently (measured: docs/decisions/0022). So that the same request gives the same
 * text whether its prompt is cold, warm or restored, and wherever what was kept of it ends:
 *
 * - a prompt is read in long pieces, whole multiples of 64 tokens, as far as those go, which is fastest; and what is
 *   left of it, and forced text, in short ones of 2 to 63 tokens;
 * - short pieces end at multiples of four of the whole, but for the last one;
 * - a prompt that is there is computed again from the last such place on that leaves two tokens.
 *
 * Beside streams a long piece may be too long a pause: then short ones are read in its place, and what was read so counts
 * as sampled text does.
 *
 * Only what was sampled is computed token by token. Answers that are decoded together round differently from one that is
 * decoded alone; that is the price of the batch.
 */

/** A choice that has tokens to compute. */
export interface BatchCandidate {
  /** Tokens that are computed. */
  readonly from: number;
  /** Tokens that are asked for and not computed. */
  readonly pending: number;
}

/** From so many tokens on the attention is computed the long way. */
export const LONG_PIECE = 64;
/** While nobody streams; larger gains nothing and would only make a cancel or a new job wait longer. */
export const MAX_LONG = 128;
/** The longest short piece. */
export const MAX_PIECE = LONG_PIECE - 1;
/** One less, and it is computed the third way. */
export const MIN_PIECE = 2;
/** Rows that are multiplied together. */
export const ROWS = 4;

/** The last place at or before `length` where a piece of a prompt may end. */
export function alignedBefore(length: number): number {
  return Math.max(0, length - (length % ROWS));
}

/** Where the last piece of a prompt may begin at the latest. */
export function lastPieceOf(promptTokens: number): number {
  return alignedBefore(Math.max(0, promptTokens - MIN_PIECE));
}

/** Where the long pieces of a prompt of so many tokens end. */
export function longPartOf(promptTokens: number): number {
  const length = promptTokens - MIN_PIECE;
  return Math.max(0, length - (length % LONG_PIECE));
}

export interface BatchShare {
  /** Tokens to read in this batch, of all readers together; at least 8, so that there is a piece. */
  readonly slice: number;
  /** Whose turn it is among readers: the one with least left, or the one who came first. */
  readonly first: 'shortest' | 'oldest';
}

/**
 * How many tokens of each candidate go into the batch: one of each that is decoding, and pieces of what the others have
 * to read. A short question need not wait until a long one is read, so the one with least left comes first; now and then
 * it is the one who came first, so that everything ends.
 */
export function planBatch(candidates: readonly BatchCandidate[], { slice, first }: BatchShare): number[] {
  const sizes = candidates.map(({ pending }) => (pending <= 1 ? pending : 0));
  const readers = [...candidates.entries()].filter(([, { pending }]) => pending > 1);
  if (first === 'shortest') readers.sort(([, a], [, b]) => a.pending - b.pending);
  let left = slice;
  for (const [index, reader] of readers) {
    const piece = pieceOf(reader, left);
    if (piece < MIN_PIECE) break;
    sizes[index] = piece;
    left -= piece;
  }
  return sizes;
}

/** Of at most `room` tokens, and such that it ends where it may and what remains is no single token. */
function pieceOf({ from, pending }: BatchCandidate, room: number): number {
  const long = Math.min(room, longPartOf(from + pending) - from);
  if (from % LONG_PIECE === 0 && long >= LONG_PIECE) return long - (long % LONG_PIECE);
  // What others' pace has cut into the long part is filled up, so that long pieces can follow.
  const filling = LONG_PIECE - (from % LONG_PIECE);
  const short = Math.min(room, long > 0 && filling >= MIN_PIECE ? Math.min(filling, MAX_PIECE) : MAX_PIECE);
  if (pending <= short) return pending;
  const piece = alignedBefore(from + short) - from;
  return pending - piece < MIN_PIECE ? piece - ROWS : piece;
}

/**
 * The order in which a batch is handed over. llama.cpp computes neighbouring sequences together when the batch names
 * them in rising order, as many tokens of each as the shortest has, and everything else apart. So streams come in rising
 * order (in falling order four of them take four times as long), and nobody's piece is made a stream's neighbour, or
 * its first token would be computed with the streams and the rest of it perhaps alone.
 */
export function orderBatch<Entry extends { readonly sequence: number; readonly tokens: readonly number[] }>(
  entries: readonly Entry[],
): Entry[] {
  const streams = entries.filter(({ tokens }) => tokens.length === 1).toSorted((a, b) => a.sequence - b.sequence);
  const readers = entries.filter(({ tokens }) => tokens.length > 1).toSorted((a, b) => b.sequence - a.sequence);
  const first = streams[0]?.sequence;
  const isJustBelow = ({ sequence }: Entry): boolean => sequence + 1 === first;
  return [...readers.filter((reader) => !isJustBelow(reader)), ...streams, ...readers.filter(isJustBelow)];
}
