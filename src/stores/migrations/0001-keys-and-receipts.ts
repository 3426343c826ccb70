/** API keys (hashes only) and one receipt a call. Token counts have a column each, so that sums need no JSON. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { countingType, countsUp, fractionType } from './dialect.ts';

const TOKEN_COLUMNS = [
  'input_total',
  'input_cached_read',
  'input_cache_written',
  'input_image',
  'input_video',
  'input_audio',
  'input_tool_definitions',
  'output_total',
  'output_reasoning',
  'output_audio',
] as const;

export const keysAndReceipts: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .createTable('api_keys')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull().unique())
      .addColumn('hint', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('revoked_at_ms', 'bigint')
      .execute();

    let receipts = database.schema
      .createTable('receipts')
      .addColumn('id', countingType(database), countsUp(database))
      // Not unique: a caller may send the same x-request-id twice, and both calls cost.
      .addColumn('request_id', 'text', (column) => column.notNull())
      .addColumn('protocol', 'text', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('model', 'text', (column) => column.notNull())
      .addColumn('served_by', 'text', (column) => column.notNull())
      .addColumn('ending', 'text', (column) => column.notNull())
      .addColumn('error_code', 'text')
      .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('total_ms', fractionType(database), (column) => column.notNull())
      .addColumn('first_token_ms', fractionType(database))
      // {"kind": count}; null when no tool of ours ran.
      .addColumn('hosted_tools', 'text');
    for (const name of TOKEN_COLUMNS) receipts = receipts.addColumn(name, 'bigint', (column) => column.notNull());
    await receipts.execute();

    await database.schema
      .createIndex('receipts_by_key_and_time')
      .on('receipts')
      .columns(['key_id', 'started_at_ms'])
      .execute();
  },
};
