/** Stored responses, conversations with their items, and the keys of what clients keep for us. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { bytesType, countingType, countsUp } from './dialect.ts';

export const responses: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .createTable('responses')
      .addColumn('response_id', 'text', (column) => column.primaryKey())
      .addColumn('workspace_id', 'text', (column) => column.notNull())
      .addColumn('previous_response_id', 'text')
      // The first response of the chain: what a chain was made of stays as long as one of its responses.
      .addColumn('thread_id', 'text', (column) => column.notNull())
      .addColumn('conversation_id', 'text')
      .addColumn('conversation_up_to', 'bigint')
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('is_deleted', 'integer', (column) => column.notNull().defaultTo(0))
      // JSON, as the wire wrote it.
      .addColumn('input', 'text', (column) => column.notNull())
      .addColumn('body', 'text', (column) => column.notNull())
      .addColumn('events', 'text')
      .execute();
    await database.schema.createIndex('responses_by_previous').on('responses').column('previous_response_id').execute();
    await database.schema
      .createIndex('responses_by_thread')
      .on('responses')
      .columns(['thread_id', 'expires_at_ms'])
      .execute();
    await database.schema.createIndex('responses_by_expiry').on('responses').column('expires_at_ms').execute();

    await database.schema
      .createTable('conversations')
      .addColumn('conversation_id', 'text', (column) => column.primaryKey())
      .addColumn('workspace_id', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('used_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('metadata', 'text', (column) => column.notNull())
      .execute();
    await database.schema.createIndex('conversations_by_use').on('conversations').column('used_at_ms').execute();

    await database.schema
      .createTable('conversation_items')
      .addColumn('sequence', countingType(database), countsUp(database))
      .addColumn('conversation_id', 'text', (column) =>
        column.notNull().references('conversations.conversation_id').onDelete('cascade'),
      )
      .addColumn('item_id', 'text', (column) => column.notNull())
      .addColumn('item', 'text', (column) => column.notNull())
      .addUniqueConstraint('conversation_items_by_id', ['conversation_id', 'item_id'])
      .execute();
    await database.schema
      .createIndex('conversation_items_in_order')
      .on('conversation_items')
      .columns(['conversation_id', 'sequence'])
      .execute();

    await database.schema
      .createTable('sealing_keys')
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .addColumn('secret', bytesType(database), (column) => column.notNull())
      .execute();
  },
};
