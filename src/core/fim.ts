/**
 * Fill in the middle, as the page "OpenAI compatible - Completions" spells it: by tokens of the Qwen coder models.
 *
 * A caller asks for it in one of two ways: by a `suffix` beside the prompt, or by writing the tokens into the prompt
 * himself. In the second they are meant; anywhere else their spelling is text like any other.
 */
import type { RawPrompt } from './generation.ts';

export const FIM_PREFIX = '<|fim_prefix|>';
export const FIM_SUFFIX = '<|fim_suffix|>';
export const FIM_MIDDLE = '<|fim_middle|>';

/** The tokens by which coder models part files and gaps. In an answer each of them says that the text is over. */
export const CODE_TOKENS: readonly string[] = [
  FIM_PREFIX,
  FIM_SUFFIX,
  FIM_MIDDLE,
  '<|fim_pad|>',
  '<|repo_name|>',
  '<|file_sep|>',
];

/** A text with a hole in it. */
export interface Gap {
  readonly before: string;
  readonly after: string;
}

/** What a raw prompt asks for. */
export type RawPromptForm =
  /** The text is to be gone on with. */
  | { readonly kind: 'continuation'; readonly text: string }
  /** The caller gave the text around the gap; the backend writes the tokens. */
  | ({ readonly kind: 'gap' } & Gap)
  /** The caller wrote the tokens himself; `context` (other files) may stand in front of them. */
  | ({ readonly kind: 'spelt'; readonly text: string; readonly context: string } & Gap);

/** An empty suffix is a suffix: the gap is at the end of the file. */
export function formOf({ text, suffix }: RawPrompt): RawPromptForm {
  if (suffix !== undefined) return { kind: 'gap', before: text, after: suffix };
  const start = text.indexOf(FIM_PREFIX);
  const middle = start < 0 ? -1 : text.indexOf(FIM_SUFFIX, start);
  if (middle < 0) return { kind: 'continuation', text };
  const rest = text.slice(middle + FIM_SUFFIX.length);
  const end = rest.indexOf(FIM_MIDDLE);
  return {
    kind: 'spelt',
    text,
    context: text.slice(0, start),
    before: text.slice(start + FIM_PREFIX.length, middle),
    after: end < 0 ? rest : rest.slice(0, end),
  };
}

/** The prompt of a gap, spelt out. */
export function spellGap({ before, after }: Gap): string {
  return `${FIM_PREFIX}${before}${FIM_SUFFIX}${after}${FIM_MIDDLE}`;
}
