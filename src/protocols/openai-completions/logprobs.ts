/** Log probabilities in the form of OpenAI's Completions: four lists side by side, one entry a token. */
import type { TokenLogprob } from '../../core/events.ts';

export interface CompletionLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly number[];
  /** Alternatives by their text; null where none were asked for. */
  readonly top_logprobs: readonly { readonly [token: string]: number }[] | null;
  /** Where each token begins, in characters from the beginning of the choice's text. */
  readonly text_offset: readonly number[];
}

/** Encodes tokens that begin at `offset`; gives where the next ones begin. */
export function encodeLogprobs(
  tokens: readonly TokenLogprob[],
  offset: number,
): { readonly logprobs: CompletionLogprobs; readonly nextOffset: number } {
  const textOffsets: number[] = [];
  let nextOffset = offset;
  for (const { bytes } of tokens) {
    // A token that begins in the middle of a character belongs to where that character began.
    textOffsets.push(isContinuation(bytes[0] ?? 0) ? Math.max(0, nextOffset - 1) : nextOffset);
    for (const byte of bytes) if (!isContinuation(byte)) nextOffset++;
  }
  const hasAlternatives = tokens.some(({ top }) => top.length > 0);
  return {
    logprobs: {
      tokens: tokens.map(({ token }) => token),
      token_logprobs: tokens.map(({ logprob }) => logprob),
      top_logprobs: hasAlternatives ? tokens.map(alternativesOf) : null,
      text_offset: textOffsets,
    },
    nextOffset,
  };
}

/** Tokens of one spelling (halves of characters) share an entry: the likelier one's. They come best first. */
function alternativesOf({ top }: TokenLogprob): { readonly [token: string]: number } {
  const byText = new Map<string, number>();
  for (const { token, logprob } of top) if (!byText.has(token)) byText.set(token, logprob);
  return Object.fromEntries(byText);
}

/** Of a character in UTF-8, all bytes but the first. */
function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
