/** Facts of files in SQLite. */
import type { FilePurpose, FileStore, StoredFile } from '../../core/files.ts';
import type { Database } from './database.ts';
import type { FilesTable } from './tables.ts';

type FileRow = Omit<FilesTable, 'sequence'> & { readonly sequence: number };

interface ListParameters {
  readonly workspaceId: string;
  readonly purpose: string | null;
  readonly hasPurpose: number;
  readonly from: number;
  readonly to: number;
  readonly before: number;
  readonly limit: number;
  readonly offset: number;
}

/** The store of one database. */
export function createFileStore({ sqlite }: Database): FileStore {
  const insert = sqlite.prepare<Omit<FileRow, 'sequence'>>(
    `INSERT INTO files (file_id, workspace_id, key_id, name, purpose, description, bytes, md5, blob_id, created_at_ms)
     VALUES (@file_id, @workspace_id, @key_id, @name, @purpose, @description, @bytes, @md5, @blob_id, @created_at_ms)`,
  );
  const find = sqlite.prepare<[string, string], FileRow>('SELECT * FROM files WHERE workspace_id = ? AND file_id = ?');
  const list = sqlite.prepare<ListParameters, FileRow>(
    `SELECT * FROM files
     WHERE workspace_id = @workspaceId AND sequence < @before AND created_at_ms BETWEEN @from AND @to
       AND (@purpose IS NULL OR purpose = @purpose) AND (@hasPurpose = 0 OR purpose IS NOT NULL)
     ORDER BY sequence DESC LIMIT @limit OFFSET @offset`,
  );
  const usage = sqlite.prepare<[string], { files: number; bytes: number }>(
    'SELECT count(*) AS files, coalesce(sum(bytes), 0) AS bytes FROM files WHERE workspace_id = ?',
  );
  const remove = sqlite.prepare<[string, string]>('DELETE FROM files WHERE workspace_id = ? AND file_id = ?');
  return {
    create: (file) => {
      const { lastInsertRowid } = insert.run({
        file_id: file.fileId,
        workspace_id: file.workspaceId,
        key_id: file.keyId,
        name: file.name,
        purpose: file.purpose ?? null,
        description: file.description,
        bytes: file.bytes,
        md5: file.md5,
        blob_id: file.blobId,
        created_at_ms: file.createdAtMs,
      });
      return { ...file, sequence: Number(lastInsertRowid) };
    },
    find: (workspaceId, fileId) => {
      const row = find.get(workspaceId, fileId);
      return row && storedFileOf(row);
    },
    list: (workspaceId, filter) => {
      const after = filter.afterFileId === undefined ? undefined : find.get(workspaceId, filter.afterFileId);
      if (filter.afterFileId !== undefined && !after) return { files: [], hasMore: false };
      const rows = list.all({
        workspaceId,
        purpose: filter.purpose ?? null,
        hasPurpose: filter.hasPurpose ? 1 : 0,
        from: filter.createdAfterMs ?? 0,
        to: filter.createdBeforeMs ?? Number.MAX_SAFE_INTEGER,
        before: after?.sequence ?? Number.MAX_SAFE_INTEGER,
        limit: filter.limit + 1,
        offset: filter.offset ?? 0,
      });
      return { files: rows.slice(0, filter.limit).map(storedFileOf), hasMore: rows.length > filter.limit };
    },
    usage: (workspaceId) => usage.get(workspaceId) ?? { files: 0, bytes: 0 },
    delete: (workspaceId, fileId) => remove.run(workspaceId, fileId).changes > 0,
  };
}

function storedFileOf(row: FileRow): StoredFile {
  return {
    fileId: row.file_id,
    sequence: row.sequence,
    workspaceId: row.workspace_id,
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
