/** LangChain's ChatOpenAI over Chat Completions, only URL and key changed. */
import { AIMessage, type AIMessageChunk, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, type ChatOpenAIFields } from '@langchain/openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { failingFirst, recordingFetch } from '../support/client-fetch.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { WEATHER } from '../support/tools.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

interface Options extends ChatOpenAIFields {
  readonly key?: string;
  readonly fetch?: typeof fetch;
}

function chat(model: string, { key = server.key, fetch, ...fields }: Options = {}): ChatOpenAI {
  const configuration = { baseURL: server.openAiBaseUrl, ...(fetch ? { fetch } : {}) };
  return new ChatOpenAI({ model, apiKey: key, configuration, maxRetries: 0, ...fields });
}

const weather = tool(async ({ location }: { location: string }) => `sunny in ${location}`, {
  name: 'get_weather',
  description: 'Check weather in a city.',
  schema: z.object({ location: z.string() }),
});

const Trip = z.object({ city: z.enum(['Paris', 'Rome']), days: z.number().int().min(3) });

async function chunksOf(stream: AsyncIterable<AIMessageChunk>) {
  const chunks: AIMessageChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const whole = chunks.reduce((sum, chunk) => sum.concat(chunk));
  return { chunks, whole };
}

describe('invoke', () => {
  it('answers with its metadata and usage', async () => {
    const answer = await chat('qwen-plus', { temperature: 0.2, topP: 0.9 }).invoke([
      new SystemMessage('Be brief.'),
      new HumanMessage('Who are you?'),
    ]);
    expect(answer.text).toBe('Who are you?');
    expect(answer.response_metadata).toMatchObject({ model_name: 'qwen-plus', finish_reason: 'stop' });
    expect(answer.id).toMatch(/^chatcmpl-[0-9a-f-]{36}$/);
    expect(answer.usage_metadata).toMatchObject({ input_tokens: 7, output_tokens: 4, total_tokens: 11 });
  });

  it('tells reasoning apart, and its tokens and the cached ones', async () => {
    const answer = await chat('scripted/echo?cached=2', { modelKwargs: { enable_thinking: true } }).invoke('a b c');
    expect(answer.text).toBe('a b c');
    expect(answer.additional_kwargs.reasoning_content).toBe('Let me think about what was asked.');
    expect(answer.usage_metadata).toMatchObject({
      input_token_details: { cache_read: 2 },
      output_tokens: 11,
      output_token_details: { reasoning: 8 },
    });
  });

  it('stops at a limit and at a stop text', async () => {
    const limited = await chat('qwen-plus', { maxTokens: 2 }).invoke('a b c d');
    expect([limited.text, limited.response_metadata.finish_reason]).toEqual(['a b', 'length']);
    const stopped = await chat('qwen-plus').invoke('a b c d', { stop: [' c'] });
    expect([stopped.text, stopped.response_metadata.finish_reason]).toEqual(['a b', 'stop']);
  });

  it('gives n answers', async () => {
    const { generations } = await chat('scripted/echo', { n: 3 }).generate([[new HumanMessage('hi')]]);
    expect(generations[0]?.map(({ text }) => text)).toEqual(['hi', 'hi', 'hi']);
  });

  it('gives log probabilities', async () => {
    const answer = await chat('scripted/echo', { logprobs: true, topLogprobs: 1 }).invoke('one two');
    expect(answer.response_metadata.logprobs).toMatchObject({ content: [{ token: 'one' }, { token: ' two' }] });
  });

  it('answers a batch', async () => {
    const answers = await chat('qwen-plus').batch(['one', 'two', 'three']);
    expect(answers.map(({ text }) => text)).toEqual(['one', 'two', 'three']);
  });
});

describe('stream', () => {
  it('says the same as invoke', async () => {
    const model = chat('qwen-plus');
    const plain = await model.invoke('one two three');
    const { chunks, whole } = await chunksOf(await model.stream('one two three'));
    expect(chunks.map(({ text }) => text).filter((text) => text !== '')).toEqual(['one', ' two', ' three']);
    expect(whole.text).toBe(plain.text);
    expect(whole.usage_metadata).toEqual(plain.usage_metadata);
    expect(whole.response_metadata).toMatchObject({ finish_reason: 'stop', model_name: 'qwen-plus' });
  });

  it('streams reasoning', async () => {
    const model = chat('scripted/reasoning', { modelKwargs: { enable_thinking: true } });
    const { whole } = await chunksOf(await model.stream('hi there'));
    const plain = await model.invoke('hi there');
    expect(whole.text).toBe('hi there');
    expect(whole.additional_kwargs.reasoning_content).toBe(plain.additional_kwargs.reasoning_content);
    expect(whole.usage_metadata?.output_token_details).toMatchObject({ reasoning: 24 });
  });

  it('streams two calls in fragments', async () => {
    const model = chat('scripted/parallel-calls').bindTools([weather], { parallel_tool_calls: true });
    const { chunks, whole } = await chunksOf(await model.stream('weather?'));
    expect(chunks.flatMap(({ tool_call_chunks }) => tool_call_chunks ?? []).length).toBeGreaterThan(4);
    expect(whole.invalid_tool_calls).toEqual([]);
    expect(whole.tool_calls).toMatchObject([
      { name: 'get_weather', args: { location: 'sample' } },
      { name: 'get_weather', args: { location: 'sample 2' } },
    ]);
    for (const { id } of whole.tool_calls ?? []) expect(id).toMatch(/^call_[0-9a-f]{24}$/);
  });

  it('streams as content blocks', async () => {
    const model = chat('scripted/tool-call', { modelKwargs: { enable_thinking: true } });
    const ask = () => model.streamEvents('weather?', { tools: [WEATHER] });
    const kinds: string[] = [];
    for await (const { event } of ask()) kinds.push(event);
    expect([kinds[0], kinds.at(-1)]).toEqual(['message-start', 'message-finish']);
    const message = await ask().output;
    expect(message.tool_calls).toMatchObject([{ name: 'get_current_weather', args: { location: 'sample' } }]);
    expect(message.usage_metadata).toMatchObject({ output_token_details: { reasoning: 8 } });
    // Known: the service repeats the id in every later piece, empty (recorded), and this reader takes the last one.
    expect(message.tool_calls?.map(({ id }) => id)).toEqual(['']);
  });

  it('throws where the stream breaks', async () => {
    let text = '';
    const read = async () => {
      for await (const chunk of await chat('scripted/error-mid-stream').stream('go')) text += chunk.text;
    };
    await expect(read()).rejects.toThrow('An internal error has occured');
    expect(text).not.toBe('');
  });

  it('is billed once for what it had read when it left', async () => {
    const before = (await server.receipts()).length;
    for await (const chunk of await chat('scripted/text?tokens=100000&rate=200').stream('go')) if (chunk.text) break;
    const receipt = await server.receiptAfter(before);
    expect(receipt.ending).toBe('client-gone');
    expect(receipt.outputTokens).toBeLessThan(2000);
    await chat('qwen-plus').invoke('next');
    expect((await server.receipts()).length).toBe(before + 2);
  });

  it('ends when its signal aborts', async () => {
    const before = (await server.receipts()).length;
    const leaving = new AbortController();
    const read = async () => {
      const stream = await chat('scripted/text?tokens=100000&rate=200').stream('go', { signal: leaving.signal });
      for await (const chunk of stream) if (chunk.text) leaving.abort();
    };
    await expect(read()).rejects.toThrow(/abort/i);
    expect((await server.receiptAfter(before)).ending).toBe('client-gone');
  });
});

describe('bindTools', () => {
  it('finishes a tool loop', async () => {
    const model = chat('scripted/tool-call').bindTools([weather]);
    const question = new HumanMessage('weather?');
    const first = await model.invoke([question]);
    expect(first.response_metadata.finish_reason).toBe('tool_calls');
    const results = [];
    for (const call of first.tool_calls ?? []) results.push(await weather.invoke({ ...call, type: 'tool_call' }));
    const second = await model.invoke([question, first, ...(results as ToolMessage[])]);
    expect(second.text).toBe('The tool answered: sunny in sample');
    expect(second.tool_calls).toEqual([]);
  });

  it.each([
    ['auto', undefined],
    ['none', undefined],
    ['required', 'get_weather'],
    ['any', 'get_weather'],
    ['get_weather', 'get_weather'],
  ])('is held to the tool choice %s', async (choice, name) => {
    const answer = await chat('qwen-plus').bindTools([weather], { tool_choice: choice }).invoke('hi');
    expect(answer.tool_calls?.[0]?.name).toBe(name);
  });

  it('shows arguments that are no JSON as an invalid call, and takes the repaired history', async () => {
    const model = chat('scripted/tool-call?input=%7B%22location%22%3A').bindTools([weather]);
    const answer = await model.invoke('weather?');
    expect(answer.tool_calls).toEqual([]);
    expect(answer.invalid_tool_calls).toMatchObject([{ name: 'get_weather', args: '{"location":' }]);
    const calls = [{ id: 'call_1', name: 'get_weather', args: { location: 'x' }, type: 'tool_call' as const }];
    const repaired = await model.invoke([
      new HumanMessage('weather?'),
      new AIMessage({ content: '', tool_calls: calls }),
      new ToolMessage({ tool_call_id: 'call_1', content: 'rain', name: 'get_weather' }),
    ]);
    expect(repaired.text).toBe('The tool answered: rain');
  });
});

describe('withStructuredOutput', () => {
  it.each(['jsonSchema', 'functionCalling'] as const)('parses by %s', async (method) => {
    const answer = await chat('qwen-plus').withStructuredOutput(Trip, { name: 'trip', method }).invoke('a trip');
    expect(answer).toEqual({ city: 'Paris', days: 3 });
  });

  it('parses in JSON mode', async () => {
    const schema = z.object({ text: z.string() });
    const model = chat('scripted/json').withStructuredOutput(schema, { method: 'jsonMode' });
    expect(await model.invoke('as JSON')).toEqual({ text: 'as JSON' });
  });

  it('streams what it parses', async () => {
    const model = chat('qwen-plus').withStructuredOutput(Trip, { name: 'trip', method: 'jsonSchema' });
    let last: unknown;
    for await (const partial of await model.stream('a trip')) last = partial;
    expect(last).toEqual({ city: 'Paris', days: 3 });
  });

  it('keeps the raw answer beside the parsed one', async () => {
    const model = chat('qwen-plus').withStructuredOutput(Trip, { name: 'trip', includeRaw: true });
    const { raw, parsed } = await model.invoke('a trip');
    expect(parsed).toEqual({ city: 'Paris', days: 3 });
    expect(AIMessage.isInstance(raw)).toBe(true);
  });
});

describe('errors', () => {
  it.each([
    ['a bad value', 'qwen-plus', { topP: 1.5 }, 400, 'Range of top_p should be (0.0, 1.0]'],
    ['an unknown model', 'qwen-none', {}, 404, 'The model `qwen-none` does not exist or you do not have access to it.'],
    ['a throttle', 'scripted/error-429', {}, 429, 'You have exceeded your current request limit.'],
    ['a failure of ours', 'scripted/error-500', {}, 500, 'An internal error has occured'],
    ['a wrong key', 'qwen-plus', { key: 'sk-wrong' }, 401, 'Incorrect API key provided.'],
  ])('tells the words of %s', async (_name, model, options, status, words) => {
    const ask = () => chat(model, options).invoke('hi');
    await expect(ask()).rejects.toThrow(words);
    await expect(ask()).rejects.toMatchObject({ status });
    await expect(chat(model, options).stream('hi')).rejects.toThrow(words);
  });

  it('tries a throttled call again and succeeds', async () => {
    const before = (await server.receipts()).length;
    const model = chat('qwen-plus', { maxRetries: 1, fetch: failingFirst('scripted/error-rate-limited') });
    expect((await model.invoke('again')).text).toBe('again');
    const written = (await server.receipts()).slice(before);
    expect(written.map(({ errorCode }) => errorCode)).toEqual(['rate-limited', null]);
  });

  it('does not try a bad request again', async () => {
    const { fetch, bodies } = recordingFetch();
    await expect(chat('qwen-plus', { topP: 1.5, maxRetries: 2, fetch }).invoke('hi')).rejects.toThrow('top_p');
    expect(bodies).toHaveLength(1);
  });
});
