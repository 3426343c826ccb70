/**
 * The ports between the core and everything with a side effect. Implementations live in `backends/`, `stores/`,
 * `billing/`; `main.ts` wires them. A feature or a wire only ever sees these.
 */

import type { PromptCache } from './context-cache.ts';
import type { StudioError } from './errors.ts';
import type { GenerationStream, StartEvent } from './events.ts';
import type { GenerationRequest } from './generation.ts';
import type { RateLimits } from './limits.ts';
import type { ModelCard } from './models.ts';
import type { Charge } from './prices.ts';
import type { Region } from './regions.ts';
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
  readonly workspaceId: string;
  /** Where the call is made: its models, prices and quota. */
  readonly region: Region;
  /** Called with a temporary key, which may not make another. */
  readonly isTemporary?: boolean | undefined;
}

/**
 * Whose stored things (files, batches, responses, conversations, tasks, uploads) are: a workspace's in one region, as regions
 * share nothing. Every key of both sees them.
 */
export type Owner = Pick<Account, 'workspaceId' | 'region'>;

/** The key id of whoever calls where no key is asked for. */
export const ANONYMOUS_KEY_ID = 'anonymous';

/** The workspace that is always there. */
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
  /** The call came on a WebSocket, which has a place among its client's streams. */
  readonly isOnSocket?: boolean | undefined;
  /** How long the caller would rather wait than be refused because its calls grow too fast. */
  readonly waitTimeoutMs?: number | undefined;
  /** Aborted when the client leaves or the server gives up. `reason` is 'client-gone', 'cancelled' or a StudioError. */
  readonly signal: AbortSignal;
  /** Why this server itself has cut the call, if it has: its client reads that, however the backend ends. */
  readonly failure?: (() => StudioError | undefined) | undefined;
  readonly receivedAtMs: number;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** Set by metering: the id that the receipt of this call will have. */
  receiptId?: string | undefined;
  /** Set by resolve-model. */
  card: ModelCard | undefined;
  /** Set by resolve-model: who will answer and by what name it knows the model. */
  route: Route | undefined;
  /** Set by admission where it has to ask elsewhere: until then nobody can say that the call was accepted. */
  admitting?: Promise<unknown> | undefined;
  /** Set by admission: what is left of the call's limits, for the headers of its reply. */
  rateLimits?: RateLimits | undefined;
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
  /** The prompts it keeps. Absent: it keeps none, or whoever it asks does. */
  readonly promptCache?: PromptCache | undefined;
  /** A word on health for `/health` and `doctor`. */
  health(): BackendHealth;
  close(): Promise<void>;
}

/** A token of plain text. `text` may hold U+FFFD where a character spans tokens. */
export interface TextToken {
  readonly id: number;
  readonly text: string;
}

/**
 * Token questions that generate nothing. Both throw `model-not-found`, also where the model is not in the account's region,
 * or `model-not-supported` where nobody can tell.
 */
export interface TokenCounter {
  /** As `generate` would count the request's input. */
  countInput(request: GenerationRequest, account: Account): Promise<number>;
  tokenise(model: string, text: string, account: Account): Promise<readonly TextToken[]>;
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
  /** Ours and unique, where a request id may be a caller's. */
  readonly receiptId: string;
  readonly requestId: string;
  readonly protocol: string;
  readonly keyId: string;
  readonly workspaceId: string;
  readonly region: Region;
  /** A line of a batch costs half, and nothing when it failed. */
  readonly priority: CallContext['priority'];
  /** What the call cost, by the prices of the model that was asked for, less what the free quota paid. */
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

/** A call, as it is known when it begins. */
export type OpenedCall = Pick<
  Receipt,
  'receiptId' | 'requestId' | 'protocol' | 'keyId' | 'workspaceId' | 'region' | 'priority' | 'model' | 'startedAtMs'
> & { readonly isStreaming: boolean };

/** What is known when a call ends; the ledger works out what it costs. */
export type ClosedCall = Pick<Receipt, 'servedBy' | 'usage' | 'ending' | 'errorCode' | 'totalMs' | 'firstTokenMs'>;

/**
 * Keeps a receipt of every call that was opened, whatever happens to the call or to this process: a call that a killed
 * process left open is closed at the next start, with the usage it had.
 */
export interface Ledger {
  /**
   * Throws `overloaded` when receipts cannot be kept any more: better no call than one that is forgotten. `soFar` tells what
   * was generated until now; it is asked every few milliseconds while the call is open.
   */
  open(call: OpenedCall, soFar: () => Usage): OpenAccount;
  /** Writes every receipt that is still in memory. */
  flush(): Promise<void>;
}

/** The account of one open call. */
export interface OpenAccount {
  /** Once. Never throws or waits for a disk; the receipt is safe from a kill of this process when it returns. */
  close(call: ClosedCall): Receipt;
}

/** Counters and histograms the pipeline feeds. */
export interface Metrics {
  callStarted(protocol: string, model: string): void;
  callEnded(receipt: Receipt): void;
}

/** How a call waited for local weights. */
export interface QueueWait {
  readonly priority: CallContext['priority'];
  readonly queueMs: number;
  /** How many of its priority stood before it when it came. */
  readonly callsAhead: number;
}

/** Short-lived secrets that stand for a key: they can do what it can and die with it. */
export interface TemporaryKeys {
  /** Undefined when the key is not live. */
  createTemporary(
    keyId: string,
    ttlMs: number,
  ): Promise<{ readonly secret: string; readonly expiresAtMs: number } | undefined>;
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
