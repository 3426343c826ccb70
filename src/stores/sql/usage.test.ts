import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { onEachDatabase } from '../../../test/support/databases.ts';
import { chargeOfLines, testReceipt } from '../../../test/support/receipts.ts';
import { BEIJING, Calendar, HOUR_MS } from '../../core/calendar.ts';
import type { Receipt } from '../../core/ports.ts';
import { NO_USAGE } from '../../core/usage.ts';
import type { UsageQuery, UsageReport, UsageRow } from '../../core/usage-report.ts';
import type { Database } from './database.ts';
import { createReceiptStore } from './receipts.ts';
import { createUsageReports } from './usage.ts';

const at = (time: string): number => Date.parse(time);
const WHOLE: UsageQuery = {
  groupBy: 'day',
  timeZone: BEIJING,
  fromMs: at('2026-11-01T00:00Z'),
  untilMs: at('2026-12-01T00:00Z'),
  limit: 1000,
};

onEachDatabase((databases) => {
  let database: Database;
  beforeEach(async () => {
    database = await databases.open();
  });
  afterEach(() => database.close());

  const write = async (...receipts: Receipt[]): Promise<void> => {
    const unwritable = await createReceiptStore(database).write(
      receipts.map((receipt) => ({ receipt, quota: undefined })),
    );
    expect(unwritable).toEqual([]);
  };
  const report = (changes: Partial<UsageQuery> = {}): Promise<UsageReport> =>
    createUsageReports(database).report({ ...WHOLE, ...changes });
  const groups = async (changes: Partial<UsageQuery>): Promise<string[]> =>
    (await report(changes)).rows.map(({ group }) => group);

  it('sums every count, by day in order', async () => {
    const charge = chargeOfLines(
      { item: 'input_token', tokens: 6, nano: 0, isFree: true },
      { item: 'input_token', tokens: 1, nano: 7 },
    );
    await write(
      testReceipt({ startedAtMs: at('2026-11-27T16:00Z') }),
      testReceipt({ startedAtMs: at('2026-11-27T15:59Z') }),
      testReceipt({ startedAtMs: at('2026-11-27T16:01Z'), charge }),
    );
    const { rows, totals, next } = await report();
    const one = { inputTokens: 10, cachedTokens: 3, writtenTokens: 0, outputTokens: 4, reasoningTokens: 2 };
    expect(rows).toEqual([
      { group: '2026-11-27', calls: 1, ...one, freeTokens: 0, chargeNano: 5n },
      {
        group: '2026-11-28',
        calls: 2,
        inputTokens: 20,
        cachedTokens: 6,
        writtenTokens: 0,
        outputTokens: 8,
        reasoningTokens: 4,
        freeTokens: 6,
        chargeNano: 12n,
      },
    ]);
    expect(totals).toMatchObject({ calls: 3, inputTokens: 30, freeTokens: 6, chargeNano: 17n });
    expect(next).toBeUndefined();
  });

  it('keeps sums that a number does not hold exactly', async () => {
    const nano = Number.MAX_SAFE_INTEGER - 1;
    const charge = chargeOfLines({ item: 'output_token', tokens: 1, nano });
    for (let receipts = 0; receipts < 5; receipts++) await write(testReceipt({ charge }));
    await write(testReceipt({ charge: chargeOfLines({ item: 'output_token', tokens: 1, nano: 1 }) }));
    expect((await report()).totals.chargeNano).toBe(BigInt(nano) * 5n + 1n);
  });

  it('counts calls of models and requests with ids of any length', async () => {
    // Of letters that no index can make shorter.
    const long = Array.from({ length: 20_000 }, (_, at) => String.fromCodePoint(0x4e00 + ((at * 7919) % 20_000))).join(
      '',
    );
    await write(testReceipt({ model: long, requestId: long }), testReceipt({ model: `${long}!` }));
    expect((await report({ groupBy: 'model' })).rows).toMatchObject([{ calls: 2, group: long.slice(0, 256) }]);
  });

  it('counts a receipt that is written twice once', async () => {
    const receipt = testReceipt();
    await write(receipt);
    await write(receipt, testReceipt());
    expect((await report()).totals.calls).toBe(2);
  });

  it('puts the dearest first by anything else', async () => {
    const dear = chargeOfLines({ item: 'input_token', tokens: 1, nano: 9 });
    await write(
      testReceipt({ model: 'cheap', keyId: 'b', workspaceId: 'w', ending: 'failed', protocol: 'dashscope' }),
      testReceipt({ model: 'dear', keyId: 'a', region: 'singapore', priority: 'batch', charge: dear }),
    );
    expect(await groups({ groupBy: 'model' })).toEqual(['dear', 'cheap']);
    expect(await groups({ groupBy: 'key' })).toEqual(['a', 'b']);
    expect(await groups({ groupBy: 'workspace' })).toEqual(['default', 'w']);
    expect(await groups({ groupBy: 'region' })).toEqual(['singapore', 'beijing']);
    expect(await groups({ groupBy: 'protocol' })).toEqual(['openai-chat', 'dashscope']);
    expect(await groups({ groupBy: 'ending' })).toEqual(['completed', 'failed']);
    expect(await groups({ groupBy: 'priority' })).toEqual(['batch', 'live']);
  });

  it('shows only what is asked for', async () => {
    await write(
      testReceipt({ model: 'a', keyId: 'k', workspaceId: 'w', region: 'singapore' }),
      testReceipt({ model: 'a', keyId: 'l' }),
      testReceipt({ model: 'b', keyId: 'k' }),
    );
    const calls = async (filter: Partial<UsageQuery>): Promise<number> => (await report(filter)).totals.calls;
    for (const groupBy of ['day', 'hour', 'model'] as const) {
      expect(await calls({ groupBy, model: 'a' })).toBe(2);
      expect(await calls({ groupBy, keyId: 'k' })).toBe(2);
      expect(await calls({ groupBy, model: 'b', keyId: 'k' })).toBe(1);
      expect(await calls({ groupBy, workspaceId: 'w' })).toBe(1);
      expect(await calls({ groupBy, region: 'singapore' })).toBe(1);
      expect(await calls({ groupBy, region: 'frankfurt' })).toBe(0);
      expect(await calls({ groupBy, timeZone: 'UTC', model: 'a' })).toBe(2);
    }
  });

  it('names keys and workspaces', async () => {
    await database.queries
      .insertInto('workspaces')
      .values({ id: 'w', name: 'Lab', created_at_ms: 0, models: null, budget: null, deleted_at_ms: 1 })
      .execute();
    await write(testReceipt({ workspaceId: 'w' }), testReceipt({ workspaceId: 'gone' }));
    const { rows } = await report({ groupBy: 'workspace' });
    expect(rows.map(({ group, name }) => [group, name])).toEqual([
      ['gone', undefined],
      ['w', 'Lab'],
    ]);
  });

  it('goes on from page to page, with the totals of all', async () => {
    await write(...['a', 'b', 'c', 'd', 'e'].map((model) => testReceipt({ model })));
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const { rows, totals, next } = await report({ groupBy: 'model', limit: 2, after });
      expect(totals.calls).toBe(5);
      seen.push(...rows.map(({ group }) => group));
      after = next;
    } while (after !== undefined);
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('keeps the hours in order where the clocks are put back', async () => {
    const hours = ['2026-10-25T00:30Z', '2026-10-25T01:30Z', '2026-10-25T02:30Z'];
    await write(...hours.map((time) => testReceipt({ startedAtMs: at(time) })));
    const october = { fromMs: at('2026-10-01T00:00Z'), timeZone: 'Europe/Berlin' };
    expect(await groups({ ...october, groupBy: 'hour' })).toEqual([
      '2026-10-25T02:00+02:00',
      '2026-10-25T02:00+01:00',
      '2026-10-25T03:00+01:00',
    ]);
    expect(await groups({ ...october, groupBy: 'day' })).toEqual(['2026-10-25']);
    expect(await groups({ ...october, groupBy: 'month' })).toEqual(['2026-10']);
  });

  it('tells tokens and charges by kind', async () => {
    const usage = {
      input: { ...NO_USAGE.input, total: 100, cachedRead: 30, cacheWritten: 20, image: 40, toolDefinitions: 7 },
      output: { ...NO_USAGE.output, total: 50, reasoning: 25 },
    };
    const charge = chargeOfLines(
      { item: 'context_0-128k_thinking_input_token', tokens: 10, nano: 0, isFree: true },
      { item: 'context_0-128k_thinking_input_token', tokens: 40, nano: 400 },
      { item: 'context_0-128k_thinking_input_token_cache', tokens: 20, nano: 40 },
      { item: 'context_0-128k_thinking_input_token_cache_read', tokens: 10, nano: 10 },
      { item: 'context_0-128k_thinking_input_token_cache_creation_5m', tokens: 20, nano: 250 },
      { item: 'context_0-128k_thinking_output_token', tokens: 50, nano: 5000 },
    );
    await write(testReceipt({ usage, charge }), testReceipt({ usage, charge, startedAtMs: at('2026-11-02T00:00Z') }));
    const rows = await createUsageReports(database).kinds(WHOLE);
    expect(rows).toEqual([
      { kind: 'input', tokens: 100, chargeNano: 800n },
      { kind: 'cached-read', tokens: 60, chargeNano: 100n },
      { kind: 'cache-write', tokens: 40, chargeNano: 500n },
      { kind: 'output', tokens: 100, chargeNano: 10000n },
      { kind: 'image', partOf: 'input', tokens: 80 },
      { kind: 'video', partOf: 'input', tokens: 0 },
      { kind: 'audio', partOf: 'input', tokens: 0 },
      { kind: 'tool-definitions', partOf: 'input', tokens: 14 },
      { kind: 'reasoning', partOf: 'output', tokens: 50 },
    ]);
    const nothing = await createUsageReports(database).kinds({ ...WHOLE, model: 'none' });
    expect(nothing.every(({ tokens, chargeNano }) => tokens === 0 && (chargeNano ?? 0n) === 0n)).toBe(true);
  });

  describe('of any calls and any time', () => {
    const receipts = fc.array(
      fc.record({
        startedAtMs: fc.integer({ min: at('2026-10-20T00:00Z'), max: at('2026-11-10T00:00Z') }),
        model: fc.constantFrom('a', 'b'),
        keyId: fc.constantFrom('k', 'l'),
        // All that one batch may come to.
        nano: fc.integer({ min: 0, max: 2 ** 47 }),
      }),
      { minLength: 1, maxLength: 40 },
    );
    const range = fc.record({
      fromHour: fc.integer({ min: 0, max: 24 * 21 }),
      hours: fc.integer({ min: 0, max: 24 * 21 }),
      timeZone: fc.constantFrom(BEIJING, 'UTC', 'Europe/Berlin', '+08:00'),
      model: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
    });

    it('equals what the receipts say', async () => {
      await fc.assert(
        fc.asyncProperty(receipts, range, async (made, { fromHour, hours, timeZone, model }) => {
          for (const table of ['receipts', 'usage_hourly', 'usage_daily', 'usage_totals', 'bill_items'] as const)
            await database.queries.deleteFrom(table).execute();
          await write(
            ...made.map(({ nano, ...rest }) =>
              testReceipt({ ...rest, charge: chargeOfLines({ item: 'output_token', tokens: 1, nano }) }),
            ),
          );
          const fromMs = at('2026-10-20T00:00Z') + fromHour * HOUR_MS;
          const untilMs = fromMs + hours * HOUR_MS;
          const calendar = new Calendar(timeZone);
          const asked = made.filter(
            (each) =>
              each.startedAtMs >= fromMs && each.startedAtMs < untilMs && (model === undefined || each.model === model),
          );
          const expected = (groupOf: (each: (typeof made)[number]) => string): [string, number, bigint][] => {
            const sums = new Map<string, [string, number, bigint]>();
            for (const each of asked) {
              const group = groupOf(each);
              const [, calls, nano] = sums.get(group) ?? [group, 0, 0n];
              sums.set(group, [group, calls + 1, nano + BigInt(each.nano)]);
            }
            return [...sums.values()].sort(([a], [b]) => (a < b ? -1 : 1));
          };
          const got = async (groupBy: UsageQuery['groupBy']): Promise<[string, number, bigint][]> => {
            const { rows } = await report({ groupBy, fromMs, untilMs, timeZone, model });
            return rows
              .map(({ group, calls, chargeNano }: UsageRow): [string, number, bigint] => [group, calls, chargeNano])
              .sort(([a], [b]) => (a < b ? -1 : 1));
          };
          expect(await got('day')).toEqual(expected((each) => calendar.dayOf(each.startedAtMs)));
          expect(await got('month')).toEqual(expected((each) => calendar.monthOf(each.startedAtMs)));
          expect(await got('key')).toEqual(expected((each) => each.keyId));
          expect(await got('model')).toEqual(expected((each) => each.model));
        }),
        { numRuns: databases.name === 'SQLite' ? 60 : 15 },
      );
    });

    it('takes times to whole hours', async () => {
      await write(testReceipt({ startedAtMs: at('2026-11-27T04:10Z') }));
      const within = (from: string, until: string): Promise<UsageReport> =>
        report({ fromMs: at(from), untilMs: at(until) });
      expect((await within('2026-11-27T04:50Z', '2026-11-27T04:51Z')).totals.calls).toBe(1);
      expect((await within('2026-11-27T03:00Z', '2026-11-27T04:00Z')).totals.calls).toBe(0);
      expect((await within('2026-11-27T05:00Z', '2026-11-28T05:00Z')).totals.calls).toBe(0);
    });
  });
});
