/**
 * The context cache on real weights: the whole server, the smallest model. What the counters say is what the engine did, on
 * every wire, and behind a restart. Skips, with the reason, only when the weights cannot be had.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

const WEIGHTS = process.env.ATELIER_TEST_WEIGHTS ?? '';
const hasWeights = existsSync(WEIGHTS);
if (!hasWeights)
  console.warn('weights suite skipped: ATELIER_TEST_WEIGHTS names no file (SmolLM2 could not be fetched)');

const ephemeral = { cache_control: { type: 'ephemeral' } };
const MODEL = 'qwen-plus';
/** About 1,500 tokens. */
const DOCUMENT = Array.from({ length: 120 }, (_, index) => `Item ${index} costs ${index * 7} yuan.`).join(' ');

interface Told {
  readonly text: string;
  readonly input: number;
  readonly cached: number;
  readonly written: number | undefined;
}

describe.skipIf(!hasWeights)('the context cache of SmolLM2-135M', () => {
  let home: string;
  let server: TestServer;
  const start = () =>
    startTestServer({ contextTokens: 4096, home }, { weights: { file: WEIGHTS, name: 'smollm2-135m-instruct' } });

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'atelier-cache-'));
    server = await start();
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    rmSync(home, { recursive: true, force: true });
  });

  async function post(path: string, body: object, headers: { readonly [name: string]: string } = {}) {
    const response = await fetch(server.running.baseUrl + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    return JSON.parse(text);
  }

  const system = (text: string, key = 'text') => [{ ...(key === 'text' ? { type: 'text' } : {}), text, ...ephemeral }];

  async function chat(question: string, document: string | object[] = system(DOCUMENT)): Promise<Told> {
    const messages = [
      { role: 'system', content: document },
      { role: 'user', content: question },
    ];
    const body = { model: MODEL, messages, temperature: 0, max_tokens: 12 };
    const { choices, usage } = await post('/compatible-mode/v1/chat/completions', body);
    const { cached_tokens: cached, cache_creation_input_tokens: written } = usage.prompt_tokens_details;
    return { text: choices[0].message.content, input: usage.prompt_tokens, cached, written };
  }

  async function messages(question: string): Promise<Told> {
    const body = {
      model: MODEL,
      max_tokens: 12,
      temperature: 0,
      system: system(DOCUMENT),
      messages: [{ role: 'user', content: question }],
    };
    const { content, usage } = await post('/apps/anthropic/v1/messages', body);
    const { cache_read_input_tokens: cached, cache_creation_input_tokens: written } = usage;
    return { text: content[0].text, input: usage.input_tokens + cached + written, cached, written };
  }

  async function native(question: string): Promise<Told> {
    const body = {
      model: MODEL,
      input: {
        messages: [
          { role: 'system', content: system(DOCUMENT, 'native').map(({ text }) => ({ text, ...ephemeral })) },
          { role: 'user', content: question },
        ],
      },
      parameters: { result_format: 'message', temperature: 0, max_tokens: 12 },
    };
    const { output, usage } = await post('/api/v1/services/aigc/text-generation/generation', body);
    const { cached_tokens: cached, cache_creation_input_tokens: written } = usage.prompt_tokens_details;
    return { text: output.choices[0].message.content, input: usage.input_tokens, cached, written };
  }

  let block = 0;

  it('makes a block in the first call and reads it in the next, whichever wire asks, with the same answer', async () => {
    const first = await chat('What costs 21 yuan?');
    expect(first).toMatchObject({ cached: 0 });
    block = first.written ?? 0;
    expect(block).toBeGreaterThanOrEqual(1024);
    expect(block).toBeLessThan(first.input);
    const again = await chat('What costs 21 yuan?');
    expect(again).toEqual({ ...first, cached: block, written: 0 });
    expect(await messages('What costs 21 yuan?')).toMatchObject({ text: first.text, cached: block, written: 0 });
    expect(await native('What costs 21 yuan?')).toMatchObject({ text: first.text, cached: block, written: 0 });
  });

  it('tells of blocks only where a mark is, and of all that is warm where none is', async () => {
    const plain = await chat('What costs 28 yuan?', DOCUMENT);
    expect(plain.written).toBeUndefined();
    expect(plain.cached).toBeGreaterThanOrEqual(1024);
    expect((await chat('And what is this?', 'Be brief.')).cached).toBe(0);
  });

  it('has the increment written on top', async () => {
    const more = [
      ...system(DOCUMENT),
      ...system(' And that is all there is to say about the items and what each of them costs.'),
    ];
    const grown = await chat('What costs 35 yuan?', more);
    expect(grown.cached).toBe(block);
    expect(grown.written).toBeGreaterThan(10);
    expect(grown.written).toBeLessThan(40);
    expect(await chat('What costs 42 yuan?', more)).toMatchObject({ cached: block + (grown.written ?? 0), written: 0 });
  });

  it('keeps a session of Responses', async () => {
    const headers = { 'x-dashscope-session-cache': 'enable' };
    const ask = async (input: string, previous?: string) => {
      const body = { model: MODEL, input, temperature: 0, max_output_tokens: 16, previous_response_id: previous };
      const { id, usage } = await post('/compatible-mode/v1/responses', body, headers);
      const { cache_creation_input_tokens: written } = usage.x_details[0].prompt_tokens_details;
      return { id, input: usage.input_tokens, cached: usage.input_tokens_details.cached_tokens, written };
    };
    const first = await ask(`${DOCUMENT} What costs 49 yuan?`);
    expect(first).toMatchObject({ cached: 0 });
    expect(first.written).toBeGreaterThanOrEqual(1024);
    const next = await ask('And what costs 56?', first.id);
    expect(next.cached).toBe(first.written);
    expect(next.written).toBeGreaterThan(0);
    expect(next.cached + next.written).toBeLessThanOrEqual(next.input);
  });

  it('finds blocks behind a restart of the server, with the same answer', async () => {
    const { text } = await chat('What costs 63 yuan?');
    await server.close();
    server = await start();
    expect(await chat('What costs 63 yuan?')).toMatchObject({ text, cached: block, written: 0 });
  });
});
