/** One server a home: what a killed one left behind is cleaned up at start, which must not hit one that is alive. */
import path from 'node:path';
import BetterSqlite3 from 'better-sqlite3';

export interface HomeLock {
  release(): void;
}

/**
 * Takes the folder for this process; undefined when another server has it. The lock is a transaction that stays open, so the
 * system gives it back whatever way the process ends.
 */
export function lockHome(home: string): HomeLock | undefined {
  const database = new BetterSqlite3(path.join(home, 'server.lock'), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
