/** `atelier usage` */

import type {
  KindsRequest,
  KindView,
  UsageRequest,
  UsageRowView,
  UsageSumsView,
  UsageView,
} from '../../admin/report-contract.ts';
import { kindsCsv, usageCsv } from '../../admin/report-csv.ts';
import type { AdminReports } from '../../admin/reports.ts';
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { DAY_MS } from '../../core/calendar.ts';
import { bar } from '../bars.ts';
import { withReports } from '../local-database.ts';
import { type FilterFlags, filtersOf } from '../report-filters.ts';
import { pipe, say, styled, table } from '../terminal.ts';

type UsageFlags = ConfigFlags & FilterFlags & { readonly by: string; readonly json?: boolean; readonly csv?: boolean };

const MIN_BAR_WIDTH = 10;
const MAX_BAR_WIDTH = 40;

/** What was used, and what it cost by the vendor's prices. */
export async function usage(flags: UsageFlags): Promise<void> {
  await withReports(loadConfig({ flags }), async ({ reports, service }) => {
    const filters = await filtersOf(service, flags, Date.now());
    if (flags.by === 'kind') return tellKinds(reports, { ...filters, by: 'kind' }, flags);
    // The reports say which groupings there are.
    const request = { ...filters, by: flags.by as UsageRequest['by'] };
    if (flags.csv) return pipe(usageCsv(reports, request));
    const view = await wholeUsage(reports, request);
    if (flags.json) say(JSON.stringify(view, null, 2));
    else if (view.items.length === 0) say('No calls in that time.');
    else say(usageTable(view, process.stdout.columns));
  });
}

async function tellKinds(reports: AdminReports, request: KindsRequest, flags: UsageFlags): Promise<void> {
  if (flags.csv) return pipe(kindsCsv(reports, request));
  const view = await reports.kinds(request);
  say(flags.json ? JSON.stringify(view, null, 2) : kindsTable(view.items));
}

/** All pages as one. */
async function wholeUsage(reports: AdminReports, request: UsageRequest): Promise<UsageView> {
  let view = await reports.usage({ ...request, limit: 1000 });
  while (view.nextCursor !== null) {
    const next = await reports.usage({ ...request, limit: 1000, after: view.nextCursor });
    view = { ...next, items: [...view.items, ...next.items] };
  }
  return view;
}

/** One line a group and one for all; the bar compares what groups cost, or their tokens where nothing did. */
export function usageTable({ by, items, totals }: Pick<UsageView, 'by' | 'items' | 'totals'>, columns = 120): string {
  const rows = by === 'day' ? withEmptyDays(items) : items;
  const isFree = Number(totals.chargeYuan) === 0;
  const weightOf = ({ inputTokens, outputTokens, chargeYuan }: UsageSumsView): number =>
    isFree ? inputTokens + outputTokens : Number(chargeYuan);
  const heaviest = Math.max(...rows.map(weightOf)) || 1;
  const header = [by, 'calls', 'input', 'cached', 'output', 'reasoning', 'free', 'yuan'];
  const cells = [...rows.map((row) => [labelOf(row), ...sumCells(row)]), ['all', ...sumCells(totals)]];
  const width = barWidth(columns, [header, ...cells]);
  const bars = rows.map((row) => styled('cyan', bar(weightOf(row) / heaviest, width)));
  return table(
    [...header, ''],
    cells.map((line, at) => [...line, bars[at] ?? '']),
  );
}

function kindsTable(rows: readonly KindView[]): string {
  const lines = rows
    .filter(({ tokens, partOf }) => tokens > 0 || partOf === null)
    .map(({ kind, partOf, tokens, chargeYuan }) => [
      partOf === null ? kind : `  ${kind} (of ${partOf})`,
      String(tokens),
      chargeYuan ?? '',
    ]);
  return table(['kind', 'tokens', 'yuan'], lines);
}

function sumCells(row: UsageSumsView): string[] {
  const { calls, inputTokens, cachedTokens, outputTokens, reasoningTokens, freeTokens, chargeYuan } = row;
  return [calls, inputTokens, cachedTokens, outputTokens, reasoningTokens, freeTokens, chargeYuan].map(String);
}

function labelOf({ group, name }: UsageRowView): string {
  return name === undefined || name === group ? group : `${name} (${group})`;
}

/** A chart by day has a place for the days on which nothing was called. */
function withEmptyDays(rows: readonly UsageRowView[]): readonly UsageRowView[] {
  const byDay = new Map(rows.map((row) => [row.group, row]));
  const [first, last] = [rows[0], rows.at(-1)].map((row) => Date.parse(`${row?.group}T00:00Z`));
  const filled: UsageRowView[] = [];
  for (let atMs = first ?? 0; atMs <= (last ?? -1); atMs += DAY_MS) {
    const day = new Date(atMs).toISOString().slice(0, 10);
    filled.push(byDay.get(day) ?? { ...NOTHING, group: day });
  }
  return filled;
}

const NOTHING: UsageSumsView = {
  calls: 0,
  inputTokens: 0,
  cachedTokens: 0,
  writtenTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  freeTokens: 0,
  chargeYuan: '0',
};

/** What the columns before it leave. */
function barWidth(columns: number, rows: readonly (readonly string[])[]): number {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const left = columns - widths.reduce((sum, width) => sum + width + 2, 0) - 1;
  return Math.min(MAX_BAR_WIDTH, Math.max(MIN_BAR_WIDTH, left));
}
