/**
 * The error envelopes of the OpenAI-style wires (Chat Completions, Completions, Responses, files).
 *
 * Recorded bodies come in three forms, by the layer that refused (openai-chat reference §18.1): the gateway (A: key,
 * account, throttle), the model layer (B: an extra `id`, another key order) and the front validator (C: `request_id`
 * wears the prefix, no `id`). Clients print them whole, so key order is kept.
 */
import { ERROR_CODES, type ErrorCode, type StudioError } from '../core/errors.ts';
import { DEFAULT_REGION, REGION_FACTS } from '../core/regions.ts';
import type { ErrorReply } from './protocol.ts';

/** Who refused, which decides the envelope. */
type Layer = 'gateway' | 'model' | 'front';

interface WireError {
  readonly layer: Layer;
  /** `error.code`. */
  readonly code: string;
  /** `error.type`. */
  readonly type: string;
  /** Where the wire answers with another status than the core's table. */
  readonly status?: number;
  /** The wire's own words, whatever the thrower said. */
  readonly message?: string;
  /** What stands before the message in recorded bodies. */
  readonly prefix?: string;
  /** What ends the message on these wires. */
  readonly suffix?: string;
  /** The help page's anchor that the service adds to the message since 2025. */
  readonly anchor?: string;
  /** Seconds to wait when the thrower knows no better; also turns the retry headers on. */
  readonly retryAfterSeconds?: number;
  /** Set where the SDKs would retry by status although it cannot help. */
  readonly shouldNotRetry?: boolean;
}

const INVALID_REQUEST = 'invalid_request_error';

const parameter = (layer: Layer, code = 'invalid_parameter_error'): WireError => ({
  layer,
  code,
  type: INVALID_REQUEST,
});

/** A code that is its own type, as in every recorded account or throttle error. */
const account = (code: string, rest: Partial<WireError> = {}): WireError => ({
  layer: 'gateway',
  code,
  type: code,
  ...rest,
});

/** "Error messages" page and recorded bodies (openai-chat §18.2); choices where it is silent: docs/decisions/0006. */
const WIRE_ERRORS: { readonly [code in ErrorCode]: WireError } = {
  'invalid-parameter': parameter('model'),
  'missing-parameter': parameter('front', 'missing_required_parameter'),
  'invalid-value': parameter('front', 'invalid_value'),
  'malformed-body': parameter('front'),
  'thinking-unsupported': parameter('model', 'InvalidParameter.NotSupportEnableThinking'),
  'context-too-long': parameter('model'),
  'content-filtered': account('data_inspection_failed', { layer: 'model' }),
  arrearage: account('Arrearage', { anchor: 'overdue-payment', shouldNotRetry: true }),
  'previous-response-not-found': parameter('gateway', 'previous_response_not_found'),
  'unsupported-operation': parameter('gateway'),
  conflict: parameter('gateway', 'conflict'),
  // One text for a missing and a wrong key on these wires (openai-chat reference §18.2).
  'missing-api-key': {
    layer: 'gateway',
    code: 'invalid_api_key',
    type: INVALID_REQUEST,
    anchor: 'apikey-error',
    message: ERROR_CODES['invalid-api-key'].message,
  },
  'invalid-api-key': { layer: 'gateway', code: 'invalid_api_key', type: INVALID_REQUEST, anchor: 'apikey-error' },
  'access-denied': account('access_denied'),
  'model-access-denied': account('Model.AccessDenied'),
  'workspace-access-denied': account('Workspace.AccessDenied'),
  'free-tier-exhausted': account('AllocationQuota.FreeTierOnly'),
  'model-not-found': parameter('gateway', 'model_not_found'),
  'model-not-supported': { ...parameter('model', 'model_not_supported'), suffix: ' for OpenAI compatibility mode.' },
  'workspace-not-found': account('WorkSpaceNotFound'),
  'not-found': parameter('gateway', 'not_found'),
  // The page lists "Request method 'GET' is not supported." in its 400 group.
  'method-not-allowed': { ...parameter('gateway'), status: 400 },
  'body-too-large': { ...parameter('gateway'), shouldNotRetry: true },
  'unsupported-media-type': parameter('gateway'),
  'rate-limited': account('limit_requests', { anchor: 'rate-limit', retryAfterSeconds: 1 }),
  'burst-limited': account('limit_burst_rate', { retryAfterSeconds: 1 }),
  'tokens-limited': account('insufficient_quota', { anchor: 'token-limit', retryAfterSeconds: 1 }),
  'concurrency-limited': account('Throttling.Concurrency', { retryAfterSeconds: 1 }),
  'quota-exceeded': account('insufficient_quota', { anchor: 'token-limit', shouldNotRetry: true }),
  'queue-full': account('Throttling.Concurrency', { retryAfterSeconds: 1 }),
  internal: account('internal_error'),
  // Recorded so; the page has the same text under the code `InternalError.Algo`.
  'engine-failed': account('internal_server_error', { layer: 'model', prefix: '<500> InternalError.Algo: ' }),
  'upstream-failed': account('internal_error'),
  overloaded: account('ModelUnavailable', { retryAfterSeconds: 1 }),
  'shutting-down': account('ModelUnavailable', { retryAfterSeconds: 1 }),
  timeout: account('RequestTimeOut', { shouldNotRetry: true }),
};

/** The hosts outside the mainland link the international page (openai-chat reference §18.1). */
const MAINLAND_HELP_PAGE = 'https://help.aliyun.com/zh/model-studio/error-code';
const INTERNATIONAL_HELP_PAGE = 'https://www.alibabacloud.com/help/en/model-studio/error-code';

/** Every SDK obeys a wait below a minute; above it some ignore it and some sleep for as long as told (client-behaviour §1). */
const LONGEST_RETRY_AFTER_SECONDS = 59;

/** A JSON error body; `idPrefix` is the wire's (`chatcmpl-`). */
export function errorBody(error: StudioError, requestId: string, idPrefix: string): object {
  const { layer, code, type } = WIRE_ERRORS[error.code];
  const param = error.param ?? null;
  const message = messageOf(error);
  switch (layer) {
    case 'gateway':
      return { error: { message, type, param, code }, request_id: requestId };
    case 'model':
      return { error: { code, param, message, type }, id: `${idPrefix}${requestId}`, request_id: requestId };
    case 'front':
      return { error: { code, param, message, type }, request_id: `${idPrefix}${requestId}` };
    default:
      return layer satisfies never;
  }
}

/** An error before the first byte: status, retry headers and body. */
export function errorReply(error: StudioError, requestId: string, idPrefix: string): ErrorReply {
  return {
    status: WIRE_ERRORS[error.code].status ?? error.status,
    headers: { 'content-type': 'application/json', ...retryHeaders(error) },
    body: errorBody(error, requestId, idPrefix),
  };
}

/** As `errorReply`, in the gateway's form whoever refused: for resources of which no error was recorded. */
export function gatewayErrorReply(error: StudioError, requestId: string): ErrorReply {
  const { code, type } = WIRE_ERRORS[error.code];
  const body = { error: { message: messageOf(error), type, param: error.param ?? null, code }, request_id: requestId };
  return { ...errorReply(error, requestId, ''), body };
}

/** What tells the SDKs whether and when to try again (client-behaviour §7). */
function retryHeaders(error: StudioError): { [name: string]: string } {
  const { retryAfterSeconds: usualSeconds, shouldNotRetry } = WIRE_ERRORS[error.code];
  if (shouldNotRetry) return { 'x-should-retry': 'false' };
  const seconds = error.retryAfterSeconds ?? usualSeconds;
  if (seconds === undefined) return error.status === 429 ? { 'x-should-retry': 'false' } : {};
  const wait = Math.min(Math.max(Math.ceil(seconds), 1), LONGEST_RETRY_AFTER_SECONDS);
  return {
    'retry-after': String(wait),
    'retry-after-ms': String(wait * 1000),
    'x-should-retry': String(ERROR_CODES[error.code].isRetryable),
    ...(error.code === 'shutting-down' ? { connection: 'close' } : {}),
  };
}

function messageOf(error: StudioError): string {
  const { prefix = '', suffix = '', anchor, message = error.message } = WIRE_ERRORS[error.code];
  const prefixed = error.explain((message.startsWith(prefix) ? message : prefix + message) + suffix);
  const isLinked = message.includes(MAINLAND_HELP_PAGE) || message.includes(INTERNATIONAL_HELP_PAGE);
  return anchor === undefined || isLinked ? prefixed : `${prefixed} For details, see: ${helpPageOf(error)}#${anchor}`;
}

function helpPageOf({ region = DEFAULT_REGION }: StudioError): string {
  return REGION_FACTS[region].isMainland ? MAINLAND_HELP_PAGE : INTERNATIONAL_HELP_PAGE;
}
