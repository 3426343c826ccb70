import { describe, expect, it } from 'vitest';
import { ERROR_CODES, type ErrorCode, StudioError } from '../../core/errors.ts';
import { encodeMessagesError, messagesErrorFrame } from './errors.ts';

const reply = (error: StudioError) => encodeMessagesError(error, 'id');

/** Anthropic's "Errors" page: every status it documents has one type, and its class in the SDKs. */
const TYPES_OF_STATUS: { readonly [status: number]: readonly string[] } = {
  400: ['invalid_request_error'],
  401: ['authentication_error'],
  403: ['permission_error'],
  404: ['not_found_error'],
  405: ['invalid_request_error'],
  409: ['conflict_error'],
  413: ['request_too_large'],
  415: ['invalid_request_error'],
  429: ['rate_limit_error'],
  500: ['api_error'],
  502: ['api_error'],
  503: ['overloaded_error'],
  504: ['timeout_error'],
  529: ['overloaded_error'],
};

describe('the envelope', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('of %s', (code) => {
    const { status, headers, body } = reply(new StudioError(code, 'Words.'));
    const {
      type,
      error,
      request_id: requestId,
    } = body as {
      type: string;
      error: { type: string; message: string };
      request_id: string;
    };
    expect(type).toBe('error');
    expect(TYPES_OF_STATUS[status]).toContain(error.type);
    expect(error.message).toContain('Words.');
    expect(requestId).toBe('req_id');
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'request-id': 'req_id' });
  });

  it('is the same in a stream', () => {
    const error = new StudioError('engine-failed');
    expect(messagesErrorFrame(error, 'id')).toBe(`event: error\ndata: ${JSON.stringify(reply(error).body)}\n\n`);
  });
});

describe('what tells clients whether to try again', () => {
  const headers = (code: ErrorCode, retryAfterSeconds?: number) =>
    reply(new StudioError(code, undefined, { retryAfterSeconds })).headers;

  it.each<[ErrorCode, number]>([
    ['queue-full', 529],
    ['overloaded', 529],
    ['shutting-down', 503],
    ['rate-limited', 429],
  ])('%s is worth it', (code, status) => {
    expect(reply(new StudioError(code)).status).toBe(status);
    expect(headers(code)).toMatchObject({ 'retry-after': '1', 'retry-after-ms': '1000', 'x-should-retry': 'true' });
    expect(headers(code, 300)).toMatchObject({ 'retry-after': '59' });
  });

  it.each<ErrorCode>(['quota-exceeded', 'arrearage', 'body-too-large', 'timeout'])('%s is not', (code) => {
    expect(headers(code)).toMatchObject({ 'x-should-retry': 'false' });
    expect(headers(code)).not.toHaveProperty('retry-after');
  });

  it('a shutdown closes the connection', () => {
    expect(headers('shutting-down')).toMatchObject({ connection: 'close' });
  });
});

describe('a prompt that is too long', () => {
  const message = (details: { promptTokens?: number; maxPromptTokens?: number }) => {
    const { body } = reply(new StudioError('context-too-long', 'Range of input length should be [1, 8191]', details));
    return (body as { error: { message: string } }).error.message;
  };

  it('is told in the words that make Claude Code compact, the native ones behind', () => {
    expect(message({ promptTokens: 9000, maxPromptTokens: 8191 })).toBe(
      'prompt is too long: 9000 tokens > 8191 maximum. Range of input length should be [1, 8191]',
    );
    expect(message({ maxPromptTokens: 8191 })).toBe(
      'prompt is too long: more than 8191 tokens > 8191 maximum. Range of input length should be [1, 8191]',
    );
    expect(message({})).toBe('prompt is too long. Range of input length should be [1, 8191]');
  });
});
