/**
 * The canonical event stream: the only thing a backend gives and a wire encodes. A plain answer is this stream
 * assembled (`core/assemble.ts`).
 *
 * Grammar, held by `core/event-grammar.ts` in every test:
 *
 *     stream   = start ( usage | block | tool-result | source | citation | progress )* ( choice-end )* terminal
 *     block    = X-start X-delta* X-end            X in text, reasoning, tool-input; joined by `blockId`
 *     terminal = finish | error                    once, last
 *
 * - `start` is first; nothing follows `finish` or `error`.
 * - A choice has at most one open block at a time; blocks of different choices may interleave.
 * - Each choice ends once with `choice-end`, with no block of it open; nothing of that choice follows.
 * - At `finish` nothing is open and every choice that began has ended — except when it ended `client-gone`.
 *   `error` may cut anything.
 * - At least one `usage` comes before the first block; the last word on usage is in `finish` or `error`.
 * - Block ids are unique in a stream. Deltas are never empty and never split a character.
 * - `joinsNext` on a delta or progress: it came in one piece with the next delta or the end of its choice (recordings tell). A wire
 *   whose frames can hold both shows them in one; the others go on as ever.
 *
 * A backend may throw a StudioError before its first event; after that it yields `error` instead.
 */

import type { StudioError } from './errors.ts';
import type { ContentPart } from './generation.ts';
import type { Usage } from './usage.ts';

/** Opens the stream, before any cost is known. */
export interface StartEvent {
  readonly type: 'start';
  /** Unprefixed id, a uuid; wires add their prefix. */
  readonly generationId: string;
  /** The model id as asked. */
  readonly model: string;
  readonly createdAtMs: number;
  /** Who really answers, for `x-atelier-backend`: `embedded/qwen2.5-coder-1.5b`, `upstream/vllm`, `scripted/echo`. */
  readonly servedBy: string;
}

/** Cumulative counts so far; the later one replaces the earlier. */
export interface UsageEvent {
  readonly type: 'usage';
  readonly usage: Usage;
}

/** One sampled token with its log probability (natural log) and the most likely alternatives. */
export interface TokenLogprob {
  readonly token: string;
  readonly bytes: readonly number[];
  readonly logprob: number;
  readonly top: readonly { readonly token: string; readonly bytes: readonly number[]; readonly logprob: number }[];
}

export interface TextStartEvent {
  readonly type: 'text-start';
  readonly choice: number;
  readonly blockId: string;
  /** What an OCR task read, as data beside the text ("OCR", `ocr_result`). */
  readonly ocrResult?: unknown;
}
export interface TextDeltaEvent {
  readonly type: 'text-delta';
  readonly choice: number;
  readonly blockId: string;
  readonly text: string;
  readonly logprobs?: readonly TokenLogprob[] | undefined;
  readonly joinsNext?: boolean | undefined;
}
export interface TextEndEvent {
  readonly type: 'text-end';
  readonly choice: number;
  readonly blockId: string;
}

export interface ReasoningStartEvent {
  readonly type: 'reasoning-start';
  readonly choice: number;
  readonly blockId: string;
}
export interface ReasoningDeltaEvent {
  readonly type: 'reasoning-delta';
  readonly choice: number;
  readonly blockId: string;
  readonly text: string;
  readonly joinsNext?: boolean | undefined;
}
export interface ReasoningEndEvent {
  readonly type: 'reasoning-end';
  readonly choice: number;
  readonly blockId: string;
  readonly signature?: string | undefined;
}

/** A call begins; its name is whole here. */
export interface ToolInputStartEvent {
  readonly type: 'tool-input-start';
  readonly choice: number;
  readonly blockId: string;
  readonly callId: string;
  readonly name: string;
  readonly executedBy: 'client' | 'server';
}
export interface ToolInputDeltaEvent {
  readonly type: 'tool-input-delta';
  readonly choice: number;
  readonly blockId: string;
  readonly text: string;
  readonly joinsNext?: boolean | undefined;
}
export interface ToolInputEndEvent {
  readonly type: 'tool-input-end';
  readonly choice: number;
  readonly blockId: string;
  /** The whole input text parses as JSON. */
  readonly isValidJson: boolean;
}

/** What a server-run tool gave back. */
export interface ToolResultEvent {
  readonly type: 'tool-result';
  readonly callId: string;
  readonly parts: readonly ContentPart[];
  readonly isError: boolean;
  readonly durationMs: number;
}

export interface SourceEvent {
  readonly type: 'source';
  readonly index: number;
  readonly url: string;
  readonly title: string;
  readonly snippet?: string | undefined;
  readonly iconUrl?: string | undefined;
  readonly siteName?: string | undefined;
}

export interface CitationEvent {
  readonly type: 'citation';
  readonly blockId: string;
  readonly start: number;
  readonly end: number;
  readonly sourceIndex: number;
}

export interface ProgressEvent {
  readonly type: 'progress';
  readonly of: 'research' | 'tool' | 'queue';
  readonly phase: string;
  readonly status: string;
  readonly data?: unknown;
  readonly joinsNext?: boolean | undefined;
}

export type ChoiceEndReason = 'stop' | 'stop-text' | 'length' | 'tool-calls' | 'content-filter' | 'context-full';

export interface ChoiceEndEvent {
  readonly type: 'choice-end';
  readonly choice: number;
  readonly reason: ChoiceEndReason;
  /** The matched stop text, with reason `stop-text`. */
  readonly stopText?: string | undefined;
}

/** Times of the call in milliseconds; absent where the backend cannot know. */
export interface Timings {
  readonly queueMs?: number | undefined;
  /** Not a time: how many calls stood before it in the queue when it came. */
  readonly callsAhead?: number | undefined;
  readonly promptMs?: number | undefined;
  readonly firstTokenMs?: number | undefined;
  readonly totalMs?: number | undefined;
}

/** The end of a call that did not fail. Cancelled and client-gone are ways to finish, with usage. */
export interface FinishEvent {
  readonly type: 'finish';
  readonly usage: Usage;
  readonly timings: Timings;
  readonly ending: 'completed' | 'cancelled' | 'client-gone';
}

/** The end of a call that failed, with what it had used. */
export interface ErrorEvent {
  readonly type: 'error';
  readonly error: StudioError;
  readonly usage: Usage;
}

export type GenerationEvent =
  | StartEvent
  | UsageEvent
  | TextStartEvent
  | TextDeltaEvent
  | TextEndEvent
  | ReasoningStartEvent
  | ReasoningDeltaEvent
  | ReasoningEndEvent
  | ToolInputStartEvent
  | ToolInputDeltaEvent
  | ToolInputEndEvent
  | ToolResultEvent
  | SourceEvent
  | CitationEvent
  | ProgressEvent
  | ChoiceEndEvent
  | FinishEvent
  | ErrorEvent;

export type GenerationStream = AsyncIterable<GenerationEvent>;
