/** Facts of files. */
import type { Selectable, Transaction } from 'kysely';
import type { FileFilter, FilePurpose, FileStore, FileUsage, NewFile, StoredFile } from '../../core/files.ts';
import type { Owner } from '../../core/ports.ts';
import type { Database } from './database.ts';
import { ownerColumns, ownerOf } from './owners.ts';
import type { FilesTable, Tables } from './tables.ts';

type Queries = Database['queries'] | Transaction<Tables>;

/** The store of one database. */
export function createFileStore(database: Database): FileStore {
  const { queries } = database;
  return {
    create: (file) => insert(queries, file),
    createWithin: (quota, file) =>
      database.exclusively(`files of ${file.workspaceId} in ${file.region}`, async (transaction) => {
        const usage = await usageOf(transaction, file);
        const isFull = usage.files >= quota.maxFiles || usage.bytes + file.bytes > quota.maxBytes;
        return isFull ? usage : insert(transaction, file);
      }),
    find: (owner, fileId) => find(queries, owner, fileId),
    list: (owner, filter) => list(queries, owner, filter),
    usage: (owner) => usageOf(queries, owner),
    delete: async (owner, fileId) => {
      const { numDeletedRows } = await queries
        .deleteFrom('files')
        .where(({ and }) => and(ownerColumns(owner)))
        .where('file_id', '=', fileId)
        .executeTakeFirst();
      return numDeletedRows > 0n;
    },
  };
}

async function insert(queries: Queries, file: NewFile): Promise<StoredFile> {
  const { sequence } = await queries
    .insertInto('files')
    .values({
      file_id: file.fileId,
      ...ownerColumns(file),
      key_id: file.keyId,
      name: file.name,
      purpose: file.purpose ?? null,
      description: file.description,
      bytes: file.bytes,
      md5: file.md5,
      blob_id: file.blobId,
      created_at_ms: file.createdAtMs,
    })
    .returning('sequence')
    .executeTakeFirstOrThrow();
  return { ...file, sequence };
}

async function find(queries: Queries, owner: Owner, fileId: string): Promise<StoredFile | undefined> {
  const row = await queries
    .selectFrom('files')
    .selectAll()
    .where(({ and }) => and(ownerColumns(owner)))
    .where('file_id', '=', fileId)
    .executeTakeFirst();
  return row && storedFileOf(row);
}

async function list(queries: Queries, owner: Owner, filter: FileFilter): ReturnType<FileStore['list']> {
  const { purpose, hasPurpose, createdAfterMs, createdBeforeMs, afterFileId, limit } = filter;
  const after = afterFileId === undefined ? undefined : await find(queries, owner, afterFileId);
  if (afterFileId !== undefined && !after) return { files: [], hasMore: false };
  let query = queries
    .selectFrom('files')
    .selectAll()
    .where(({ and }) => and(ownerColumns(owner)));
  if (after) query = query.where('sequence', '<', after.sequence);
  if (purpose !== undefined) query = query.where('purpose', '=', purpose);
  if (hasPurpose) query = query.where('purpose', 'is not', null);
  if (createdAfterMs !== undefined) query = query.where('created_at_ms', '>=', createdAfterMs);
  if (createdBeforeMs !== undefined) query = query.where('created_at_ms', '<=', createdBeforeMs);
  const rows = await query
    .orderBy('sequence', 'desc')
    .limit(limit + 1)
    .offset(filter.offset ?? 0)
    .execute();
  return { files: rows.slice(0, limit).map(storedFileOf), hasMore: rows.length > limit };
}

function usageOf(queries: Queries, owner: Owner): Promise<FileUsage> {
  return queries
    .selectFrom('files')
    .select(({ fn, val }) => [
      fn.countAll<number>().as('files'),
      fn.coalesce(fn.sum<number>('bytes'), val(0)).as('bytes'),
    ])
    .where(({ and }) => and(ownerColumns(owner)))
    .executeTakeFirstOrThrow();
}

function storedFileOf(row: Selectable<FilesTable>): StoredFile {
  return {
    fileId: row.file_id,
    sequence: row.sequence,
    ...ownerOf(row),
    keyId: row.key_id,
    name: row.name,
    purpose: (row.purpose ?? undefined) as FilePurpose | undefined,
    description: row.description,
    bytes: row.bytes,
    md5: row.md5,
    blobId: row.blob_id,
    createdAtMs: row.created_at_ms,
  };
}
