/** Facts of files; their bytes are blobs. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { countingType, countsUp } from './dialect.ts';

export const files: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .createTable('files')
      // Never given twice: it is told to clients as an id and orders lists.
      .addColumn('sequence', countingType(database), countsUp(database))
      .addColumn('file_id', 'text', (column) => column.notNull().unique())
      .addColumn('workspace_id', 'text', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('purpose', 'text')
      .addColumn('description', 'text', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .addColumn('md5', 'text', (column) => column.notNull())
      .addColumn('blob_id', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .execute();
    await database.schema.createIndex('files_by_workspace').on('files').columns(['workspace_id', 'sequence']).execute();
  },
};
