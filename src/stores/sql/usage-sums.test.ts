import { afterEach, beforeEach, expect, it } from 'vitest';
import { onEachDatabase } from '../../../test/support/databases.ts';
import { chargeOfLines, testReceipt } from '../../../test/support/receipts.ts';
import { NO_USAGE } from '../../core/usage.ts';
import { usageSums } from '../migrations/0008-usage-sums.ts';
import type { Database } from './database.ts';
import { createReceiptStore } from './receipts.ts';

const SUMS = ['usage_hourly', 'usage_daily', 'usage_totals', 'bill_items'] as const;

onEachDatabase((databases) => {
  let database: Database;
  beforeEach(async () => {
    database = await databases.open();
  });
  afterEach(() => database.close());

  const contents = async () => {
    const rows = await Promise.all(SUMS.map((table) => database.queries.selectFrom(table).selectAll().execute()));
    return Object.fromEntries(
      SUMS.map((table, at) => [table, (rows[at] ?? []).map((row) => JSON.stringify(row)).sort()]),
    );
  };

  it('are what the migration makes of receipts that were there before', async () => {
    const usage = {
      input: { total: 90, cachedRead: 30, cacheWritten: 10, image: 1, video: 2, audio: 3, toolDefinitions: 4 },
      output: { ...NO_USAGE.output, total: 50, reasoning: 25 },
    };
    const charge = chargeOfLines(
      { item: 'context_0-128k_input_token', tokens: 50, nano: 2 ** 41 },
      { item: 'context_0-128k_input_token_cache', tokens: 30, nano: 3 },
      { item: 'context_0-128k_input_token_cache_creation_5m', tokens: 10, nano: 5 },
      { item: 'context_0-128k_output_token', tokens: 50, nano: 7 },
    );
    const batch = chargeOfLines({ item: 'thinking_input_token_batch', tokens: 1, nano: 11 });
    const receipts = [
      testReceipt({ usage, charge }),
      testReceipt({ usage, charge, startedAtMs: Date.parse('2026-11-27T15:59:59.999Z') }),
      testReceipt({ usage, charge, startedAtMs: Date.parse('2026-11-27T16:00Z') }),
      testReceipt({ charge: batch, priority: 'batch', startedAtMs: 0 }),
      testReceipt({ charge: chargeOfLines(), ending: 'failed', errorCode: 'timeout', usage: NO_USAGE }),
    ];
    await createReceiptStore(database).write(receipts.map((receipt) => ({ receipt, quota: undefined })));
    const written = await contents();
    expect(written).toMatchObject({
      usage_hourly: { length: 5 },
      usage_daily: { length: 4 },
      bill_items: { length: 9 },
    });

    for (const table of SUMS) await database.queries.schema.dropTable(table).execute();
    await usageSums.up(database.queries);
    expect(await contents()).toEqual(written);
  });
});
