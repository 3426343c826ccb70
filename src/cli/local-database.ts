/** The database of the configuration, for the commands that need it; nothing of it is loaded before. A server may be running. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type AdminReports, createAdminReports } from '../admin/reports.ts';
import { type AdminService, createAdminService } from '../admin/service.ts';
import type { Config } from '../config.ts';
import { beijingMonthOf } from '../core/calendar.ts';
import { StudioError } from '../core/errors.ts';
import type { PlatformState } from '../core/platform.ts';
import type { Logger } from '../core/ports.ts';
import type { QuotaSum } from '../core/receipts.ts';
import { systemClock } from '../core/system.ts';
import type { Backup } from '../stores/sql/backup.ts';
import type { Database } from '../stores/sql/database.ts';
import { UserError } from './terminal.ts';

/** What the commands need to know of the configuration. */
export type DatabaseConfig = Pick<Config, 'database' | 'regions'>;

/** Who changed it, in the audit. */
export const CLI_ACTOR = 'cli';

/** Opens the administration for one action. */
export function withAdmin<Result>(
  config: DatabaseConfig,
  action: (admin: { readonly service: AdminService; readonly database: Database }) => Promise<Result> | Result,
): Promise<Result> {
  return withDatabase(config, async (database) => {
    const { createPlatformStore } = await import('../stores/sql/platform.ts');
    const store = createPlatformStore(database, systemClock);
    const service = createAdminService({
      store,
      current: () => store.load(),
      clock: systemClock,
      defaultRegion: config.regions.default,
    });
    return withUserErrors(() => action({ service, database }));
  });
}

/** What the administration refuses, a user can mend. */
async function withUserErrors<Result>(action: () => Promise<Result> | Result): Promise<Result> {
  try {
    return await action();
  } catch (thrown) {
    if (thrown instanceof StudioError && thrown.fault === 'client') throw new UserError(thrown.message);
    throw thrown;
  }
}

/** What was used and what it cost, and the administration beside it. */
export interface LocalReports {
  readonly reports: AdminReports;
  readonly service: AdminService;
  /** What is used of free quotas. */
  quotas(): Promise<readonly QuotaSum[]>;
  /** What the administrator has set. */
  state(): Promise<PlatformState>;
}

/** Opens it for one action. */
export function withReports<Result>(
  config: DatabaseConfig,
  action: (local: LocalReports) => Promise<Result> | Result,
): Promise<Result> {
  return withAdmin(config, async ({ service, database }) => {
    const [{ createUsageReports }, { createBills }, { createRequestLog }, { createCallBodies }] = await Promise.all([
      import('../stores/sql/usage.ts'),
      import('../stores/sql/bills.ts'),
      import('../stores/sql/request-log.ts'),
      import('../stores/sql/call-bodies.ts'),
    ]);
    const { createPlatformStore } = await import('../stores/sql/platform.ts');
    const { createReceiptStore } = await import('../stores/sql/receipts.ts');
    const reports = createAdminReports({
      usage: createUsageReports(database),
      bills: createBills(database),
      requests: createRequestLog(database),
      bodies: createCallBodies(database, { clock: systemClock, log: SILENT }),
      clock: systemClock,
    });
    const month = beijingMonthOf(systemClock.now());
    return action({
      reports,
      service,
      quotas: async () => (await createReceiptStore(database).sums(month)).quotas,
      state: () => createPlatformStore(database, systemClock).load(),
    });
  });
}

/** Nothing is written here that anybody could lose. */
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Copies the database and the bytes of files into a file that is not there yet. */
export async function makeBackup(config: Pick<Config, 'database' | 'home'>, file: string): Promise<Backup> {
  const { isPostgres } = await import('../stores/sql/database.ts');
  if (isPostgres(config.database))
    throw new UserError(
      'This server keeps its data in Postgres, which has its own backups, bytes of files included.\nFix: pg_dump --format=custom --file=FILE and the URL of setting `database`; pg_restore brings it back.',
    );
  if (!existsSync(config.database))
    throw new UserError(`There is nothing to back up in ${config.home}. Fix: name the server's home (--home FOLDER).`);
  const { backUp } = await import('../stores/sql/backup.ts');
  try {
    return await withDatabase(config, (database) => backUp(database, { home: config.home, file, clock: systemClock }));
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new UserError(`${file} is there already. Fix: name another file, or delete it.`);
    if (code === 'ENOENT') throw new UserError(`${path.dirname(file)} is no folder. Fix: make it, or name another.`);
    throw thrown;
  }
}

async function withDatabase<Result>(
  config: Pick<Config, 'database'>,
  action: (database: Database) => Promise<Result>,
): Promise<Result> {
  const { DatabaseUnusable, openDatabase } = await import('../stores/sql/database.ts');
  const database = await openDatabase(config.database).catch((thrown: unknown) => {
    if (!(thrown instanceof DatabaseUnusable)) throw thrown;
    throw new UserError(`${thrown.message}\nFix: start it, or put the URL of setting \`database\` right.`);
  });
  try {
    return await action(database);
  } finally {
    await database.close();
  }
}
