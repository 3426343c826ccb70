/**
 * What context costs in memory, and how many tokens a sequence gets when the settings leave it to us. The engine decides
 * by it, and whoever checks beforehand whether weights fit (weights/fit.ts).
 */

/** The sizes of a model that decide it. */
export interface ContextShape {
  readonly trainContextTokens: number;
  readonly layers: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
}

/** Below this, tools and a long question no longer fit; it is given even where memory is short, if the model has it. */
const MIN_AUTO_TOKENS = 8_192;
/** More is rarely used on a machine without a GPU: reading 32k tokens takes minutes. */
const MAX_AUTO_TOKENS = 32_768;
/** The rest is for the system, the server and the answer's own work. */
const SHARE_OF_FREE_MEMORY = 0.4;
/** llama.cpp rounds contexts to this. */
const ROUNDING = 256;
/** Keys and values, 16-bit floats each. */
const BYTES_PER_CELL_VALUE = 2 * 2;

/** Bytes one token of context costs: keys and values of every layer. */
export function contextBytesPerToken(shape: ContextShape): number {
  return shape.layers * shape.keyValueHeads * shape.headDimension * BYTES_PER_CELL_VALUE;
}

/**
 * Tokens a sequence: what 40% of the free memory holds, within 8,192 and 32,768, never more than the model was trained
 * for. Memory for less than 8,192 lowers the floor: a small context is better than a process killed by the system.
 */
export function autoContextTokens(shape: ContextShape, sequences: number, freeBytes: number): number {
  const affordable = (freeBytes * SHARE_OF_FREE_MEMORY) / (contextBytesPerToken(shape) * sequences);
  const wanted = Math.min(shape.trainContextTokens, MAX_AUTO_TOKENS);
  const floor = canHold(shape, sequences, freeBytes) ? Math.min(MIN_AUTO_TOKENS, wanted) : ROUNDING;
  const tokens = Math.min(wanted, Math.max(floor, affordable));
  return Math.max(ROUNDING, Math.floor(tokens / ROUNDING) * ROUNDING);
}

/** The floor may take more than its share, but not what is not there. */
function canHold(shape: ContextShape, sequences: number, freeBytes: number): boolean {
  return contextBytesPerToken(shape) * sequences * MIN_AUTO_TOKENS <= freeBytes * 0.9;
}
