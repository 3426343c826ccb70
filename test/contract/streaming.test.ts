/** What a stream looks like on the socket, and what happens when its client leaves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { framesOf, startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

const messages = [{ role: 'user', content: 'one two three' }];

describe('a stream', () => {
  it('is frames of one data line, the last one [DONE]', async () => {
    const response = await server.chat({ model: 'qwen-plus', messages, stream: true });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    const frames = await framesOf(response);
    expect(frames.at(-1)).toBe('[DONE]');
    const chunks = frames.slice(0, -1).map((frame) => JSON.parse(frame));
    expect(chunks[0].choices[0].delta).toEqual({ content: '', role: 'assistant' });
    expect(chunks.every((chunk) => chunk.usage === null && chunk.system_fingerprint === null)).toBe(true);
    expect(new Set(chunks.map((chunk) => `${chunk.id} ${chunk.created} ${chunk.model}`)).size).toBe(1);
  });

  it('says the same as the plain body', async () => {
    const ask = { model: 'scripted/reasoning', messages, seed: 7, enable_thinking: true };
    const plain = (await (await server.chat(ask)).json()) as {
      choices: { message: { content: string; reasoning_content: string } }[];
      usage: object;
    };
    const frames = await framesOf(await server.chat({ ...ask, stream: true, stream_options: { include_usage: true } }));
    const chunks = frames.slice(0, -1).map((frame) => JSON.parse(frame));
    const joined = (key: string) => chunks.map((chunk) => chunk.choices[0]?.delta[key] ?? '').join('');
    expect(joined('content')).toBe(plain.choices[0]?.message.content);
    expect(joined('reasoning_content')).toBe(plain.choices[0]?.message.reasoning_content);
    expect(chunks.at(-1).usage).toEqual(plain.usage);
  });

  it('ends with an error frame and no [DONE] when it breaks', async () => {
    const frames = await framesOf(await server.chat({ model: 'scripted/error-mid-stream', messages, stream: true }));
    expect(frames.at(-1)).not.toBe('[DONE]');
    expect(JSON.parse(frames.at(-1) ?? '')).toHaveProperty('error.message');
    expect(frames.some((frame) => frame.includes('"finish_reason":"stop"'))).toBe(false);
  });

  it('is an HTTP error when it fails before its first token', async () => {
    const response = await server.chat({ model: 'scripted/error-overloaded', messages, stream: true });
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
  });

  it('bills what was generated when its client leaves', async () => {
    const before = (await server.receipts()).length;
    const leaving = new AbortController();
    const response = await server.chat(
      { model: 'scripted/text?tokens=100000&rate=200', messages, stream: true, max_tokens: 32000 },
      { signal: leaving.signal },
    );
    const reader = response.body?.getReader();
    await reader?.read();
    leaving.abort();
    const receipt = await server.receiptAfter(before);
    expect(receipt.ending).toBe('client-gone');
    expect(receipt.outputTokens).toBeGreaterThan(0);
    expect(receipt.outputTokens).toBeLessThan(2000);
    expect(await server.metric('atelier_calls_active')).toBe(0);
  });
});
