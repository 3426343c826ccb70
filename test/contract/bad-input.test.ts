/** Every bad input: the vendor's status, code and text in the recorded envelope, and nothing spent. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const user = { role: 'user', content: 'hello' };
const base = { model: 'qwen-plus', messages: [user] };
const tool = {
  type: 'function',
  function: { name: 'f', description: 'd', parameters: { type: 'object', properties: {} } },
};
const PREFIX = '<400> InternalError.Algo.InvalidParameter: ';

/** name, body, status, code, text (exact, or a part when it starts with …). Sources: openai-chat §3, §5–§8, §18. */
const CASES: [name: string, body: unknown, status: number, code: string, text: string][] = [
  [
    'broken JSON',
    '{"model": "qwen-plus", ',
    400,
    'invalid_parameter_error',
    'Required body invalid, please check the request body format.',
  ],
  ['an array as body', [], 400, 'invalid_parameter_error', '…'],
  ['no messages', { model: 'qwen-plus' }, 400, 'missing_required_parameter', 'you must provide a messages parameter'],
  ['no model', { messages: [user] }, 400, 'missing_required_parameter', 'you must provide a model parameter.'],
  ['empty messages', { ...base, messages: [] }, 400, 'invalid_parameter_error', '…[] is too short'],
  [
    'unknown model',
    { ...base, model: 'qwen-none' },
    404,
    'model_not_found',
    'The model `qwen-none` does not exist or you do not have access to it.',
  ],
  [
    'temperature 2',
    { ...base, temperature: 2 },
    400,
    'invalid_parameter_error',
    '…Temperature should be in [0.0, 2.0)',
  ],
  [
    'temperature -0.1',
    { ...base, temperature: -0.1 },
    400,
    'invalid_parameter_error',
    '…Temperature should be in [0.0, 2.0)',
  ],
  ['temperature as text', { ...base, temperature: '1' }, 400, 'invalid_value', "…'temperature' must be Float"],
  ['top_p 0', { ...base, top_p: 0 }, 400, 'invalid_parameter_error', '…Range of top_p should be (0.0, 1.0]'],
  ['top_p 1.1', { ...base, top_p: 1.1 }, 400, 'invalid_parameter_error', '…Range of top_p should be (0.0, 1.0]'],
  [
    'top_k -1',
    { ...base, top_k: -1 },
    400,
    'invalid_parameter_error',
    '…Parameter top_k be greater than or equal to 0',
  ],
  [
    'repetition_penalty 0',
    { ...base, repetition_penalty: 0 },
    400,
    'invalid_parameter_error',
    '…Repetition_penalty should be greater than 0.0',
  ],
  [
    'presence_penalty 3',
    { ...base, presence_penalty: 3 },
    400,
    'invalid_parameter_error',
    '…Presence_penalty should be in [-2.0, 2.0]',
  ],
  ['n 5', { ...base, n: 5 }, 400, 'invalid_parameter_error', '…Range of n should be [1, 4]'],
  ['n 0', { ...base, n: 0 }, 400, 'invalid_parameter_error', '…Range of n should be [1, 4]'],
  [
    'max_tokens 0',
    { ...base, max_tokens: 0 },
    400,
    'invalid_parameter_error',
    '…Range of max_tokens should be [1, 32768]',
  ],
  [
    'max_tokens too large',
    { ...base, max_tokens: 32769 },
    400,
    'invalid_parameter_error',
    '…Range of max_tokens should be [1, 32768]',
  ],
  ['seed -1', { ...base, seed: -1 }, 400, 'invalid_value', "…-1 is lesser than the minimum of 0 - 'seed'"],
  ['seed 1.5', { ...base, seed: 1.5 }, 400, 'invalid_value', "…'seed' must be Integer"],
  [
    'stop of mixed kinds',
    { ...base, stop: ['a', 1] },
    400,
    'invalid_parameter_error',
    '…The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.',
  ],
  [
    'top_logprobs 6',
    { ...base, model: 'qwen3-vl-plus', logprobs: true, top_logprobs: 6 },
    400,
    'invalid_parameter_error',
    '…top_logprobs',
  ],
  [
    'no user message',
    { ...base, messages: [{ role: 'system', content: 'x' }] },
    400,
    'invalid_parameter_error',
    '…The input messages do not contain elements with the role of user',
  ],
  [
    'a user without content',
    { ...base, messages: [{ role: 'user' }] },
    400,
    'invalid_parameter_error',
    '…The content field is a required field.',
  ],
  ['an unknown role', { ...base, messages: [{ role: 'king', content: 'x' }] }, 400, 'invalid_parameter_error', '…'],
  [
    'a tool result without a call',
    { ...base, messages: [user, { role: 'tool', tool_call_id: 'c', content: 'x' }] },
    400,
    'invalid_parameter_error',
    '…messages with role "tool" must be a response to a prece',
  ],
  [
    'a call without its result',
    {
      ...base,
      messages: [
        user,
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        user,
      ],
    },
    400,
    'invalid_parameter_error',
    '…An assistant message with "tool_calls" must be followed by tool messages responding to each "tool_call_id".',
  ],
  [
    'arguments that are no JSON',
    {
      ...base,
      messages: [
        user,
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'x' },
      ],
    },
    400,
    'invalid_parameter_error',
    '…The "function.arguments" parameter of the code model must be in JSON format.',
  ],
  [
    'empty tool_calls',
    { ...base, messages: [user, { role: 'assistant', content: 'x', tool_calls: [] }, user] },
    400,
    'invalid_parameter_error',
    '…Empty tool_calls is not supported in message',
  ],
  [
    'a tool called search',
    { ...base, tools: [{ type: 'function', function: { ...tool.function, name: 'search' } }] },
    400,
    'invalid_parameter_error',
    '…Tool names are not allowed to be [search]',
  ],
  [
    'tools on a model without them',
    { ...base, model: 'qwen-mt-plus', tools: [tool] },
    400,
    'invalid_parameter_error',
    '…',
  ],
  [
    'a required call while thinking',
    { ...base, enable_thinking: true, stream: true, tools: [tool], tool_choice: 'required' },
    400,
    'invalid_parameter_error',
    '…The tool_choice parameter does not support being set to required or object in thinking mode',
  ],
  [
    'json_object without the word',
    { ...base, response_format: { type: 'json_object' } },
    400,
    'invalid_parameter_error',
    `${PREFIX}'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.`,
  ],
  [
    'an unknown response_format',
    { ...base, response_format: { type: 'xml' } },
    400,
    'invalid_parameter_error',
    "…Unknown format of response_format, response_format should be a dict, includes 'type' and an optional key 'json_schema'. The response_format type from user is xml.",
  ],
  [
    'thinking on a model that never thinks',
    { ...base, model: 'qwen-max', enable_thinking: true, stream: true },
    400,
    'InvalidParameter.NotSupportEnableThinking',
    '…The model qwen-max does not support enable_thinking.',
  ],
  [
    'no thinking on a model that always thinks',
    { ...base, model: 'qwen3-235b-a22b-thinking-2507', stream: true, enable_thinking: false },
    400,
    'invalid_parameter_error',
    '…The value of the enable_thinking parameter is restricted to True.',
  ],
  [
    'an open hybrid thinking unstreamed',
    { ...base, model: 'qwen3-8b', enable_thinking: true },
    400,
    'invalid_parameter_error',
    '…parameter.enable_thinking',
  ],
  [
    'a stream-only model unstreamed',
    { ...base, model: 'qwq-plus' },
    400,
    'invalid_parameter_error',
    '…This model only support stream mode, please enable the stream parameter to access the model.',
  ],
  [
    'a thinking budget too large',
    { ...base, enable_thinking: true, stream: true, thinking_budget: 1_000_000 },
    400,
    'invalid_parameter_error',
    '…The thinking_budget parameter must be a positive integer and not greater than 81920',
  ],
  [
    'a picture for a text model',
    {
      ...base,
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }],
    },
    400,
    'invalid_parameter_error',
    '…Unexpected item type in content.',
  ],
  [
    'search where there is none',
    { ...base, model: 'qwen2.5-7b-instruct', enable_search: true },
    400,
    'invalid_parameter_error',
    '…This model does not support enable_search.',
  ],
  [
    'a partial answer while thinking',
    {
      ...base,
      enable_thinking: true,
      stream: true,
      messages: [user, { role: 'assistant', content: 'He', partial: true }],
    },
    400,
    'invalid_parameter_error',
    '…',
  ],
];

describe('bad input', () => {
  it.each(CASES)('%s', async (_name, body, status, code, text) => {
    const response = await server.chat(body);
    const answer = (await response.json()) as {
      error: { message: string; code: string; type: string; param: unknown };
      request_id: string;
    };
    expect({ status: response.status, code: answer.error.code }, answer.error.message).toEqual({ status, code });
    if (text.startsWith('…')) expect(answer.error.message).toContain(text.slice(1));
    else expect(answer.error.message).toBe(text);
    expect(answer.error).toHaveProperty('param');
    expect(answer.request_id.replace('chatcmpl-', '')).toBe(response.headers.get('x-request-id'));
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
  });

  it('spends nothing on any of it', async () => {
    const receipts = await server.receipts();
    expect(receipts.length).toBeGreaterThan(0);
    for (const receipt of receipts)
      expect(receipt).toMatchObject({ ending: 'failed', inputTokens: 0, outputTokens: 0 });
  });

  it('refuses before the body is read when the key is wrong or missing', async () => {
    for (const authorization of ['Bearer sk-wrong', 'Bearer', '', 'Basic eDp5']) {
      const response = await server.chat('{', { headers: { authorization } });
      const answer = (await response.json()) as { error: { code: string; message: string }; request_id: string };
      expect(response.status).toBe(401);
      expect(answer.error.code).toBe('invalid_api_key');
      expect(answer.error.message).toMatch(/^Incorrect API key provided\./);
      expect(answer.request_id).toBe(response.headers.get('x-request-id'));
    }
  });

  it('answers wrong methods, paths, types and sizes as JSON', async () => {
    const get = await fetch(`${server.openAiBaseUrl}/chat/completions`, {
      headers: { authorization: `Bearer ${server.key}` },
    });
    expect(((await get.json()) as { error: { message: string } }).error.message).toBe(
      "Request method 'GET' is not supported.",
    );
    const path = await fetch(`${server.openAiBaseUrl}/nothing/here`, { method: 'POST', body: '{}' });
    expect([path.status, ((await path.json()) as { error: { code: string } }).error.code]).toEqual([404, 'not_found']);
    const type = await server.chat('a=b', { headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    expect(type.status).toBe(415);
    expect(((await type.json()) as { error: object }).error).toHaveProperty('message');
    const large = await server.chat({ ...base, messages: [{ role: 'user', content: 'x'.repeat(17 * 1024 * 1024) }] });
    expect(large.status).toBe(413);
    expect(large.headers.get('x-should-retry')).toBe('false');
    expect(((await large.json()) as { error: object }).error).toHaveProperty('message');
  });

  it('ignores unknown fields and nulls', async () => {
    const response = await server.chat({
      ...base,
      nonsense: { a: 1 },
      temperature: null,
      tools: null,
      stop: null,
      response_format: null,
      stream: null,
      frequency_penalty: 0.5,
      user: 'u',
      metadata: { sessionId: 's' },
      store: true,
    });
    expect(response.status).toBe(200);
  });
});
