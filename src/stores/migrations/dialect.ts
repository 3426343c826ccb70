/** What SQLite and Postgres say differently when they make tables. */
import { type Kysely, SqliteAdapter, sql } from 'kysely';

export function isSqlite(database: Kysely<unknown>): boolean {
  return database.getExecutor().adapter instanceof SqliteAdapter;
}

/** The column builder's two ways to count up by itself. */
interface CountingColumn<Column> {
  primaryKey(): Column & { autoIncrement(): Column; generatedByDefaultAsIdentity(): Column };
}

/** A primary key that counts up and is never given twice. */
export function countsUp<Column>(database: Kysely<unknown>): (column: CountingColumn<Column>) => Column {
  return (column) =>
    isSqlite(database) ? column.primaryKey().autoIncrement() : column.primaryKey().generatedByDefaultAsIdentity();
}

/** The type of a column that counts up. */
export function countingType(database: Kysely<unknown>): 'integer' | 'bigint' {
  return isSqlite(database) ? 'integer' : 'bigint';
}

/** A fraction of 64 bits: Postgres's `real` has only 32. */
export function fractionType(database: Kysely<unknown>): 'real' | 'double precision' {
  return isSqlite(database) ? 'real' : 'double precision';
}

/** Bytes. */
export function bytesType(database: Kysely<unknown>) {
  return isSqlite(database) ? ('blob' as const) : sql`bytea`;
}
