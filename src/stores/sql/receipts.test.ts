import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DATABASES, onEachDatabase, type TestDatabase } from '../../../test/support/databases.ts';
import type { Receipt } from '../../core/ports.ts';
import type { QuotaGrant, ReceiptStore, SettledCall } from '../../core/receipts.ts';
import { usageOf } from '../../core/usage.ts';
import type { Database } from './database.ts';
import { createReceiptStore } from './receipts.ts';

/** 30 November, 23:30 in Beijing. */
const NOVEMBER_MS = Date.parse('2026-11-30T15:30:00Z');
const HOUR_MS = 3_600_000;

let ids = 0;
function receiptOf(changes: Partial<Receipt> = {}): Receipt {
  return {
    receiptId: `receipt-${++ids}`,
    requestId: 'request',
    protocol: 'openai-chat',
    keyId: 'key-1',
    workspaceId: 'default',
    region: 'beijing',
    priority: 'live',
    charge: {
      lines: [
        { item: 'input_token', tokens: 5, nano: 0, isFree: true },
        { item: 'output_token', tokens: 7, nano: 28_000 },
      ],
      totalNano: 28_000,
      freeTokens: 5,
    },
    model: 'qwen-plus',
    servedBy: 'embedded/qwen2.5-coder-0.5b',
    usage: usageOf({ input: 20, output: 7, cachedRead: 12, reasoning: 3 }),
    ending: 'completed',
    startedAtMs: NOVEMBER_MS,
    totalMs: 12.5,
    firstTokenMs: 3.25,
    ...changes,
  };
}

const grant: QuotaGrant = {
  region: 'beijing',
  model: 'qwen-plus',
  tokens: 1_000_000,
  firstUsedAtMs: NOVEMBER_MS,
  expiresAtMs: NOVEMBER_MS + 90 * 24 * HOUR_MS,
};

const settled = (changes: Partial<Receipt> = {}, quota: QuotaGrant | 'none' = grant): SettledCall => ({
  receipt: receiptOf(changes),
  quota: quota === 'none' ? undefined : quota,
});

const charged = (totalNano: number): Pick<Receipt, 'charge'> => ({
  charge: { lines: [{ item: 'output_token', tokens: 1, nano: totalNano }], totalNano, freeTokens: 0 },
});

onEachDatabase((databases) => {
  let database: Database;
  let store: ReceiptStore;
  beforeEach(async () => {
    database = await databases.open();
    store = createReceiptStore(database);
  });
  afterEach(() => database.close());

  const written = () => database.queries.selectFrom('receipts').selectAll().orderBy('id').execute();
  const hourly = () => database.queries.selectFrom('usage_hourly').selectAll().execute();
  const spending = async () =>
    (
      await database.queries
        .selectFrom('spending')
        .selectAll()
        .orderBy('scope')
        .orderBy('scope_id')
        .orderBy('period')
        .execute()
    ).map(({ scope, scope_id, period, nano }) => `${scope} ${scope_id} ${period} ${nano}`);
  const quotas = () => database.queries.selectFrom('free_quotas').selectAll().execute();

  it('keeps every count in its own column', async () => {
    const usage = {
      ...usageOf({ input: 20, output: 7, cachedRead: 12, reasoning: 3 }),
      hostedTools: { web_search: 2 },
    };
    await store.write([
      settled({ receiptId: 'r', usage, ending: 'failed', errorCode: 'engine-failed', priority: 'batch' }),
    ]);
    expect(await written()).toEqual([
      {
        id: 1,
        receipt_id: 'r',
        request_id: 'request',
        protocol: 'openai-chat',
        key_id: 'key-1',
        workspace_id: 'default',
        region: 'beijing',
        priority: 'batch',
        model: 'qwen-plus',
        served_by: 'embedded/qwen2.5-coder-0.5b',
        ending: 'failed',
        error_code: 'engine-failed',
        started_at_ms: NOVEMBER_MS,
        total_ms: 12.5,
        first_token_ms: 3.25,
        hosted_tools: '{"web_search":2}',
        input_total: 20,
        input_cached_read: 12,
        input_cache_written: 0,
        input_image: 0,
        input_video: 0,
        input_audio: 0,
        input_tool_definitions: 0,
        output_total: 7,
        output_reasoning: 3,
        output_audio: 0,
        charge_nano: 28_000,
        charge_lines:
          '[{"item":"input_token","tokens":5,"nano":0,"isFree":true},{"item":"output_token","tokens":7,"nano":28000}]',
        free_tokens: 5,
      },
    ]);
  });

  it('adds receipts to the sums once, however often they come', async () => {
    const calls = [settled(), settled()];
    await store.write(calls);
    await store.write([...calls, settled()]);
    await store.write(calls);
    expect(await written()).toHaveLength(3);
    expect(await hourly()).toMatchObject([{ calls: 3, input_tokens: 60, output_tokens: 21, charge_nano: 84_000 }]);
    expect(await spending()).toEqual([
      'key key-1 2026-11 84000',
      'key key-1 total 84000',
      'workspace default 2026-11 84000',
      'workspace default total 84000',
    ]);
    expect(await quotas()).toMatchObject([{ used_tokens: 15 }]);
  });

  it('tells spending by key and workspace, in months of Beijing', async () => {
    await store.write([
      settled(charged(1)),
      settled({ ...charged(10), startedAtMs: NOVEMBER_MS + HOUR_MS }),
      settled({ ...charged(100), keyId: 'key-2' }),
      settled({ ...charged(1000), workspaceId: 'ws-1' }),
      settled({ ...charged(0), keyId: 'free' }),
    ]);
    expect(await spending()).toEqual([
      'key key-1 2026-11 1001',
      'key key-1 2026-12 10',
      'key key-1 total 1011',
      'key key-2 2026-11 100',
      'key key-2 total 100',
      'workspace default 2026-11 101',
      'workspace default 2026-12 10',
      'workspace default total 111',
      'workspace ws-1 2026-11 1000',
      'workspace ws-1 total 1000',
    ]);
    const { spending: sums } = await store.sums('2026-12');
    expect(sums).toContainEqual({ scope: 'key', id: 'key-1', period: '2026-12', nano: 10 });
    expect(sums).toContainEqual({ scope: 'workspace', id: 'ws-1', period: 'total', nano: 1000 });
    expect(sums.some(({ period }) => period === '2026-11')).toBe(false);
  });

  it('keeps sums exact beyond what a float holds', async () => {
    await store.write([settled(charged(Number.MAX_SAFE_INTEGER))]);
    await store.write([settled(charged(2)), settled(charged(3))]);
    const [row] = await database.queries
      .selectFrom('spending')
      .select(({ cast, ref }) => cast<string>(ref('nano'), 'text').as('nano'))
      .where('period', '=', 'total')
      .where('scope', '=', 'key')
      .execute();
    expect(row?.nano).toBe(String(BigInt(Number.MAX_SAFE_INTEGER) + 5n));
  });

  it('keeps the grant of a free quota that was written first', async () => {
    await store.write([settled(), settled({}, 'none'), settled({}, { ...grant, region: 'singapore' })]);
    await store.write([settled({}, { ...grant, tokens: 7, firstUsedAtMs: 1, expiresAtMs: 2 })]);
    expect([...(await store.sums('2026-11')).quotas].sort((a, b) => (a.region < b.region ? -1 : 1))).toEqual([
      { ...grant, usedTokens: 10 },
      { ...grant, region: 'singapore', usedTokens: 5 },
    ]);
  });

  it('gives back what it can never take, and writes the others', async () => {
    const wrong = settled({ model: null as unknown as string });
    const rejected = await store.write([settled({ receiptId: 'x' }), wrong, settled({ receiptId: 'y' })]);
    expect(rejected.map(({ call }) => call)).toEqual([wrong]);
    expect((await written()).map(({ receipt_id }) => receipt_id)).toEqual(['x', 'y']);
    expect(await hourly()).toMatchObject([{ calls: 2 }]);
  });

  it('takes whatever a caller calls a model', async () => {
    await store.write([settled({ model: 'a\0b', requestId: '\ud800' })]);
    expect(await written()).toHaveLength(1);
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 256 }), async (model) => {
        expect(await store.write([settled({ model })])).toEqual([]);
      }),
      { numRuns: databases.name === 'SQLite' ? 100 : 25 },
    );
  });

  it('takes nothing when it cannot take all', async () => {
    const wrong = settled({}, { ...grant, tokens: null as unknown as number });
    expect((await store.write([wrong])).map(({ call }) => call)).toEqual([wrong]);
    expect(await written()).toEqual([]);
    expect(await hourly()).toEqual([]);
  });
});

describe('several writers', () => {
  it.each(DATABASES.filter(({ name }) => name === 'Postgres'))(
    'on $name never wait for each other in a circle',
    async (databases) => {
      const created: TestDatabase = await databases.create();
      const opened = await Promise.all([created.open(), created.open()]);
      try {
        const keys = ['a', 'b', 'c', 'd'];
        const batch = (order: readonly string[]) =>
          order.map((keyId) => settled({ ...charged(1), keyId, model: keyId }));
        await Promise.all(
          opened.flatMap((database, index) =>
            Array.from({ length: 10 }, () =>
              createReceiptStore(database).write(batch(index === 0 ? keys : keys.toReversed())),
            ),
          ),
        );
        const [database] = opened;
        const rows = await database?.queries
          .selectFrom('spending')
          .select('nano')
          .where('period', '=', 'total')
          .execute();
        expect(rows?.map(({ nano }) => nano).sort((a, b) => a - b)).toEqual([20, 20, 20, 20, 80]);
      } finally {
        for (const database of opened) await database.close();
        await created.remove();
      }
    },
  );

  it.each(DATABASES.filter(({ name }) => name === 'SQLite'))(
    'on $name wait for a lock without stopping this process',
    async (databases) => {
      const created = await databases.create();
      const [database, other] = [await created.open(), await created.open()];
      try {
        let hasWritten = false;
        await other.queries.transaction().execute(async (transaction) => {
          await transaction.updateTable('revisions').set({ revision: 2 }).execute();
          const writing = createReceiptStore(database).write([settled()]);
          void writing.then(() => {
            hasWritten = true;
          });
          for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
          expect(hasWritten).toBe(false);
        });
        while (!hasWritten) await new Promise((resolve) => setImmediate(resolve));
        expect(await database.queries.selectFrom('receipts').selectAll().execute()).toHaveLength(1);
      } finally {
        await database.close();
        await other.close();
        await created.remove();
      }
    },
  );
});
