import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { onEachDatabase } from '../../../test/support/databases.ts';
import { chargeOfLines, testReceipt } from '../../../test/support/receipts.ts';
import { HOUR_MS } from '../../core/calendar.ts';
import type { Receipt } from '../../core/ports.ts';
import { NO_USAGE } from '../../core/usage.ts';
import type { RequestQuery } from '../../core/usage-report.ts';
import type { Database } from './database.ts';
import { createReceiptStore } from './receipts.ts';
import { createRequestLog } from './request-log.ts';

const START_MS = Date.parse('2026-11-20T00:00Z');

onEachDatabase((databases) => {
  let database: Database;
  beforeEach(async () => {
    database = await databases.open();
  });
  afterEach(() => database.close());

  const write = async (...receipts: Receipt[]): Promise<void> => {
    await createReceiptStore(database).write(receipts.map((receipt) => ({ receipt, quota: undefined })));
  };
  /** Every id, page by page. */
  const idsOf = async (query: Partial<RequestQuery>, limit: number): Promise<string[]> => {
    const ids: string[] = [];
    let before: RequestQuery['before'];
    do {
      const { requests, next } = await createRequestLog(database).page({ ...query, limit, before });
      expect(requests.length).toBeLessThanOrEqual(limit);
      if (next) expect(requests).toHaveLength(limit);
      ids.push(...requests.map(({ receiptId }) => receiptId));
      before = next;
    } while (before);
    return ids;
  };

  it('gives receipts back as they were written', async () => {
    const plain = testReceipt();
    const full = testReceipt({
      receiptId: 'full',
      errorCode: 'upstream-failed',
      ending: 'failed',
      priority: 'batch',
      charge: chargeOfLines(
        { item: 'input_token', tokens: 5, nano: 0, isFree: true },
        { item: 'output_token', tokens: 2, nano: 2 ** 40 },
      ),
      usage: {
        input: { ...NO_USAGE.input, total: 9, cacheWritten: 2, image: 1, video: 2, audio: 3, toolDefinitions: 4 },
        output: { total: 8, reasoning: 7, audio: 1 },
        hostedTools: { web_search: 2 },
      },
    });
    const { firstTokenMs: _, ...without } = testReceipt({ receiptId: 'without', charge: chargeOfLines() });
    await write(plain, full, without);
    const log = createRequestLog(database);
    expect((await log.page({ limit: 10 })).requests).toEqual([without, full, plain]);
    expect(await log.find('full')).toEqual(full);
    expect(await log.find('none')).toBeUndefined();
  });

  it('tells the names of keys', async () => {
    await database.queries
      .insertInto('api_keys')
      .values({ id: 'key-1', name: 'laptop', hash: 'h', hint: 'x', created_at_ms: 0, revoked_at_ms: 1 } as never)
      .execute();
    await write(testReceipt(), testReceipt({ keyId: 'anonymous' }));
    const { requests } = await createRequestLog(database).page({ limit: 10 });
    expect(requests.map(({ keyId, keyName }) => [keyId, keyName])).toEqual([
      ['anonymous', undefined],
      ['key-1', 'laptop'],
    ]);
  });

  it('pages any calls by any filter, each once, newest first', async () => {
    const calls = fc.array(
      fc.record({
        // Some of the same millisecond, some hours apart.
        startedAtMs: fc.oneof(
          fc.constant(START_MS),
          fc.integer({ min: 0, max: 20 }).map((hours) => START_MS + hours * HOUR_MS * 3),
          fc.integer({ min: START_MS, max: START_MS + 40 * HOUR_MS }),
        ),
        model: fc.constantFrom('a', 'b'),
        keyId: fc.constantFrom('k', 'l'),
        ending: fc.constantFrom('completed' as const, 'failed' as const),
      }),
      { maxLength: 40 },
    );
    const maybe = <Value>(values: fc.Arbitrary<Value>) => fc.option(values, { nil: undefined });
    const query = fc.record({
      model: maybe(fc.constantFrom('a', 'b', 'c')),
      keyId: maybe(fc.constantFrom('k', 'l')),
      ending: maybe(fc.constantFrom('completed' as const, 'failed' as const)),
      fromMs: maybe(fc.integer({ min: START_MS, max: START_MS + 30 * HOUR_MS })),
      untilMs: maybe(fc.integer({ min: START_MS, max: START_MS + 70 * HOUR_MS })),
      limit: fc.integer({ min: 1, max: 7 }),
    });
    await fc.assert(
      fc.asyncProperty(calls, query, async (made, { limit, ...filter }) => {
        for (const table of ['receipts', 'usage_hourly'] as const) await database.queries.deleteFrom(table).execute();
        const receipts = made.map((changes) => testReceipt({ ...changes, charge: chargeOfLines() }));
        await write(...receipts);
        const { model, keyId, ending, fromMs = 0, untilMs = Number.MAX_SAFE_INTEGER } = filter;
        const expected = receipts
          .filter((each) => each.startedAtMs >= fromMs && each.startedAtMs < untilMs)
          .filter(
            (each) =>
              [model ?? each.model, keyId ?? each.keyId, ending ?? each.ending].join() ===
              [each.model, each.keyId, each.ending].join(),
          )
          // Written in this order: the later of two that began together comes first.
          .toReversed()
          .sort((a, b) => b.startedAtMs - a.startedAtMs)
          .map(({ receiptId }) => receiptId);
        expect(await idsOf(filter, limit)).toEqual(expected);
      }),
      { numRuns: databases.name === 'SQLite' ? 100 : 25 },
    );
  });

  it('keeps to its place when newer calls come in between', async () => {
    await write(...[1, 2, 3].map((minute) => testReceipt({ receiptId: `m${minute}`, startedAtMs: START_MS + minute })));
    const log = createRequestLog(database);
    const first = await log.page({ limit: 1, model: 'qwen-plus' });
    await write(testReceipt({ receiptId: 'm4', startedAtMs: START_MS + 4 }));
    const second = await log.page({ limit: 5, model: 'qwen-plus', before: first.next });
    expect(first.requests.map(({ receiptId }) => receiptId)).toEqual(['m3']);
    expect(second.requests.map(({ receiptId }) => receiptId)).toEqual(['m2', 'm1']);
  });
});
