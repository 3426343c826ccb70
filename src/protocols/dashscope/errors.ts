/** Errors on the native wire: flat bodies of `code`, `message`, `request_id` (dashscope-native reference §8). */
import type { ErrorCode, StudioError } from '../../core/errors.ts';
import type { ErrorReply, Headers } from '../protocol.ts';
import { lineJson } from '../sse.ts';
import { asksForStream, errorFrame } from './frames.ts';

interface WireError {
  readonly code: string;
  /** Where the wire answers with another status than the core's table. */
  readonly status?: number;
  /** The wire's own words, whatever the thrower said. */
  readonly message?: string;
  /** Seconds to wait when the thrower knows no better. */
  readonly retryAfterSeconds?: number;
}

const PARAMETER: WireError = { code: 'InvalidParameter' };
const throttling = (kind: string): WireError => ({ code: `Throttling${kind}`, retryAfterSeconds: 1 });

/** "Error messages" page; choices where it is silent: docs/wires/dashscope.md. */
const WIRE_ERRORS: { readonly [code in ErrorCode]: WireError } = {
  'invalid-parameter': PARAMETER,
  'missing-parameter': PARAMETER,
  'invalid-value': PARAMETER,
  'malformed-body': PARAMETER,
  'thinking-unsupported': { code: 'InvalidParameter.NotSupportEnableThinking' },
  'context-too-long': PARAMETER,
  'content-filtered': { code: 'DataInspectionFailed' },
  arrearage: { code: 'Arrearage' },
  'previous-response-not-found': PARAMETER,
  'unsupported-operation': { code: 'UnsupportedOperation' },
  conflict: { code: 'Conflict' },
  'missing-api-key': { code: 'InvalidApiKey' },
  'invalid-api-key': { code: 'InvalidApiKey', message: 'Invalid API-key provided.' },
  'access-denied': { code: 'AccessDenied' },
  'model-access-denied': { code: 'Model.AccessDenied' },
  'workspace-access-denied': { code: 'Workspace.AccessDenied' },
  'free-tier-exhausted': { code: 'AllocationQuota.FreeTierOnly' },
  // What the live host answers; the page has 404 `ModelNotFound` as well.
  'model-not-found': { code: 'InvalidParameter', status: 400, message: 'Model not exist.' },
  'model-not-supported': { code: 'ModelNotFound' },
  'workspace-not-found': { code: 'WorkSpaceNotFound' },
  'not-found': { code: 'NotFound' },
  'method-not-allowed': PARAMETER,
  'body-too-large': { code: 'BadRequest.TooLarge', status: 400, message: 'Payload Too Large.' },
  'unsupported-media-type': PARAMETER,
  'rate-limited': throttling('.RateQuota'),
  'burst-limited': throttling('.BurstRate'),
  'tokens-limited': throttling('.AllocationQuota'),
  'concurrency-limited': throttling(''),
  'quota-exceeded': { code: 'Throttling.AllocationQuota' },
  'queue-full': throttling(''),
  internal: { code: 'InternalError' },
  'engine-failed': { code: 'InternalError.Algo' },
  'upstream-failed': { code: 'ModelServiceFailed', status: 500 },
  overloaded: { code: 'ModelUnavailable', retryAfterSeconds: 1 },
  'shutting-down': { code: 'ModelUnavailable', retryAfterSeconds: 1 },
  timeout: { code: 'RequestTimeOut', status: 500 },
};

/** What the compatible mode puts before texts of the model layer; the native wire gives the text alone (§8). */
const MODEL_LAYER_PREFIX = /^<400> InternalError\.Algo\.InvalidParameter: /;

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly request_id: string;
}

/** The body of an error, in a frame or alone. */
export function errorBody(
  error: StudioError,
  requestId: string,
): { readonly code: string; readonly message: string; readonly request_id: string } {
  const message = error.explain(WIRE_ERRORS[error.code].message ?? error.message.replace(MODEL_LAYER_PREFIX, ''));
  return { code: codeOf(error), message, request_id: requestId };
}

/** Two parameters have codes of their own. */
function codeOf({ code, param }: StudioError): string {
  if (code === 'missing-parameter' && param === 'model') return 'BadRequest.EmptyModel';
  if (code === 'missing-parameter' && param === 'input') return 'BadRequest.EmptyInput';
  if (code === 'invalid-value' && param === 'input') return 'BadRequest.IllegalInput';
  return WIRE_ERRORS[code].code;
}

function statusOf(error: StudioError): number {
  return WIRE_ERRORS[error.code].status ?? error.status;
}

/**
 * Before the first byte. Recorded: a call that asked for a stream gets a refusal of status 400 as an event of a stream
 * with status 200. Any other status goes out as itself: the Java SDK takes every error event for a 400, and what retries
 * looks at the status.
 */
export function encodeError(error: StudioError, requestId: string, headers: Headers = {}): ErrorReply {
  const status = statusOf(error);
  const body = errorBody(error, requestId);
  if (status === 400 && asksForStream(headers)) {
    const frame = errorFrame(1, status, lineJson(body));
    return { status: 200, headers: { 'content-type': 'text/event-stream;charset=UTF-8' }, body: frame };
  }
  const wait = error.retryAfterSeconds ?? WIRE_ERRORS[error.code].retryAfterSeconds;
  const replyHeaders: { [name: string]: string } = { 'content-type': 'application/json' };
  if (wait !== undefined) replyHeaders['retry-after'] = retryAfterOf(wait);
  return { status, headers: replyHeaders, body };
}

/** As on the other wires: what reads it may ignore a wait of a minute or more, or sleep for as long as told. */
const LONGEST_RETRY_AFTER_SECONDS = 59;

function retryAfterOf(seconds: number): string {
  return String(Math.min(Math.max(Math.ceil(seconds), 1), LONGEST_RETRY_AFTER_SECONDS));
}

/** After the first byte: an error event with the real status, and nothing behind it. */
export function streamError(id: number, error: StudioError, requestId: string): string {
  return errorFrame(id, statusOf(error), lineJson(errorBody(error, requestId)));
}
