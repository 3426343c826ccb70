/** The native API on the socket: framing, statuses, refusals that cost nothing. The SDK's view is in `python/`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const TEXT = 'text-generation';
const SSE = { 'x-dashscope-sse': 'enable' };
const input = { messages: [{ role: 'user', content: 'one two three' }] };
const plain = { model: 'qwen-plus', input };

function send(body: unknown, headers: { [name: string]: string } = {}, init: RequestInit = {}): Promise<Response> {
  return fetch(`${server.running.baseUrl}/api/v1/services/aigc/${TEXT}/generation`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json', ...headers },
  });
}

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly request_id: string;
}

/** The one error event of a stream that never began. */
function refusalOf(text: string): Refusal {
  const [, data] = /^id:1\nevent:error\n:HTTP_STATUS\/400\ndata:(.*)\n\n$/.exec(text) ?? [];
  if (data === undefined) throw new Error(`not one error event: ${text}`);
  return JSON.parse(data) as Refusal;
}

describe('a stream', () => {
  it('is framed as the service frames it', async () => {
    const response = await send({ ...plain, parameters: { incremental_output: true, result_format: 'message' } }, SSE);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream;charset=UTF-8');
    const id = response.headers.get('x-request-id') ?? '';
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-9/);
    const event = (number: number, content: string, reason: string, tokens: number) =>
      `id:${number}\nevent:result\n:HTTP_STATUS/200\ndata:{"output":{"choices":[{"message":{"content":"${content}","role":"assistant"},"finish_reason":"${reason}"}]},"usage":{"total_tokens":${tokens + 3},"output_tokens":${tokens},"input_tokens":3,"prompt_tokens_details":{"cached_tokens":0}},"request_id":"${id}"}\n\n`;
    expect(await response.text()).toBe(
      event(1, 'one', 'null', 1) +
        event(2, ' two', 'null', 2) +
        event(3, ' three', 'null', 3) +
        event(4, '', 'stop', 3),
    );
  });

  it('comes for the founding document’s request', async () => {
    const parameters = { enable_thinking: true, incremental_output: true, result_format: 'message' };
    const text = await (await send({ ...plain, parameters }, SSE)).text();
    expect(text).toContain('"reasoning_content":"Let"');
    expect(text).toContain('"content":"one","reasoning_content":""');
  });

  it('is asked for by either header, and by no parameter', async () => {
    const typeOf = async (headers: { [name: string]: string }, parameters = {}) =>
      (await send({ ...plain, parameters }, headers)).headers.get('content-type');
    expect(await typeOf({ accept: 'text/event-stream' })).toBe('text/event-stream;charset=UTF-8');
    expect(await typeOf({}, { stream: true })).toBe('application/json');
  });

  it('ends in an error event with its status when it breaks', async () => {
    const text = await (await send({ ...plain, model: 'scripted/error-mid-stream?code=engine-failed' }, SSE)).text();
    expect(text).toMatch(
      /id:6\nevent:error\n:HTTP_STATUS\/500\nstatus:500\ndata:\{"code":"InternalError\.Algo","message":"[^"]+","request_id":"[^"]+"\}\n\n$/,
    );
    expect(text).not.toContain('"finish_reason":"stop"');
  });

  it('bills what was generated when its client leaves', async () => {
    const before = (await server.receipts()).length;
    const leaving = new AbortController();
    const response = await send({ ...plain, model: 'scripted/text?tokens=100000&rate=200' }, SSE, {
      signal: leaving.signal,
    });
    await response.body?.getReader().read();
    leaving.abort();
    const receipt = await server.receiptAfter(before);
    expect(receipt.ending).toBe('client-gone');
    expect(receipt.outputTokens).toBeGreaterThan(0);
  });
});

describe('a plain body', () => {
  it('has output, usage and request_id', async () => {
    const response = await send(plain);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      output: { finish_reason: 'stop', text: 'one two three' },
      usage: { total_tokens: 6, output_tokens: 3, input_tokens: 3, prompt_tokens_details: { cached_tokens: 0 } },
      request_id: response.headers.get('x-request-id'),
    });
  });
});

const CLASSES: readonly (readonly [name: string, status: number, code: string, retryAfter: string | null])[] = [
  ['400', 400, 'InvalidParameter', null],
  ['401', 401, 'InvalidApiKey', null],
  ['403', 403, 'AccessDenied', null],
  ['404', 400, 'InvalidParameter', null],
  ['413', 400, 'BadRequest.TooLarge', null],
  ['429', 429, 'Throttling.RateQuota', '1'],
  ['queue-full', 429, 'Throttling', '1'],
  ['500', 500, 'InternalError', null],
  ['502', 500, 'ModelServiceFailed', null],
  ['503', 503, 'ModelUnavailable', '1'],
  ['504', 500, 'RequestTimeOut', null],
];

describe('an error before the first token', () => {
  it.each(CLASSES)('%s is %s %s', async (name, status, code, retryAfter) => {
    const response = await send({ ...plain, model: `scripted/error-${name}` });
    const id = response.headers.get('x-request-id');
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('retry-after')).toBe(retryAfter);
    expect(await response.json()).toEqual({ code, message: expect.any(String), request_id: id });
  });

  it.each(CLASSES)(
    '%s of a streaming call is told by status, or as an event when it is 400',
    async (name, status, code) => {
      const response = await send({ ...plain, model: `scripted/error-${name}` }, SSE);
      const text = await response.text();
      expect(response.status).toBe(status === 400 ? 200 : status);
      expect((status === 400 ? refusalOf(text) : (JSON.parse(text) as Refusal)).code).toBe(code);
    },
  );
});

const InvalidParameter = 'InvalidParameter';

/** name, body, code, text. Sources: dashscope-native §8. */
const REFUSALS: readonly (readonly [name: string, body: unknown, code: string, text: string])[] = [
  ['broken JSON', '{"model": ', InvalidParameter, 'Required body invalid, please check the request body format.'],
  ['no body', '', InvalidParameter, 'Required body invalid, please check the request body format.'],
  ['no model', { input }, 'BadRequest.EmptyModel', 'Required parameter "model" missing from request.'],
  ['no input', { model: 'qwen-plus' }, 'BadRequest.EmptyInput', 'Required input parameter missing from request.'],
  ['a text as input', { ...plain, input: 'x' }, 'BadRequest.IllegalInput', 'The input parameter requires json format.'],
  ['unknown model', { ...plain, model: 'qwen-none' }, InvalidParameter, 'Model not exist.'],
  ['wrong service', { ...plain, model: 'qwen-vl-plus' }, InvalidParameter, 'url error, please check url！'],
  [
    'temperature 2',
    { ...plain, parameters: { temperature: 2 } },
    InvalidParameter,
    'Temperature should be in [0.0, 2.0)',
  ],
  [
    'thinking without a stream',
    { ...plain, model: 'qwen3-32b', parameters: { enable_thinking: true } },
    InvalidParameter,
    'parameter.enable_thinking must be set to false for non-streaming calls',
  ],
  [
    'thinking where there is none',
    { ...plain, model: 'qwen-max', parameters: { enable_thinking: true } },
    'InvalidParameter.NotSupportEnableThinking',
    'The model qwen-max does not support enable_thinking.',
  ],
  [
    'streaming only',
    { ...plain, model: 'qwq-plus' },
    InvalidParameter,
    'This model only support stream mode, please enable the stream parameter to access the model. ',
  ],
  [
    'JSON without the word',
    { ...plain, parameters: { response_format: { type: 'json_object' } } },
    InvalidParameter,
    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
  ],
  [
    'a search',
    { ...plain, parameters: { enable_search: true } },
    InvalidParameter,
    'This model does not support enable_search.',
  ],
];

describe('bad input', () => {
  it.each(REFUSALS)('%s', async (_name, body, code, message) => {
    const response = await send(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code, message });
  });

  it('of a streaming call is an event', async () => {
    const response = await send({ ...plain, parameters: { temperature: 2 } }, SSE);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream;charset=UTF-8');
    const refusal = refusalOf(await response.text());
    expect(refusal).toMatchObject({ code: InvalidParameter, request_id: response.headers.get('x-request-id') });
  });

  it('spends nothing', async () => {
    const receipts = await server.receipts();
    const refused = receipts.filter(({ errorCode }) => errorCode === 'invalid-parameter');
    expect(refused.length).toBeGreaterThan(3);
    expect(refused.every(({ inputTokens, outputTokens }) => inputTokens + outputTokens === 0)).toBe(true);
  });
});

describe('what never becomes a call', () => {
  const refusal = async (response: Response) => {
    const body = (await response.json()) as Refusal;
    expect(body.request_id).toBe(response.headers.get('x-request-id'));
    return `${response.status} ${body.code}: ${body.message}`;
  };

  it('has no key or a wrong one, plain also where a stream was asked for', async () => {
    const wrong = { authorization: 'Bearer sk-wrong' };
    expect(await refusal(await send(plain, wrong))).toBe('401 InvalidApiKey: Invalid API-key provided.');
    expect(await refusal(await send(plain, { ...wrong, ...SSE }))).toBe('401 InvalidApiKey: Invalid API-key provided.');
    expect(await refusal(await send(plain, { authorization: '' }))).toBe('401 InvalidApiKey: No API-key provided.');
  });

  it('is to be answered later', async () => {
    expect(await refusal(await send(plain, { 'x-dashscope-async': 'enable' }))).toBe(
      '403 AccessDenied: Current user api does not support asynchronous calls.',
    );
  });

  it('has another method, path, type or size', async () => {
    const { baseUrl } = server.running;
    const headers = { authorization: `Bearer ${server.key}` };
    const get = (path: string) => fetch(`${baseUrl}/api/v1${path}`, { headers });
    expect(await refusal(await get(`/services/aigc/${TEXT}/generation`))).toBe(
      "405 InvalidParameter: Request method 'GET' is not supported.",
    );
    expect(await refusal(await get('/services/aigc/speech'))).toMatch(/^404 NotFound: /);
    expect(await refusal(await send(plain, { 'content-type': 'text/plain' }))).toMatch(/^415 InvalidParameter: /);
    const large = { ...plain, input: { prompt: 'x'.repeat(17 * 1024 * 1024) } };
    expect(await refusal(await send(large))).toBe('400 BadRequest.TooLarge: Payload Too Large.');
  });
});
