/** Which tokens the next batch computes. Pure. */

/** A sequence that has tokens to compute. */
export interface BatchCandidate {
  /** Tokens that are asked for and not computed. */
  readonly pending: number;
}

/**
 * Prompt tokens a batch holds while somebody streams. Each batch is a pause for every stream: 64 tokens are 0.3 s on
 * the 0.5B. Prompt tokens a second by slice of 512 / 128 / 64 / 32 / 16 / 8: 248 / 250 / 240 / 209 / 186 / 141 on the
 * 0.5B, 179 / 177 / 163 / 146 / 114 / 72 on the 1.5B: smaller slices would pay for smoothness with speed.
 */
export const SLICE_WHILE_STREAMING = 64;
/** While nobody streams; larger gains nothing (see above) and would only make a cancel or a new job wait longer. */
export const SLICE_WHILE_READING = 128;

/**
 * How many tokens of each candidate go into the batch, in their order: one of each that is decoding, and a slice of
 * what those that are reading still need, the first come first.
 */
export function planBatch(candidates: readonly BatchCandidate[]): number[] {
  const isDecoding = (candidate: BatchCandidate): boolean => candidate.pending === 1;
  let slice = candidates.some(isDecoding) ? SLICE_WHILE_STREAMING : SLICE_WHILE_READING;
  return candidates.map((candidate) => {
    if (isDecoding(candidate)) return 1;
    const tokens = Math.min(candidate.pending, slice);
    slice -= tokens;
    return tokens;
  });
}
