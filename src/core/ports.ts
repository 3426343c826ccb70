/**
 * The ports between the core and everything with a side effect. Implementations live in `backends/`, `stores/`,
 * `billing/`; `main.ts` wires them. A feature or a wire only ever sees these.
 */

import type { GenerationStream, StartEvent } from './events.ts';
import type { GenerationRequest } from './generation.ts';
import type { ModelCard } from './models.ts';
import type { Charge } from './prices.ts';
import type { Usage } from './usage.ts';

/** Time, so that tests can hold it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Monotonic milliseconds for durations. */
  monotonic(): number;
}

/** Ids, so that tests can hold them. */
export interface IdSource {
  /** A uuid in the service's form: its third group starts with 9. */
  uuid(): string;
  /** `call_` and 24 lower-case hex digits. */
  callId(): string;
}

/** Structured log lines: fields, then a short sentence. Never a key, a prompt or an answer. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Who calls. */
export interface Account {
  readonly keyId: string;
  /** For logs and fairness: the queue takes turns between keys. */
  readonly name: string;
  /** Files, responses, conversations and batches belong to a workspace: every key of it sees them. */
  readonly workspaceId: string;
  /** Called with a temporary key, which may not make another. */
  readonly isTemporary?: boolean | undefined;
}

/** The workspace of every key, as long as there is only one. */
export const DEFAULT_WORKSPACE_ID = 'default';

/**
 * What one call carries along. Made by `serve`, passed to every feature and to the backend. Features may set the
 * fields that are not readonly, once each, before calling `next`.
 */
export interface CallContext {
  readonly requestId: string;
  /** The wire's id, for logs and metrics only; no feature may branch on it. */
  readonly protocol: string;
  /** The reply goes out piece by piece; some models demand it. */
  readonly isStreaming: boolean;
  readonly account: Account;
  /** Batch work waits for live calls. */
  readonly priority: 'live' | 'batch';
  /** Aborted when the client leaves or the server gives up. `reason` is 'client-gone', 'cancelled' or a StudioError. */
  readonly signal: AbortSignal;
  readonly receivedAtMs: number;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** Set by resolve-model. */
  card: ModelCard | undefined;
  /** Set by resolve-model: who will answer and by what name it knows the model. */
  route: Route | undefined;
}

/** What a backend holds by itself, so that features need not. */
export interface BackendAbilities {
  /** Answers n choices in one call. */
  readonly choices: boolean;
  /** Holds decoding to JSON and JSON Schema (or refuses with a 400 before any cost). */
  readonly structuredOutput: boolean;
  /** Cuts reasoning at the budget itself. */
  readonly thinkingBudget: boolean;
  /** Honours `toolChoice`. */
  readonly toolChoice: boolean;
  /** Reads image and video parts. Absent: text only, so validation refuses such parts before any cost. */
  readonly images?: boolean | undefined;
  /** Continues a raw prompt without a chat template (`rawPrompt`). Absent: validation refuses such requests. */
  readonly rawPrompts?: boolean | undefined;
}

/**
 * Answers a request. `generate` yields a stream that keeps the grammar of `events.ts`, its first event made by
 * `startOf`. It may throw a StudioError before the first event and never after it. It stops work at once when
 * `context.signal` aborts and then ends with `finish` (`client-gone` or `cancelled`) and true usage.
 */
export interface Backend {
  readonly id: string;
  readonly abilities: BackendAbilities;
  generate(request: GenerationRequest, context: CallContext): GenerationStream;
  /** The prompt tokens the request would cost, tools and template included. Absent: the backend cannot tell. */
  countTokens?(request: GenerationRequest, route: Route, card: ModelCard | undefined): Promise<number>;
  /** Splits plain text into tokens, without a template. Absent: the backend cannot tell. */
  tokenise?(text: string, route: Route): Promise<readonly TextToken[]>;
  /** A word on health for `/health` and `doctor`. */
  health(): BackendHealth;
  close(): Promise<void>;
}

/** A token of plain text. `text` may hold U+FFFD where a character spans tokens. */
export interface TextToken {
  readonly id: number;
  readonly text: string;
}

/** Token questions that generate nothing. Both throw `model-not-found`, or `model-not-supported` where nobody can tell. */
export interface TokenCounter {
  /** As `generate` would count the request's input. */
  countInput(request: GenerationRequest): Promise<number>;
  tokenise(model: string, text: string): Promise<readonly TextToken[]>;
}

export interface BackendHealth {
  readonly isReady: boolean;
  readonly detail: string;
}

/** Where a model id leads. */
export interface Route {
  readonly backend: Backend;
  /** The name the backend knows the model by (weights name, upstream model id, scripted behaviour). */
  readonly target: string;
  /** `embedded/qwen2.5-coder-1.5b`: told in `x-atelier-backend` and by GET /models. */
  readonly servedBy: string;
  /** The answering model is not the one asked for. */
  readonly isStandIn: boolean;
}

/** Resolves model ids to routes; undefined when no backend answers for the id. */
export interface Router {
  resolve(model: string, card: ModelCard | undefined): Route | undefined;
}

/** One receipt a call, written when the call ends by whatever way. */
export interface Receipt {
  readonly requestId: string;
  readonly protocol: string;
  readonly keyId: string;
  /** A line of a batch costs half, and nothing when it failed. */
  readonly priority: CallContext['priority'];
  /** What the call cost, by the prices of the model that was asked for. */
  readonly charge: Charge;
  readonly model: string;
  readonly servedBy: string;
  readonly usage: Usage;
  readonly ending: 'completed' | 'cancelled' | 'client-gone' | 'failed';
  /** The error code, with ending `failed`. */
  readonly errorCode?: string | undefined;
  readonly startedAtMs: number;
  readonly totalMs: number;
  readonly firstTokenMs?: number | undefined;
}

export interface Ledger {
  /** Never blocks and never throws. */
  record(receipt: Receipt): void;
  flush(): Promise<void>;
}

/** Counters and histograms the pipeline feeds. */
export interface Metrics {
  callStarted(protocol: string, model: string): void;
  callEnded(receipt: Receipt): void;
}

/** An API key as stored: the secret itself is never kept. */
export interface StoredKey {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  /** The first and last characters, for people. */
  readonly hint: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
}

export interface KeyStore {
  create(name: string): { key: StoredKey; secret: string };
  list(): StoredKey[];
  /** False when there is no such key or it was revoked before. */
  revoke(id: string): boolean;
  /** The live key of a secret, for a temporary one the key it was made from; compares in constant time. */
  verify(secret: string): VerifiedKey | undefined;
}

export interface VerifiedKey extends StoredKey {
  readonly isTemporary?: true | undefined;
}

/** Short-lived secrets that stand for a key: they can do what it can and die with it. */
export interface TemporaryKeys {
  /** Undefined when the key is not live. */
  createTemporary(keyId: string, ttlMs: number): { readonly secret: string; readonly expiresAtMs: number } | undefined;
}

/** The first event of a stream. */
export function startOf(request: GenerationRequest, context: CallContext): StartEvent {
  return {
    type: 'start',
    generationId: context.requestId,
    model: request.model,
    createdAtMs: context.receivedAtMs,
    servedBy: context.route?.servedBy ?? 'unknown',
  };
}

/** How a call that was aborted ended, from the signal's reason. */
export function endingOf(signal: AbortSignal): 'cancelled' | 'client-gone' {
  return signal.reason === 'cancelled' ? 'cancelled' : 'client-gone';
}
