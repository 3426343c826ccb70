/** LangChain's ChatOpenAI over Responses, only URL and key changed. */
import { type AIMessageChunk, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, type ChatOpenAIFields } from '@langchain/openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

function chat(model: string, fields: ChatOpenAIFields = {}): ChatOpenAI {
  const configuration = { baseURL: server.openAiBaseUrl };
  return new ChatOpenAI({ model, apiKey: server.key, configuration, maxRetries: 0, useResponsesApi: true, ...fields });
}

const weather = tool(async ({ location }: { location: string }) => `sunny in ${location}`, {
  name: 'get_weather',
  description: 'Check weather in a city.',
  schema: z.object({ location: z.string() }),
});

describe('ChatOpenAI', () => {
  it('answers', async () => {
    const answer = await chat('qwen-plus').invoke('Hello!');
    expect(answer.text).toBe('Hello!');
    expect(answer.response_metadata).toMatchObject({ id: expect.stringMatching(/^resp_/), status: 'completed' });
    expect(answer.usage_metadata).toMatchObject({ input_tokens: 2, output_tokens: 2, total_tokens: 4 });
  });

  it('streams', async () => {
    const chunks: AIMessageChunk[] = [];
    for await (const chunk of await chat('scripted/reasoning').stream('Hello there')) chunks.push(chunk);
    const whole = chunks.reduce((sum, chunk) => sum.concat(chunk));
    expect(whole.text).toBe('Hello there');
    expect(whole.usage_metadata?.output_token_details?.reasoning).toBe(24);
  });

  it('calls a tool and reads what it gave back', async () => {
    const model = chat('scripted/tool-call').bindTools([weather]);
    const question = new HumanMessage('Weather?');
    const asked = await model.invoke([question]);
    const [call] = asked.tool_calls ?? [];
    expect(call).toMatchObject({ name: 'get_weather', args: { location: 'sample' } });
    const result = new ToolMessage({
      tool_call_id: call?.id ?? '',
      content: await weather.invoke(call?.args as never),
    });
    expect((await model.invoke([question, asked, result])).text).toBe('The tool answered: sunny in sample');
  });

  it('continues a response', async () => {
    const first = await chat('qwen-plus').invoke('one');
    const id = String(first.response_metadata.id);
    const second = await chat('qwen-plus').invoke('two', { previous_response_id: id });
    expect(second.usage_metadata?.input_tokens).toBe(3);
  });

  it('answers in a form', async () => {
    const Trip = z.object({ city: z.enum(['Paris', 'Rome']), days: z.number().int().min(3) });
    const model = chat('scripted/json').withStructuredOutput(Trip, { method: 'jsonSchema' });
    expect(await model.invoke('A trip')).toEqual({ city: 'Paris', days: 3 });
  });

  it('tells why it was refused', async () => {
    await expect(chat('qwen-plus', { temperature: 5 }).invoke('Hello!')).rejects.toThrow("Invalid 'temperature': 5.");
  });
});
