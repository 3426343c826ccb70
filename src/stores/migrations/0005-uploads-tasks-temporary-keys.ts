/** Temporary uploads, asynchronous tasks and temporary API keys. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const uploadsTasksTemporaryKeys: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .createTable('uploads')
      .addColumn('key', 'text', (column) => column.primaryKey())
      .addColumn('workspace_id', 'text', (column) => column.notNull())
      .addColumn('model', 'text', (column) => column.notNull())
      .addColumn('content_type', 'text', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .addColumn('blob_id', 'text', (column) => column.notNull())
      .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
      .execute();
    await database.schema.createIndex('uploads_by_expiry').on('uploads').column('expires_at_ms').execute();

    await database.schema
      .createTable('tasks')
      .addColumn('task_id', 'text', (column) => column.primaryKey())
      .addColumn('workspace_id', 'text', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('request_id', 'text', (column) => column.notNull())
      .addColumn('model', 'text', (column) => column.notNull())
      .addColumn('api', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('started_at_ms', 'bigint')
      .addColumn('ended_at_ms', 'bigint')
      // JSON: these are shown, never searched.
      .addColumn('metrics', 'text')
      .addColumn('output', 'text')
      .addColumn('usage', 'text')
      .execute();
    await database.schema
      .createIndex('tasks_by_workspace_and_time')
      .on('tasks')
      .columns(['workspace_id', 'created_at_ms'])
      .execute();
    await database.schema.createIndex('tasks_by_end').on('tasks').column('ended_at_ms').execute();

    await database.schema
      .createTable('temporary_keys')
      .addColumn('hash', 'text', (column) => column.primaryKey())
      .addColumn('parent_id', 'text', (column) => column.notNull().references('api_keys.id').onDelete('cascade'))
      .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
      .execute();
    await database.schema
      .createIndex('temporary_keys_by_expiry')
      .on('temporary_keys')
      .column('expires_at_ms')
      .execute();
  },
};
