/** Whether weights and the context that is asked for fit into memory, and if not, what would. */
import { autoContextTokens, contextBytesPerToken } from '../core/context-memory.ts';
import type { WeightsShape } from './gguf.ts';

/** What of the settings decides. */
export interface ContextWish {
  readonly sequences: number;
  readonly contextTokens: number | 'auto';
}

export interface MemoryNeed {
  readonly weightsBytes: number;
  /** Of all sequences. */
  readonly contextBytes: number;
  readonly totalBytes: number;
  /** Tokens a sequence. */
  readonly contextTokens: number;
}

export type Fit =
  | { readonly fits: true; readonly need: MemoryNeed }
  | {
      readonly fits: false;
      readonly need: MemoryNeed;
      /** Tokens a sequence that would fit; 0 when not even the weights do. */
      readonly fittingTokens: number;
    };

/**
 * Buffers of the engine and the process around it: an engine with the 0.5B and four sequences has 0.4 GB besides its
 * weights and its context.
 */
const WORK_BYTES = 0.4e9;
/** A shorter context is of no use: tools and a question no longer fit. */
const LEAST_TOKENS = 2_048;
/** llama.cpp rounds contexts to this. */
const ROUNDING = 256;

/** Bytes that weights take once they are loaded and every sequence is full. `auto` is what the engine would choose. */
export function memoryNeeded(shape: WeightsShape, wish: ContextWish, freeBytes: number): MemoryNeed {
  const { sequences } = wish;
  const weightsBytes = shape.fileBytes;
  const contextTokens =
    wish.contextTokens === 'auto'
      ? autoContextTokens(shape, sequences, Math.max(0, freeBytes - weightsBytes))
      : wish.contextTokens;
  const contextBytes = contextBytesPerToken(shape) * contextTokens * sequences;
  return { weightsBytes, contextBytes, totalBytes: weightsBytes + contextBytes + WORK_BYTES, contextTokens };
}

export function fitOf(shape: WeightsShape, wish: ContextWish, freeBytes: number): Fit {
  const need = memoryNeeded(shape, wish, freeBytes);
  const { trainContextTokens } = shape;
  const isUseful = wish.contextTokens !== 'auto' || need.contextTokens >= Math.min(LEAST_TOKENS, trainContextTokens);
  if (need.totalBytes <= freeBytes && isUseful) return { fits: true, need };
  const room = Math.max(0, freeBytes - shape.fileBytes - WORK_BYTES);
  const tokens = Math.floor(room / (contextBytesPerToken(shape) * wish.sequences) / ROUNDING) * ROUNDING;
  const fittingTokens = tokens < Math.min(LEAST_TOKENS, trainContextTokens) ? 0 : Math.min(tokens, trainContextTokens);
  return { fits: false, need, fittingTokens };
}

/** What is wrong and what to do, in two sentences for a person. */
export interface FitAdvice {
  readonly problem: string;
  readonly fix: string;
}

/** `smaller` are weights that would fit, as their names. */
export function fitAdvice(
  name: string,
  fit: Extract<Fit, { fits: false }>,
  wish: ContextWish,
  freeBytes: number,
  smaller: readonly string[],
): FitAdvice {
  const { need, fittingTokens } = fit;
  const each = `${wish.sequences} × ${need.contextTokens.toLocaleString('en')} tokens of context`;
  const problem =
    `${name} takes ${gigabytes(need.totalBytes)} (weights ${gigabytes(need.weightsBytes)}, ` +
    `${each} ${gigabytes(need.contextBytes)}), and ${gigabytes(freeBytes)} are free.`;
  const fixes = [
    ...(fittingTokens > 0 && fittingTokens < need.contextTokens
      ? [`a context of ${fittingTokens.toLocaleString('en')} fits (--context-tokens ${fittingTokens})`]
      : []),
    ...(wish.sequences > 1 && fittingTokens === 0 ? ['try one answer at a time (--sequences 1)'] : []),
    ...(smaller.length > 0 ? [`serve smaller weights (--weights ${smaller[0]})`] : []),
    'close other programs',
  ];
  return { problem, fix: `${fixes.join(', or ')}.` };
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
