/**
 * Tokens of scripted answers: a word or a sign, with the blanks before it; Chinese, Japanese and Korean characters one
 * by one. Not any model's tokens, but always the same ones, so counts can be worked out by hand.
 */
import { formOf } from '../../core/fim.ts';
import type { ContentPart, GenerationRequest, RawPrompt } from '../../core/generation.ts';
import type { TextToken } from '../../core/ports.ts';
import { type InputUsage, NO_USAGE } from '../../core/usage.ts';

/** What a scripted model counts for a piece it does not look at. */
const IMAGE_TOKENS = 256;
const VIDEO_TOKENS = 1024;
const AUDIO_TOKENS = 128;

const CJK = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}`;
const WORD = String.raw`[[\p{L}\p{N}\p{M}_]--[${CJK}]]+`;
const TOKEN = new RegExp(String.raw`\s*(?:[${CJK}]|${WORD}|[^\s])|\s+`, 'gv');

/** The tokens of a text; joined they are the text. */
export function tokenise(text: string): string[] {
  return text.toWellFormed().match(TOKEN) ?? [];
}

export function countTokens(text: string): number {
  return tokenise(text).length;
}

/** The tokens of a text with ids: made up, but always the same ones for the same text. */
export function textTokens(text: string): TextToken[] {
  return tokenise(text).map((token) => ({ id: idOf(token), text: token }));
}

/** FNV-1a over the token's UTF-16 units, without the sign. */
function idOf(token: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < token.length; index++) hash = Math.imul(hash ^ token.charCodeAt(index), 0x01000193);
  return hash >>> 1;
}

/** What a request costs to read: all its text, its tool definitions as JSON, a fixed price for other pieces. */
export function countInput(request: GenerationRequest): InputUsage {
  const media = { text: countRawPrompt(request.rawPrompt), image: 0, video: 0, audio: 0 };
  const count = (parts: readonly ContentPart[]): void => {
    for (const part of parts) countPart(part, media, count);
  };
  count(request.instructions);
  for (const turn of request.turns) count(turn.parts);
  const toolDefinitions = request.tools.reduce((sum, tool) => sum + countTokens(JSON.stringify(tool)), 0);
  const { text, image, video, audio } = media;
  return {
    ...NO_USAGE.input,
    total: text + image + video + audio + toolDefinitions,
    image,
    video,
    audio,
    toolDefinitions,
  };
}

/** The tokens of a piece, as many as `countInput` counts. What is not looked at is told by where it is. */
export function tokensOfPart(part: ContentPart): string[] {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return tokenise(part.text);
    case 'tool-call':
      return [...tokenise(part.name), ...tokenise(part.inputText)];
    case 'tool-result':
      return part.parts.flatMap(tokensOfPart);
    case 'image':
      return Array.from({ length: IMAGE_TOKENS }, () => part.url);
    case 'video':
      return Array.from({ length: VIDEO_TOKENS }, () => part.url ?? part.frames?.join() ?? '');
    case 'audio':
      return Array.from({ length: AUDIO_TOKENS }, () => part.url);
    case 'file':
      return [];
    default:
      return part satisfies never;
  }
}

/** The three tokens around a gap count one each, whoever wrote them. */
const GAP_TOKENS = 3;

function countRawPrompt(rawPrompt: RawPrompt | undefined): number {
  if (!rawPrompt) return 0;
  const form = formOf(rawPrompt);
  if (form.kind === 'continuation') return countTokens(form.text);
  const context = form.kind === 'spelt' ? countTokens(form.context) : 0;
  return context + countTokens(form.before) + countTokens(form.after) + GAP_TOKENS;
}

function countPart(
  part: ContentPart,
  counts: { text: number; image: number; video: number; audio: number },
  countAll: (parts: readonly ContentPart[]) => void,
): void {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      counts.text += countTokens(part.text);
      return;
    case 'tool-call':
      counts.text += countTokens(part.name) + countTokens(part.inputText);
      return;
    case 'tool-result':
      countAll(part.parts);
      return;
    case 'image':
      counts.image += IMAGE_TOKENS;
      return;
    case 'video':
      counts.video += VIDEO_TOKENS;
      return;
    case 'audio':
      counts.audio += AUDIO_TOKENS;
      return;
    case 'file':
      return;
    default:
      part satisfies never;
  }
}
