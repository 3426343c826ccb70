/** `atelier audit` */
import type { AuditRow } from '../../admin/contract.ts';
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { withAdmin } from '../local-database.ts';
import { say, table } from '../terminal.ts';

type AuditFlags = ConfigFlags & { readonly limit: string; readonly json?: boolean };

/** The newest changes that were made to keys, workspaces, prices and quota, and by whom. */
export async function audit({ limit, json, ...flags }: AuditFlags): Promise<void> {
  const { items } = await withAdmin(loadConfig({ flags }), ({ service }) => service.audit({ limit }));
  if (json) say(JSON.stringify(items, null, 2));
  else if (items.length === 0) say('Nothing was changed yet.');
  else say(table(['when', 'who', 'what', 'of', ''], items.map(rowOf)));
}

function rowOf({ atMs, actor, action, subject, details }: AuditRow): string[] {
  const when = new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
  return [when, actor, action, subject, JSON.stringify(details)];
}
