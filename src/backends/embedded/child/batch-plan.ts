/**
 * Which tokens the next batch computes. Pure.
 *
 * The cut decides more than the pace. llama.cpp computes attention in another way, with other rounding, from 64 tokens
 * of a sequence on, and yet another for a single one; within one way a result does not depend on the cut (measured, bit
 * for bit, on Qwen2.5 and SmolLM2). So that the same request gives the same text whether its prompt is cold or warm:
 *
 * - a prompt is cut into pieces of at least 64 tokens, or not at all;
 * - its last token is computed alone, as it is when everything before it was warm;
 * - forced text is never cut.
 *
 * Answers that are decoded together round differently from one that is decoded alone; that is the price of the batch.
 */

/** A choice that has tokens to compute. */
export interface BatchCandidate {
  /** Tokens that are asked for and not computed. */
  readonly pending: number;
  /** They end its prompt. */
  readonly isPrompt: boolean;
}

/**
 * Prompt tokens a batch holds while somebody streams. Each batch is a pause for every stream: 64 tokens are 0.3 s on
 * the 0.5B. Prompt tokens a second by slice of 512 / 128 / 64 / 32 / 16 / 8: 248 / 250 / 240 / 209 / 186 / 141 on the
 * 0.5B, 179 / 177 / 163 / 146 / 114 / 72 on the 1.5B: smaller slices would pay for smoothness with speed.
 */
export const SLICE_WHILE_STREAMING = 64;
/** While nobody streams; larger gains nothing (see above) and would only make a cancel or a new job wait longer. */
export const SLICE_WHILE_READING = 128;
/** From this many tokens on the attention is computed the one way, below it the other. */
export const MIN_SLICE = 64;
/** Room for a long forced text; the native batch holds 512. */
const MAX_UNCUT = 384;

/**
 * How many tokens of each candidate go into the batch: one of each that is decoding, and pieces of what the others
 * need, the first come first. At least one piece is taken, so that everything ends.
 */
export function planBatch(candidates: readonly BatchCandidate[]): number[] {
  const slice = candidates.some(({ pending }) => pending === 1) ? SLICE_WHILE_STREAMING : SLICE_WHILE_READING;
  let left = slice;
  return candidates.map(({ pending, isPrompt }) => {
    if (pending <= 1) return pending;
    const piece = isPrompt ? promptPiece(pending - 1, slice) : Math.min(pending, MAX_UNCUT);
    if (piece > left && left < slice) return 0;
    left -= piece;
    return piece;
  });
}

/** A piece such that neither it nor what remains is shorter than it may be. */
function promptPiece(tokens: number, slice: number): number {
  if (tokens < 2 * MIN_SLICE) return tokens;
  const remainder = tokens - slice;
  return remainder > 0 && remainder < MIN_SLICE ? tokens - MIN_SLICE : Math.min(tokens, slice);
}

/**
 * The order in which a batch is handed over. llama.cpp computes neighbouring sequences together when the batch names
 * them in rising order, as many tokens of each as the shortest has, and everything else apart. So streams come in rising
 * order (in falling order four of them take four times as long), and nobody's prompt is made a stream's neighbour, or
 * its first token would be computed with the streams and the rest of the piece would fall short of 64.
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
