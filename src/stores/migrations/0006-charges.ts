/** What a call cost, and the items of its bill. */
import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const charges: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .alterTable('receipts')
      .addColumn('charge_nano', 'bigint', (column) => column.notNull().defaultTo(0))
      .execute();
    // [{"item", "tokens", "nano"}]; null when nothing was charged.
    await database.schema.alterTable('receipts').addColumn('charge_lines', 'text').execute();
    await database.schema.createIndex('receipts_by_time').on('receipts').column('started_at_ms').execute();
  },
};
