/**
 * Takes out what is older than its retention, a few hundred rows at a time, so that calls find the database free in between.
 * Sums that were made of receipts stay.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../core/ports.ts';
import type { Database } from './database.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const ROWS_AT_ONCE = 500;

export interface RetentionSettings {
  /** 0: for ever. */
  readonly receiptsDays: number;
  readonly auditDays: number;
}

/** What is to be run now and then. */
export function createRetention(
  { queries }: Database,
  clock: Clock,
  { receiptsDays, auditDays }: RetentionSettings,
): () => Promise<void> {
  return async () => {
    const nowMs = clock.now();
    if (receiptsDays > 0) {
      const old = queries
        .selectFrom('receipts')
        .select('id')
        .where('started_at_ms', '<', nowMs - receiptsDays * DAY_MS);
      await inBatches(() => queries.deleteFrom('receipts').where('id', 'in', old.limit(ROWS_AT_ONCE)));
    }
    if (auditDays > 0) {
      const old = queries
        .selectFrom('audit')
        .select('sequence')
        .where('at_ms', '<', nowMs - auditDays * DAY_MS);
      await inBatches(() => queries.deleteFrom('audit').where('sequence', 'in', old.limit(ROWS_AT_ONCE)));
    }
    const bodies = queries.selectFrom('call_bodies').select('receipt_id').where('expires_at_ms', '<=', nowMs);
    await inBatches(() => queries.deleteFrom('call_bodies').where('receipt_id', 'in', bodies.limit(ROWS_AT_ONCE)));
    const keys = queries.selectFrom('temporary_keys').select('hash').where('expires_at_ms', '<=', nowMs);
    await inBatches(() => queries.deleteFrom('temporary_keys').where('hash', 'in', keys.limit(ROWS_AT_ONCE)));
  };
}

interface Deletion {
  executeTakeFirst(): Promise<{ readonly numDeletedRows: bigint }>;
}

async function inBatches(deletion: () => Deletion): Promise<void> {
  for (;;) {
    const { numDeletedRows } = await deletion().executeTakeFirst();
    if (numDeletedRows < BigInt(ROWS_AT_ONCE)) return;
    await setImmediate();
  }
}
