/** Facts of temporary uploads. */
import type { StoredUpload, UploadStore } from '../../core/uploads.ts';
import type { Database } from './database.ts';
import { ownerColumns, ownerOf } from './owners.ts';
import type { UploadsTable } from './tables.ts';

/** The store of one database. */
export function createUploadStore({ queries }: Database): UploadStore {
  return {
    create: async (upload) => {
      const { numInsertedOrUpdatedRows = 0n } = await queries
        .insertInto('uploads')
        .values({
          key: upload.key,
          ...ownerColumns(upload),
          model: upload.model,
          content_type: upload.contentType,
          bytes: upload.bytes,
          blob_id: upload.blobId,
          expires_at_ms: upload.expiresAtMs,
        })
        .onConflict((conflict) => conflict.column('key').doNothing())
        .executeTakeFirst();
      return numInsertedOrUpdatedRows > 0n;
    },
    find: async (key) => {
      const row = await queries.selectFrom('uploads').selectAll().where('key', '=', key).executeTakeFirst();
      return row && storedUploadOf(row);
    },
    takeExpired: async (nowMs) => {
      const rows = await queries.deleteFrom('uploads').where('expires_at_ms', '<=', nowMs).returningAll().execute();
      return rows.map(storedUploadOf);
    },
  };
}

function storedUploadOf(row: UploadsTable): StoredUpload {
  return {
    key: row.key,
    ...ownerOf(row),
    model: row.model,
    contentType: row.content_type,
    bytes: row.bytes,
    blobId: row.blob_id,
    expiresAtMs: row.expires_at_ms,
  };
}
