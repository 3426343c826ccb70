/** Receipts for tests: one that says everything, changed where the test is about it. */
import type { Receipt } from '../../src/core/ports.ts';
import type { ChargeLine } from '../../src/core/prices.ts';
import { usageOf } from '../../src/core/usage.ts';

let made = 0;

export function testReceipt(changes: Partial<Receipt> = {}): Receipt {
  return {
    receiptId: `receipt-${++made}`,
    requestId: 'request-1',
    protocol: 'openai-chat',
    keyId: 'key-1',
    workspaceId: 'default',
    region: 'beijing',
    priority: 'live',
    charge: chargeOfLines({ item: 'input_token', tokens: 10, nano: 5 }),
    model: 'qwen-plus',
    servedBy: 'scripted/echo',
    usage: usageOf({ input: 10, output: 4, cachedRead: 3, reasoning: 2 }),
    ending: 'completed',
    startedAtMs: Date.parse('2026-11-27T04:00Z'),
    totalMs: 12.5,
    firstTokenMs: 2.5,
    ...changes,
  };
}

/** A charge of these lines, whose sum it is. */
export function chargeOfLines(...lines: ChargeLine[]): Receipt['charge'] {
  const free = lines.filter(({ isFree }) => isFree);
  return {
    lines,
    totalNano: lines.reduce((sum, { nano }) => sum + nano, 0),
    freeTokens: free.reduce((sum, { tokens }) => sum + tokens, 0),
  };
}
