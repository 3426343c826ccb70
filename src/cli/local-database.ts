/** The database of this machine's home, for the commands that need it; nothing of it is loaded before. */
import path from 'node:path';
import type { Config } from '../config.ts';
import type { KeyStore } from '../core/ports.ts';
import { systemClock } from '../core/system.ts';
import type { UsageReports } from '../core/usage-report.ts';
import type { Database } from '../stores/sqlite/database.ts';

type Home = Pick<Config, 'home'>;

/** Opens the key store of a home for one action. */
export function withKeyStore<Result>(
  config: Home,
  action: (keys: KeyStore) => Promise<Result> | Result,
): Promise<Result> {
  return withDatabase(config, async (database) => {
    const { createKeyStore } = await import('../stores/sqlite/keys.ts');
    return action(createKeyStore(database, systemClock));
  });
}

/** Opens what was used and what it cost for one action. */
export function withUsageReports<Result>(
  config: Home,
  action: (reports: UsageReports) => Promise<Result> | Result,
): Promise<Result> {
  return withDatabase(config, async (database) => {
    const { createUsageReports } = await import('../stores/sqlite/usage.ts');
    return action(createUsageReports(database));
  });
}

async function withDatabase<Result>(config: Home, action: (database: Database) => Promise<Result>): Promise<Result> {
  const { openDatabase } = await import('../stores/sqlite/database.ts');
  const database = await openDatabase(path.join(config.home, 'atelier.db'));
  try {
    return await action(database);
  } finally {
    await database.close();
  }
}
