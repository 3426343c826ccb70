/**
 * The migrations, oldest first. Forward only: a migration that was released is never edited or removed, what it did
 * wrong is put right by the next one. Names sort in the order of running.
 */
import type { Migration } from 'kysely/migration';
import { keysAndReceipts } from './0001-keys-and-receipts.ts';
import { files } from './0002-files.ts';
import { responses } from './0003-responses.ts';
import { batches } from './0004-batches.ts';
import { uploadsTasksTemporaryKeys } from './0005-uploads-tasks-temporary-keys.ts';
import { charges } from './0006-charges.ts';
import { platform } from './0007-platform.ts';
import { usageSums } from './0008-usage-sums.ts';

export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-keys-and-receipts': keysAndReceipts,
  '0002-files': files,
  '0003-responses': responses,
  '0004-batches': batches,
  '0005-uploads-tasks-temporary-keys': uploadsTasksTemporaryKeys,
  '0006-charges': charges,
  '0007-platform': platform,
  '0008-usage-sums': usageSums,
};
