/** `atelier usage` */
import { type ConfigFlags, loadConfig } from '../../config.ts';
import type { UsageGrouping, UsageRow } from '../../core/usage-report.ts';
import { withUsageReports } from '../local-database.ts';
import { say, styled, table, UserError } from '../terminal.ts';

type UsageFlags = ConfigFlags & { readonly by: string; readonly days: string; readonly json?: boolean };

const GROUPINGS: readonly UsageGrouping[] = ['day', 'model', 'key', 'ending'];
const DAY_MS = 86_400_000;
const BAR_WIDTH = 30;

/** What was used in the last days, and what it cost by the vendor's prices. */
export async function usage(flags: UsageFlags): Promise<void> {
  const groupBy = GROUPINGS.find((grouping) => grouping === flags.by);
  if (!groupBy) throw new UserError(`--by ${flags.by} is not known. Fix: one of ${GROUPINGS.join(', ')}.`);
  const days = Number(flags.days);
  if (!Number.isInteger(days) || days < 1)
    throw new UserError(`--days ${flags.days} is no whole number from 1. Fix: --days 30`);
  const untilMs = Date.now();
  const rows = await withUsageReports(loadConfig({ flags }), (reports) =>
    reports.report({ groupBy, fromMs: untilMs - days * DAY_MS, untilMs }),
  );
  if (flags.json) say(JSON.stringify(rows, null, 2));
  else if (rows.length === 0) say(`No calls in the last ${days} days.`);
  else say(usageTable(groupBy, rows));
}

/** One line a group and one for all; the bar compares what groups cost, or their tokens where nothing did. */
export function usageTable(groupBy: UsageGrouping, rows: readonly UsageRow[]): string {
  const isFree = rows.every(({ chargeNano }) => chargeNano === 0);
  const weightOf = (row: UsageRow): number => (isFree ? row.inputTokens + row.outputTokens : row.chargeNano);
  const heaviest = Math.max(1, ...rows.map(weightOf));
  const cells = (row: UsageRow, bar: string): string[] => [
    row.group,
    String(row.calls),
    String(row.inputTokens),
    String(row.cachedTokens),
    String(row.outputTokens),
    String(row.reasoningTokens),
    formatYuan(row.chargeNano),
    bar,
  ];
  return table(
    [groupBy, 'calls', 'input', 'cached', 'output', 'reasoning', 'yuan', ''],
    [
      ...rows.map((row) => cells(row, styled('cyan', '█'.repeat(Math.round((weightOf(row) / heaviest) * BAR_WIDTH))))),
      cells(sumOf(rows), ''),
    ],
  );
}

function sumOf(rows: readonly UsageRow[]): UsageRow {
  const sum = (count: (row: UsageRow) => number): number => rows.reduce((total, row) => total + count(row), 0);
  return {
    group: 'all',
    calls: sum(({ calls }) => calls),
    inputTokens: sum(({ inputTokens }) => inputTokens),
    cachedTokens: sum(({ cachedTokens }) => cachedTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
    reasoningTokens: sum(({ reasoningTokens }) => reasoningTokens),
    chargeNano: sum(({ chargeNano }) => chargeNano),
  };
}

/** All nine places: sums of nano-yuan are exact. */
function formatYuan(nano: number): string {
  const digits = String(nano).padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}
