/** The database of this machine's home, for the commands that need it; nothing of it is loaded before. */
import path from 'node:path';
import type { Config } from '../config.ts';
import type { UsageReports } from '../core/usage-report.ts';

/** Opens what was used and what it cost for one action. */
export async function withUsageReports<Result>(
  config: Pick<Config, 'home'>,
  action: (reports: UsageReports) => Result,
): Promise<Result> {
  const [{ openDatabase }, { createUsageReports }] = await Promise.all([
    import('../stores/sqlite/database.ts'),
    import('../stores/sqlite/usage.ts'),
  ]);
  const database = await openDatabase(path.join(config.home, 'atelier.db'));
  try {
    return action(createUsageReports(database));
  } finally {
    await database.close();
  }
}
