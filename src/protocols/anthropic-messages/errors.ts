/** Errors on the Messages wire (anthropic-messages reference §10; client-behaviour §7). */
import type { ErrorCode, StudioError } from '../../core/errors.ts';
import type { ErrorReply } from '../protocol.ts';
import { eventFrame, lineJson } from '../sse.ts';

interface WireError {
  /** `error.type`, by which the SDKs choose their class together with the status. */
  readonly type: string;
  /** Where the wire answers with another status than the core's table. */
  readonly status?: number;
  /** Seconds to wait when the thrower knows no better; also turns the retry headers on. */
  readonly retryAfterSeconds?: number;
  /** Set where the SDKs would retry by status although it cannot help. */
  readonly shouldNotRetry?: boolean;
}

const INVALID: WireError = { type: 'invalid_request_error' };
const NOT_FOUND: WireError = { type: 'not_found_error' };
const FORBIDDEN: WireError = { type: 'permission_error' };
const FAILED: WireError = { type: 'api_error' };
const LIMITED: WireError = { type: 'rate_limit_error', retryAfterSeconds: 1 };
/** Anthropic's status for it; clients wait and try again. */
const OVERLOADED: WireError = { type: 'overloaded_error', status: 529, retryAfterSeconds: 1 };

const WIRE_ERRORS: { readonly [code in ErrorCode]: WireError } = {
  'invalid-parameter': INVALID,
  'missing-parameter': INVALID,
  'invalid-value': INVALID,
  'malformed-body': INVALID,
  'thinking-unsupported': INVALID,
  'context-too-long': INVALID,
  'content-filtered': INVALID,
  arrearage: { ...INVALID, shouldNotRetry: true },
  'previous-response-not-found': INVALID,
  'unsupported-operation': INVALID,
  conflict: { type: 'conflict_error' },
  'missing-api-key': { type: 'authentication_error' },
  'invalid-api-key': { type: 'authentication_error' },
  'access-denied': FORBIDDEN,
  'model-access-denied': FORBIDDEN,
  'workspace-access-denied': FORBIDDEN,
  'free-tier-exhausted': FORBIDDEN,
  'model-not-found': NOT_FOUND,
  'model-not-supported': NOT_FOUND,
  'workspace-not-found': NOT_FOUND,
  'not-found': NOT_FOUND,
  'method-not-allowed': INVALID,
  'body-too-large': { type: 'request_too_large', shouldNotRetry: true },
  'unsupported-media-type': INVALID,
  'rate-limited': LIMITED,
  'burst-limited': LIMITED,
  'tokens-limited': LIMITED,
  'concurrency-limited': LIMITED,
  'quota-exceeded': { type: 'rate_limit_error', shouldNotRetry: true },
  'queue-full': OVERLOADED,
  internal: FAILED,
  'engine-failed': FAILED,
  'upstream-failed': FAILED,
  overloaded: OVERLOADED,
  // The status stays 503: it comes with the end of the connection, and another server may answer at once.
  'shutting-down': { type: 'overloaded_error', retryAfterSeconds: 1 },
  timeout: { type: 'timeout_error', shouldNotRetry: true },
};

/** Every SDK obeys a wait below a minute; above it some ignore it and some sleep for as long as told (client-behaviour §1). */
const LONGEST_RETRY_AFTER_SECONDS = 59;

/** The id of a call as the SDKs show it. */
export function wireRequestId(requestId: string): string {
  return `req_${requestId}`;
}

/** Before the first byte: a status and the envelope. */
export function encodeMessagesError(error: StudioError, requestId: string): ErrorReply {
  return {
    status: WIRE_ERRORS[error.code].status ?? error.status,
    headers: {
      'content-type': 'application/json',
      'request-id': wireRequestId(requestId),
      ...retryHeaders(error),
    },
    body: errorBody(error, requestId),
  };
}

/** After the first byte: one event, and no `message_stop` behind it. */
export function messagesErrorFrame(error: StudioError, requestId: string): string {
  return eventFrame('error', lineJson(errorBody(error, requestId)));
}

function errorBody(error: StudioError, requestId: string): object {
  const { type } = WIRE_ERRORS[error.code];
  const told = { type, message: messageOf(error), ...(isThreadRefusal(error) ? { details: NO_THREADS } : {}) };
  return { type: 'error', error: told, request_id: wireRequestId(requestId) };
}

/** By these the SDK knows that it may send the conversation whole. */
const NO_THREADS = { error_code: 'thread_unsupported_request', unsupported: ['thread'] };

function isThreadRefusal({ code, param }: StudioError): boolean {
  return code === 'unsupported-operation' && param === 'thread';
}

/**
 * Claude Code makes its conversation shorter when it reads "prompt is too long", and only then ("Error reference"); the
 * service's own words follow. Where the prompt's length is not known, that it is more than the limit is.
 */
function messageOf(error: StudioError): string {
  const { code, message, promptTokens, maxPromptTokens } = error;
  if (code !== 'context-too-long') return error.explain(message);
  const limit =
    maxPromptTokens === undefined
      ? ''
      : `: ${promptTokens ?? `more than ${maxPromptTokens}`} tokens > ${maxPromptTokens} maximum`;
  return `prompt is too long${limit}. ${message}`;
}

/** What tells the SDKs whether and when to try again. */
function retryHeaders(error: StudioError): { [name: string]: string } {
  const { retryAfterSeconds: usualSeconds, shouldNotRetry } = WIRE_ERRORS[error.code];
  if (shouldNotRetry) return { 'x-should-retry': 'false' };
  const seconds = error.retryAfterSeconds ?? usualSeconds;
  if (seconds === undefined) return {};
  const wait = Math.min(Math.max(Math.ceil(seconds), 1), LONGEST_RETRY_AFTER_SECONDS);
  return {
    'retry-after': String(wait),
    'retry-after-ms': String(wait * 1000),
    'x-should-retry': String(error.isRetryable),
    ...(error.code === 'shutting-down' ? { connection: 'close' } : {}),
  };
}
