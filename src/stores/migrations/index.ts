/**
 * The migrations, oldest first. Forward only: a migration that was released is never edited or removed, what it did
 * wrong is put right by the next one. Names sort in the order of running.
 */
import type { Migration } from 'kysely/migration';
import { keysAndReceipts } from './0001-keys-and-receipts.ts';

export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-keys-and-receipts': keysAndReceipts,
};
