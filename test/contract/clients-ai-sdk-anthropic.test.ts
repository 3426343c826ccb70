/** The Vercel AI SDK with its Anthropic provider, whose zod refuses what it does not know: only URL and key changed. */
import { type AnthropicProvider, createAnthropic } from '@ai-sdk/anthropic';
import { APICallError, generateObject, generateText, isStepCount, streamText, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let anthropic: AnthropicProvider;

beforeAll(async () => {
  globalThis.AI_SDK_LOG_WARNINGS = false;
  server = await startTestServer();
  anthropic = createAnthropic({ apiKey: server.key, baseURL: `${server.running.baseUrl}/apps/anthropic/v1` });
});
afterAll(() => server.close());

const thinking = { providerOptions: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } } } as const;
const weather = tool({
  description: 'Weather of a city.',
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `${city} is sunny`,
});

describe('generateText', () => {
  it('answers, with usage and the reason it ended', async () => {
    const { text, finishReason, usage } = await generateText({ model: anthropic('qwen-plus'), prompt: 'one two' });
    expect({ text, finishReason }).toEqual({ text: 'one two', finishReason: 'stop' });
    expect(usage).toMatchObject({ inputTokens: 2, outputTokens: 2 });
  });

  it('shows reasoning', async () => {
    const { reasoningText, text } = await generateText({ model: anthropic('qwen-plus'), prompt: 'So?', ...thinking });
    expect(reasoningText).toContain('think');
    expect(text).toBe('So?');
  });

  it('runs tools until there is an answer, reasoning and all', async () => {
    const { text, steps } = await generateText({
      model: anthropic('scripted/tool-call'),
      prompt: 'Weather?',
      tools: { weather },
      stopWhen: isStepCount(3),
      ...thinking,
    });
    expect(steps).toHaveLength(2);
    expect(steps[0]?.finishReason).toBe('tool-calls');
    expect(steps[0]?.reasoningText).toContain('think');
    expect(text).toBe('The tool answered: sample is sunny');
  });

  it('stops at a stop sequence and at the limit', async () => {
    const model = anthropic('qwen-plus');
    const stopped = await generateText({ model, prompt: 'one two three', stopSequences: ['two'] });
    expect(stopped).toMatchObject({ text: 'one ', finishReason: 'stop' });
    const cut = await generateText({ model, prompt: 'one two three', maxOutputTokens: 2 });
    expect(cut).toMatchObject({ text: 'one two', finishReason: 'length' });
  });
});

describe('streamText', () => {
  it('gives reasoning, text and the end', async () => {
    const result = streamText({ model: anthropic('qwen-plus'), prompt: 'one two', ...thinking });
    const types: string[] = [];
    for await (const part of result.fullStream) types.push(part.type);
    expect(types).not.toContain('error');
    expect(types.indexOf('reasoning-end')).toBeLessThan(types.indexOf('text-start'));
    expect(types.at(-1)).toBe('finish');
    expect(await result.text).toBe('one two');
    expect((await result.usage).inputTokens).toBe(2);
  });

  it('runs parallel calls', async () => {
    const result = streamText({
      model: anthropic('scripted/parallel-calls'),
      prompt: 'Weather?',
      tools: { weather },
      stopWhen: isStepCount(2),
    });
    await result.consumeStream();
    const [first] = await result.steps;
    expect(first?.toolCalls).toHaveLength(2);
    expect(first?.toolResults.map(({ output }) => output)).toEqual(['sample is sunny', 'sample 2 is sunny']);
  });

  it('reads input that a model broke', async () => {
    const result = streamText({
      model: anthropic('scripted/tool-call?input=%7B%27city%27%3A%27Oslo%27%2C%7D'),
      prompt: 'Weather?',
      tools: { weather },
    });
    await result.consumeStream();
    expect((await result.toolResults).map(({ output }) => output)).toEqual(['Oslo is sunny']);
  });

  it('says that a stream broke', async () => {
    const result = streamText({ model: anthropic('scripted/error-mid-stream'), prompt: 'go', onError: () => {} });
    const types: string[] = [];
    for await (const part of result.fullStream) types.push(part.type);
    expect(types).toContain('error');
  });
});

describe('generateObject', () => {
  it('is answered although its call is forced on a model that thinks by itself', async () => {
    const schema = z.object({ city: z.string(), days: z.int().min(1) });
    for (const model of ['qwen-plus', 'qwen3.7-max', 'claude-sonnet-4-5']) {
      const { object } = await generateObject({ model: anthropic(model), prompt: 'a trip', schema });
      expect(object).toEqual({ city: 'sample', days: 1 });
    }
  });
});

describe('errors', () => {
  it.each([
    ['qwen-none', 404, 'The model `qwen-none` does not exist or you do not have access to it.'],
    ['scripted/error-400', 400, 'Required parameter missing or invalid, please check the request parameters.'],
    ['scripted/error-503', 529, 'Model is unavailable, please try again later.'],
  ])('of %s have their words', async (model, status, message) => {
    const thrown = await generateText({ model: anthropic(model), prompt: 'x', maxRetries: 0 }).catch(
      (error: unknown) => error,
    );
    expect(APICallError.isInstance(thrown)).toBe(true);
    expect(thrown).toMatchObject({ statusCode: status, message });
  });
});
