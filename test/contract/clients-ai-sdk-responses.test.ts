/**
 * The Vercel AI SDK with its openai provider, which speaks Responses, only URL and key changed. It reads replies with
 * zod, so a member of another form is an error here.
 */
import { createOpenAI, type OpenAILanguageModelResponsesOptions } from '@ai-sdk/openai';
import { generateObject, generateText, isStepCount, streamText, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { recordingFetch } from '../support/client-fetch.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  globalThis.AI_SDK_LOG_WARNINGS = false;
  server = await startTestServer();
});
afterAll(() => server.close());

const model = (id: string, send: typeof fetch = fetch) =>
  createOpenAI({ baseURL: server.openAiBaseUrl, apiKey: server.key, fetch: send })(id);

const weather = tool({
  description: 'Check weather in a city.',
  inputSchema: z.object({ location: z.string() }),
  execute: async ({ location }) => `sunny in ${location}`,
});

describe('generateText', () => {
  it('answers with its usage', async () => {
    const { text, usage, response, finishReason } = await generateText({ model: model('qwen-plus'), prompt: 'Hello!' });
    expect({ text, finishReason }).toEqual({ text: 'Hello!', finishReason: 'stop' });
    expect(usage).toMatchObject({ inputTokens: 2, outputTokens: 2, totalTokens: 4 });
    expect(response.id).toMatch(/^resp_/);
  });

  it('calls a tool and names the call by its id in the next step', async () => {
    const recorded = recordingFetch();
    const { text, steps } = await generateText({
      model: model('scripted/tool-call', recorded.fetch),
      prompt: 'Weather?',
      tools: { get_weather: weather },
      stopWhen: isStepCount(3),
    });
    expect(text).toBe('The tool answered: sunny in sample');
    expect(steps).toHaveLength(2);
    const { input } = recorded.bodies[1] as { input: { type?: string }[] };
    expect(input.some(({ type }) => type === 'item_reference' || type === 'function_call')).toBe(true);
  });

  it('keeps its reasoning itself where nothing is stored', async () => {
    const openai: OpenAILanguageModelResponsesOptions = { store: false, include: ['reasoning.encrypted_content'] };
    const first = await generateText({
      model: model('scripted/reasoning'),
      prompt: 'Hello!',
      providerOptions: { openai },
    });
    expect(first.reasoningText).toMatch(/walls/);
    const second = await generateText({
      model: model('scripted/reasoning'),
      messages: [
        { role: 'user', content: 'Hello!' },
        ...first.response.messages,
        { role: 'user', content: 'And now?' },
      ],
      providerOptions: { openai },
    });
    expect(second.text).toBe('And now?');
  });

  it('tells why it was refused', async () => {
    const refused = generateText({ model: model('gpt-9'), prompt: 'Hello!', maxRetries: 0 });
    await expect(refused).rejects.toThrow("Unsupported model: 'gpt-9'");
  });
});

describe('streamText', () => {
  it('streams thoughts, text and calls', async () => {
    const result = streamText({
      model: model('scripted/reasoning'),
      prompt: 'Hello there',
    });
    const types = new Set<string>();
    for await (const part of result.fullStream) types.add(part.type);
    expect([...types]).toEqual(expect.arrayContaining(['reasoning-delta', 'text-delta', 'finish']));
    expect(await result.text).toBe('Hello there');
    expect((await result.usage).outputTokenDetails.reasoningTokens).toBe(24);
  });

  it('streams the input of a call', async () => {
    const result = streamText({
      model: model('scripted/parallel-calls'),
      prompt: 'Weather?',
      tools: { get_weather: weather },
    });
    await result.consumeStream();
    expect((await result.toolCalls).map(({ input }) => input)).toEqual([
      { location: 'sample' },
      { location: 'sample 2' },
    ]);
  });

  it('ends in an error when the answer fails', async () => {
    const errors: unknown[] = [];
    const result = streamText({
      model: model('scripted/error-mid-stream'),
      prompt: 'Hello!',
      onError: ({ error }) => void errors.push(error),
    });
    await result.consumeStream();
    expect(errors).toHaveLength(1);
  });
});

describe('generateObject', () => {
  it('answers in a form', async () => {
    const { object } = await generateObject({
      model: model('scripted/json'),
      prompt: 'A trip',
      schema: z.object({ city: z.enum(['Paris', 'Rome']), days: z.number().int() }),
    });
    expect(object.city).toBe('Paris');
  });
});
