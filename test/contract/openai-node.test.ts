/** The official OpenAI SDK for Node against the whole server on the scripted backend: only URL and key changed. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';
import { WEATHER } from '../support/tools.ts';

let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startTestServer();
  client = new OpenAI({ apiKey: server.key, baseURL: server.openAiBaseUrl, maxRetries: 0 });
});
afterAll(() => server.close());

const ask = (text: string) => [{ role: 'user' as const, content: text }];

describe('plain replies', () => {
  it('answers a catalogue model and echoes its id', async () => {
    const { data, response } = await client.chat.completions
      .create({ model: 'qwen-plus', messages: ask('Who are you?') })
      .withResponse();
    expect(data.model).toBe('qwen-plus');
    expect(data.object).toBe('chat.completion');
    expect(data.id).toMatch(/^chatcmpl-[0-9a-f]{8}-[0-9a-f]{4}-9[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(data.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'Who are you?' },
    });
    expect(data.usage?.total_tokens).toBe((data.usage?.prompt_tokens ?? 0) + (data.usage?.completion_tokens ?? 0));
    expect(response.headers.get('x-atelier-backend')).toBe('scripted/echo');
    expect(response.headers.get('x-request-id')).toBe(data.id.slice('chatcmpl-'.length));
  });

  it('gives n choices with one prompt counted', async () => {
    const one = await client.chat.completions.create({ model: 'scripted/echo', messages: ask('a b c') });
    const three = await client.chat.completions.create({ model: 'scripted/echo', messages: ask('a b c'), n: 3 });
    expect(three.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(three.usage?.prompt_tokens).toBe(one.usage?.prompt_tokens);
    expect(three.usage?.completion_tokens).toBe(3 * (one.usage?.completion_tokens ?? 0));
  });

  it('parses a schema answer with the SDK helper', async () => {
    const schema = {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } },
      required: ['city', 'days'],
      additionalProperties: false,
    };
    const completion = await client.chat.completions.parse({
      model: 'scripted/json',
      messages: ask('as json'),
      response_format: { type: 'json_schema', json_schema: { name: 'trip', strict: true, schema } },
    });
    const parsed = completion.choices[0]?.message.parsed as unknown as { city: string; days: number };
    expect(typeof parsed.city).toBe('string');
    expect(parsed.days).toBeGreaterThanOrEqual(1);
  });
});

describe('streams', () => {
  it('streams text, a usage chunk and the end', async () => {
    const stream = await client.chat.completions.create({
      model: 'qwen-plus',
      messages: ask('one two three'),
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let reason: string | null | undefined;
    const usages = [];
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      reason = chunk.choices[0]?.finish_reason ?? reason;
      if (chunk.usage) usages.push({ choices: chunk.choices.length, usage: chunk.usage });
    }
    expect(text).toBe('one two three');
    expect(reason).toBe('stop');
    expect(usages).toHaveLength(1);
    expect(usages[0]?.choices).toBe(0);
  });

  it('streams reasoning before the answer', async () => {
    const stream = await client.chat.completions.create({
      model: 'qwen-plus',
      messages: ask('Who are you'),
      stream: true,
      stream_options: { include_usage: true },
      // Not an OpenAI field; the Node SDK passes it on as it is.
      ...({ enable_thinking: true } as object),
    } as OpenAI.ChatCompletionCreateParamsStreaming);
    const order: string[] = [];
    let reasoningTokens: number | undefined;
    for await (const chunk of stream) {
      const delta = chunk.choices[0]?.delta as
        | { content?: string | null; reasoning_content?: string | null }
        | undefined;
      if (delta?.reasoning_content) order.push('reasoning');
      if (delta?.content) order.push('content');
      reasoningTokens = chunk.usage?.completion_tokens_details?.reasoning_tokens ?? reasoningTokens;
    }
    expect(order.lastIndexOf('reasoning')).toBeLessThan(order.indexOf('content'));
    expect(order).toContain('reasoning');
    expect(reasoningTokens).toBeGreaterThan(0);
  });

  it('runs the SDK stream helper over fragmented parallel calls', async () => {
    const runner = client.chat.completions.stream({
      model: 'scripted/parallel-calls',
      messages: ask('weather?'),
      tools: [WEATHER],
      parallel_tool_calls: true,
    });
    const completion = await runner.finalChatCompletion();
    const calls = completion.choices[0]?.message.tool_calls ?? [];
    expect(calls).toHaveLength(2);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
    for (const call of calls) {
      if (call.type !== 'function') throw new Error('not a function call');
      expect(call.function.name).toBe('get_current_weather');
      expect(typeof JSON.parse(call.function.arguments).location).toBe('string');
    }
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it('throws in the client when the stream breaks, never a silent short answer', async () => {
    const stream = await client.chat.completions.create({
      model: 'scripted/error-mid-stream',
      messages: ask('go'),
      stream: true,
    });
    let text = '';
    const read = async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    };
    await expect(read()).rejects.toThrow(OpenAI.APIError);
    expect(text).not.toBe('');
  });
});

describe('the tool loop', () => {
  it('finishes with the result in hand', async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = ask('What is the weather in Beijing?');
    const first = await client.chat.completions.create({ model: 'scripted/tool-call', messages, tools: [WEATHER] });
    const message = first.choices[0]?.message;
    const call = message?.tool_calls?.[0];
    if (!message || call?.type !== 'function') throw new Error('no call');
    expect(call.id).toMatch(/^call_[0-9a-f]{24}$/);
    messages.push(message, { role: 'tool', tool_call_id: call.id, content: 'sunny' });
    const second = await client.chat.completions.create({ model: 'qwen-plus', messages });
    expect(second.choices[0]?.finish_reason).toBe('stop');
  });
});

describe('errors in the SDK', () => {
  it.each([
    [
      'a wrong key',
      () =>
        new OpenAI({ apiKey: 'sk-wrong', baseURL: server.openAiBaseUrl, maxRetries: 0 }).chat.completions.create({
          model: 'qwen-plus',
          messages: ask('x'),
        }),
      OpenAI.AuthenticationError,
      'invalid_api_key',
    ],
    [
      'an unknown model',
      () => client.chat.completions.create({ model: 'qwen-none', messages: ask('x') }),
      OpenAI.NotFoundError,
      'model_not_found',
    ],
    [
      'no messages',
      () => client.chat.completions.create({ model: 'qwen-plus' } as never),
      OpenAI.BadRequestError,
      'missing_required_parameter',
    ],
    [
      'a bad temperature',
      () => client.chat.completions.create({ model: 'qwen-plus', messages: ask('x'), temperature: 2 }),
      OpenAI.BadRequestError,
      'invalid_parameter_error',
    ],
    [
      'a throttle',
      () => client.chat.completions.create({ model: 'scripted/error-rate-limited', messages: ask('x') }),
      OpenAI.RateLimitError,
      'limit_requests',
    ],
    [
      'a failure of ours',
      () => client.chat.completions.create({ model: 'scripted/error-internal', messages: ask('x') }),
      OpenAI.InternalServerError,
      'internal_error',
    ],
  ])('%s has its class, code and request id', async (_name, call, kind, code) => {
    const thrown = await call().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(kind);
    expect((thrown as InstanceType<typeof OpenAI.APIError>).code).toBe(code);
    expect((thrown as InstanceType<typeof OpenAI.APIError>).requestID).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('retries a throttle by itself and counts the tries', async () => {
    const retrying = new OpenAI({ apiKey: server.key, baseURL: server.openAiBaseUrl, maxRetries: 1 });
    const before = (await server.receipts()).length;
    await expect(
      retrying.chat.completions.create({ model: 'scripted/error-rate-limited', messages: ask('x') }),
    ).rejects.toThrow(OpenAI.RateLimitError);
    expect((await server.receipts()).length - before).toBe(2);
  });
});

describe('models', () => {
  it('lists and retrieves, slashes included', async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toContain('qwen-plus');
    expect(ids).toContain('kimi/kimi-k2.6');
    expect(new Set(ids).size).toBe(ids.length);
    const model = await client.models.retrieve('qwen3-max');
    expect(model).toMatchObject({ id: 'qwen3-max', object: 'model' });
    await expect(client.models.retrieve('no-such-model')).rejects.toThrow(OpenAI.NotFoundError);
  });
});
