import { describe, expect, it } from 'vitest';
import { failureOfChunk, failureOfConnection, failureOfReply, safeMessage } from './errors.ts';

const reply = (status: number, body: unknown, retryAfter?: string) =>
  failureOfReply({
    status,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    retryAfter,
    model: 'qwen-plus',
    sent: '{}',
  });

const openai = (message: string, code: string | number | null = null, type = 'invalid_request_error') => ({
  error: { message, type, param: null, code },
});

interface Case {
  readonly name: string;
  readonly status: number;
  readonly body: unknown;
  readonly code: string;
  readonly message?: string;
  readonly isWorthRetrying?: boolean;
}

const CASES: readonly Case[] = [
  { name: 'a refused key is our fault', status: 401, body: openai('Incorrect API key sk-1'), code: 'upstream-failed' },
  { name: 'a refused account too', status: 403, body: openai('Access denied.'), code: 'upstream-failed' },
  {
    name: 'a bad parameter',
    status: 400,
    body: openai('top_k must be -1 or at least 1, got -3.'),
    code: 'invalid-parameter',
    message: 'top_k must be -1 or at least 1, got -3.',
  },
  {
    name: 'FastAPI detail',
    status: 422,
    body: { detail: 'n is too large' },
    code: 'invalid-parameter',
    message: 'n is too large',
  },
  {
    name: 'an older vLLM error',
    status: 400,
    body: { object: 'error', message: 'bad seed', code: 400 },
    code: 'invalid-parameter',
    message: 'bad seed',
  },
  {
    name: 'a 400 in a frame (Model Studio)',
    status: 400,
    body: `data: ${JSON.stringify(openai('Range of top_p should be (0.0, 1.0]'))}\n\n`,
    code: 'invalid-parameter',
    message: 'Range of top_p should be (0.0, 1.0]',
  },
  {
    name: 'a 400 without words',
    status: 400,
    body: '',
    code: 'invalid-parameter',
    message: 'Required parameter missing or invalid, please check the request parameters.',
  },
  {
    name: 'a long prompt (vLLM)',
    status: 400,
    body: openai("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."),
    code: 'context-too-long',
    message: 'Range of input length should be [1, 4096]',
  },
  {
    name: 'a long prompt (llama-server)',
    status: 400,
    body: openai(
      'request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it',
      400,
      'exceed_context_size_error',
    ),
    code: 'context-too-long',
    message: 'Range of input length should be [1, 8192]',
  },
  {
    name: 'a long prompt (SGLang)',
    status: 400,
    body: openai("The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
    code: 'context-too-long',
    message: 'Range of input length should be [1, 8192]',
  },
  {
    name: 'a long prompt (Model Studio)',
    status: 400,
    body: openai('<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]'),
    code: 'context-too-long',
    message: 'Range of input length should be [1, 129024]',
  },
  {
    name: 'inspected content',
    status: 400,
    body: openai('Input data may contain…', 'data_inspection_failed'),
    code: 'content-filtered',
  },
  {
    name: 'our overdue bill',
    status: 400,
    body: openai('Access denied', 'Arrearage', 'Arrearage'),
    code: 'upstream-failed',
  },
  {
    name: 'an unknown model',
    status: 404,
    body: openai('model "x" not found'),
    code: 'model-not-found',
    message: 'The model qwen-plus does not exist or you do not have access to it.',
  },
  { name: 'a wrong address', status: 404, body: '<html>Not Found</html>', code: 'upstream-failed' },
  { name: 'a throttle', status: 429, body: openai('slow down'), code: 'rate-limited', isWorthRetrying: true },
  { name: 'an overloaded server', status: 503, body: '<html>', code: 'overloaded', isWorthRetrying: true },
  { name: 'a broken server', status: 500, body: openai('CUDA error'), code: 'upstream-failed', isWorthRetrying: true },
  { name: 'a broken proxy', status: 502, body: '<html>', code: 'upstream-failed', isWorthRetrying: true },
  { name: 'a slow proxy', status: 504, body: '<html>', code: 'timeout' },
  { name: 'a redirect', status: 302, body: '', code: 'upstream-failed' },
  { name: 'a body over its limit', status: 413, body: '', code: 'body-too-large' },
];

describe('upstream errors', () => {
  for (const { name, status, body, code, message, isWorthRetrying = false } of CASES) {
    it(`${status}: ${name}`, () => {
      const failure = reply(status, body);
      expect(failure.error.code).toBe(code);
      if (message !== undefined) expect(failure.error.message).toBe(message);
      expect(failure.isWorthRetrying).toBe(isWorthRetrying);
    });
  }

  it.each([
    ["This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.", 5000, 4096],
    ['request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it', 9412, 8192],
    ["The input (9000 tokens) is longer than the model's context length (8192 tokens).", 9000, 8192],
    ['Range of input length should be [1, 129024]', undefined, 129_024],
  ])('tell how long a prompt was: %s', (words, promptTokens, maxPromptTokens) => {
    expect(reply(400, openai(words)).error).toMatchObject({ promptTokens, maxPromptTokens });
  });

  it('keep Retry-After', () => {
    expect(reply(429, '', '2').error.retryAfterSeconds).toBe(2);
    expect(reply(503, '', 'Wed, 21 Oct 2026 07:28:00 GMT').error.retryAfterSeconds).toBeUndefined();
  });

  it('show nothing of an upstream body but a 400, and that made safe', () => {
    expect(reply(500, openai('secret prompt')).error.message).not.toContain('secret');
    expect(reply(401, openai('bad key sk-123')).error.message).not.toContain('sk-');
    expect(safeMessage("1 validation error: 'loc': ('body', 'n'), 'msg': 'too large', 'input': 'my secret'")).toBe(
      "1 validation error: 'loc': ('body', 'n'), 'msg': 'too large'",
    );
    expect(safeMessage('n too large [type=x, input_value={"secret": 1}, input_type=dict]')).toBe('n too large [type=x');
    expect(safeMessage('see http://10.0.0.1:8000/doc\nBearer abc')).toBe('see … …');
    expect(safeMessage('x'.repeat(1000)).length).toBe(301);
  });

  it('inside a stream follow what they say', () => {
    expect(failureOfChunk({ message: 'slow', code: 'rate_limit_exceeded' }, '{}').error.code).toBe('rate-limited');
    expect(failureOfChunk({ message: 'slow', code: 503 }, '{}').error.code).toBe('overloaded');
    expect(failureOfChunk({ message: 'bad', code: 400 }, '{}').error.code).toBe('invalid-parameter');
    expect(failureOfChunk({ message: 'x', code: 'data_inspection_failed' }, '{}').error.code).toBe('content-filtered');
    expect(failureOfChunk('died', '{}').error.code).toBe('upstream-failed');
    expect(failureOfChunk(true, '{}').error.code).toBe('upstream-failed');
  });

  it('of connections follow their code', () => {
    const withCode = (code: string): Error => Object.assign(new Error(code), { code });
    const codeOf = (error: Error): [string, boolean] => {
      const failure = failureOfConnection(error);
      return [failure.error.code, failure.isWorthRetrying];
    };
    expect(codeOf(withCode('ECONNREFUSED'))).toEqual(['overloaded', true]);
    expect(codeOf(new AggregateError([withCode('ECONNREFUSED')]))).toEqual(['overloaded', true]);
    expect(codeOf(withCode('UND_ERR_SOCKET'))).toEqual(['upstream-failed', true]);
    expect(codeOf(withCode('UND_ERR_BODY_TIMEOUT'))).toEqual(['timeout', false]);
    expect(codeOf(withCode('CERT_HAS_EXPIRED'))).toEqual(['upstream-failed', false]);
  });
});

it('repeats nothing of the request, to nobody', () => {
  const sent = JSON.stringify({ messages: [{ role: 'user', content: 'tell me the password of Alice' }] });
  const body = JSON.stringify(openai("bad temperature; you said 'tell me the password of Alice'"));
  const failures = [
    failureOfReply({ status: 400, body, retryAfter: undefined, model: 'qwen-plus', sent }),
    failureOfReply({ status: 500, body, retryAfter: undefined, model: 'qwen-plus', sent }),
    failureOfChunk((JSON.parse(body) as { error: unknown }).error, sent),
  ];
  for (const { error } of failures) {
    expect(error.message).not.toContain('password');
    expect(String(error.cause)).toMatch(/bad temperature; you said '…'$/);
  }
  expect(failures[0]?.error.message).toBe("bad temperature; you said '…'");
});
