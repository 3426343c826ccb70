/** OpenAI's Agents SDK with its chat model, only URL and key changed. */
import {
  Agent,
  type AgentOutputType,
  handoff,
  MaxTurnsExceededError,
  type ModelSettings,
  OpenAIChatCompletionsModel,
  Runner,
  retryPolicies,
  type Tool,
  tool,
} from '@openai/agents';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { failingFirst, recordingFetch } from '../support/client-fetch.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

interface ClientOptions {
  readonly key?: string;
  readonly fetch?: typeof fetch;
}

function chatModel(id: string, { key = server.key, fetch }: ClientOptions = {}): OpenAIChatCompletionsModel {
  const client = new OpenAI({ apiKey: key, baseURL: server.openAiBaseUrl, maxRetries: 0, ...(fetch ? { fetch } : {}) });
  // Strict: what the SDK would only warn about is an error here.
  return new OpenAIChatCompletionsModel(client, id, { strictFeatureValidation: true });
}

const weather = tool({
  name: 'get_weather',
  description: 'Check weather in a city.',
  parameters: z.object({ location: z.string() }),
  execute: async ({ location }) => `sunny in ${location}`,
});

interface AgentParts extends ClientOptions {
  readonly tools?: Tool[];
  readonly modelSettings?: ModelSettings;
  readonly outputType?: AgentOutputType;
}

function agent(id: string, { key, fetch, ...parts }: AgentParts = {}) {
  const client = { ...(key ? { key } : {}), ...(fetch ? { fetch } : {}) };
  return new Agent({ name: 'Tester', instructions: 'Be brief.', model: chatModel(id, client), ...parts });
}

// Traces would go to OpenAI.
const runner = new Runner({ tracingDisabled: true });

describe('a run', () => {
  it('answers with its usage', async () => {
    const result = await runner.run(agent('qwen-plus', { modelSettings: { temperature: 0.2, topP: 0.9 } }), 'Hello!');
    expect(result.finalOutput).toBe('Hello!');
    expect(result.state.usage).toMatchObject({ requests: 1, inputTokens: 5, outputTokens: 2, totalTokens: 7 });
    expect(result.rawResponses[0]?.responseId).toMatch(/^chatcmpl-[0-9a-f-]{36}$/);
    expect(result.rawResponses[0]?.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('calls a tool and answers its result', async () => {
    const result = await runner.run(agent('scripted/tool-call', { tools: [weather] }), 'weather?');
    expect(result.finalOutput).toBe('The tool answered: sunny in sample');
    expect(result.newItems.map(({ type }) => type)).toEqual([
      'tool_call_item',
      'tool_call_output_item',
      'message_output_item',
    ]);
    expect(result.state.usage.requests).toBe(2);
  });

  it('calls two tools at once', async () => {
    const settings = { parallelToolCalls: true };
    const parallel = agent('scripted/parallel-calls', { tools: [weather], modelSettings: settings });
    const { finalOutput } = await runner.run(parallel, 'weather?');
    expect(finalOutput).toBe('The tool answered: sunny in sample; sunny in sample 2');
  });

  it('is held to a tool choice', async () => {
    const called = async (toolChoice: string) => {
      const chosen = agent('qwen-plus', { tools: [weather], modelSettings: { toolChoice } });
      return (await runner.run(chosen, 'hi')).newItems.filter(({ type }) => type === 'tool_call_item').length;
    };
    expect(await called('none')).toBe(0);
    expect(await called('required')).toBe(1);
    expect(await called('get_weather')).toBe(1);
  });

  it('gives a model back the error that its bad arguments made', async () => {
    const bad = agent('scripted/tool-call?input=%7B%22location%22%3A1%7D', { tools: [weather] });
    const { finalOutput } = await runner.run(bad, 'weather?');
    expect(finalOutput).toContain('The tool answered: An error occurred');
  });

  it('is refused in the words of the service when it sends arguments back that are no JSON', async () => {
    const broken = agent('scripted/tool-call?input=%7B%22location%22%3A', { tools: [weather] });
    await expect(runner.run(broken, 'weather?')).rejects.toThrow('The "function.arguments" parameter');
  });

  it('hands over to another agent', async () => {
    const expert = new Agent({ name: 'Expert', model: chatModel('scripted/echo') });
    const desk = new Agent({ name: 'Desk', model: chatModel('scripted/tool-call'), handoffs: [handoff(expert)] });
    const result = await runner.run(desk, 'the question');
    expect(result.lastAgent?.name).toBe('Expert');
    expect(result.finalOutput).toBe('the question');
  });

  it('gives the output type', async () => {
    const outputType = z.object({ city: z.enum(['Paris', 'Rome']), days: z.number().int().min(3) });
    const result = await runner.run(agent('qwen-plus', { outputType }), 'a trip');
    expect(result.finalOutput).toEqual({ city: 'Paris', days: 3 });
  });

  it('goes on from the history of another run', async () => {
    const first = await runner.run(agent('scripted/tool-call', { tools: [weather] }), 'weather?');
    const second = await runner.run(agent('qwen-plus', { tools: [weather] }), [
      ...first.history,
      { role: 'user', content: 'and now?' },
    ]);
    expect(second.finalOutput).toBe('and now?');
  });

  it('counts reasoning and cached tokens, also where it does not read the reasoning', async () => {
    const modelSettings = { providerData: { enable_thinking: true } };
    const result = await runner.run(agent('scripted/echo?cached=2', { modelSettings }), 'a b c');
    expect(result.finalOutput).toBe('a b c');
    expect(result.state.usage.inputTokensDetails).toEqual([{ cached_tokens: 2 }]);
    expect(result.state.usage.outputTokensDetails).toEqual([{ reasoning_tokens: 8 }]);
  });

  it('ends at its turn limit', async () => {
    const endless = agent('qwen-plus', {
      tools: [weather],
      modelSettings: { toolChoice: 'required' },
    });
    endless.resetToolChoice = false;
    await expect(runner.run(endless, 'hi', { maxTurns: 3 })).rejects.toThrow(MaxTurnsExceededError);
  });
});

describe('a streamed run', () => {
  it('says the same as a plain one', async () => {
    const echo = agent('qwen-plus');
    const plain = await runner.run(echo, 'one two three');
    const streamed = await runner.run(echo, 'one two three', { stream: true });
    const pieces: string[] = [];
    for await (const piece of streamed.toTextStream()) pieces.push(String(piece));
    await streamed.completed;
    expect(pieces).toEqual(['one', ' two', ' three']);
    expect(streamed.finalOutput).toBe(plain.finalOutput);
    expect(streamed.state.usage.totalTokens).toBe(plain.state.usage.totalTokens);
    expect(streamed.rawResponses[0]?.output).toMatchObject([{ type: 'message', status: 'completed' }]);
  });

  it('streams a tool loop with two calls', async () => {
    const streamed = await runner.run(agent('scripted/parallel-calls', { tools: [weather] }), 'weather?', {
      stream: true,
    });
    const items: string[] = [];
    for await (const event of streamed) if (event.type === 'run_item_stream_event') items.push(event.item.type);
    expect(items.toSorted()).toEqual([
      'message_output_item',
      'tool_call_item',
      'tool_call_item',
      'tool_call_output_item',
      'tool_call_output_item',
    ]);
    expect(streamed.finalOutput).toBe('The tool answered: sunny in sample; sunny in sample 2');
    const ids = streamed.rawResponses[0]?.output.map((item) => 'callId' in item && item.callId);
    expect(new Set(ids).size).toBe(2);
  });

  it('throws where the stream breaks', async () => {
    const streamed = await runner.run(agent('scripted/error-mid-stream'), 'go', { stream: true });
    let text = '';
    const read = async () => {
      for await (const piece of streamed.toTextStream()) text += String(piece);
      await streamed.completed;
    };
    await expect(read()).rejects.toThrow('An internal error has occured');
    expect(text).not.toBe('');
  });

  it('is billed once for what it had read when it was aborted', async () => {
    const before = (await server.receipts()).length;
    const leaving = new AbortController();
    const streamed = await runner.run(agent('scripted/text?tokens=100000&rate=200'), 'go', {
      stream: true,
      signal: leaving.signal,
    });
    for await (const event of streamed) {
      if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta') leaving.abort();
    }
    const receipt = await server.receiptAfter(before);
    expect(receipt.ending).toBe('client-gone');
    expect(receipt.outputTokens).toBeLessThan(2000);
    await runner.run(agent('qwen-plus'), 'next');
    expect((await server.receipts()).length).toBe(before + 2);
  });
});

describe('errors', () => {
  it.each([
    ['a bad value', 'qwen-plus', { modelSettings: { topP: 1.5 } }, 400, 'Range of top_p should be (0.0, 1.0]'],
    ['an unknown model', 'qwen-none', {}, 404, 'The model `qwen-none` does not exist or you do not have access to it.'],
    ['a throttle', 'scripted/error-429', {}, 429, 'You have exceeded your current request limit.'],
    ['a wrong key', 'qwen-plus', { key: 'sk-wrong' }, 401, 'Incorrect API key provided.'],
  ])('tells the words of %s', async (_name, id, parts, status, words) => {
    await expect(runner.run(agent(id, parts), 'hi')).rejects.toThrow(words);
    await expect(runner.run(agent(id, parts), 'hi')).rejects.toMatchObject({ status });
  });

  it('tries a throttled call again and succeeds', async () => {
    const { fetch, bodies } = recordingFetch(failingFirst('scripted/error-rate-limited'));
    const modelSettings = { retry: { maxRetries: 1, policy: retryPolicies.providerSuggested() } };
    const result = await runner.run(agent('qwen-plus', { fetch, modelSettings }), 'again');
    expect(result.finalOutput).toBe('again');
    expect(bodies).toHaveLength(2);
  });
});
