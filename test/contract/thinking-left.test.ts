/** A client that leaves while the model still thinks pays for the reasoning that was made, on every wire, and once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';

const MODEL = 'scripted/reasoning?thoughts=100000&rate=400';
const question = [{ role: 'user', content: 'So?' }];

const WIRES = [
  {
    wire: 'Chat Completions',
    path: '/compatible-mode/v1/chat/completions',
    body: { model: MODEL, messages: question, stream: true },
    sign: 'reasoning_content',
  },
  {
    wire: 'Responses',
    path: '/compatible-mode/v1/responses',
    body: { model: MODEL, input: 'So?', stream: true },
    sign: 'reasoning',
  },
  {
    wire: 'Messages',
    path: '/apps/anthropic/v1/messages',
    body: { model: MODEL, max_tokens: 100, messages: question, stream: true },
    sign: 'thinking_delta',
  },
] as const;

describe('leaving in the middle of a thought', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server?.close());

  it.each(WIRES)('is billed as far as it came: $wire', async ({ path, body, sign }) => {
    const before = (await server.receipts()).length;
    const leaving = new AbortController();
    const response = await fetch(new URL(path, server.openAiBaseUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: leaving.signal,
    });
    expect(response.status).toBe(200);
    let seen = '';
    const decoder = new TextDecoder();
    const read = async (): Promise<void> => {
      for await (const chunk of response.body ?? []) {
        seen += decoder.decode(chunk as Uint8Array, { stream: true });
        if (seen.split(sign).length > 6) leaving.abort();
      }
    };
    await expect(read()).rejects.toThrow();
    const receipt = await server.receiptAfter(before);
    expect(receipt.ending).toBe('client-gone');
    expect(receipt.reasoningTokens).toBeGreaterThan(0);
    expect(receipt.outputTokens).toBe(receipt.reasoningTokens);
    expect(receipt.outputTokens).toBeLessThan(5_000);
    expect((await server.receipts()).length - before).toBe(1);
  });
});
