/**
 * The canonical request: what six wires have in common.
 *
 * A wire decodes its body into a `GenerationRequest`; features change it; a backend reads it. Nothing here knows
 * which wire asked. How the answer is framed (stream or body, include_usage, id prefixes…) is the wire's reply plan
 * and never stands here.
 *
 * Everything is readonly. An absent field means "the caller said nothing".
 */
import type { ContextCache } from './context-cache.ts';

/** A mark that the prefix up to and with this piece is worth keeping (`cache_control`). */
export interface CacheMark {
  readonly ttlSeconds: number;
}

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
  readonly cacheMark?: CacheMark | undefined;
}

/** Earlier reasoning, replayed by the caller. `signature` round-trips untouched. */
export interface ReasoningPart {
  readonly type: 'reasoning';
  readonly text: string;
  readonly signature?: string | undefined;
}

/** A picture by URL or data URI. Pixel limits are in pixels of the resized picture. */
export interface ImagePart {
  readonly type: 'image';
  readonly url: string;
  readonly detail?: 'auto' | 'low' | 'high' | undefined;
  readonly minPixels?: number | undefined;
  readonly maxPixels?: number | undefined;
  readonly cacheMark?: CacheMark | undefined;
}

/** A video, as one URL or as a list of frame URLs. */
export interface VideoPart {
  readonly type: 'video';
  readonly url?: string | undefined;
  readonly frames?: readonly string[] | undefined;
  readonly fps?: number | undefined;
  readonly minPixels?: number | undefined;
  readonly maxPixels?: number | undefined;
  readonly totalPixels?: number | undefined;
  readonly cacheMark?: CacheMark | undefined;
}

/** Sound by URL or data URI. */
export interface AudioPart {
  readonly type: 'audio';
  readonly url: string;
  readonly format?: string | undefined;
}

/** A stored file by id, or a document by URL. */
export interface FilePart {
  readonly type: 'file';
  readonly fileId?: string | undefined;
  readonly url?: string | undefined;
  readonly cacheMark?: CacheMark | undefined;
}

/** A call the model made earlier. `inputText` is raw text: it may not be valid JSON. */
export interface ToolCallPart {
  readonly type: 'tool-call';
  readonly callId: string;
  readonly name: string;
  readonly inputText: string;
  readonly executedBy: 'client' | 'server';
  readonly cacheMark?: CacheMark | undefined;
}

/** What a call gave back. */
export interface ToolResultPart {
  readonly type: 'tool-result';
  readonly callId: string;
  readonly parts: readonly (TextPart | ImagePart)[];
  readonly isError: boolean;
  readonly cacheMark?: CacheMark | undefined;
}

export type ContentPart =
  | TextPart
  | ReasoningPart
  | ImagePart
  | VideoPart
  | AudioPart
  | FilePart
  | ToolCallPart
  | ToolResultPart;

export type Role = 'system' | 'user' | 'assistant' | 'tool';

/** One turn of the conversation. Consecutive turns of one role are legal. */
export interface Turn {
  readonly role: Role;
  readonly parts: readonly ContentPart[];
  readonly name?: string | undefined;
  /** The last assistant turn is a prefix to be continued (partial mode). */
  readonly isPartial?: boolean | undefined;
}

/** A JSON value, as it came. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON Schema object. */
export type JsonSchema = { readonly [key: string]: Json };

/** A function the caller runs. */
export interface FunctionTool {
  readonly type: 'function';
  readonly name: string;
  readonly description?: string | undefined;
  readonly inputSchema: JsonSchema;
  readonly isStrict?: boolean | undefined;
  readonly cacheMark?: CacheMark | undefined;
}

/** A tool the server runs (web search, code interpreter, MCP…). */
export interface HostedTool {
  readonly type: 'hosted';
  readonly kind: string;
  readonly options: { readonly [key: string]: Json };
}

export type Tool = FunctionTool | HostedTool;

export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

/** The form the answer must have. */
export type OutputFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json-object' }
  | {
      readonly type: 'json-schema';
      readonly name: string;
      readonly schema: JsonSchema;
      readonly isStrict: boolean;
    };

/** Sampling as the caller asked; an absent field is filled by the backend that answers (docs/decisions/0004). */
export interface Sampling {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly minP?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly seed?: number | undefined;
  /** Token id → bias; −100 bans. */
  readonly logitBias?: { readonly [tokenId: string]: number } | undefined;
  readonly stopTexts?: readonly string[] | undefined;
  /** Token ids that end the answer; each inner list is one stop sequence. */
  readonly stopTokens?: readonly (readonly number[])[] | undefined;
  /** How many answers (`n`). */
  readonly choices?: number | undefined;
  /** Wanted log probabilities; `top` is how many alternatives a token. */
  readonly logprobs?: { readonly top: number } | undefined;
}

/** Output limits in tokens. */
export interface Limits {
  /** Bounds the answer; reasoning is not counted (`max_tokens`). */
  readonly maxOutputTokens?: number | undefined;
  /** Bounds answer and reasoning together (`max_completion_tokens`). */
  readonly maxTotalOutputTokens?: number | undefined;
}

/** The control a caller sets; the text a model emits is *reasoning*. */
export interface Thinking {
  /** `default` until the thinking feature has resolved it to `on` or `off` by the model's card. */
  readonly switch: 'default' | 'on' | 'off';
  readonly budgetTokens?: number | undefined;
  readonly effort?: string | undefined;
  /** Earlier reasoning goes into the prompt (`preserve_thinking`). */
  readonly keepsHistory?: boolean | undefined;
  /** Whatever `keepsHistory` says, the reasoning since the last user text does: a model thinks on between its calls. */
  readonly keepsLoop?: boolean | undefined;
}

/** What an earlier call is continued from; one feature turns it into turns. */
export type Continuation =
  | { readonly previousResponseId: string }
  | { readonly conversationId: string }
  | { readonly sessionKey: string };

/** Namespaced options; only the feature that owns one reads it. */
export interface Extensions {
  readonly search?: { readonly [key: string]: Json } | undefined;
  readonly codeInterpreter?: { readonly [key: string]: Json } | undefined;
  readonly research?: { readonly [key: string]: Json } | undefined;
  readonly translation?: { readonly [key: string]: Json } | undefined;
  readonly character?: { readonly [key: string]: Json } | undefined;
  readonly ocr?: { readonly [key: string]: Json } | undefined;
  /** Document skills such as slides (`skill`). */
  readonly skills?: { readonly [key: string]: Json } | undefined;
  /** A spoken answer (`modalities` with audio). */
  readonly speech?: { readonly [key: string]: Json } | undefined;
}

/** What a caller asks of the context cache beside marks on pieces. */
export interface CacheWish {
  /** What this call says is to be kept for the one that continues it (`x-dashscope-session-cache`). */
  readonly keepsSession?: boolean | undefined;
  /** Calls that say the same key find what the others left, and nobody else does (`x-dashscope-aca-session`). */
  readonly sessionKey?: string | undefined;
}

/** Text that is to be continued as it stands, without a chat template (Completions). */
export interface RawPrompt {
  readonly text: string;
  /** What follows the gap: the model fills in the middle. */
  readonly suffix?: string | undefined;
}

/** What is to be kept of the call. */
export interface Storage {
  readonly isStored?: boolean | undefined;
  readonly isBackground?: boolean | undefined;
  readonly metadata?: { readonly [key: string]: string } | undefined;
  readonly user?: string | undefined;
}

export interface GenerationRequest {
  /** The id as asked; resolved to a card and a route by a feature, never by a wire. */
  readonly model: string;
  /** System text a wire carries apart from its turns (Messages' `system`, Responses' `instructions`). */
  readonly instructions: readonly TextPart[];
  readonly turns: readonly Turn[];
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice;
  readonly allowsParallelCalls: boolean;
  readonly output: OutputFormat;
  readonly sampling: Sampling;
  readonly limits: Limits;
  readonly thinking: Thinking;
  readonly continuation?: Continuation | undefined;
  readonly extensions: Extensions;
  readonly storage: Storage;
  readonly cacheWish?: CacheWish | undefined;
  /** Set by the context-cache feature. Absent: nobody said, so a backend tells what it found. */
  readonly contextCache?: ContextCache | undefined;
  /** Instead of turns, which are empty then. */
  readonly rawPrompt?: RawPrompt | undefined;
}

/** All text of a list of parts, joined. */
export function textOf(parts: readonly ContentPart[]): string {
  let text = '';
  for (const part of parts) if (part.type === 'text') text += part.text;
  return text;
}

/** The function tools of a request. */
export function functionTools(request: GenerationRequest): FunctionTool[] {
  return request.tools.filter((tool): tool is FunctionTool => tool.type === 'function');
}

/** A request that asks for nothing but its turns; wires and tests build on it. */
export function plainRequest(model: string, turns: readonly Turn[]): GenerationRequest {
  return {
    model,
    instructions: [],
    turns,
    tools: [],
    toolChoice: 'auto',
    allowsParallelCalls: false,
    output: { type: 'text' },
    sampling: {},
    limits: {},
    thinking: { switch: 'default' },
    extensions: {},
    storage: {},
  };
}
