/** The official Anthropic SDK for Node against the whole server on the scripted backend: only URL and key changed. */
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let client: Anthropic;

/** The SDK's own retries are off, but where they are what is tested. */
function clientOf(options: ConstructorParameters<typeof Anthropic>[0] = {}): Anthropic {
  const baseURL = `${server.running.baseUrl}/apps/anthropic`;
  const key = options.authToken === undefined ? { apiKey: server.key } : {};
  return new Anthropic({ ...key, baseURL, maxRetries: 0, ...options });
}

beforeAll(async () => {
  server = await startTestServer();
  client = clientOf();
});
afterAll(() => server.close());

const ask = (content: string) => [{ role: 'user' as const, content }];
const plain = (content: string, model = 'qwen-plus') => ({ model, max_tokens: 1000, messages: ask(content) });

const WEATHER: Anthropic.Tool = {
  name: 'get_weather',
  description: 'Weather of a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const CLOCK: Anthropic.Tool = { name: 'get_time', input_schema: { type: 'object', properties: {} } };

const textOf = (message: { content: readonly { type: string }[] }): string =>
  message.content.map((block) => ('text' in block ? block.text : '')).join('');

describe('plain replies', () => {
  it('answers a catalogue model and echoes its id', async () => {
    const { data, response } = await client.messages.create(plain('Who are you?')).withResponse();
    expect(data).toEqual({
      id: expect.stringMatching(/^msg_[0-9a-f]{8}-[0-9a-f]{4}-9[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      type: 'message',
      role: 'assistant',
      model: 'qwen-plus',
      content: [{ type: 'text', text: 'Who are you?' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: {
        input_tokens: 4,
        output_tokens: 4,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
      },
    });
    expect(response.headers.get('request-id')).toBe(`req_${data.id.slice('msg_'.length)}`);
    expect(response.headers.get('x-request-id')).toBe(data.id.slice('msg_'.length));
    expect(response.headers.get('x-atelier-backend')).toBe('scripted/echo');
  });

  it('takes a key in either header, and any version of the API', async () => {
    const bearer = clientOf({ authToken: server.key });
    expect(textOf(await bearer.messages.create(plain('hi')))).toBe('hi');
    const both = clientOf({ apiKey: 'sk-other', defaultHeaders: { authorization: `Bearer ${server.key}` } });
    expect(textOf(await both.messages.create(plain('hi')))).toBe('hi');
    const dated = await client.messages.create(plain('hi'), {
      headers: { 'anthropic-version': '2030-01-01', 'anthropic-beta': 'no-such-beta-2030-01-01' },
    });
    expect(textOf(dated)).toBe('hi');
  });

  it.each(['', '/v1'])('answers below a base URL that ends in "%s"', async (ending) => {
    const other = clientOf({ baseURL: `${server.running.baseUrl}/apps/anthropic${ending}` });
    expect(textOf(await other.messages.create(plain('hi')))).toBe('hi');
  });

  it('answers at the bare host', async () => {
    expect(textOf(await clientOf({ baseURL: server.running.baseUrl }).messages.create(plain('hi')))).toBe('hi');
  });

  it('answers the beta namespace, whose path has a query', async () => {
    const message = await client.beta.messages.create({
      ...plain('beta'),
      betas: ['context-management-2025-06-27'],
      context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
    });
    expect(textOf(message)).toBe('beta');
  });

  it('stops at a stop sequence and names it', async () => {
    const message = await client.messages.create({ ...plain('one two three'), stop_sequences: ['three', 'two'] });
    expect(message).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'two' });
    expect(textOf(message)).toBe('one ');
  });

  it('stops at max_tokens', async () => {
    const message = await client.messages.create({ ...plain('one two three'), max_tokens: 2 });
    expect(message).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 2 } });
    expect(textOf(message)).toBe('one two');
  });

  it('does not count what came from a cache as input', async () => {
    const { usage } = await client.messages.create(plain('a b c', 'scripted/echo?cached=2'));
    expect(usage).toMatchObject({ input_tokens: 1, cache_read_input_tokens: 2, cache_creation_input_tokens: 0 });
  });

  it('continues a prefix', async () => {
    const message = await client.messages.create({
      ...plain('Hello there'),
      messages: [...ask('Hello there'), { role: 'assistant', content: 'Hello' }],
    });
    expect(textOf(message)).toBe(' there');
  });

  it('gives JSON that the SDK parses', async () => {
    const message = await client.messages.parse({
      ...plain('a trip'),
      output_config: {
        format: {
          type: 'json_schema',
          schema: {
            type: 'object',
            properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } },
            required: ['city', 'days'],
            additionalProperties: false,
          },
        },
      },
    });
    expect(message.parsed_output).toEqual({ city: expect.any(String), days: 1 });
  });

  it('reads pictures, documents and search results beside text', async () => {
    const message = await client.messages.create({
      ...plain('', 'qwen3-vl-plus'),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
            { type: 'document', title: 'Tides', source: { type: 'text', media_type: 'text/plain', data: 'At noon.' } },
            { type: 'search_result', source: 's', title: 'Moon', content: [{ type: 'text', text: 'Full.' }] },
            { type: 'text', text: 'When?' },
          ],
        },
      ],
    });
    expect(textOf(message)).toBe(
      '<document title="Tides">\nAt noon.\n</document>\n\n<search_result source="s" title="Moon">\nFull.\n</search_result>\n\nWhen?',
    );
    expect(message.usage.input_tokens).toBeGreaterThan(256);
  });
});

describe('thinking', () => {
  it('comes first, in a block with a signature', async () => {
    const message = await client.messages.create({
      ...plain('So?'),
      thinking: { type: 'enabled', budget_tokens: 1024 },
    });
    expect(message.content).toEqual([
      { type: 'thinking', thinking: expect.stringContaining('think'), signature: '' },
      { type: 'text', text: 'So?' },
    ]);
    expect(message.usage.output_tokens_details?.thinking_tokens).toBeGreaterThan(0);
  });

  it('follows the model when it is adaptive, and is off when it is disabled', async () => {
    const types = async (model: string, thinking: Anthropic.ThinkingConfigParam) =>
      (await client.messages.create({ ...plain('So?', model), thinking })).content.map(({ type }) => type);
    expect(await types('qwen3.7-max', { type: 'adaptive' })).toEqual(['thinking', 'text']);
    expect(await types('qwen3.7-max', { type: 'disabled' })).toEqual(['text']);
    expect(await types('qwen-plus', { type: 'adaptive' })).toEqual(['text']);
    expect(await types('qwen3-coder-plus', { type: 'adaptive', display: 'omitted' })).toEqual(['text']);
  });

  it.each(['low', 'medium', 'high', 'xhigh', 'max'] as const)('takes the effort %s for any model', async (effort) => {
    for (const model of ['qwen3.8-max', 'glm-5.2', 'deepseek-v4-pro', 'qwen3-coder-plus', 'kimi-k2.7-code']) {
      const message = await client.messages.create({
        ...plain('So?', model),
        thinking: { type: 'adaptive' },
        output_config: { effort },
      });
      expect(textOf(message)).toBe('So?');
    }
  });

  it('goes back with its signature', async () => {
    const first = await client.messages.create({ ...plain('So?'), thinking: { type: 'enabled', budget_tokens: 1024 } });
    const second = await client.messages.create({
      ...plain('So?'),
      thinking: { type: 'enabled', budget_tokens: 1024 },
      messages: [...ask('So?'), { role: 'assistant', content: first.content }, ...ask('And then?')],
    });
    expect(textOf(second)).toBe('And then?');
  });

  it('is off for a forced tool when nobody asked for it', async () => {
    const forced = { tools: [WEATHER], tool_choice: { type: 'tool' as const, name: 'get_weather' } };
    const message = await client.messages.create({ ...plain('Weather?', 'qwen3.7-max'), ...forced });
    expect(message.content.map(({ type }) => type)).toEqual(['tool_use']);
    await expect(
      client.messages.create({ ...plain('Weather?'), ...forced, thinking: { type: 'enabled', budget_tokens: 1024 } }),
    ).rejects.toThrow('does not support being set to required or object in thinking mode');
  });
});

describe('streams', () => {
  it('are read by the helper', async () => {
    const stream = client.messages.stream(plain('one two three'));
    const pieces: string[] = [];
    stream.on('text', (piece) => pieces.push(piece));
    const message = await stream.finalMessage();
    expect(pieces).toEqual(['one', ' two', ' three']);
    expect(message).toMatchObject({ stop_reason: 'end_turn', usage: { input_tokens: 3, output_tokens: 3 } });
    expect(await stream.finalText()).toBe('one two three');
    expect(stream.request_id).toMatch(/^req_/);
  });

  it('come to what the plain reply is', async () => {
    const requests = [
      { ...plain('So?'), thinking: { type: 'enabled' as const, budget_tokens: 1024 } },
      { ...plain('Weather?', 'scripted/parallel-calls'), tools: [WEATHER, CLOCK] },
      { ...plain('Weather?', 'scripted/tool-call?input=%7B%27city%27%3A'), tools: [WEATHER] },
      { ...plain('one two three'), stop_sequences: ['two'] },
      plain('Hi', 'scripted/text?tokens=0'),
    ];
    for (const request of requests) {
      const withoutIds = ({ id: _id, ...rest }: Anthropic.Message) =>
        JSON.parse(JSON.stringify(rest).replace(/toolu_[0-9a-f]+/g, 'toolu')) as object;
      const streamed = withoutIds(await client.messages.stream(request).finalMessage());
      const whole = withoutIds(await client.messages.create(request));
      expect(streamed).toMatchObject(whole);
    }
  });

  it('give events one by one', async () => {
    const types: string[] = [];
    for await (const event of await client.messages.create({ ...plain('hi'), stream: true })) types.push(event.type);
    expect(types).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
  });

  it('are read by the helper of the beta namespace', async () => {
    const message = await client.beta.messages
      .stream({ ...plain('So?'), thinking: { type: 'enabled', budget_tokens: 1024 } })
      .finalMessage();
    expect(message.content.map(({ type }) => type)).toEqual(['thinking', 'text']);
  });

  it('throw in the client when they break, never a silent short answer', async () => {
    for (const model of ['scripted/error-mid-stream', 'scripted/cut']) {
      const stream = client.messages.stream(plain('go', model));
      await expect(stream.finalMessage()).rejects.toMatchObject({ type: 'api_error' });
    }
  });

  it('settle once when the client leaves', async () => {
    const before = (await server.receipts()).length;
    const stream = await client.messages.create({ ...plain('go', 'scripted/text?tokens=5000&rate=200'), stream: true });
    for await (const event of stream) if (event.type === 'content_block_delta') break;
    expect(await server.receiptAfter(before)).toMatchObject({ ending: 'client-gone' });
    expect((await server.receipts()).length - before).toBe(1);
  });
});

describe('tools', () => {
  it('finish a loop with the result in hand', async () => {
    const messages: Anthropic.MessageParam[] = ask('What is the weather in Oslo?');
    const request = { model: 'scripted/tool-call', max_tokens: 1000, tools: [WEATHER] };
    const first = await client.messages.create({ ...request, messages });
    const [call] = first.content;
    if (call?.type !== 'tool_use') throw new Error('no call');
    expect(first.stop_reason).toBe('tool_use');
    expect(call.id).toMatch(/^toolu_[0-9a-f]{24}$/);
    expect(call.input).toEqual({ city: expect.any(String) });
    messages.push(
      { role: 'assistant', content: first.content },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: call.id,
            content: [{ type: 'text', text: 'No such city' }],
            is_error: true,
          },
        ],
      },
    );
    const second = await client.messages.create({ ...request, messages });
    expect(second.stop_reason).toBe('end_turn');
    expect(textOf(second)).toBe('The tool answered: Error: No such city');
  });

  it('come in parallel, one block after the other', async () => {
    const stream = client.messages.stream({ ...plain('Go', 'scripted/parallel-calls'), tools: [WEATHER, CLOCK] });
    const { content, stop_reason: reason } = await stream.finalMessage();
    expect(reason).toBe('tool_use');
    expect(content).toMatchObject([
      { type: 'tool_use', name: 'get_weather', input: { city: 'sample' } },
      { type: 'tool_use', name: 'get_time', input: {} },
    ]);
  });

  it('are called as tool_choice says', async () => {
    const names = async (choice: Anthropic.ToolChoice) =>
      (
        await client.messages.create({
          ...plain('Go', 'scripted/tool-call'),
          tools: [WEATHER, CLOCK],
          tool_choice: choice,
        })
      ).content.map((block) => ('name' in block ? block.name : block.type));
    expect(await names({ type: 'auto' })).toEqual(['get_weather']);
    expect(await names({ type: 'any' })).toEqual(['get_weather']);
    expect(await names({ type: 'tool', name: 'get_time' })).toEqual(['get_time']);
    expect(await names({ type: 'none' })).toEqual(['text']);
  });

  it('run by themselves in the SDK’s runner', async () => {
    const runner = client.beta.messages.toolRunner({
      ...plain('Weather?', 'scripted/tool-call'),
      tools: [{ ...WEATHER, type: 'custom', run: () => 'sunny', parse: (input: unknown) => input }],
    });
    expect(textOf(await runner)).toBe('The tool answered: sunny');
    // It asks for a thread first, which the server keeps; ours says that it does not.
    const threaded = client.beta.messages.create({ ...plain('x'), thread: { type: 'create' } });
    await expect(threaded).rejects.toMatchObject({
      status: 400,
      error: { error: { details: { error_code: 'thread_unsupported_request' } } },
    });
  });

  it('known by their type get the form their clients run', async () => {
    const message = await client.messages.create({
      ...plain('Go', 'scripted/tool-call?name=str_replace_based_edit_tool'),
      tools: [
        { type: 'bash_20250124', name: 'bash' },
        { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool' },
      ],
    });
    expect(message.content).toMatchObject([{ input: { command: 'view', path: expect.any(String) } }]);
  });
});

describe('count_tokens', () => {
  it('counts what the message then costs', async () => {
    const request = { model: 'qwen-plus', system: 'Be brief.', messages: ask('How many tokens?'), tools: [WEATHER] };
    const { input_tokens: counted } = await client.messages.countTokens(request);
    const { usage } = await client.messages.create({ ...request, max_tokens: 100 });
    expect(counted).toBe(usage.input_tokens);
    expect((await client.beta.messages.countTokens(request)).input_tokens).toBe(counted);
  });

  it('does not count thinking that is not read again', async () => {
    const thought = (signature: string, thinking: string) => [
      { type: 'thinking' as const, thinking, signature },
      { type: 'text' as const, text: 'Yes.' },
    ];
    const request = {
      model: 'qwen-plus',
      messages: [...ask('So?'), { role: 'assistant' as const, content: thought('', 'a b c d e') }, ...ask('Why?')],
    };
    const { input_tokens: counted } = await client.messages.countTokens(request);
    const { usage } = await client.messages.create({ ...request, max_tokens: 100 });
    expect(counted).toBe(usage.input_tokens);
    expect(counted).toBe(6);
  });
});

describe('models', () => {
  it('are listed page by page, and one by one', async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toContain('qwen-plus');
    expect(ids.length).toBeGreaterThan(200);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await client.models.retrieve('qwen3-max')).toMatchObject({ id: 'qwen3-max', type: 'model' });
    await expect(client.models.retrieve('no-such-model')).rejects.toThrow(Anthropic.NotFoundError);
  });

  it('of Claude Code’s side requests are answered, under the id that was asked for', async () => {
    const { data, response } = await client.messages
      .create(plain('A title?', 'claude-haiku-4-5-20251001'))
      .withResponse();
    expect(data.model).toBe('claude-haiku-4-5-20251001');
    expect(textOf(data)).toBe('A title?');
    expect(response.headers.get('x-atelier-backend')).toBe('scripted/echo');
    const counted = await client.messages.countTokens({ model: 'claude-opus-5', messages: ask('a b') });
    expect(counted.input_tokens).toBe(2);
  });
});

describe('errors in the SDK', () => {
  const create = (changes: object, by = client) => by.messages.create({ ...plain('x'), ...changes });
  it.each([
    [
      'a wrong key',
      () => create({}, clientOf({ apiKey: 'sk-wrong' })),
      Anthropic.AuthenticationError,
      401,
      'authentication_error',
    ],
    ['no key', () => create({}, clientOf({ apiKey: ' ' })), Anthropic.AuthenticationError, 401, 'authentication_error'],
    ['an unknown model', () => create({ model: 'qwen-none' }), Anthropic.NotFoundError, 404, 'not_found_error'],
    ['no max_tokens', () => create({ max_tokens: undefined }), Anthropic.BadRequestError, 400, 'invalid_request_error'],
    ['a bad temperature', () => create({ temperature: 2 }), Anthropic.BadRequestError, 400, 'invalid_request_error'],
    [
      'a picture for a text model',
      () =>
        create({
          messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'https://e/p.png' } }] }],
        }),
      Anthropic.BadRequestError,
      400,
      'invalid_request_error',
    ],
    [
      'a hosted tool',
      () => create({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }),
      Anthropic.BadRequestError,
      400,
      'invalid_request_error',
    ],
    [
      'no permission',
      () => create({ model: 'scripted/error-403' }),
      Anthropic.PermissionDeniedError,
      403,
      'permission_error',
    ],
    ['a conflict', () => create({ model: 'scripted/error-conflict' }), Anthropic.ConflictError, 409, 'conflict_error'],
    ['too large a body', () => create({ model: 'scripted/error-413' }), Anthropic.APIError, 413, 'request_too_large'],
    [
      'a throttle',
      () => create({ model: 'scripted/error-rate-limited' }),
      Anthropic.RateLimitError,
      429,
      'rate_limit_error',
    ],
    [
      'a quota',
      () => create({ model: 'scripted/error-quota-exceeded' }),
      Anthropic.RateLimitError,
      429,
      'rate_limit_error',
    ],
    [
      'a failure of ours',
      () => create({ model: 'scripted/error-internal' }),
      Anthropic.InternalServerError,
      500,
      'api_error',
    ],
    [
      'a failure upstream',
      () => create({ model: 'scripted/error-502' }),
      Anthropic.InternalServerError,
      502,
      'api_error',
    ],
    ['a timeout', () => create({ model: 'scripted/error-504' }), Anthropic.InternalServerError, 504, 'timeout_error'],
    [
      'a full queue',
      () => create({ model: 'scripted/error-queue-full' }),
      Anthropic.InternalServerError,
      529,
      'overloaded_error',
    ],
    ['batches', () => client.messages.batches.list(), Anthropic.NotFoundError, 404, 'not_found_error'],
  ])('%s has its class, type and request id', async (_name, call, kind, status, type) => {
    const thrown = await Promise.resolve(call()).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(kind);
    const error = thrown as InstanceType<typeof Anthropic.APIError>;
    expect({ status: error.status, type: error.type }).toEqual({ status, type });
    expect(error.requestID).toMatch(/^req_[0-9a-f-]{36}$/);
    expect((error.error as { request_id: string }).request_id).toBe(error.requestID);
  });

  it('names the place of what is wrong', async () => {
    await expect(create({ messages: [{ role: 'king', content: 'x' }] })).rejects.toThrow(
      "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    );
  });

  it('says "prompt is too long", which agents act on', async () => {
    await expect(create({ model: 'scripted/error-context-too-long' })).rejects.toThrow('prompt is too long');
  });

  it('is the same before a stream', async () => {
    const stream = client.messages.stream(plain('x', 'scripted/error-rate-limited'));
    await expect(stream.finalMessage()).rejects.toThrow(Anthropic.RateLimitError);
  });

  it('retries a throttle by itself, and a quota not at all', async () => {
    const retrying = clientOf({ maxRetries: 1 });
    const tries = async (model: string): Promise<number> => {
      const before = (await server.receipts()).length;
      await expect(retrying.messages.create(plain('x', model))).rejects.toThrow(Anthropic.RateLimitError);
      return (await server.receipts()).length - before;
    };
    expect(await tries('scripted/error-rate-limited')).toBe(2);
    expect(await tries('scripted/error-quota-exceeded')).toBe(1);
  });

  it('spends nothing on what is refused', async () => {
    const refused = (await server.receipts()).filter(({ ending }) => ending === 'failed');
    for (const receipt of refused.filter(({ servedBy }) => servedBy === 'scripted/echo'))
      expect(receipt).toMatchObject({ inputTokens: 0, outputTokens: 0 });
  });
});
