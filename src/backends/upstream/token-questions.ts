/** The tokens of a text or a request, asked of a server that tells them. vLLM and llama-server each have their own way. */
import type { GenerationRequest } from '../../core/generation.ts';
import type { Backend, Route, TextToken } from '../../core/ports.ts';
import { textsOfSpellings } from '../parsers/token-spelling.ts';
import type { AskServer } from './ask.ts';
import { encodeBody } from './encode.ts';
import { encodePrompt, namesOf } from './encode-completion.ts';
import type { WireObject } from './encode-messages.ts';
import { unreadableReply } from './errors.ts';
import type { UpstreamQuirks } from './quirks.ts';

export type TokenAnswers = Pick<Backend, 'countTokens' | 'tokenise'>;

/** The answers of this kind of server; none where it tells no tokens. */
export function tokenAnswersOf(quirks: UpstreamQuirks, ask: AskServer): TokenAnswers {
  switch (quirks.tokens) {
    case undefined:
      return {};
    case 'vllm':
      return vllmAnswers(quirks, ask);
    case 'llama-server':
      return llamaAnswers(quirks, ask);
    default:
      return quirks.tokens satisfies never;
  }
}

/** `POST /tokenize` takes a prompt or a whole chat request, and spells the tokens as the vocabulary does. */
function vllmAnswers(quirks: UpstreamQuirks, ask: AskServer): TokenAnswers {
  return {
    async countTokens(request, route, card) {
      const { model } = request;
      const question = request.rawPrompt
        ? { model: route.target, prompt: promptOf(request, route, quirks) }
        : promptPartOf(encodeBody(request, { isStreaming: false, card, route }, quirks, false));
      const { count } = objectIn(await ask('/tokenize', question, model));
      if (typeof count !== 'number') throw unreadable();
      return count;
    },
    async tokenise(text, route) {
      const question = { model: route.target, prompt: text, add_special_tokens: false, return_token_strs: true };
      const { tokens, token_strs: spellings } = objectIn(await ask('/tokenize', question, route.target));
      if (!isListOf(tokens, 'number') || !isListOf(spellings, 'string')) throw unreadable();
      const texts = textsOfSpellings(text, spellings);
      return tokens.map((id, index): TextToken => ({ id, text: texts[index] ?? '' }));
    },
  };
}

/** `POST /tokenize` takes text; `POST /apply-template` makes text of a chat request. */
function llamaAnswers(quirks: UpstreamQuirks, ask: AskServer): TokenAnswers {
  return {
    async countTokens(request, route, card) {
      const { model } = request;
      const content = request.rawPrompt
        ? promptOf(request, route, quirks)
        : await templated(promptPartOf(encodeBody(request, { isStreaming: false, card, route }, quirks, false)), model);
      const question = { content, add_special: true, parse_special: true };
      const { tokens } = objectIn(await ask('/tokenize', question, model));
      if (!Array.isArray(tokens)) throw unreadable();
      return tokens.length;
    },
    async tokenise(text, route) {
      const question = { content: text, add_special: false, parse_special: false, with_pieces: true };
      const { tokens } = objectIn(await ask('/tokenize', question, route.target));
      if (!Array.isArray(tokens)) throw unreadable();
      return tokens.map(pieceOf);
    },
  };

  async function templated(question: WireObject, model: string): Promise<string> {
    const { prompt } = objectIn(await ask('/apply-template', question, model));
    if (typeof prompt !== 'string') throw unreadable();
    return prompt;
  }
}

/** Half a character is told as its bytes. */
function pieceOf(value: unknown): TextToken {
  const { id, piece } = objectIn(value);
  if (typeof id !== 'number') throw unreadable();
  if (typeof piece === 'string') return { id, text: piece };
  if (isListOf(piece, 'number')) return { id, text: new TextDecoder().decode(Uint8Array.from(piece)) };
  throw unreadable();
}

function promptOf(request: GenerationRequest, route: Route, quirks: UpstreamQuirks): string {
  return encodePrompt(request.rawPrompt ?? { text: '' }, namesOf(request, { route }), quirks).prompt;
}

/** Of a chat request, what decides its prompt. */
const PROMPT_FIELDS = [
  'model',
  'messages',
  'tools',
  'chat_template_kwargs',
  'add_generation_prompt',
  'continue_final_message',
] as const;

function promptPartOf(body: WireObject): WireObject {
  return Object.fromEntries(PROMPT_FIELDS.flatMap((field) => (field in body ? [[field, body[field]]] : [])));
}

function objectIn(value: unknown): { readonly [member: string]: unknown } {
  if (typeof value !== 'object' || value === null) throw unreadable();
  return value as { readonly [member: string]: unknown };
}

function isListOf(value: unknown, type: 'number'): value is readonly number[];
function isListOf(value: unknown, type: 'string'): value is readonly string[];
function isListOf(value: unknown, type: string): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === type);
}

function unreadable(): Error {
  return unreadableReply('no tokens').error;
}
