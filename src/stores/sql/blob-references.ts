/** Which blobs anything in the database still needs. */
import type { Database } from './database.ts';

/**
 * The ids in every column whose name ends in `blob_id`, found by the schema itself: a table that a list here had forgotten
 * would lose its bytes at the next start.
 */
export function blobIdsInUse({ sqlite }: Database): Set<string> {
  const columns = sqlite
    .prepare<[], { inTable: string; name: string }>(
      `SELECT tables.name AS inTable, columns.name AS name
       FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns
       WHERE tables.type = 'table' AND columns.name LIKE '%blob\\_id' ESCAPE '\\'`,
    )
    .all();
  const ids = new Set<string>();
  for (const { inTable, name } of columns) {
    for (const id of sqlite.prepare<[], string | null>(`SELECT "${name}" FROM "${inTable}"`).pluck().iterate())
      if (id !== null) ids.add(id);
  }
  return ids;
}
