/**
 * A copy of a home's database while its server runs: one SQLite file, in which the bytes of files and uploads are too. It is
 * restored by putting it in the place of a home's `atelier.db`.
 */
import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { sql } from 'kysely';
import { StudioError } from '../../core/errors.ts';
import type { BlobStore } from '../../core/files.ts';
import type { Clock } from '../../core/ports.ts';
import { readBlobFolder } from '../blobs.ts';
import { blobIdsInUse } from './blob-references.ts';
import { createBlobTable } from './blobs.ts';
import { type Database, openSqlite } from './database.ts';

export interface Backup {
  readonly bytes: number;
  /** Files and uploads whose bytes are in it. */
  readonly blobs: number;
  /** Those that were deleted while it was made. */
  readonly missingBlobs: number;
}

/** The folders of a home in which blobs are (main.ts). */
const BLOB_FOLDERS = ['files', 'uploads'];

/** Makes the file, whole or not at all. Throws EEXIST where there is one. */
export async function backUp(
  { queries }: Database,
  { home, file, clock }: { readonly home: string; readonly file: string; readonly clock: Clock },
): Promise<Backup> {
  // Reserved, and readable by its owner only, before anything is in it: SQLite writes into an empty file.
  await (await open(file, 'wx', 0o600)).close();
  const unfinished = `${file}.part`;
  try {
    await rm(unfinished, { force: true });
    await (await open(unfinished, 'wx', 0o600)).close();
    // One snapshot, whatever is written meanwhile; SQLite's own way of copying begins again at every change of another process.
    await sql`VACUUM INTO ${unfinished}`.execute(queries);
    const counts = await addBlobs(unfinished, home, clock);
    await rename(unfinished, file);
    return { bytes: (await stat(file)).size, ...counts };
  } catch (thrown) {
    for (const left of [unfinished, `${unfinished}-wal`, `${unfinished}-shm`, file]) await rm(left, { force: true });
    throw thrown;
  }
}

async function addBlobs(file: string, home: string, clock: Clock): Promise<Omit<Backup, 'bytes'>> {
  const copy = await openSqlite(file);
  try {
    const table = createBlobTable(copy, clock);
    const ids = await blobIdsInUse(copy);
    // Of a batch that has ended.
    ids.delete('');
    const there = await copy.queries.selectFrom('blobs').select('id').execute();
    for (const { id } of there) ids.delete(id);
    let missingBlobs = 0;
    for (const id of ids) if (!(await copyBlob(id, home, table))) missingBlobs++;
    return { blobs: there.length + ids.size - missingBlobs, missingBlobs };
  } finally {
    await copy.close();
  }
}

async function copyBlob(
  blobId: string,
  home: string,
  table: { put(blobId: string, source: ReturnType<BlobStore['read']>): Promise<void> },
): Promise<boolean> {
  for (const folder of BLOB_FOLDERS) {
    try {
      await table.put(blobId, readBlobFolder(path.join(home, folder)).read(blobId));
      return true;
    } catch (thrown) {
      if (!(thrown instanceof StudioError && thrown.code === 'not-found')) throw thrown;
    }
  }
  return false;
}
