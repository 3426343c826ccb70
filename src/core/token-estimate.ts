/**
 * How many tokens a request will read, guessed before anybody reads it: what limits on tokens take at first. Cheap
 * enough for every call, and not for a bill.
 */
import type { ContentPart, GenerationRequest, Json, Tool } from './generation.ts';

/** Characters a token, as the tokenisers of the catalogue's models split them: Latin letters, Chinese and the like, others. */
const LATIN_A_TOKEN = 4;
const IDEOGRAPHS_A_TOKEN = 1.5;
const OTHERS_A_TOKEN = 2.5;

/** A picture of 1,000 × 800 pixels at 28 × 28 a token; what a URL leads to is not looked at. */
const IMAGE_TOKENS = 1000;
const VIDEO_TOKENS = 8000;
/** Half a minute at 25 tokens a second. */
const AUDIO_TOKENS = 750;
const FILE_TOKENS = 4000;

/** What a template adds to a turn. */
const TURN_TOKENS = 4;

/** Characters of a text that are looked at; of a longer one every so many. */
const SAMPLE = 1024;

/** At least 1. */
export function estimateInput({ instructions, turns, tools, rawPrompt }: GenerationRequest): number {
  let tokens = 0;
  for (const { text } of instructions) tokens += tokensOf(text);
  for (const { parts } of turns) {
    tokens += TURN_TOKENS;
    for (const part of parts) tokens += tokensOfPart(part);
  }
  for (const tool of tools) tokens += tokensOfTool(tool);
  if (rawPrompt) tokens += tokensOf(rawPrompt.text) + tokensOf(rawPrompt.suffix ?? '');
  return Math.max(1, Math.ceil(tokens));
}

function tokensOfPart(part: ContentPart): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return tokensOf(part.text);
    case 'image':
      return IMAGE_TOKENS;
    case 'video':
      return part.frames === undefined ? VIDEO_TOKENS : part.frames.length * IMAGE_TOKENS;
    case 'audio':
      return AUDIO_TOKENS;
    case 'file':
      return FILE_TOKENS;
    case 'tool-call':
      return tokensOf(part.name) + tokensOf(part.inputText);
    case 'tool-result':
      return part.parts.reduce((sum, each) => sum + tokensOfPart(each), 0);
    default:
      return part satisfies never;
  }
}

function tokensOfTool(tool: Tool): number {
  if (tool.type === 'hosted') return 0;
  return tokensOf(tool.name) + tokensOf(tool.description ?? '') + tokensOfJson(tool.inputSchema);
}

/** Without recursion: a schema may be nested deeper than a stack is. */
function tokensOfJson(json: Json): number {
  let tokens = 0;
  const left: Json[] = [json];
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    tokens += 1;
    if (typeof value === 'string') tokens += tokensOf(value);
    else if (Array.isArray(value)) left.push(...value);
    else if (typeof value === 'object' && value !== null)
      for (const [name, member] of Object.entries(value)) {
        tokens += tokensOf(name);
        left.push(member);
      }
  }
  return tokens;
}

function tokensOf(text: string): number {
  const { length } = text;
  const step = Math.max(1, Math.floor(length / SAMPLE));
  let latin = 0;
  let ideographs = 0;
  let others = 0;
  for (let at = 0; at < length; at += step) {
    const code = text.charCodeAt(at);
    if (code < 0x250) latin++;
    // From the radicals to the compatibility forms: Chinese, Japanese, Korean, their marks and wide letters.
    else if ((code >= 0x2e80 && code <= 0xd7ff) || (code >= 0xf900 && code <= 0xffef)) ideographs++;
    else others++;
  }
  const seen = latin + ideographs + others;
  if (seen === 0) return 0;
  const tokens = latin / LATIN_A_TOKEN + ideographs / IDEOGRAPHS_A_TOKEN + others / OTHERS_A_TOKEN;
  return tokens * (length / seen);
}
