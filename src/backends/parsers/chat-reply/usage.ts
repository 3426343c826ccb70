/** Usage as upstreams tell it → canonical usage whose parts add up, whatever was told. */
import { NO_USAGE, type Usage } from '../../../core/usage.ts';
import type { LooseInputDetails, LooseUsage } from './wire.ts';

/** What was seen in the answer, for what an upstream does not tell. */
export interface SeenOutput {
  /** Pieces of output; a streaming server sends at least one token in each. */
  readonly pieces: number;
  readonly reasoningPieces: number;
  readonly characters: number;
  readonly reasoningCharacters: number;
}

/** Of an answer whose counts are not to be completed. */
export const NOTHING_SEEN: SeenOutput = { pieces: 0, reasoningPieces: 0, characters: 0, reasoningCharacters: 0 };

/**
 * The usage told. Where the upstream does not part reasoning from the answer, the share of the text that was reasoning
 * stands for its share of the tokens.
 */
export function decodeUsage(told: LooseUsage, seen: SeenOutput): Usage {
  const input = told.prompt_tokens_details ?? {};
  const output = told.completion_tokens_details ?? {};
  const inputTotal = count(told.prompt_tokens);
  const outputTotal = count(told.completion_tokens);
  const cachedRead = Math.min(count(input.cached_tokens ?? told.prompt_cache_hit_tokens), inputTotal);
  const reasoning = output.reasoning_tokens ?? told.reasoning_tokens;
  return {
    input: {
      ...NO_USAGE.input,
      total: inputTotal,
      cachedRead,
      ...(isExplicit(input) ? { markedRead: cachedRead } : {}),
      cacheWritten: Math.min(count(input.cache_creation_input_tokens), inputTotal - cachedRead),
      image: count(input.image_tokens),
      video: count(input.video_tokens),
      audio: count(input.audio_tokens),
    },
    output: {
      total: outputTotal,
      reasoning: Math.min(isNumber(reasoning) ? count(reasoning) : reasoningShare(outputTotal, seen), outputTotal),
      audio: count(output.audio_tokens),
    },
  };
}

/**
 * The usage of an answer whose upstream told none: it was cut, or never tells. Each piece counts as one token, which it
 * holds at least; the input is not known.
 */
export function usageSeen(seen: SeenOutput): Usage {
  return { input: NO_USAGE.input, output: { total: seen.pieces, reasoning: seen.reasoningPieces, audio: 0 } };
}

/** A call uses the explicit cache or the implicit one, never both, and says which. */
function isExplicit({ cache_type: type, cache_creation_input_tokens: written }: LooseInputDetails): boolean {
  return type === 'ephemeral' || count(written) > 0;
}

function reasoningShare(total: number, seen: SeenOutput): number {
  if (seen.reasoningCharacters === 0) return 0;
  return Math.round((total * seen.reasoningCharacters) / seen.characters);
}

function count(value: unknown): number {
  return isNumber(value) && value > 0 ? Math.min(Math.round(value), Number.MAX_SAFE_INTEGER) : 0;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
