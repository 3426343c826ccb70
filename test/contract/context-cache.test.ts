/** The context cache through the official SDKs for Node, on the scripted backend: only URL and key changed. */

import { createAlibaba } from '@ai-sdk/alibaba';
import Anthropic from '@anthropic-ai/sdk';
import { generateText } from 'ai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const ephemeral = { cache_control: { type: 'ephemeral' as const } };
/** A text that no other test has, of so many tokens. */
const document = (name: string, tokens = 2048) => `${name} `.repeat(tokens).trim();

/** qwen-plus: 2 yuan a million tokens in, 4 out. */
const NANO_IN = 2000;
const NANO_OUT = 4000;

describe('OpenAI', () => {
  const client = () => new OpenAI({ apiKey: server.key, baseURL: server.openAiBaseUrl, maxRetries: 0 });
  const DETAILS = (cached: number, created: number) => ({
    cached_tokens: cached,
    cache_creation_input_tokens: created,
    cache_creation: { ephemeral_5m_input_tokens: created },
    cache_type: 'ephemeral',
  });

  it('marks a system text as the founding document says, and pays for writing, then a tenth for reading', async () => {
    const ask = async (question: string) => {
      const { usage } = await client().chat.completions.create({
        model: 'qwen-plus',
        messages: [
          // `cache_control` is the vendor's: the SDK's types do not know it, and it is sent all the same.
          { role: 'system', content: [{ type: 'text', text: document('openai'), ...ephemeral }] as never },
          { role: 'user', content: question },
        ],
      });
      return usage;
    };
    const first = await ask('What is it about?');
    expect(first?.prompt_tokens_details).toEqual(DETAILS(0, 2048));
    const second = await ask('And how long is it?');
    expect(second?.prompt_tokens_details).toEqual(DETAILS(2048, 0));
    expect(second?.prompt_tokens).toBeGreaterThan(2048);
    const [written, read] = (await server.receipts()).slice(-2);
    const rest = (usage: typeof first) =>
      ((usage?.prompt_tokens ?? 0) - 2048) * NANO_IN + (usage?.completion_tokens ?? 0) * NANO_OUT;
    expect(written?.chargeNano).toBe(2048 * NANO_IN * 1.25 + rest(first));
    expect(read?.chargeNano).toBe(2048 * NANO_IN * 0.1 + rest(second));
  });

  it('reads the same from a stream', async () => {
    const stream = await client().chat.completions.create({
      model: 'qwen-plus',
      messages: [{ role: 'user', content: [{ type: 'text', text: document('stream'), ...ephemeral }] as never }],
      stream: true,
      stream_options: { include_usage: true },
    });
    const usages = [];
    for await (const { usage } of stream) if (usage) usages.push(usage.prompt_tokens_details);
    expect(usages).toEqual([DETAILS(0, 2048)]);
  });

  it('finds a prefix without marks, at a fifth', async () => {
    const ask = (question: string) =>
      client().chat.completions.create({
        model: 'qwen-plus',
        messages: [{ role: 'user', content: `${document('implicit')} ${question}` }],
      });
    expect((await ask('first')).usage?.prompt_tokens_details).toEqual({ cached_tokens: 0 });
    const { usage } = await ask('second');
    expect(usage?.prompt_tokens_details).toEqual({ cached_tokens: 2048 });
    const [receipt] = (await server.receipts()).slice(-1);
    expect(receipt?.chargeNano).toBe(2048 * NANO_IN * 0.2 + NANO_IN + 2049 * NANO_OUT);
  });

  it('keeps a conversation of Responses when the header asks for it', async () => {
    const kept = { headers: { 'x-dashscope-session-cache': 'enable' } };
    const first = await client().responses.create({ model: 'qwen-plus', input: document('session') }, kept);
    expect(first.usage?.input_tokens_details.cached_tokens).toBe(0);
    const next = await client().responses.create(
      { model: 'qwen-plus', input: 'And now?', previous_response_id: first.id },
      kept,
    );
    expect(next.usage).toMatchObject({
      input_tokens_details: { cached_tokens: 2048 },
      x_details: [{ prompt_tokens_details: { cached_tokens: 2048, cache_type: 'ephemeral' } }],
    });
  });
});

describe('Anthropic', () => {
  const client = () =>
    new Anthropic({ apiKey: server.key, baseURL: `${server.running.baseUrl}/apps/anthropic`, maxRetries: 0 });
  const body = (name: string, question: string): Anthropic.MessageCreateParamsNonStreaming => ({
    model: 'qwen-plus',
    max_tokens: 100,
    system: [{ type: 'text', text: document(name), ...ephemeral }],
    messages: [{ role: 'user', content: question }],
  });

  it('tells what was created and what was read, apart from the rest of the input', async () => {
    const first = await client().messages.create(body('anthropic', 'One?'));
    expect(first.usage).toEqual({
      input_tokens: 2,
      output_tokens: 2,
      cache_creation_input_tokens: 2048,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 2048, ephemeral_1h_input_tokens: 0 },
    });
    const second = await client().messages.create(body('anthropic', 'Two?'));
    expect(second.usage).toMatchObject({
      input_tokens: 2,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 2048,
    });
  });

  it('tells it at the beginning of a stream, too', async () => {
    await client().messages.create(body('streamed', 'One?'));
    const stream = client().messages.stream(body('streamed', 'Two?'));
    const starts: object[] = [];
    stream.on('streamEvent', (event) => {
      if (event.type === 'message_start') starts.push(event.message.usage);
    });
    const { usage } = await stream.finalMessage();
    expect(starts).toMatchObject([{ input_tokens: 2, cache_read_input_tokens: 2048, cache_creation_input_tokens: 0 }]);
    expect(usage).toMatchObject({ input_tokens: 2, cache_read_input_tokens: 2048, output_tokens: 2 });
  });

  it('takes a mark of the whole request, and marks of calls and results', async () => {
    const tools: Anthropic.Tool[] = [{ name: 'read', input_schema: { type: 'object' }, ...ephemeral }];
    const ask = (more: Partial<Anthropic.MessageCreateParamsNonStreaming>) =>
      client().messages.create({
        model: 'qwen-plus',
        max_tokens: 100,
        tools,
        messages: [
          { role: 'user', content: 'Read it.' },
          { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'read', input: {} }] },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: document('file') }] },
        ],
        ...more,
      });
    const first = await ask(ephemeral);
    expect(first.usage.cache_creation_input_tokens).toBeGreaterThan(2048);
    const second = await ask(ephemeral);
    expect(second.usage.cache_read_input_tokens).toBe(first.usage.cache_creation_input_tokens);
    // A mark on a tool alone is read and means nothing: the implicit cache answers.
    expect((await ask({})).usage.cache_creation).toBeUndefined();
  });
});

it('the alibaba provider of the AI SDK reads both counters', async () => {
  const alibaba = createAlibaba({ apiKey: server.key, baseURL: server.openAiBaseUrl });
  const ask = async () => {
    const { usage } = await generateText({
      model: alibaba('qwen-plus'),
      messages: [
        {
          role: 'user',
          content: [
            {
              type: 'text',
              text: document('provider'),
              providerOptions: { alibaba: { cacheControl: { type: 'ephemeral' } } },
            },
          ],
        },
      ],
    });
    return usage.inputTokenDetails;
  };
  expect(await ask()).toMatchObject({ cacheReadTokens: 0, cacheWriteTokens: 2048 });
  expect(await ask()).toMatchObject({ cacheReadTokens: 2048, cacheWriteTokens: 0 });
});
