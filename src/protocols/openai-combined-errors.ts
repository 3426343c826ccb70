/**
 * Errors of the Responses and Conversations wires: one body that two kinds of readers understand. The vendor's own is
 * flat (`code`, `message`, `request_id`), which the OpenAI SDKs show as "400 status code (no body)"; so theirs, nested in
 * `error`, stands beside it. The vendor answers some refusals with status 200, which most clients take for an answer:
 * here the status is always true (responses-and-tools reference §5, §17, §19.2).
 */
import type { ErrorCode, StudioError } from '../core/errors.ts';
import { errorReply } from './openai-envelope.ts';
import type { ErrorReply } from './protocol.ts';

interface CombinedError {
  /** `error.code`: OpenAI's word, which clients act on. */
  readonly code: string;
  readonly type: string;
  /** The flat `code`. */
  readonly vendorCode: string;
  /** Where the wire answers with another status than the core's table. */
  readonly status?: number;
  /** The wire's own words, whatever the thrower said. */
  readonly message?: string;
}

const invalid = (code = 'invalid_parameter_error', rest: Partial<CombinedError> = {}): CombinedError => ({
  code,
  type: 'invalid_request_error',
  vendorCode: 'InvalidParameter',
  ...rest,
});

const account = (code: string, vendorCode: string, rest: Partial<CombinedError> = {}): CombinedError => ({
  code,
  type: code,
  vendorCode,
  ...rest,
});

const server = (vendorCode: string, rest: Partial<CombinedError> = {}): CombinedError => ({
  code: 'server_error',
  type: 'server_error',
  vendorCode,
  ...rest,
});

/** "Error messages" page and reference §5, §13; words of retry headers are those of the other OpenAI-style wires. */
const COMBINED_ERRORS: { readonly [code in ErrorCode]: CombinedError } = {
  'invalid-parameter': invalid(),
  'missing-parameter': invalid('missing_required_parameter'),
  'invalid-value': invalid('invalid_value'),
  'malformed-body': invalid(),
  'thinking-unsupported': invalid(),
  'context-too-long': invalid('context_length_exceeded'),
  'content-filtered': invalid('data_inspection_failed', { vendorCode: 'DataInspectionFailed' }),
  arrearage: account('Arrearage', 'Arrearage'),
  'previous-response-not-found': invalid('previous_response_not_found'),
  'unsupported-operation': invalid('unsupported_operation'),
  conflict: invalid('conflict', { vendorCode: 'Conflict' }),
  'missing-api-key': invalid('invalid_api_key', { vendorCode: 'InvalidApiKey' }),
  'invalid-api-key': invalid('invalid_api_key', { vendorCode: 'InvalidApiKey', message: 'Invalid API-key provided.' }),
  'access-denied': account('access_denied', 'AccessDenied'),
  'model-access-denied': account('model_access_denied', 'Model.AccessDenied'),
  'workspace-access-denied': account('workspace_access_denied', 'Workspace.AccessDenied'),
  'free-tier-exhausted': account('insufficient_quota', 'AllocationQuota.FreeTierOnly'),
  'model-not-found': invalid('model_not_found', { status: 400 }),
  'model-not-supported': invalid('model_not_found', { status: 400 }),
  'workspace-not-found': account('workspace_not_found', 'WorkSpaceNotFound'),
  'not-found': invalid('not_found'),
  'method-not-allowed': invalid('method_not_allowed', { vendorCode: 'Method Not Allowed' }),
  'body-too-large': invalid('request_too_large'),
  'unsupported-media-type': invalid('unsupported_media_type'),
  'rate-limited': account('rate_limit_exceeded', 'Throttling.RateQuota'),
  'burst-limited': account('rate_limit_exceeded', 'Throttling.BurstRate'),
  'tokens-limited': account('rate_limit_exceeded', 'Throttling.AllocationQuota'),
  'concurrency-limited': account('rate_limit_exceeded', 'Throttling.Concurrency'),
  'quota-exceeded': account('insufficient_quota', 'Throttling.AllocationQuota'),
  'queue-full': account('rate_limit_exceeded', 'Throttling.Concurrency'),
  internal: server('InternalError'),
  'engine-failed': server('InternalError.Algo'),
  'upstream-failed': server('InternalError'),
  overloaded: server('ModelUnavailable'),
  'shutting-down': server('ModelUnavailable'),
  timeout: server('RequestTimeOut'),
};

/** A whole error reply. */
export function combinedErrorReply(error: StudioError, requestId: string): ErrorReply {
  const { status, vendorCode } = COMBINED_ERRORS[error.code];
  const nested = nestedError(error);
  return {
    status: status ?? error.status,
    headers: errorReply(error, requestId, '').headers,
    body: { error: nested, code: vendorCode, message: nested.message, request_id: requestId },
  };
}

/** What stands in `error`, also of frames. */
export function nestedError(error: StudioError): { message: string; type: string; param: string | null; code: string } {
  const { code, type, message = error.message } = COMBINED_ERRORS[error.code];
  return { message: error.explain(message), type, param: error.param ?? null, code };
}
