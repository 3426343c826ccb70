import { describe, expect, test } from 'vitest';
import { ERROR_CODES, type ErrorCode, StudioError } from '../core/errors.ts';
import { REGIONS, type Region } from '../core/regions.ts';
import { errorBody, errorReply } from './openai-envelope.ts';

const ID = '816a021e-5d7e-9eff-91a2-36aed4641546';
const reply = (code: ErrorCode, message?: string, retryAfterSeconds?: number) =>
  errorReply(new StudioError(code, message, { retryAfterSeconds }), ID, 'chatcmpl-');

interface Row {
  readonly code: ErrorCode;
  readonly status: number;
  readonly wireCode: string;
  readonly type: string;
  readonly message: RegExp;
  /** Section of the openai-chat reference, or the decision where that is silent. */
  readonly source: string;
}

const row = (
  code: ErrorCode,
  status: number,
  wireCode: string,
  type: string,
  message: RegExp,
  source = '§18.2',
): Row => ({ code, status, wireCode, type, message, source });
const INVALID = 'invalid_request_error';

const ROWS: readonly Row[] = [
  row('invalid-parameter', 400, 'invalid_parameter_error', INVALID, /^Required parameter missing or invalid/, '§18.3'),
  row('missing-parameter', 400, 'missing_required_parameter', INVALID, /^you must provide a messages parameter$/),
  row('invalid-value', 400, 'invalid_value', INVALID, /./),
  row('malformed-body', 400, 'invalid_parameter_error', INVALID, /^Required body invalid, please check/),
  row('thinking-unsupported', 400, 'InvalidParameter.NotSupportEnableThinking', INVALID, /enable_thinking/),
  row('context-too-long', 400, 'invalid_parameter_error', INVALID, /^Range of input length should be/, '§18.3'),
  row('content-filtered', 400, 'data_inspection_failed', 'data_inspection_failed', /inappropriate content\.$/),
  row('arrearage', 400, 'Arrearage', 'Arrearage', /good standing\. For details, see: .*#overdue-payment$/),
  row('previous-response-not-found', 400, 'previous_response_not_found', INVALID, /^Not found previous_response_id/),
  row('unsupported-operation', 400, 'invalid_parameter_error', INVALID, /./, 'docs/decisions/0006'),
  row('conflict', 409, 'conflict', INVALID, /./, 'docs/decisions/0006'),
  row('missing-api-key', 401, 'invalid_api_key', INVALID, /^Incorrect API key provided\. For .*#apikey-error$/),
  row('invalid-api-key', 401, 'invalid_api_key', INVALID, /^Incorrect API key provided\. For .*#apikey-error$/),
  row('access-denied', 403, 'access_denied', 'access_denied', /^Access denied\.$/),
  row('model-access-denied', 403, 'Model.AccessDenied', 'Model.AccessDenied', /^Model access denied\.$/),
  row(
    'workspace-access-denied',
    403,
    'Workspace.AccessDenied',
    'Workspace.AccessDenied',
    /^Workspace access denied\.$/,
  ),
  row(
    'free-tier-exhausted',
    403,
    'AllocationQuota.FreeTierOnly',
    'AllocationQuota.FreeTierOnly',
    /^The free tier of the model has been exhausted\./,
  ),
  row('model-not-found', 404, 'model_not_found', INVALID, /does not exist or you do not have access to it\.$/),
  row('model-not-supported', 404, 'model_not_supported', INVALID, /for OpenAI compatibility mode\.$/),
  row('workspace-not-found', 404, 'WorkSpaceNotFound', 'WorkSpaceNotFound', /./, 'docs/decisions/0010'),
  row('not-found', 404, 'not_found', INVALID, /./, 'docs/decisions/0006'),
  row('method-not-allowed', 400, 'invalid_parameter_error', INVALID, /is not supported\.$/),
  row('body-too-large', 413, 'invalid_parameter_error', INVALID, /./, 'docs/decisions/0006'),
  row('unsupported-media-type', 415, 'invalid_parameter_error', INVALID, /./, 'docs/decisions/0006'),
  row('rate-limited', 429, 'limit_requests', 'limit_requests', /current request limit\. For .*#rate-limit$/),
  row('burst-limited', 429, 'limit_burst_rate', 'limit_burst_rate', /^Request rate increased too quickly\./),
  row('tokens-limited', 429, 'insufficient_quota', 'insufficient_quota', /^Allocated quota exceeded, .*#token-limit$/),
  row(
    'concurrency-limited',
    429,
    'Throttling.Concurrency',
    'Throttling.Concurrency',
    /^Too many concurrent requests\.$/,
  ),
  row('quota-exceeded', 429, 'insufficient_quota', 'insufficient_quota', /^You exceeded your.*#token-limit$/),
  row('queue-full', 429, 'Throttling.Concurrency', 'Throttling.Concurrency', /^Too many concurrent requests\.$/),
  row('internal', 500, 'internal_error', 'internal_error', /^An internal error has occured, please try again later/),
  row(
    'engine-failed',
    500,
    'internal_server_error',
    'internal_server_error',
    /^<500> InternalError\.Algo: inference internal error\.$/,
  ),
  row('upstream-failed', 502, 'internal_error', 'internal_error', /./, 'docs/decisions/0006'),
  row('overloaded', 503, 'ModelUnavailable', 'ModelUnavailable', /^Model is unavailable, please try again later\.$/),
  row('shutting-down', 503, 'ModelUnavailable', 'ModelUnavailable', /./, 'docs/decisions/0006'),
  row('timeout', 504, 'RequestTimeOut', 'RequestTimeOut', /^Request timed out, please try again later\.$/),
];

test('every code of the core has a row here', () => {
  expect(ROWS.map(({ code }) => code)).toEqual(Object.keys(ERROR_CODES));
});

test.each(ROWS)('$code ($source)', ({ code, status, wireCode, type, message }) => {
  const { status: sent, body } = reply(code);
  expect(sent).toBe(status);
  expect(body).toMatchObject({
    error: { code: wireCode, type, param: null, message: expect.stringMatching(message) },
    request_id: expect.stringContaining(ID),
  });
});

describe('envelopes, key order as recorded (§18.1)', () => {
  test('A, the gateway', () => {
    expect(JSON.stringify(errorBody(new StudioError('invalid-api-key'), ID, 'chatcmpl-'))).toBe(
      `{"error":{"message":"Incorrect API key provided. For details, see: https://help.aliyun.com/zh/model-studio/error-code#apikey-error","type":"invalid_request_error","param":null,"code":"invalid_api_key"},"request_id":"${ID}"}`,
    );
  });

  test('B, the model layer', () => {
    const error = new StudioError('invalid-parameter', '<400> InternalError.Algo.InvalidParameter: x');
    expect(JSON.stringify(errorBody(error, ID, 'chatcmpl-'))).toBe(
      `{"error":{"code":"invalid_parameter_error","param":null,"message":"<400> InternalError.Algo.InvalidParameter: x","type":"invalid_request_error"},"id":"chatcmpl-${ID}","request_id":"${ID}"}`,
    );
  });

  test('C, the front validator', () => {
    const error = new StudioError('missing-parameter', undefined, { param: 'message' });
    expect(JSON.stringify(errorBody(error, ID, 'chatcmpl-'))).toBe(
      `{"error":{"code":"missing_required_parameter","param":"message","message":"you must provide a messages parameter","type":"invalid_request_error"},"request_id":"chatcmpl-${ID}"}`,
    );
  });
});

test('a message that names the help page already is left alone', () => {
  const message = 'No. For details, see: https://help.aliyun.com/zh/model-studio/error-code#token-limit';
  expect(reply('rate-limited', message).body).toMatchObject({ error: { message } });
});

describe('retry headers (client-behaviour §7)', () => {
  const json = { 'content-type': 'application/json' };
  const wait = (seconds: number) => ({
    'retry-after': String(seconds),
    'retry-after-ms': String(seconds * 1000),
    'x-should-retry': 'true',
  });

  test('a throttle says how long, a short wait by default', () => {
    expect(reply('queue-full').headers).toEqual({ ...json, ...wait(1) });
    expect(reply('rate-limited', undefined, 7.2).headers).toEqual({ ...json, ...wait(8) });
  });

  test('a wait stays below a minute and above nothing', () => {
    expect(reply('rate-limited', undefined, 3600).headers).toEqual({ ...json, ...wait(59) });
    expect(reply('rate-limited', undefined, 0).headers).toEqual({ ...json, ...wait(1) });
  });

  test('a budget that is spent is not worth a retry, tokens of a minute are', () => {
    expect(reply('quota-exceeded').headers).toEqual({ ...json, 'x-should-retry': 'false' });
    expect(reply('tokens-limited', undefined, 20).headers).toEqual({ ...json, ...wait(20) });
  });

  test('what would only fail again', () => {
    for (const code of ['arrearage', 'body-too-large', 'timeout'] as const) {
      expect(reply(code).headers).toEqual({ ...json, 'x-should-retry': 'false' });
    }
  });

  test('a shutdown closes the connection', () => {
    expect(reply('shutting-down').headers).toEqual({ ...json, ...wait(1), connection: 'close' });
  });

  test('nothing where the status says it all', () => {
    for (const code of ['invalid-parameter', 'model-not-found', 'internal', 'engine-failed'] as const) {
      expect(reply(code).headers).toEqual(json);
    }
  });
});

describe('the help page', () => {
  const messageIn = (region: Region, message?: string): string => {
    const { body } = errorReply(new StudioError('invalid-api-key', message).madeIn(region), ID, 'chatcmpl-');
    return (body as { error: { message: string } }).error.message;
  };

  test.each(REGIONS)('of %s', (region) => {
    const page =
      region === 'beijing'
        ? 'https://help.aliyun.com/zh/model-studio/error-code'
        : 'https://www.alibabacloud.com/help/en/model-studio/error-code';
    expect(messageIn(region)).toBe(`Incorrect API key provided. For details, see: ${page}#apikey-error`);
    expect(messageIn(region, `No. See ${page}#x`)).toBe(`No. See ${page}#x`);
  });

  test("is Beijing's where nobody knows better", () => {
    expect(reply('invalid-api-key').body).toMatchObject({
      error: { message: expect.stringContaining('https://help.aliyun.com/zh/') },
    });
  });
});

test('an explanation stands between the words of the service and its link', () => {
  const error = new StudioError('invalid-api-key', undefined, { explanation: 'Of another region.' });
  const { body } = errorReply(error.madeIn('virginia'), ID, 'chatcmpl-');
  expect((body as { error: { message: string } }).error.message).toMatch(
    /^Incorrect API key provided\. Of another region\. For details, see: https:\/\/www\.alibabacloud\.com\//,
  );
});
