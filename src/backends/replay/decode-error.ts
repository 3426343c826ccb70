/** A recorded refusal → the error it was, with the words it had. */
import { type ErrorCode, StudioError } from '../../core/errors.ts';
import { isObject } from './recording.ts';

/** Names of codes on the four wires ("Error messages"; OpenAI's and Anthropic's error types), without case and signs. */
const CODES: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^(data_?inspection_?failed|content_?filter)/, 'content-filtered'],
  [/^(arrearage|billing_?error)/, 'arrearage'],
  [/^(invalid_?api_?key|authentication_?error)/, 'invalid-api-key'],
  [/^(invalid_?parameter\.?not_?support_?enable_?thinking)/, 'thinking-unsupported'],
  [/^(model_?access_?denied|model\.access_?denied)/, 'model-access-denied'],
  [/^(allocation_?quota\.?free_?tier_?only)/, 'free-tier-exhausted'],
  [/^(access_?denied|permission_?error|workspace\.access_?denied|app\.access_?denied)/, 'access-denied'],
  [/^(model_?not_?found)/, 'model-not-found'],
  [/^(model_?not_?supported)/, 'model-not-supported'],
  [/^(not_?found)/, 'not-found'],
  [/^(unsupported_?operation)/, 'unsupported-operation'],
  [/^(conflict)/, 'conflict'],
  [/^(previous_?response_?not_?found)/, 'previous-response-not-found'],
  [/^(throttling\.?burst_?rate|limit_?burst_?rate)/, 'burst-limited'],
  [/^(throttling\.?allocation_?quota|insufficient_?quota)/, 'quota-exceeded'],
  [/^(throttling\.?concurrency)/, 'queue-full'],
  [/^(throttling|limit_?requests|rate_?limit)/, 'rate-limited'],
  [/^(model_?unavailable|model_?serving_?error|overloaded)/, 'overloaded'],
  [/^(request_?time_?out|internal_?error\.?timeout|timeout)/, 'timeout'],
  [/^(internal_?error\.?algo|internal_?server_?error)/, 'engine-failed'],
];

const CODES_OF_STATUS: { readonly [status: number]: ErrorCode } = {
  401: 'invalid-api-key',
  403: 'access-denied',
  404: 'not-found',
  405: 'method-not-allowed',
  409: 'conflict',
  413: 'body-too-large',
  415: 'unsupported-media-type',
  429: 'rate-limited',
  502: 'upstream-failed',
  503: 'overloaded',
  504: 'timeout',
  529: 'overloaded',
};

/** `body` is the whole body, or the data of an error frame; `status` is not known inside a stream. */
export function errorOfBody(body: unknown, status: number | undefined): StudioError {
  const outer = isObject(body) ? body : {};
  const inner = isObject(outer.error) ? outer.error : outer;
  const names = [inner.code, inner.type].filter((name) => typeof name === 'string').map((name) => name.toLowerCase());
  const byName = names.map((name) => CODES.find(([pattern]) => pattern.test(name))?.[1]).find((code) => code);
  const message = typeof inner.message === 'string' && inner.message !== '' ? inner.message : undefined;
  const param = typeof inner.param === 'string' ? inner.param : undefined;
  // The general name stands beside special statuses too.
  const isRequest = names.some((name) => /^(invalid_?parameter|invalid_?request|bad_?request)/.test(name));
  const byStatus = status === undefined ? undefined : codeOfStatus(status);
  return new StudioError(byName ?? byStatus ?? (isRequest ? 'invalid-parameter' : 'engine-failed'), message, { param });
}

function codeOfStatus(status: number): ErrorCode {
  return CODES_OF_STATUS[status] ?? (status >= 500 ? 'internal' : 'invalid-parameter');
}
