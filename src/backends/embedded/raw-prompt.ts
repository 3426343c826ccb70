/**
 * A prompt without a chat template: text to be gone on with, or a text with a gap, spelt with the weights' own
 * fill-in-the-middle tokens.
 *
 * What a caller wrote is plain text, control tokens and all, unless he wrote the fill-in-the-middle tokens himself: then
 * those, and the tokens that part files, are meant. No other control token ever is.
 */
import { StudioError } from '../../core/errors.ts';
import { CODE_TOKENS, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, formOf } from '../../core/fim.ts';
import type { RawPrompt } from '../../core/generation.ts';
import type { ControlTextCutter } from './control-text.ts';
import type { PromptSegment, WeightsFacts } from './engine-protocol.ts';

/** The pieces of a raw prompt. Throws `model-not-supported` for a gap that these weights have no tokens for. */
export function rawPromptSegments(
  rawPrompt: RawPrompt,
  facts: WeightsFacts,
  cutter: ControlTextCutter,
): readonly PromptSegment[] {
  const form = formOf(rawPrompt);
  if (form.kind === 'continuation') return plainSegments(form.text, cutter);
  checkTokens(facts);
  if (form.kind === 'spelt') return speltSegments(form.text, facts, cutter);
  return [
    { kind: 'control', text: FIM_PREFIX },
    ...plainSegments(form.before, cutter),
    { kind: 'control', text: FIM_SUFFIX },
    ...plainSegments(form.after, cutter),
    { kind: 'control', text: FIM_MIDDLE },
  ];
}

/**
 * A caller's text. Cut inside the spellings of control tokens: the engine takes some of them (`<tool_call>`) for tokens
 * even in plain text.
 */
export function plainSegments(text: string, cutter: ControlTextCutter): readonly PromptSegment[] {
  return cutter.pieces(text).map((piece) => ({ kind: 'plain', text: piece }));
}

/** Own words, made to go on with what the wire adds: "… for OpenAI compatibility mode." */
function checkTokens({ name, controlTexts }: WeightsFacts): void {
  if ([FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE].every((token) => controlTexts.includes(token))) return;
  throw new StudioError('model-not-supported', `The weights ${name} cannot fill in the middle: unsupported model`);
}

function speltSegments(text: string, facts: WeightsFacts, cutter: ControlTextCutter): PromptSegment[] {
  const meant = CODE_TOKENS.filter((token) => facts.controlTexts.includes(token));
  const anyToken = new RegExp(`(${meant.map((token) => token.replaceAll('|', '\\|')).join('|')})`);
  return text
    .split(anyToken)
    .flatMap((piece): readonly PromptSegment[] =>
      meant.includes(piece) ? [{ kind: 'control', text: piece }] : plainSegments(piece, cutter),
    );
}
