/** OpenAI's Agents SDK with its Responses model and its conversations session, only URL and key changed. */
import { Agent, OpenAIConversationsSession, OpenAIResponsesModel, Runner, tool } from '@openai/agents';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startTestServer();
  client = new OpenAI({ apiKey: server.key, baseURL: server.openAiBaseUrl, maxRetries: 0 });
});
afterAll(() => server.close());

// Traces would go to OpenAI.
const runner = new Runner({ tracingDisabled: true });

const weather = tool({
  name: 'get_weather',
  description: 'Check weather in a city.',
  parameters: z.object({ location: z.string() }),
  execute: async ({ location }) => `sunny in ${location}`,
});

function agent(model: string, parts: Partial<ConstructorParameters<typeof Agent>[0]> = {}) {
  return new Agent({
    name: 'Tester',
    instructions: 'Be brief.',
    model: new OpenAIResponsesModel(client as never, model),
    ...parts,
  } as never);
}

describe('a run', () => {
  it('answers with its usage', async () => {
    const result = await runner.run(agent('qwen-plus'), 'Hello!');
    expect(result.finalOutput).toBe('Hello!');
    expect(result.rawResponses[0]?.responseId).toMatch(/^resp_/);
    expect(result.rawResponses[0]?.usage.totalTokens).toBeGreaterThan(2);
  });

  it('calls a tool and reads what it gave back', async () => {
    const result = await runner.run(agent('scripted/tool-call', { tools: [weather] }), 'Weather?');
    expect(result.finalOutput).toBe('The tool answered: sunny in sample');
    expect(result.rawResponses).toHaveLength(2);
  });

  it('streams, its thoughts too', async () => {
    const streamed = await runner.run(agent('scripted/reasoning'), 'Hello again', { stream: true });
    let text = '';
    for await (const event of streamed)
      if (event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta') text += event.data.delta;
    expect(text).toBe('Hello again');
    expect(streamed.rawResponses[0]?.output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
  });

  it('answers in a form', async () => {
    const outputType = z.object({ city: z.string(), days: z.number().int() });
    const result = await runner.run(agent('scripted/json', { outputType } as never), 'A trip');
    expect(result.finalOutput).toMatchObject({ city: 'sample' });
  });

  it('continues a response', async () => {
    const first = await runner.run(agent('qwen-plus'), 'one');
    const second = await runner.run(agent('qwen-plus'), 'two', { previousResponseId: first.lastResponseId as string });
    expect(second.rawResponses[0]?.usage.inputTokens).toBe((first.rawResponses[0]?.usage.inputTokens ?? 0) + 2);
  });

  it('tells why it was refused', async () => {
    await expect(runner.run(agent('gpt-9'), 'Hello!')).rejects.toThrow("Unsupported model: 'gpt-9'");
  });
});

describe('a session', () => {
  it('keeps a conversation, calls included', async () => {
    const session = new OpenAIConversationsSession({ client: client as never });
    const talker = agent('scripted/tool-call', { tools: [weather] });
    await runner.run(talker, 'Weather?', { session });
    const items = await session.getItems();
    expect(items.map((item) => item.type ?? 'message')).toEqual([
      'message',
      'function_call',
      'function_call_result',
      'message',
    ]);
    const next = await runner.run(agent('qwen-plus'), 'Thanks', { session });
    expect(next.finalOutput).toBe('Thanks');
    expect(await session.getItems(2)).toHaveLength(2);
    expect(await session.popItem()).toMatchObject({ role: 'assistant' });
    expect(await session.getItems()).toHaveLength(5);
    await session.clearSession();
    expect(await session.getItems()).toEqual([]);
  });
});
