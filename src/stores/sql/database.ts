/** Opens the SQLite file and brings it to the newest schema. */
import { chmodSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import { MIGRATIONS } from '../migrations/index.ts';
import type { Tables } from './tables.ts';

/** Long enough for another process's short writes; a writer that is kept longer gets SQLITE_BUSY and tries again later. */
const BUSY_TIMEOUT_MS = 1000;
/** How long another process may take to migrate the same file. */
const OPEN_TIMEOUT_MS = 15_000;

/** One open database file. */
export interface Database {
  /** For the few hot statements that must not wait for a promise. */
  readonly sqlite: BetterSqlite3.Database;
  /** Typed queries for everything else. */
  readonly queries: Kysely<Tables>;
  close(): Promise<void>;
}

/** Opens (or makes) the database, readable by its owner only, and runs the migrations it has not seen. */
export async function openDatabase(file: string): Promise<Database> {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const sqlite = new BetterSqlite3(file, { timeout: 0 });
  // Hashes of keys and who called what are nobody else's business.
  if (file !== ':memory:') chmodSync(file, 0o600);
  const queries = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
  try {
    await whenUnlocked(() => sqlite.pragma('journal_mode = WAL'));
    // A kill -9 loses nothing with NORMAL; only a power cut may take the last receipts.
    sqlite.pragma('synchronous = NORMAL');
    sqlite.pragma('foreign_keys = ON');
    await migrate(sqlite, queries);
  } catch (error) {
    await queries.destroy();
    throw error;
  }
  sqlite.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
  return { sqlite, queries, close: () => queries.destroy() };
}

/** All or nothing, and one process at a time: Kysely does neither on SQLite by itself. */
async function migrate(sqlite: BetterSqlite3.Database, queries: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({ db: queries, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } });
  await whenUnlocked(() => sqlite.exec('BEGIN IMMEDIATE'));
  const { error, results } = await migrator.migrateToLatest();
  if (error) {
    sqlite.exec('ROLLBACK');
    const failed = results?.find((result) => result.status === 'Error')?.migrationName;
    throw new Error(`the database could not be brought up to date${failed ? ` (migration ${failed})` : ''}`, {
      cause: error,
    });
  }
  sqlite.exec('COMMIT');
}

/** SQLite's own waiting would stop this process, which may be the one that holds the lock. */
async function whenUnlocked(action: () => unknown): Promise<void> {
  const deadline = performance.now() + OPEN_TIMEOUT_MS;
  for (;;) {
    try {
      action();
      return;
    } catch (error) {
      const isBusy = error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY');
      if (!isBusy || performance.now() > deadline) throw error;
      await delay(20);
    }
  }
}
