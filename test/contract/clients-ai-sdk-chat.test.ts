/**
 * The Vercel AI SDK over Chat Completions: its openai provider in chat mode, its openai-compatible and its alibaba
 * provider, only URL and key changed. The providers read replies with zod, so a member of another form is an error here.
 */
import { createAlibaba } from '@ai-sdk/alibaba';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError,
  generateObject,
  generateText,
  isStepCount,
  type LanguageModel,
  NoObjectGeneratedError,
  Output,
  streamText,
  type TextStreamPart,
  type ToolSet,
  tool,
} from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { failingFirst, recordingFetch } from '../support/client-fetch.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  globalThis.AI_SDK_LOG_WARNINGS = false;
  server = await startTestServer();
});
afterAll(() => server.close());

interface ClientOptions {
  readonly key?: string;
  readonly fetch?: typeof fetch;
}

interface Provider {
  readonly name: string;
  model(id: string, options?: ClientOptions): LanguageModel;
  /** Where it has an option for the thinking switch. */
  readonly thinking?: { readonly [provider: string]: { readonly [option: string]: boolean } };
  /** What it makes of the frame that ends a broken stream. */
  readonly brokenStream: RegExp;
}

const connection = ({ key = server.key, fetch }: ClientOptions = {}) => ({
  baseURL: server.openAiBaseUrl,
  apiKey: key,
  ...(fetch ? { fetch } : {}),
});

const openai: Provider = {
  name: '@ai-sdk/openai',
  model: (id, options) => createOpenAI(connection(options)).chat(id),
  brokenStream: /internal error has occured/,
};
const compatible: Provider = {
  name: '@ai-sdk/openai-compatible',
  model: (id, options) =>
    createOpenAICompatible({
      name: 'atelier',
      includeUsage: true,
      supportsStructuredOutputs: true,
      ...connection(options),
    }).chatModel(id),
  thinking: { atelier: { enable_thinking: true } },
  brokenStream: /internal error has occured/,
};
const alibaba: Provider = {
  name: '@ai-sdk/alibaba',
  model: (id, options) => createAlibaba(connection(options)).chatModel(id),
  thinking: { alibaba: { enableThinking: true } },
  // It knows no error frame; what it could not read is quoted whole.
  brokenStream: /Type validation failed.*internal error has occured/s,
};

const weather = tool({
  description: 'Check weather in a city.',
  inputSchema: z.object({ location: z.string() }),
  execute: async ({ location }) => `sunny in ${location}`,
});

async function partsOf<Tools extends ToolSet>(stream: AsyncIterable<TextStreamPart<Tools>>) {
  const parts: TextStreamPart<Tools>[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

/** The kinds of parts in their order, runs of deltas as one. */
function kindsOf(parts: readonly { readonly type: string }[]): string[] {
  return parts.map(({ type }) => type).filter((type, index, types) => type !== types[index - 1]);
}

async function errorOf(call: PromiseLike<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

describe.each([openai, compatible, alibaba])('$name', ({ model, brokenStream }) => {
  it('generates text with its metadata and usage', async () => {
    const result = await generateText({
      model: model('qwen-plus'),
      instructions: 'Be brief.',
      prompt: 'Who are you?',
      temperature: 0.2,
      topP: 0.9,
      seed: 7,
    });
    expect(result.text).toBe('Who are you?');
    expect(result.finishReason).toBe('stop');
    expect(result.usage).toMatchObject({ inputTokens: 7, outputTokens: 4, totalTokens: 11 });
    const { response } = result.finalStep;
    expect(response.modelId).toBe('qwen-plus');
    expect(response.id).toBe(`chatcmpl-${response.headers?.['x-request-id']}`);
    expect(response.timestamp.getTime()).toBeGreaterThan(0);
  });

  it('streams what it generates', async () => {
    const ask = { model: model('qwen-plus'), prompt: 'one two three' };
    const plain = await generateText(ask);
    const result = streamText(ask);
    const parts = await partsOf(result.stream);
    expect(kindsOf(parts)).toEqual([
      'start',
      'start-step',
      'text-start',
      'text-delta',
      'text-end',
      'finish-step',
      'finish',
    ]);
    expect(parts.filter(({ type }) => type === 'text-delta')).toHaveLength(3);
    expect(await result.text).toBe(plain.text);
    expect(await result.finishReason).toBe('stop');
    expect(await result.usage).toEqual(plain.usage);
    expect((await result.finalStep).response.modelId).toBe('qwen-plus');
  });

  it('stops at a limit and at a stop sequence', async () => {
    const limited = await generateText({ model: model('qwen-plus'), prompt: 'a b c d e', maxOutputTokens: 2 });
    expect([limited.text, limited.finishReason]).toEqual(['a b', 'length']);
    const stopped = await generateText({ model: model('qwen-plus'), prompt: 'a b c d e', stopSequences: [' c'] });
    expect([stopped.text, stopped.finishReason]).toEqual(['a b', 'stop']);
  });

  it('reads a picture', async () => {
    const content = [
      { type: 'text' as const, text: 'what is this' },
      { type: 'file' as const, data: new Uint8Array([0x89, 0x50, 0x4e, 0x47]), mediaType: 'image/png' },
    ];
    const result = await generateText({ model: model('scripted/echo'), messages: [{ role: 'user', content }] });
    expect(result.text).toBe('what is this');
    expect(result.usage.inputTokens).toBe(3 + 256);
  });

  it('finishes a tool loop', async () => {
    const result = await generateText({
      model: model('scripted/tool-call'),
      prompt: 'weather?',
      tools: { weather },
      stopWhen: isStepCount(5),
    });
    expect(result.text).toBe('The tool answered: sunny in sample');
    expect(result.steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
    const [call] = result.steps[0]?.toolCalls ?? [];
    expect(call).toMatchObject({ toolName: 'weather', input: { location: 'sample' } });
    expect(call?.toolCallId).toMatch(/^call_[0-9a-f]{24}$/);
  });

  it('streams a tool loop with two calls in fragments', async () => {
    const result = streamText({
      model: model('scripted/parallel-calls'),
      prompt: 'weather?',
      tools: { weather },
      stopWhen: isStepCount(5),
    });
    const parts = await partsOf(result.stream);
    expect(parts.filter(({ type }) => type === 'error' || type === 'tool-error')).toEqual([]);
    const deltas = parts.flatMap((part) => (part.type === 'tool-input-delta' ? [part] : []));
    const calls = parts.flatMap((part) => (part.type === 'tool-call' ? [part] : []));
    expect(calls).toHaveLength(2);
    expect(new Set(calls.map(({ toolCallId }) => toolCallId)).size).toBe(2);
    expect(deltas.length).toBeGreaterThan(calls.length);
    for (const { toolCallId, input } of calls) {
      expect(toolCallId).toMatch(/^call_[0-9a-f]{24}$/);
      const text = deltas.filter(({ id }) => id === toolCallId).map(({ delta }) => delta);
      expect(JSON.parse(text.join(''))).toEqual(input);
    }
    expect(await result.text).toBe('The tool answered: sunny in sample; sunny in sample 2');
  });

  it('is held to a tool choice', async () => {
    const tools = { other: tool({ inputSchema: z.object({}) }), weather: tool({ inputSchema: weather.inputSchema }) };
    const ask = { model: model('qwen-plus'), prompt: 'hi', tools };
    const called = async (toolChoice: 'auto' | 'none' | 'required' | { type: 'tool'; toolName: 'weather' }) =>
      (await generateText({ ...ask, toolChoice })).toolCalls.map(({ toolName }) => toolName);
    expect(await called('auto')).toEqual([]);
    expect(await called('none')).toEqual([]);
    expect(await called('required')).toEqual(['other']);
    expect(await called({ type: 'tool', toolName: 'weather' })).toEqual(['weather']);
  });

  it('repairs a conversation after arguments that were no JSON', async () => {
    const result = await generateText({
      model: model('scripted/tool-call?input=%7B%22location%22%3A'),
      prompt: 'weather?',
      tools: { weather },
      stopWhen: isStepCount(3),
    });
    expect(result.steps[0]?.content.map(({ type }) => type)).toEqual(['tool-call', 'tool-error']);
    expect(result.text).toContain('The tool answered: ');
  });

  it('generates an object', async () => {
    // The form of JSON mode, too: the alibaba provider asks for a schema only where it knows the model.
    const schema = z.object({ text: z.string() });
    const ask = { model: model('scripted/json'), prompt: 'as JSON', output: Output.object({ schema }) };
    const { output } = await generateText(ask);
    expect(typeof output.text).toBe('string');
    const result = streamText(ask);
    const partials = [];
    for await (const partial of result.partialOutputStream) partials.push(partial);
    expect(partials.length).toBeGreaterThan(1);
    expect(partials.at(-1)).toEqual(output);
    const { object } = await generateObject({ model: model('scripted/json'), prompt: 'as JSON', schema });
    expect(object).toEqual(output);
  });

  it('generates what its schema says where a schema is asked for', async () => {
    const schema = z.object({ city: z.enum(['Paris', 'Rome']), days: z.number().int().min(3), isFar: z.boolean() });
    const { output } = await generateText({
      model: model('qwen3.7-max'),
      prompt: 'a trip',
      output: Output.object({ schema }),
    });
    expect(output).toEqual({ city: 'Paris', days: 3, isFar: true });
    const cut = { model: model('scripted/length?tokens=2'), prompt: 'JSON', output: Output.object({ schema }) };
    expect(NoObjectGeneratedError.isInstance(await errorOf(generateText(cut).then(({ output }) => output)))).toBe(true);
  });

  it('tries a throttled call again and succeeds', async () => {
    const before = (await server.receipts()).length;
    const { text } = await generateText({
      model: model('qwen-plus', { fetch: failingFirst('scripted/error-rate-limited') }),
      prompt: 'again',
      maxRetries: 1,
    });
    expect(text).toBe('again');
    const written = (await server.receipts()).slice(before);
    expect(written.map(({ errorCode }) => errorCode)).toEqual(['rate-limited', null]);
  });

  it.each([
    ['a bad value', 'qwen-plus', { topP: 1.5 }, 400, 'Range of top_p should be (0.0, 1.0]'],
    ['an unknown model', 'qwen-none', {}, 404, 'The model `qwen-none` does not exist or you do not have access to it.'],
    ['a throttle', 'scripted/error-429', {}, 429, 'You have exceeded your current request limit.'],
    ['a failure of ours', 'scripted/error-500', {}, 500, 'An internal error has occured'],
    ['an overload', 'scripted/error-503', {}, 503, 'Model is unavailable, please try again later.'],
  ])('tells the words of %s', async (_name, id, settings, status, words) => {
    const ask = { model: model(id), prompt: 'hi', maxRetries: 0, ...settings };
    const thrown = await errorOf(generateText(ask));
    if (!APICallError.isInstance(thrown)) throw new Error(`not an API error: ${thrown}`);
    expect(thrown.statusCode).toBe(status);
    expect(thrown.message).toContain(words);
    expect(thrown.isRetryable).toBe(status === 429 || status >= 500);
    expect(thrown.responseHeaders?.['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    const errors: unknown[] = [];
    await streamText({ ...ask, onError: ({ error }) => void errors.push(error) }).consumeStream();
    expect(errors).toMatchObject([{ statusCode: status, message: thrown.message }]);
  });

  it('tells that a key is wrong, without trying again', async () => {
    const { fetch, bodies } = recordingFetch();
    const thrown = await errorOf(
      generateText({ model: model('qwen-plus', { key: 'sk-wrong', fetch }), prompt: 'hi', maxRetries: 2 }),
    );
    expect(APICallError.isInstance(thrown) && thrown.statusCode).toBe(401);
    expect((thrown as Error).message).toContain('Incorrect API key provided.');
    expect(bodies).toHaveLength(1);
  });

  it('shows a broken stream as an error, never as a short answer', async () => {
    const errors: unknown[] = [];
    const result = streamText({
      model: model('scripted/error-mid-stream'),
      prompt: 'go',
      onError: ({ error }) => void errors.push(error),
    });
    const parts = await partsOf(result.stream);
    expect(parts.filter(({ type }) => type === 'text-delta').length).toBeGreaterThan(0);
    expect(errors).toHaveLength(1);
    const [error] = errors;
    expect(error instanceof Error ? error.message : JSON.stringify(error)).toMatch(brokenStream);
    expect(parts.some((part) => part.type === 'finish' && part.finishReason === 'stop')).toBe(false);
  });

  it('is billed once for what it had read when it left', async () => {
    const before = (await server.receipts()).length;
    const leaving = new AbortController();
    const result = streamText({
      model: model('scripted/text?tokens=100000&rate=200'),
      prompt: 'go',
      abortSignal: leaving.signal,
    });
    const kinds: string[] = [];
    for await (const { type } of result.stream) {
      if (type === 'text-delta') leaving.abort();
      kinds.push(type);
    }
    expect(kinds.at(-1)).toBe('abort');
    const receipt = await server.receiptAfter(before);
    expect(receipt.ending).toBe('client-gone');
    expect(receipt.outputTokens).toBeGreaterThan(0);
    expect(receipt.outputTokens).toBeLessThan(2000);
    await generateText({ model: model('qwen-plus'), prompt: 'next' });
    expect((await server.receipts()).length).toBe(before + 2);
  });
});

describe.each([compatible, alibaba])('reasoning with $name', ({ model, thinking }) => {
  const ask = () => ({ model: model('scripted/echo?cached=2'), prompt: 'one two three', providerOptions: thinking });

  it('is a part of its own, before the answer and in the usage', async () => {
    const result = await generateText(ask());
    expect(result.text).toBe('one two three');
    expect(result.finalStep.reasoningText).toBe('Let me think about what was asked.');
    expect(result.usage).toMatchObject({
      inputTokens: 3,
      inputTokenDetails: { cacheReadTokens: 2, noCacheTokens: 1 },
      outputTokens: 11,
      outputTokenDetails: { reasoningTokens: 8, textTokens: 3 },
    });
  });

  it('streams as what it is', async () => {
    const result = streamText(ask());
    expect(kindsOf(await partsOf(result.stream))).toEqual([
      'start',
      'start-step',
      'reasoning-start',
      'reasoning-delta',
      'reasoning-end',
      'text-start',
      'text-delta',
      'text-end',
      'finish-step',
      'finish',
    ]);
    const plain = await generateText(ask());
    expect((await result.finalStep).reasoningText).toBe(plain.finalStep.reasoningText);
    expect(await result.usage).toEqual(plain.usage);
  });

  it('goes back with the call it led to', async () => {
    const { fetch, bodies } = recordingFetch();
    const result = streamText({
      model: model('scripted/tool-call', { fetch }),
      prompt: 'weather?',
      tools: { weather },
      providerOptions: thinking,
      stopWhen: isStepCount(3),
    });
    await result.consumeStream();
    expect(await result.text).toBe('The tool answered: sunny in sample');
    const [, second] = bodies as { messages: { role: string; reasoning_content?: string }[] }[];
    const assistant = second?.messages.find(({ role }) => role === 'assistant');
    expect(assistant?.reasoning_content).toBe('Let me think about what was asked.');
  });
});

describe('what only the alibaba provider says', () => {
  const history = (reasoning: string) => [
    { role: 'user' as const, content: 'one' },
    {
      role: 'assistant' as const,
      content: [
        { type: 'reasoning' as const, text: reasoning },
        { type: 'text' as const, text: 'two' },
      ],
    },
    { role: 'user' as const, content: 'three' },
  ];

  it('preserved thinking is read again, and paid for', async () => {
    const inputTokens = async (preserveThinking: boolean) => {
      const { usage } = await generateText({
        model: alibaba.model('scripted/echo'),
        messages: history('four more words here'),
        providerOptions: { alibaba: { enableThinking: true, preserveThinking } },
      });
      return usage.inputTokens;
    };
    expect(await inputTokens(false)).toBe(3);
    expect(await inputTokens(true)).toBe(7);
  });

  it('a thinking budget cuts the reasoning', async () => {
    const { usage } = await generateText({
      model: alibaba.model('scripted/reasoning'),
      prompt: 'hi',
      providerOptions: { alibaba: { enableThinking: true, thinkingBudget: 5 } },
    });
    expect(usage.outputTokenDetails.reasoningTokens).toBe(5);
  });

  it('the reasoning setting of the SDK switches thinking', async () => {
    const reasoningTokens = async (reasoning: 'none' | 'low') =>
      (await generateText({ model: alibaba.model('scripted/reasoning'), prompt: 'hi', reasoning })).usage
        .outputTokenDetails.reasoningTokens;
    expect(await reasoningTokens('none')).toBe(0);
    expect(await reasoningTokens('low')).toBe(24);
  });

  it('cache marks are taken on instructions, messages and parts', async () => {
    const { fetch, bodies } = recordingFetch();
    const mark = { providerOptions: { alibaba: { cacheControl: { type: 'ephemeral' } } } };
    const { text } = await generateText({
      model: alibaba.model('scripted/echo', { fetch }),
      allowSystemInMessages: true,
      messages: [
        { role: 'system', content: 'Be brief.', ...mark },
        { role: 'user', content: [{ type: 'text', text: 'one', ...mark }] },
        { role: 'assistant', content: [{ type: 'text', text: 'two' }], ...mark },
        { role: 'user', content: [{ type: 'text', text: 'three', ...mark }] },
      ],
    });
    expect(text).toBe('three');
    expect(JSON.stringify(bodies[0]).split('"cache_control"')).toHaveLength(5);
  });

  it('parallel calls can be asked for', async () => {
    const { toolCalls } = await generateText({
      model: alibaba.model('scripted/parallel-calls'),
      prompt: 'weather?',
      tools: { weather: tool({ inputSchema: weather.inputSchema }) },
      providerOptions: { alibaba: { parallelToolCalls: true } },
    });
    expect(toolCalls).toHaveLength(2);
  });
});

describe('what only the openai provider says', () => {
  it('log probabilities', async () => {
    const result = await generateText({
      model: openai.model('scripted/echo'),
      prompt: 'one two',
      providerOptions: { openai: { logprobs: 2 } },
    });
    expect(result.finalStep.providerMetadata?.openai?.logprobs).toMatchObject([
      { token: 'one', logprob: 0, top_logprobs: [{ token: 'one', logprob: 0 }] },
      { token: ' two', logprob: 0, top_logprobs: [{ token: ' two', logprob: 0 }] },
    ]);
  });

  it('instructions as a developer message, a limit on all output, effort, metadata', async () => {
    const { fetch, bodies } = recordingFetch();
    const result = await generateText({
      model: openai.model('scripted/reasoning', { fetch }),
      instructions: 'Be brief.',
      prompt: 'hi there',
      maxOutputTokens: 25,
      providerOptions: {
        openai: { forceReasoning: true, reasoningEffort: 'low', metadata: { run: '1' }, store: false, user: 'u' },
      },
    });
    expect(bodies[0]).toMatchObject({
      messages: [{ role: 'developer', content: 'Be brief.' }, { role: 'user' }],
      max_completion_tokens: 25,
      reasoning_effort: 'low',
    });
    // 24 tokens of reasoning leave one for the answer.
    expect([result.text, result.finishReason]).toEqual(['hi', 'length']);
    expect(result.usage.outputTokenDetails.reasoningTokens).toBe(24);
  });
});
