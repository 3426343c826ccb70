import { describe, expect, test } from 'vitest';
import { ERROR_CODES, type ErrorCode, StudioError } from '../../core/errors.ts';
import { encodeError, streamError } from './errors.ts';

/** Status and code of every error (dashscope-native reference §8, docs/wires/dashscope.md). */
const EXPECTED: { readonly [code in ErrorCode]: string } = {
  'invalid-parameter': '400 InvalidParameter',
  'missing-parameter': '400 InvalidParameter',
  'invalid-value': '400 InvalidParameter',
  'malformed-body': '400 InvalidParameter',
  'thinking-unsupported': '400 InvalidParameter.NotSupportEnableThinking',
  'context-too-long': '400 InvalidParameter',
  'content-filtered': '400 DataInspectionFailed',
  arrearage: '400 Arrearage',
  'previous-response-not-found': '400 InvalidParameter',
  'unsupported-operation': '400 UnsupportedOperation',
  conflict: '409 Conflict',
  'missing-api-key': '401 InvalidApiKey',
  'invalid-api-key': '401 InvalidApiKey',
  'access-denied': '403 AccessDenied',
  'model-access-denied': '403 Model.AccessDenied',
  'workspace-access-denied': '403 Workspace.AccessDenied',
  'free-tier-exhausted': '403 AllocationQuota.FreeTierOnly',
  'model-not-found': '400 InvalidParameter',
  'model-not-supported': '404 ModelNotFound',
  'workspace-not-found': '404 WorkSpaceNotFound',
  'not-found': '404 NotFound',
  'method-not-allowed': '405 InvalidParameter',
  'body-too-large': '400 BadRequest.TooLarge',
  'unsupported-media-type': '415 InvalidParameter',
  'rate-limited': '429 Throttling.RateQuota',
  'burst-limited': '429 Throttling.BurstRate',
  'tokens-limited': '429 Throttling.AllocationQuota',
  'concurrency-limited': '429 Throttling',
  'quota-exceeded': '429 Throttling.AllocationQuota',
  'queue-full': '429 Throttling',
  internal: '500 InternalError',
  'engine-failed': '500 InternalError.Algo',
  'upstream-failed': '500 ModelServiceFailed',
  overloaded: '503 ModelUnavailable',
  'shutting-down': '503 ModelUnavailable',
  timeout: '500 RequestTimeOut',
};

const SSE = { 'x-dashscope-sse': 'enable' };

interface Body {
  readonly code: string;
  readonly message: string;
  readonly request_id: string;
}

describe.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s', (code) => {
  const error = new StudioError(code);

  test('plain', () => {
    const { status, headers, body } = encodeError(error, 'r');
    expect(`${status} ${(body as Body).code}`).toBe(EXPECTED[code]);
    expect(Object.keys(body as Body)).toEqual(['code', 'message', 'request_id']);
    expect((body as Body).request_id).toBe('r');
    expect(headers['content-type']).toBe('application/json');
  });

  test('of a call that asked for a stream: 400 as an event, anything else as itself', () => {
    const plain = encodeError(error, 'r');
    const streamed = encodeError(error, 'r', SSE);
    if (plain.status !== 400) expect(streamed).toEqual(plain);
    else {
      expect(streamed).toEqual({
        status: 200,
        headers: { 'content-type': 'text/event-stream;charset=UTF-8' },
        body: `id:1\nevent:error\n:HTTP_STATUS/400\ndata:${JSON.stringify(plain.body)}\n\n`,
      });
    }
  });

  test('after output: an event that both clients can tell the status of', () => {
    const { status, body } = encodeError(error, 'r');
    const statusLine = status === 400 ? '' : `status:${status}\n`;
    expect(streamError(7, error, 'r')).toBe(
      `id:7\nevent:error\n:HTTP_STATUS/${status}\n${statusLine}data:${JSON.stringify(body)}\n\n`,
    );
  });
});

test.each([
  [new StudioError('missing-api-key'), 'No API-key provided.'],
  [new StudioError('invalid-api-key'), 'Invalid API-key provided.'],
  [new StudioError('model-not-found', 'The model `x` does not exist.'), 'Model not exist.'],
  [new StudioError('body-too-large'), 'Payload Too Large.'],
  [
    new StudioError('invalid-parameter', '<400> InternalError.Algo.InvalidParameter: The tool call is not supported.'),
    'The tool call is not supported.',
  ],
])('%s reads %s', (error, message) => {
  expect((encodeError(error, 'r').body as Body).message).toBe(message);
});

test.each<[StudioError, string | undefined]>([
  [new StudioError('rate-limited'), '1'],
  [new StudioError('rate-limited', undefined, { retryAfterSeconds: 2.2 }), '3'],
  [new StudioError('overloaded', undefined, { retryAfterSeconds: 0 }), '1'],
  [new StudioError('tokens-limited', undefined, { retryAfterSeconds: 300 }), '59'],
  [new StudioError('concurrency-limited'), '1'],
  [new StudioError('quota-exceeded'), undefined],
  [new StudioError('invalid-parameter'), undefined],
])('%s asks to wait %s', (error, seconds) => {
  expect(encodeError(error, 'r').headers['retry-after']).toBe(seconds);
});
