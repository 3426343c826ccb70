/** What calls cost, from the price in the catalogue to the receipt, on the wires and the ways to end that differ. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type StoredReceipt, startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

/** qwen-plus: 2 yuan a million tokens in, 4 out. */
const costOf = ({ inputTokens, outputTokens }: StoredReceipt): number => inputTokens * 2000 + outputTokens * 4000;

async function lastReceipt(): Promise<StoredReceipt> {
  const receipt = (await server.receipts()).at(-1);
  if (!receipt) throw new Error('no receipt');
  return receipt;
}

const messages = [{ role: 'user', content: 'What does this cost?' }];

it('a call costs what the catalogue says, streamed or not', async () => {
  await (await server.chat({ model: 'qwen-plus', messages })).text();
  const plain = await lastReceipt();
  expect(plain.outputTokens).toBeGreaterThan(0);
  expect(plain.chargeNano).toBe(costOf(plain));
  await (await server.chat({ model: 'qwen-plus', messages, stream: true })).text();
  expect(await lastReceipt()).toMatchObject({ chargeNano: plain.chargeNano });
});

it('costs the same on every wire that counts the same', async () => {
  const response = await fetch(`${server.running.baseUrl}/api/v1/services/aigc/text-generation/generation`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'qwen-plus', input: { messages }, parameters: { result_format: 'message' } }),
  });
  expect(response.status).toBe(200);
  await response.text();
  const receipt = await lastReceipt();
  expect(receipt.chargeNano).toBe(costOf(receipt));
});

it('a refused call and a model without a price cost nothing', async () => {
  await (await server.chat({ model: 'qwen-plus', messages, temperature: 5 })).text();
  expect(await lastReceipt()).toMatchObject({ ending: 'failed', chargeNano: 0 });
  await (await server.chat({ model: 'scripted/echo', messages })).text();
  expect(await lastReceipt()).toMatchObject({ ending: 'completed', chargeNano: 0 });
});
