import { afterEach, beforeEach, expect, it } from 'vitest';
import { onEachDatabase } from '../../../test/support/databases.ts';
import { chargeOfLines, testReceipt } from '../../../test/support/receipts.ts';
import type { Receipt } from '../../core/ports.ts';
import type { Bill, BillLine, BillQuery } from '../../core/usage-report.ts';
import { createBills } from './bills.ts';
import type { Database } from './database.ts';
import { createReceiptStore } from './receipts.ts';

onEachDatabase((databases) => {
  let database: Database;
  beforeEach(async () => {
    database = await databases.open();
  });
  afterEach(() => database.close());

  const write = async (changes: Partial<Receipt>): Promise<void> => {
    await createReceiptStore(database).write([{ receipt: testReceipt(changes), quota: undefined }]);
  };
  const bill = (changes: Partial<BillQuery> = {}): Promise<Bill> =>
    createBills(database).bill({ month: '2026-11', limit: 100, ...changes });

  it('has one line a key, workspace, model, item and way to pay, in the month of Beijing', async () => {
    const charge = chargeOfLines(
      { item: 'input_token', tokens: 6, nano: 0, isFree: true },
      { item: 'input_token', tokens: 4, nano: 40 },
      { item: 'output_token', tokens: 2, nano: 1 },
    );
    await write({ charge, startedAtMs: Date.parse('2026-10-31T15:59:59.999Z') });
    await write({ charge, startedAtMs: Date.parse('2026-10-31T16:00Z') });
    await write({ charge, startedAtMs: Date.parse('2026-11-30T15:59:59.999Z') });
    await write({ charge, startedAtMs: Date.parse('2026-11-30T16:00Z') });
    await write({ charge, keyId: 'key-2', workspaceId: 'ws-1', model: 'qwen-max', region: 'singapore' });
    const one = { region: 'beijing', workspaceId: 'default', keyId: 'key-1', model: 'qwen-plus' };
    const other = { region: 'singapore', workspaceId: 'ws-1', keyId: 'key-2', model: 'qwen-max' };
    const { lines, totalNano, next } = await bill();
    expect(lines).toEqual([
      { ...one, item: 'input_token', isFree: true, tokens: 12, nano: 0n },
      { ...one, item: 'input_token', isFree: false, tokens: 8, nano: 80n },
      { ...one, item: 'output_token', isFree: false, tokens: 4, nano: 2n },
      { ...other, item: 'input_token', isFree: true, tokens: 6, nano: 0n },
      { ...other, item: 'input_token', isFree: false, tokens: 4, nano: 40n },
      { ...other, item: 'output_token', isFree: false, tokens: 2, nano: 1n },
    ]);
    expect(totalNano).toBe(123n);
    expect(next).toBeUndefined();
    expect((await bill({ month: '2026-10' })).totalNano).toBe(41n);
    expect(await bill({ month: '2027-01' })).toEqual({ lines: [], totalNano: 0n, next: undefined });
  });

  it('goes on from page to page', async () => {
    const charge = chargeOfLines(
      { item: 'input_token', tokens: 1, nano: 0, isFree: true },
      { item: 'input_token', tokens: 1, nano: 1 },
    );
    for (const keyId of ['a', 'b']) for (const model of ['m', 'n']) await write({ keyId, model, charge });
    const whole = await bill();
    const seen: BillLine[] = [];
    let after: BillQuery['after'];
    do {
      const page = await bill({ limit: 3, after });
      expect(page.totalNano).toBe(4n);
      seen.push(...page.lines);
      after = page.next;
    } while (after !== undefined);
    expect(seen).toHaveLength(8);
    expect(seen).toEqual(whole.lines);
  });
});
