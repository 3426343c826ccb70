import { afterEach, beforeEach, expect, it } from 'vitest';
import { fixedClock } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { Database } from './database.ts';
import { createRetention } from './retention.ts';

const DAY_MS = 86_400_000;

onEachDatabase((databases) => {
  const clock = fixedClock();
  const nowMs = clock.now();
  let database: Database;
  beforeEach(async () => {
    database = await databases.open();
  });
  afterEach(() => database.close());

  async function addReceipts(startedAtMs: number, count: number): Promise<void> {
    const rows = Array.from({ length: count }, (_, index) => ({
      receipt_id: `r${startedAtMs}-${index}`,
      request_id: 'r',
      protocol: 'p',
      key_id: 'k',
      workspace_id: 'default',
      region: 'beijing',
      model: 'm',
      served_by: 's',
      ending: 'finished',
      started_at_ms: startedAtMs,
      total_ms: 1,
      input_total: 0,
      input_cached_read: 0,
      input_cache_written: 0,
      input_image: 0,
      input_video: 0,
      input_audio: 0,
      input_tool_definitions: 0,
      output_total: 0,
      output_reasoning: 0,
      output_audio: 0,
      priority: 'live',
      charge_nano: 0,
      free_tokens: 0,
    }));
    await database.queries
      .transaction()
      .execute((transaction) => database.insertNew(transaction, 'receipts', 'receipt_id', rows));
  }

  const startsOfReceipts = async () => {
    const rows = await database.queries.selectFrom('receipts').select('started_at_ms').distinct().execute();
    return rows.map((row) => row.started_at_ms);
  };

  it('takes out receipts of before, however many, and leaves the sums', async () => {
    await addReceipts(nowMs - 30 * DAY_MS - 1, 1203);
    await addReceipts(nowMs - 30 * DAY_MS, 2);
    await database.queries
      .insertInto('spending')
      .values({ scope: 'key', scope_id: 'k', period: 'total', nano: 5 })
      .execute();
    await createRetention(database, clock, { receiptsDays: 30, auditDays: 0 })();
    expect(await startsOfReceipts()).toEqual([nowMs - 30 * DAY_MS]);
    expect(await database.queries.selectFrom('spending').select('nano').execute()).toEqual([{ nano: 5 }]);
  });

  it('keeps what is kept for ever', async () => {
    await addReceipts(0, 1);
    const row = { at_ms: 0, actor: 'cli', action: 'a', subject: 's', details: '{}' };
    await database.queries.insertInto('audit').values(row).execute();
    await createRetention(database, clock, { receiptsDays: 0, auditDays: 0 })();
    expect(await startsOfReceipts()).toEqual([0]);
    expect(await database.queries.selectFrom('audit').select('at_ms').execute()).toEqual([{ at_ms: 0 }]);
  });

  it('takes out bodies, temporary keys and audit rows that are past their time', async () => {
    const { queries } = database;
    const body = { request: '', reply: '' };
    await queries
      .insertInto('call_bodies')
      .values([
        { receipt_id: 'old', ...body, expires_at_ms: nowMs },
        { receipt_id: 'new', ...body, expires_at_ms: nowMs + 1 },
      ])
      .execute();
    await queries
      .insertInto('api_keys')
      .values({ id: 'key-1', name: 'n', hash: 'h', hint: 'h', created_at_ms: 0 })
      .execute();
    await queries
      .insertInto('temporary_keys')
      .values([
        { hash: 'old', parent_id: 'key-1', expires_at_ms: nowMs },
        { hash: 'new', parent_id: 'key-1', expires_at_ms: nowMs + 1 },
      ])
      .execute();
    const audit = { actor: 'cli', action: 'a', details: '{}' };
    await queries
      .insertInto('audit')
      .values([
        { ...audit, subject: 'old', at_ms: nowMs - DAY_MS - 1 },
        { ...audit, subject: 'new', at_ms: nowMs - DAY_MS },
      ])
      .execute();
    await createRetention(database, clock, { receiptsDays: 0, auditDays: 1 })();
    expect(await queries.selectFrom('call_bodies').select('receipt_id').execute()).toEqual([{ receipt_id: 'new' }]);
    expect(await queries.selectFrom('temporary_keys').select('hash').execute()).toEqual([{ hash: 'new' }]);
    expect(await queries.selectFrom('audit').select('subject').execute()).toEqual([{ subject: 'new' }]);
  });
});
