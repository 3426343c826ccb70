/** Which calls a report is about, as it is typed. The reports check what it comes to. */
import type { RequestsRequest, UsageRequest } from '../admin/report-contract.ts';
import type { AdminService } from '../admin/service.ts';
import { Calendar, isTimeZone, localTimeZone } from '../core/calendar.ts';
import { ANONYMOUS_KEY_ID } from '../core/ports.ts';
import { resolveKey } from './commands/keys.ts';
import { resolveWorkspace } from './commands/workspaces.ts';
import { UserError } from './terminal.ts';

export interface FilterFlags {
  readonly from?: string;
  readonly until?: string;
  readonly timeZone?: string;
  readonly days?: string;
  readonly model?: string;
  readonly key?: string;
  readonly workspace?: string;
  readonly region?: string;
}

type Filters = Pick<
  UsageRequest & RequestsRequest,
  'from' | 'until' | 'timeZone' | 'model' | 'keyId' | 'workspaceId' | 'region'
>;

/** Days count calendar days, this one included. */
export async function filtersOf(service: AdminService, flags: FilterFlags, nowMs: number): Promise<Filters> {
  const { from, until, timeZone, days, model, key, workspace, region } = flags;
  const filters = {
    from: from ?? (days === undefined ? undefined : firstOf(days, timeZone, nowMs)),
    until,
    timeZone,
    model,
    keyId: key === undefined || key === ANONYMOUS_KEY_ID ? key : (await resolveKey(service, key)).id,
    workspaceId: workspace === undefined ? undefined : (await resolveWorkspace(service, workspace)).id,
    // The reports say which there are.
    region: region as Filters['region'],
  };
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
}

/** The first of so many days that end with today. */
function firstOf(days: string, timeZone = localTimeZone(), nowMs: number): string {
  if (!/^[1-9]\d{0,4}$/.test(days)) throw new UserError(`--days ${days} is no whole number from 1. Fix: --days 30`);
  const calendar = new Calendar(isTimeZone(timeZone) ? timeZone : localTimeZone());
  const today = calendar.dayOf(nowMs);
  return new Date(Date.parse(`${today}T00:00Z`) - (Number(days) - 1) * 86_400_000).toISOString().slice(0, 10);
}
