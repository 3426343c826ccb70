/** Batches with one row a result, and on receipts whether a call was part of one: such calls cost half. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { countingType, countsUp } from './dialect.ts';

const TIMES = [
  'in_progress_at_ms',
  'finalizing_at_ms',
  'completed_at_ms',
  'failed_at_ms',
  'expired_at_ms',
  'cancelling_at_ms',
  'cancelled_at_ms',
] as const;

export const batches: Migration = {
  async up(database: Kysely<unknown>) {
    let table = database.schema
      .createTable('batches')
      .addColumn('sequence', countingType(database), countsUp(database))
      .addColumn('batch_id', 'text', (column) => column.notNull().unique())
      .addColumn('workspace_id', 'text', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('key_name', 'text', (column) => column.notNull())
      .addColumn('endpoint', 'text', (column) => column.notNull())
      .addColumn('input_file_id', 'text', (column) => column.notNull())
      .addColumn('input_blob_id', 'text', (column) => column.notNull())
      .addColumn('completion_window', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      // JSON.
      .addColumn('errors', 'text')
      .addColumn('metadata', 'text')
      // Out of the metadata, for searching.
      .addColumn('name', 'text')
      .addColumn('output_file_id', 'text')
      .addColumn('error_file_id', 'text')
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('total', 'integer', (column) => column.notNull())
      .addColumn('completed', 'integer', (column) => column.notNull())
      .addColumn('failed', 'integer', (column) => column.notNull());
    for (const name of TIMES) table = table.addColumn(name, 'bigint');
    await table.execute();
    await database.schema
      .createIndex('batches_by_workspace')
      .on('batches')
      .columns(['workspace_id', 'sequence'])
      .execute();

    await database.schema
      .createTable('batch_results')
      .addColumn('batch_id', 'text', (column) => column.notNull())
      .addColumn('line', 'integer', (column) => column.notNull())
      .addColumn('is_failure', 'integer', (column) => column.notNull())
      .addColumn('text', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('one_result_a_line', ['batch_id', 'line'])
      .execute();

    await database.schema
      .alterTable('receipts')
      .addColumn('priority', 'text', (column) => column.notNull().defaultTo('live'))
      .execute();
  },
};
