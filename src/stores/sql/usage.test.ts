import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '../../../test/support/context.ts';
import type { Receipt } from '../../core/ports.ts';
import { usageOf } from '../../core/usage.ts';
import type { UsageGrouping } from '../../core/usage-report.ts';
import { type Database, openDatabase } from './database.ts';
import { createLedger, type SqliteLedger } from './ledger.ts';
import { createUsageReports } from './usage.ts';

const NOON_MS = new Date(2026, 10, 27, 12).getTime();
const DAY_MS = 86_400_000;

let database: Database;
let ledger: SqliteLedger;
beforeEach(async () => {
  database = await openDatabase(':memory:');
  ledger = createLedger(database, { log: silentLog });
});
afterEach(async () => {
  await ledger.close();
  await database.close();
});

function receipt(changes: Partial<Receipt>): Receipt {
  return {
    requestId: 'r',
    protocol: 'openai-chat',
    keyId: 'key-1',
    priority: 'live',
    charge: { lines: [], totalNano: 5 },
    model: 'qwen-plus',
    servedBy: 'scripted/echo',
    usage: usageOf({ input: 10, output: 4, cachedRead: 3, reasoning: 2 }),
    ending: 'completed',
    startedAtMs: NOON_MS,
    totalMs: 1,
    ...changes,
  };
}

async function groups(groupBy: UsageGrouping) {
  await ledger.flush();
  return createUsageReports(database).report({ groupBy, fromMs: NOON_MS - DAY_MS, untilMs: NOON_MS + 1 });
}

it('sums every count, by day in order', async () => {
  ledger.record(receipt({}));
  ledger.record(receipt({ charge: { lines: [], totalNano: 7 } }));
  ledger.record(receipt({ startedAtMs: NOON_MS - DAY_MS }));
  ledger.record(receipt({ startedAtMs: NOON_MS - DAY_MS - 1 }));
  ledger.record(receipt({ startedAtMs: NOON_MS + 1 }));
  expect(await groups('day')).toEqual([
    {
      group: '2026-11-26',
      calls: 1,
      inputTokens: 10,
      cachedTokens: 3,
      outputTokens: 4,
      reasoningTokens: 2,
      chargeNano: 5,
    },
    {
      group: '2026-11-27',
      calls: 2,
      inputTokens: 20,
      cachedTokens: 6,
      outputTokens: 8,
      reasoningTokens: 4,
      chargeNano: 12,
    },
  ]);
});

it('puts the dearest first by anything else', async () => {
  ledger.record(receipt({ model: 'cheap', keyId: 'b', ending: 'failed' }));
  ledger.record(receipt({ model: 'dear', keyId: 'a', ending: 'client-gone', charge: { lines: [], totalNano: 9 } }));
  const names = async (groupBy: UsageGrouping) => (await groups(groupBy)).map(({ group }) => group);
  expect(await names('model')).toEqual(['dear', 'cheap']);
  expect(await names('key')).toEqual(['a', 'b']);
  expect(await names('ending')).toEqual(['client-gone', 'failed']);
});
