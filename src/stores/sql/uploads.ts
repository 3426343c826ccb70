/** Facts of temporary uploads in SQLite. */
import type { StoredUpload, UploadStore } from '../../core/uploads.ts';
import type { Database } from './database.ts';
import type { UploadsTable } from './tables.ts';

/** The store of one database. */
export function createUploadStore({ sqlite }: Database): UploadStore {
  const insert = sqlite.prepare<UploadsTable>(
    `INSERT INTO uploads (key, workspace_id, model, content_type, bytes, blob_id, expires_at_ms)
     VALUES (@key, @workspace_id, @model, @content_type, @bytes, @blob_id, @expires_at_ms)
     ON CONFLICT (key) DO NOTHING`,
  );
  const find = sqlite.prepare<[string], UploadsTable>('SELECT * FROM uploads WHERE key = ?');
  const blobIds = sqlite.prepare<[], string>('SELECT blob_id FROM uploads').pluck();
  const takeExpired = sqlite.prepare<[number], UploadsTable>(
    'DELETE FROM uploads WHERE expires_at_ms <= ? RETURNING *',
  );
  return {
    create: (upload) =>
      insert.run({
        key: upload.key,
        workspace_id: upload.workspaceId,
        model: upload.model,
        content_type: upload.contentType,
        bytes: upload.bytes,
        blob_id: upload.blobId,
        expires_at_ms: upload.expiresAtMs,
      }).changes > 0,
    find: (key) => {
      const row = find.get(key);
      return row && storedUploadOf(row);
    },
    blobIds: () => new Set(blobIds.all()),
    takeExpired: (nowMs) => takeExpired.all(nowMs).map(storedUploadOf),
  };
}

function storedUploadOf(row: UploadsTable): StoredUpload {
  return {
    key: row.key,
    workspaceId: row.workspace_id,
    model: row.model,
    contentType: row.content_type,
    bytes: row.bytes,
    blobId: row.blob_id,
    expiresAtMs: row.expires_at_ms,
  };
}
