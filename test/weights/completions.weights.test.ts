/**
 * Fill in the middle on real weights: the whole server, the official SDK, Qwen2.5-Coder-0.5B. Skips, with the reason,
 * only when the weights cannot be had (`npm test` fetches them).
 */
import { existsSync } from 'node:fs';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

const WEIGHTS = process.env.ATELIER_TEST_WEIGHTS_CODER ?? '';
const hasWeights = existsSync(WEIGHTS);
if (!hasWeights)
  console.warn('weights suite skipped: ATELIER_TEST_WEIGHTS_CODER names no file (the 0.5B could not be fetched)');

const MODEL = 'qwen2.5-coder-0.5b-instruct';
const PREFIX = 'def add(a, b):\n    return ';
const SUFFIX = '\n\nprint(add(1, 2))\n';

describe.skipIf(!hasWeights)('Qwen2.5-Coder-0.5B behind Completions', () => {
  let server: TestServer;
  let client: OpenAI;
  beforeAll(async () => {
    server = await startTestServer(
      { contextTokens: 1024 },
      { weights: { file: WEIGHTS, name: MODEL, modelId: MODEL } },
    );
    client = new OpenAI({ apiKey: server.key, baseURL: server.openAiBaseUrl, maxRetries: 0 });
  }, 120_000);
  afterAll(() => server?.close());

  const complete = async (body: Partial<OpenAI.CompletionCreateParamsNonStreaming>) =>
    client.completions.create({ model: MODEL, prompt: PREFIX, temperature: 0, max_tokens: 24, ...body });

  it('fills in the middle', async () => {
    const completion = await complete({ suffix: SUFFIX, stop: '\n' });
    expect(completion.choices[0]).toMatchObject({ text: 'a + b', finish_reason: 'stop' });
  });

  it('ends by itself, and shows none of its tokens', async () => {
    const suffix = '\n\n\ndef subtract(a, b):\n    return a - b\n';
    const { choices, usage } = await complete({ prompt: PREFIX.trimEnd(), suffix, max_tokens: 64 });
    expect(choices[0]?.finish_reason).toBe('stop');
    expect(usage?.completion_tokens).toBeLessThan(64);
    expect(choices[0]?.text).not.toContain('<|');
  });

  it('reads the suffix: another one, another middle', async () => {
    const prompt = 'def area(';
    const ofCircle = await complete({ prompt, suffix: '):\n    return 3.14 * radius * radius\n' });
    expect(ofCircle.choices[0]?.text).toContain('radius');
    const ofBox = await complete({ prompt, suffix: '):\n    return width * height\n' });
    expect(ofBox.choices[0]?.text).toMatch(/width.*height/);
  });

  it('does the same for the prompt that the caller spelt himself', async () => {
    const bySuffix = await complete({ suffix: SUFFIX });
    const spelt = await complete({ prompt: `<|fim_prefix|>${PREFIX}<|fim_suffix|>${SUFFIX}<|fim_middle|>` });
    expect(spelt.choices).toEqual(bySuffix.choices);
    expect(spelt.usage).toEqual(bySuffix.usage);
  });

  it('goes on with plain text, without a template, streamed and whole alike', async () => {
    const prompt = '1, 2, 3, 4, 5,';
    const whole = await complete({ prompt, max_tokens: 6 });
    expect(whole.choices[0]).toMatchObject({ text: ' 6, 7,', finish_reason: 'length' });
    // Numbers are tokens of one digit in this vocabulary; nothing stands around the text.
    expect(whole.usage?.prompt_tokens).toBe(14);
    let text = '';
    const stream = await client.completions.create({
      model: MODEL,
      prompt,
      temperature: 0,
      max_tokens: 6,
      stream: true,
    });
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
    expect(text).toBe(whole.choices[0]?.text);
  });

  it('takes the spelling of its tokens beside a suffix for text', async () => {
    const meant = await complete({ prompt: '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>', max_tokens: 1 });
    expect(meant.usage?.prompt_tokens).toBe(5);
    const told = await complete({ prompt: '<|fim_prefix|>a', suffix: 'b', max_tokens: 1 });
    expect(told.usage?.prompt_tokens).toBeGreaterThan(8);
  });

  it('answers for the other models that fill in the middle, as a stand-in that says so', async () => {
    const { data, response } = await client.completions
      .create({ model: 'qwen-coder-turbo', prompt: PREFIX, suffix: SUFFIX, temperature: 0, stop: '\n', logprobs: 2 })
      .withResponse();
    expect(response.headers.get('x-atelier-backend')).toBe(`embedded/${MODEL}`);
    expect(data.choices[0]?.text).toBe('a + b');
    const logprobs = data.choices[0]?.logprobs;
    expect(logprobs?.tokens?.join('')).toBe('a + b');
    expect(logprobs?.text_offset).toEqual([0, 1, 3]);
    expect(Object.keys(logprobs?.top_logprobs?.[0] ?? {})).toHaveLength(2);
  });

  it('refuses a prompt longer than its context before anything is spent', async () => {
    const attempt = complete({ prompt: 'word '.repeat(2000), suffix: 'x' });
    await expect(attempt).rejects.toMatchObject({ status: 400, code: 'invalid_parameter_error' });
    await expect(attempt).rejects.toThrow(/Range of input length should be \[1, \d+\]/);
  });
});
