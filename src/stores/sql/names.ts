/** What people call keys and workspaces. */
import type { UsageGrouping } from '../../core/usage-report.ts';
import type { Database } from './database.ts';

/** Names by id; those without one are left out. Whatever is no key and no workspace has no name besides its own. */
export async function namesOf(
  { queries }: Database,
  what: UsageGrouping,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if ((what !== 'key' && what !== 'workspace') || ids.length === 0) return new Map();
  const rows = await queries
    .selectFrom(what === 'key' ? 'api_keys' : 'workspaces')
    .select(['id', 'name'])
    .where('id', 'in', [...new Set(ids)])
    .execute();
  return new Map(rows.map(({ id, name }) => [id, name]));
}
