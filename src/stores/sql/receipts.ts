/**
 * Receipts, and the sums that are kept beside them: usage and items of the bill (`usage-sums.ts`), what keys and workspaces have
 * spent, what was drawn from free quotas. A batch of receipts is one transaction, and only those that were not there yet
 * are added to the sums: whatever was written a second time (after a kill, after a connection that broke at the wrong moment)
 * counts once.
 */
import { setTimeout as delay } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { type Kysely, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { beijingMonthOf } from '../../core/calendar.ts';
import type { Receipt } from '../../core/ports.ts';
import type { MoneySums, ReceiptStore, SettledCall, UnwritableCall } from '../../core/receipts.ts';
import type { Region } from '../../core/regions.ts';
import type { Database, Row } from './database.ts';
import type { FreeQuotasTable, SpendingTable, Tables } from './tables.ts';
import { type AlikeReceipts, addUsageSums, alike } from './usage-sums.ts';

/** How long another process may hold the lock of SQLite's file before that is told as a failure. */
const LOCK_PATIENCE_MS = 1000;
const LOCK_RETRY_MS = 20;

export function createReceiptStore(database: Database): ReceiptStore {
  return {
    write: (calls) => writeOrSift(database, calls),
    sums: (month) => sumsOf(database.queries, month),
  };
}

/** A receipt that is wrong in itself must not hold up the others for ever: it is given back. */
async function writeOrSift(database: Database, calls: readonly SettledCall[]): Promise<readonly UnwritableCall[]> {
  try {
    await writeAll(database, calls);
    return [];
  } catch (error) {
    if (!isFaultOfRow(error)) throw error;
    const [call, ...others] = calls;
    if (call && others.length === 0) return [{ call, error }];
  }
  const unwritable: UnwritableCall[] = [];
  for (const call of calls) unwritable.push(...(await writeOrSift(database, [call])));
  return unwritable;
}

/** Not a matter of disk, lock or connection: the same row would fail again. */
function isFaultOfRow(error: unknown): boolean {
  if (error instanceof BetterSqlite3.SqliteError) return /^SQLITE_(CONSTRAINT|MISMATCH|RANGE|TOOBIG)/.test(error.code);
  // Class 22 is data, 23 constraints, 54 limits.
  if (error instanceof pg.DatabaseError) return /^(22|23|54)/.test(error.code ?? '');
  return error instanceof TypeError || error instanceof RangeError;
}

async function writeAll(database: Database, calls: readonly SettledCall[]): Promise<void> {
  const write = (queries: Kysely<Tables>): Promise<void> =>
    queries.transaction().execute((transaction) => writeBatch(database, transaction, calls));
  if (database.dialect === 'postgres') return write(database.queries);
  const deadline = performance.now() + LOCK_PATIENCE_MS;
  for (;;) {
    try {
      return await database.queries.connection().execute((connection) => withoutBlocking(connection, write));
    } catch (error) {
      const isLocked = error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY');
      if (!isLocked || performance.now() > deadline) throw error;
      await delay(LOCK_RETRY_MS);
    }
  }
}

/** SQLite waits for a lock by stopping the process, and with it every answer under way; receipts can wait elsewhere. */
async function withoutBlocking(
  connection: Kysely<Tables>,
  action: (connection: Kysely<Tables>) => Promise<void>,
): Promise<void> {
  const { rows } = await sql<{ timeout: number }>`PRAGMA busy_timeout`.execute(connection);
  await sql`PRAGMA busy_timeout = 0`.execute(connection);
  try {
    await action(connection);
  } finally {
    await sql`PRAGMA busy_timeout = ${sql.lit(rows[0]?.timeout ?? 0)}`.execute(connection);
  }
}

/** The first statement writes, so that SQLite has its lock before anything is read. */
async function writeBatch(
  database: Database,
  transaction: Transaction<Tables>,
  untidy: readonly SettledCall[],
): Promise<void> {
  const calls = untidy.map(tidied);
  const rows = calls.map(({ receipt }) => rowOf(receipt));
  const written = await database.insertNew(transaction, 'receipts', 'receipt_id', rows);
  const fresh = calls.filter(({ receipt }) => written.has(receipt.receiptId));
  if (fresh.length === 0) return;
  const groups = alike(fresh.map(({ receipt }) => receipt));
  await addUsageSums(database, transaction, groups);
  await addSpending(database, transaction, groups);
  await addFreeQuotas(transaction, fresh);
}

async function addSpending(
  database: Database,
  transaction: Transaction<Tables>,
  groups: readonly AlikeReceipts[],
): Promise<void> {
  const sums = new Map<string, Row & SpendingTable>();
  for (const { hourMs, receipt, counts } of groups) {
    if (counts.charge_nano === 0) continue;
    for (const period of [beijingMonthOf(hourMs), 'total'])
      for (const [scope, scope_id] of [['key', receipt.keyId] as const, ['workspace', receipt.workspaceId] as const]) {
        const id = JSON.stringify([scope, scope_id, period]);
        sums.set(id, { scope, scope_id, period, nano: (sums.get(id)?.nano ?? 0) + counts.charge_nano });
      }
  }
  await database.addSums(transaction, 'spending', ['scope', 'scope_id', 'period'], inOrder(sums));
}

/** The grant of the first receipt that is written holds; later ones only draw from it. */
async function addFreeQuotas(transaction: Transaction<Tables>, calls: readonly SettledCall[]): Promise<void> {
  const sums = new Map<string, FreeQuotasTable>();
  for (const { receipt, quota } of calls) {
    if (!quota) continue;
    const id = JSON.stringify([quota.region, quota.model]);
    sums.set(id, {
      region: quota.region,
      model: quota.model,
      granted_tokens: quota.tokens,
      used_tokens: (sums.get(id)?.used_tokens ?? 0) + receipt.charge.freeTokens,
      first_used_at_ms: quota.firstUsedAtMs,
      expires_at_ms: quota.expiresAtMs,
    });
  }
  if (sums.size === 0) return;
  await transaction
    .insertInto('free_quotas')
    .values(inOrder(sums))
    .onConflict((conflict) =>
      conflict
        .columns(['region', 'model'])
        .doUpdateSet({ used_tokens: sql`free_quotas.used_tokens + excluded.used_tokens` }),
    )
    .execute();
}

/** The same in every process: two that write the same sums cannot wait for each other in a circle. */
function inOrder<SumRow>(sums: ReadonlyMap<string, SumRow>): SumRow[] {
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

async function sumsOf(queries: Kysely<Tables>, month: string): Promise<MoneySums> {
  const spending = await queries.selectFrom('spending').selectAll().where('period', 'in', [month, 'total']).execute();
  const quotas = await queries.selectFrom('free_quotas').selectAll().execute();
  return {
    spending: spending.map(({ scope, scope_id, period, nano }) => ({
      scope: scope === 'workspace' ? 'workspace' : 'key',
      id: scope_id,
      period,
      nano,
    })),
    quotas: quotas.map((row) => ({
      region: row.region as Region,
      model: row.model,
      tokens: row.granted_tokens,
      usedTokens: row.used_tokens,
      firstUsedAtMs: row.first_used_at_ms,
      expiresAtMs: row.expires_at_ms,
    })),
  };
}

/**
 * A caller chooses some of these. Postgres takes neither half a character nor a NUL, in rows or in sums, and its indexes no
 * text of thousands of characters.
 */
function tidied(call: SettledCall): SettledCall {
  const { model, requestId } = call.receipt;
  if (isTidy(model) && isTidy(requestId)) return call;
  return { ...call, receipt: { ...call.receipt, model: tidy(model), requestId: tidy(requestId) } };
}

/** No model has so long a name. */
const MAX_ID_CHARACTERS = 256;

function isTidy(text: string): boolean {
  return text.length <= MAX_ID_CHARACTERS && text.isWellFormed() && !text.includes('\0');
}

function tidy(text: string): string {
  return text.slice(0, MAX_ID_CHARACTERS).toWellFormed().replaceAll('\0', '\ufffd');
}

function rowOf(receipt: Receipt): Row {
  const { input, output, hostedTools } = receipt.usage;
  return {
    receipt_id: receipt.receiptId,
    request_id: receipt.requestId,
    protocol: receipt.protocol,
    key_id: receipt.keyId,
    workspace_id: receipt.workspaceId,
    region: receipt.region,
    model: receipt.model,
    served_by: receipt.servedBy,
    ending: receipt.ending,
    error_code: receipt.errorCode ?? null,
    started_at_ms: receipt.startedAtMs,
    total_ms: receipt.totalMs,
    first_token_ms: receipt.firstTokenMs ?? null,
    hosted_tools: hostedTools ? JSON.stringify(hostedTools) : null,
    input_total: input.total,
    input_cached_read: input.cachedRead,
    input_cache_written: input.cacheWritten,
    input_image: input.image,
    input_video: input.video,
    input_audio: input.audio,
    input_tool_definitions: input.toolDefinitions,
    output_total: output.total,
    output_reasoning: output.reasoning,
    output_audio: output.audio,
    priority: receipt.priority,
    charge_nano: receipt.charge.totalNano,
    charge_lines: receipt.charge.lines.length > 0 ? JSON.stringify(receipt.charge.lines) : null,
    free_tokens: receipt.charge.freeTokens,
  };
}
