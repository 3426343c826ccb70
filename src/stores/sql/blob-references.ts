/** Which blobs anything in the database still needs. */
import { sql, type TableMetadata } from 'kysely';
import type { Database } from './database.ts';

/**
 * The ids in every column whose name ends in `blob_id`, found by the schema itself: a table that a list here had forgotten
 * would lose its bytes at the next start.
 */
export async function blobIdsInUse({ queries, dialect }: Database): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const table of await ownTables(queries, dialect)) {
    for (const { name } of table.columns) {
      if (!name.endsWith('blob_id')) continue;
      const column = sql.ref(name);
      const found = await sql<{ id: string }>`
        SELECT ${column} AS id FROM ${sql.table(table.name)} WHERE ${column} IS NOT NULL`.execute(queries);
      for (const { id } of found.rows) ids.add(id);
    }
  }
  return ids;
}

/** A Postgres may have schemas that are not ours, and that we may not read. */
async function ownTables(
  queries: Database['queries'],
  dialect: Database['dialect'],
): Promise<readonly TableMetadata[]> {
  const tables = (await queries.introspection.getTables()).filter(({ isView }) => !isView);
  if (dialect === 'sqlite') return tables;
  const { rows } = await sql<{ name: string }>`SELECT current_schema() AS name`.execute(queries);
  return tables.filter(({ schema }) => schema === rows[0]?.name);
}
