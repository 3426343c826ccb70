/**
 * The one error class and the closed table of its codes.
 *
 * Throw a `StudioError` early, where the knowledge is; each protocol's `errors.ts` says how a code looks on its wire.
 * `message` is what the client reads: for anything a client may match, the real service's words. Never put a key, a
 * prompt or an upstream body in it; those go to `cause`, which only the log sees (redacted).
 */
import type { Region } from './regions.ts';

export type Fault = 'client' | 'server' | 'upstream';

interface ErrorFacts {
  /** HTTP status where the wire has no other rule. */
  readonly status: number;
  /** Worth trying again, by us before the first event or by the client. */
  readonly isRetryable: boolean;
  readonly fault: Fault;
  /** The words when the thrower has none of its own. */
  readonly message: string;
}

const facts = (status: number, fault: Fault, isRetryable: boolean, message: string): ErrorFacts => ({
  status,
  fault,
  isRetryable,
  message,
});

/** Texts: openai-chat reference §18, from the vendor's "Error messages" page and recorded bodies. */
export const ERROR_CODES = {
  'invalid-parameter': facts(
    400,
    'client',
    false,
    'Required parameter missing or invalid, please check the request parameters.',
  ),
  'missing-parameter': facts(400, 'client', false, 'you must provide a messages parameter'),
  /** A value of the wrong type, found by the front validator. */
  'invalid-value': facts(
    400,
    'client',
    false,
    'Required parameter missing or invalid, please check the request parameters.',
  ),
  'malformed-body': facts(400, 'client', false, 'Required body invalid, please check the request body format.'),
  'thinking-unsupported': facts(400, 'client', false, 'The model does not support enable_thinking.'),
  'context-too-long': facts(400, 'client', false, 'Range of input length should be [1, N]'),
  'content-filtered': facts(400, 'client', false, 'Input or output data may contain inappropriate content.'),
  arrearage: facts(400, 'client', false, 'Access denied, please make sure your account is in good standing.'),
  /** A response, conversation or item that the request continues is not there. */
  'previous-response-not-found': facts(400, 'client', false, 'Not found previous_response_id'),
  /** The thing is not in a state in which this can be done to it (cancelling what has ended). */
  'unsupported-operation': facts(400, 'client', false, 'The operation is not supported.'),
  conflict: facts(409, 'client', false, 'The resource is in use.'),
  'missing-api-key': facts(401, 'client', false, 'No API-key provided.'),
  'invalid-api-key': facts(401, 'client', false, 'Incorrect API key provided.'),
  'access-denied': facts(403, 'client', false, 'Access denied.'),
  'model-access-denied': facts(403, 'client', false, 'Model access denied.'),
  'workspace-access-denied': facts(403, 'client', false, 'Workspace access denied.'),
  'free-tier-exhausted': facts(
    403,
    'client',
    false,
    'The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the "use free tier only" mode in the management console.',
  ),
  'model-not-found': facts(404, 'client', false, 'The model does not exist or you do not have access to it.'),
  'model-not-supported': facts(404, 'client', false, 'Unsupported model'),
  'workspace-not-found': facts(404, 'client', false, 'Workspace not found.'),
  'not-found': facts(404, 'client', false, 'Not found.'),
  'method-not-allowed': facts(405, 'client', false, 'Request method is not supported.'),
  'body-too-large': facts(413, 'client', false, 'The request body is too large.'),
  'unsupported-media-type': facts(415, 'client', false, 'Content-Type must be application/json.'),
  'rate-limited': facts(429, 'client', true, 'You have exceeded your current request limit.'),
  'burst-limited': facts(
    429,
    'client',
    true,
    'Request rate increased too quickly. To ensure system stability, please adjust your client logic to scale requests more smoothly over time.',
  ),
  /** More tokens a minute than the account may have. */
  'tokens-limited': facts(429, 'client', true, 'Allocated quota exceeded, please increase your quota limit.'),
  /** More streams and sockets at once than a client may have. */
  'concurrency-limited': facts(429, 'client', true, 'Too many concurrent requests.'),
  /** A budget is spent; trying again does not help. */
  'quota-exceeded': facts(
    429,
    'client',
    false,
    'You exceeded your current quota, please check your plan and billing details.',
  ),
  /** The engine's queue is full. */
  'queue-full': facts(429, 'server', true, 'Too many concurrent requests.'),
  internal: facts(
    500,
    'server',
    false,
    'An internal error has occured, please try again later or contact service support.',
  ),
  /** The engine process died or broke during this call. */
  'engine-failed': facts(500, 'server', true, 'inference internal error.'),
  'upstream-failed': facts(502, 'upstream', true, 'The upstream model service failed, please try again later.'),
  overloaded: facts(503, 'server', true, 'Model is unavailable, please try again later.'),
  'shutting-down': facts(503, 'server', true, 'Model is unavailable, please try again later.'),
  timeout: facts(504, 'server', false, 'Request timed out, please try again later.'),
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** The offending request field, in the wire's spelling. */
  readonly param?: string | undefined;
  /** Whole seconds until a retry may succeed. */
  readonly retryAfterSeconds?: number | undefined;
  /** With `context-too-long`, as far as known: the tokens of the prompt, and how many there may be. */
  readonly promptTokens?: number | undefined;
  readonly maxPromptTokens?: number | undefined;
  /** Ours, behind the words of the wire, which a client may match: what to do about it. */
  readonly explanation?: string | undefined;
  /** Where the call was made: its help page is linked. */
  readonly region?: Region | undefined;
  /** For the log only. */
  readonly cause?: unknown;
}

/** The only error that leaves the core on purpose. */
export class StudioError extends Error {
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly promptTokens: number | undefined;
  readonly maxPromptTokens: number | undefined;
  readonly explanation: string | undefined;
  readonly region: Region | undefined;

  constructor(code: ErrorCode, message?: string, details: ErrorDetails = {}) {
    super(message ?? ERROR_CODES[code].message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'StudioError';
    this.code = code;
    this.param = details.param;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.promptTokens = details.promptTokens;
    this.maxPromptTokens = details.maxPromptTokens;
    this.explanation = details.explanation;
    this.region = details.region;
  }

  /** The same error of a call made in a region; who throws seldom knows where. */
  madeIn(region: Region): StudioError {
    return this.region === region
      ? this
      : new StudioError(this.code, this.message, { ...this, region, cause: this.cause });
  }

  /** A wire's words for it, with the explanation behind them. */
  explain(words: string): string {
    return this.explanation === undefined ? words : `${words} ${this.explanation}`;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get isRetryable(): boolean {
    return ERROR_CODES[this.code].isRetryable;
  }

  get fault(): Fault {
    return ERROR_CODES[this.code].fault;
  }
}

/** Anything thrown, as a StudioError: an unknown failure is our fault and never leaves as a 4xx. */
export function toStudioError(thrown: unknown): StudioError {
  if (thrown instanceof StudioError) return thrown;
  return new StudioError('internal', undefined, { cause: thrown });
}

/** The service's words for a prompt that is longer than the model takes. */
export function contextTooLong(promptTokens: number, maxPromptTokens: number): StudioError {
  return new StudioError('context-too-long', `Range of input length should be [1, ${maxPromptTokens}]`, {
    promptTokens,
    maxPromptTokens,
  });
}

/** The service's words for a model id that leads nowhere. */
export function modelNotFound(model: string): StudioError {
  return new StudioError('model-not-found', `The model \`${model}\` does not exist or you do not have access to it.`);
}
