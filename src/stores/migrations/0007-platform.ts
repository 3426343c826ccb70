/** Regions, workspaces, grants, limits, budgets, free quota, prices, audit, bodies of calls. */
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { bytesType, countingType, countsUp, isSqlite } from './dialect.ts';

export const platform: Migration = {
  async up(database: Kysely<unknown>) {
    await workspacesAndKeys(database);
    await receipts(database);
    await spending(database);
    await moneyAndSettings(database);
    await auditAndBodies(database);
    await servers(database);
    await blobs(database);
    // Which server works on them; '' is whichever finds them, as before there could be several.
    for (const table of ['batches', 'responses'])
      await database.schema
        .alterTable(table)
        .addColumn('owner', 'text', (column) => column.notNull().defaultTo(''))
        .execute();
    await regionsOfStoredThings(database);
    // For the look for what has not ended, which every server takes every few seconds.
    await database.schema.createIndex('batches_by_status').on('batches').column('status').execute();
    await database.schema.createIndex('responses_by_status').on('responses').column('status').execute();
    // The turn that has the conversation, of whichever server, and until when if nothing more is heard of it.
    await database.schema.alterTable('conversations').addColumn('turn_id', 'text').execute();
    await database.schema.alterTable('conversations').addColumn('turn_until_ms', 'bigint').execute();
  },
};

/** They belong to a workspace in a region; what was there before there were regions is Beijing's. */
async function regionsOfStoredThings(database: Kysely<unknown>): Promise<void> {
  for (const table of ['files', 'batches', 'responses', 'conversations', 'uploads', 'tasks'])
    await database.schema
      .alterTable(table)
      .addColumn('region', 'text', (column) => column.notNull().defaultTo('beijing'))
      .execute();
  // A list of a region with little in it does not go through what the others have. The rest is looked up by id.
  const indexes = [
    ['files', 'files_by_workspace', 'files_by_owner', 'sequence'],
    ['batches', 'batches_by_workspace', 'batches_by_owner', 'sequence'],
    ['tasks', 'tasks_by_workspace_and_time', 'tasks_by_owner_and_time', 'created_at_ms'],
  ] as const;
  for (const [table, before, index, order] of indexes) {
    await database.schema.dropIndex(before).execute();
    await database.schema.createIndex(index).on(table).columns(['workspace_id', 'region', order]).execute();
  }
}

async function servers(database: Kysely<unknown>): Promise<void> {
  await database.schema
    .createTable('servers')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('seen_at_ms', 'bigint', (column) => column.notNull())
    .execute();
}

/** Bytes of files that are not in a folder: of servers that share a database, and in backups. */
async function blobs(database: Kysely<unknown>): Promise<void> {
  await database.schema
    .createTable('blobs')
    // Not `blob_id`: that is what columns are named that refer to a blob.
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('is_whole', 'integer', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema
    .createTable('blob_chunks')
    .addColumn('blob', 'text', (column) => column.notNull())
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('bytes', bytesType(database), (column) => column.notNull())
    .addPrimaryKeyConstraint('one_chunk_a_number', ['blob', 'number'])
    .execute();
}

async function workspacesAndKeys(database: Kysely<unknown>): Promise<void> {
  await database.schema
    .createTable('workspaces')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    // JSON list of ids and patterns; null: every model.
    .addColumn('models', 'text')
    // JSON: {"nano", "period"}.
    .addColumn('budget', 'text')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('deleted_at_ms', 'bigint')
    .execute();
  await (database as Kysely<{ workspaces: Record<string, unknown> }>)
    .insertInto('workspaces')
    .values({ id: 'default', name: 'default', created_at_ms: 0 })
    .execute();

  const keyColumns = [
    ['kind', 'api'],
    ['region', 'beijing'],
    ['workspace_id', 'default'],
  ] as const;
  for (const [name, value] of keyColumns)
    await database.schema
      .alterTable('api_keys')
      .addColumn(name, 'text', (column) => column.notNull().defaultTo(value))
      .execute();
  // `models` and `budget` as of workspaces; `limits` as JSON.
  for (const name of ['models', 'budget', 'limits'])
    await database.schema.alterTable('api_keys').addColumn(name, 'text').execute();
  await database.schema.alterTable('api_keys').addColumn('expires_at_ms', 'bigint').execute();
  await database.schema
    .alterTable('api_keys')
    .addColumn('keeps_bodies', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();

  // Raised by every change of what servers hold in memory, so that others notice.
  await database.schema
    .createTable('revisions')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .execute();
  await (database as Kysely<{ revisions: Record<string, unknown> }>)
    .insertInto('revisions')
    .values({ name: 'platform', revision: 1 })
    .execute();
}

async function receipts(database: Kysely<unknown>): Promise<void> {
  // Ours, where `request_id` may be a caller's: a receipt that comes a second time is left out by it.
  await database.schema.alterTable('receipts').addColumn('receipt_id', 'text').execute();
  await sql`UPDATE receipts SET receipt_id = 'old-' || id`.execute(database);
  await database.schema.createIndex('receipts_by_receipt_id').on('receipts').column('receipt_id').unique().execute();
  await database.schema
    .alterTable('receipts')
    .addColumn('workspace_id', 'text', (column) => column.notNull().defaultTo('default'))
    .execute();
  await database.schema
    .alterTable('receipts')
    .addColumn('region', 'text', (column) => column.notNull().defaultTo('beijing'))
    .execute();
  await database.schema
    .alterTable('receipts')
    .addColumn('free_tokens', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  // No query of ours uses it: sums tell which hours to look at (`request-log.ts`), and an index more makes every write dearer.
  await database.schema.dropIndex('receipts_by_key_and_time').execute();
}

/** Written in the transaction that writes the receipts, so that it always agrees with them; `0008-usage-sums` has the others. */
async function spending(database: Kysely<unknown>): Promise<void> {
  await database.schema
    .createTable('spending')
    // `key` or `workspace`, its id, and `2026-11` or `total`.
    .addColumn('scope', 'text', (column) => column.notNull())
    .addColumn('scope_id', 'text', (column) => column.notNull())
    .addColumn('period', 'text', (column) => column.notNull())
    .addColumn('nano', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('one_sum_a_period', ['scope', 'scope_id', 'period'])
    .execute();
  const month = isSqlite(database)
    ? sql`strftime('%Y-%m', started_at_ms / 1000 + ${sql.lit(BEIJING_SECONDS)}, 'unixepoch')`
    : sql`to_char(to_timestamp(started_at_ms / 1000 + ${sql.lit(BEIJING_SECONDS)}) AT TIME ZONE 'UTC', 'YYYY-MM')`;
  for (const period of [month, sql`'total'`])
    for (const [scope, id] of [['key', sql`key_id`] as const, ['workspace', sql`workspace_id`] as const])
      await sql`
        INSERT INTO spending (scope, scope_id, period, nano)
        SELECT ${sql.lit(scope)}, ${id}, ${period}, SUM(charge_nano) FROM receipts
        WHERE charge_nano > 0 GROUP BY 2, 3`.execute(database);
}

/** Months are Beijing's, ahead of UTC by the same all year. */
const BEIJING_SECONDS = 8 * 3600;

async function moneyAndSettings(database: Kysely<unknown>): Promise<void> {
  await database.schema
    .createTable('free_quotas')
    .addColumn('region', 'text', (column) => column.notNull())
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('granted_tokens', 'bigint', (column) => column.notNull())
    .addColumn('used_tokens', 'bigint', (column) => column.notNull())
    .addColumn('first_used_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('one_quota_a_model', ['region', 'model'])
    .execute();
  await database.schema
    .createTable('prices')
    .addColumn('sequence', countingType(database), countsUp(database))
    .addColumn('model', 'text', (column) => column.notNull())
    // Null: every region.
    .addColumn('region', 'text')
    .addColumn('valid_from_ms', 'bigint', (column) => column.notNull())
    // JSON: a ModelPrices.
    .addColumn('prices', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema
    .createTable('settings')
    .addColumn('name', 'text', (column) => column.primaryKey())
    // JSON.
    .addColumn('value', 'text', (column) => column.notNull())
    .execute();
}

async function auditAndBodies(database: Kysely<unknown>): Promise<void> {
  await database.schema
    .createTable('audit')
    .addColumn('sequence', countingType(database), countsUp(database))
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    // The admin key's id, or `cli`.
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    // JSON, without secrets.
    .addColumn('details', 'text', (column) => column.notNull())
    .execute();
  await database.schema
    .createTable('call_bodies')
    .addColumn('receipt_id', 'text', (column) => column.primaryKey())
    .addColumn('request', 'text', (column) => column.notNull())
    .addColumn('reply', 'text', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await database.schema.createIndex('call_bodies_by_expiry').on('call_bodies').column('expires_at_ms').execute();
}
