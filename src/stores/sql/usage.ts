/**
 * Reports over the sums of `usage-sums.ts`. A long time is read by the day, and only what is left of it at both ends by
 * the hour, so that a report costs about the same however many calls there were.
 */
import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import { beijingDayStart, Calendar, DAY_MS, HOUR_MS, hourStart } from '../../core/calendar.ts';
import type {
  KindRow,
  UsageFilter,
  UsageGrouping,
  UsageQuery,
  UsageReport,
  UsageReports,
  UsageRow,
  UsageSums,
} from '../../core/usage-report.ts';
import type { Database } from './database.ts';
import { namesOf } from './names.ts';
import type { Tables, UsageCounts } from './tables.ts';

/** The reports of one database. */
export function createUsageReports(database: Database): UsageReports {
  return {
    async report(query) {
      const groups = await summed(database, query);
      // Times were added in their order; their names would not sort where the clocks are put back.
      const rows = isByTime(query.groupBy) ? [...groups.values()] : [...groups.values()].sort(dearestFirst);
      return pageOf(database, query, rows);
    },
    kinds: (filter) => kinds(database, filter),
  };
}

// Which sums are read.

interface Part {
  readonly table: 'usage_hourly' | 'usage_daily' | 'usage_totals';
  readonly fromMs: number;
  readonly untilMs: number;
}

/** The smallest sums that can tell. */
function partsOf(query: UsageQuery, calendar: Calendar): readonly Part[] {
  const fromMs = hourStart(query.fromMs);
  const untilMs = hourStart(query.untilMs + HOUR_MS - 1);
  const { groupBy } = query;
  if (!isByTime(groupBy) || (groupBy !== 'hour' && calendar.keepsBeijingDays(fromMs, untilMs)))
    return byDaysWithin(fromMs, untilMs);
  const isOfEverything = [query.model, query.keyId, query.workspaceId].every((each) => each === undefined);
  return [{ table: isOfEverything ? 'usage_totals' : 'usage_hourly', fromMs, untilMs }];
}

/** Whole days of Beijing, and the hours before and after them. */
function byDaysWithin(fromMs: number, untilMs: number): readonly Part[] {
  const firstDayMs = beijingDayStart(fromMs + DAY_MS - 1);
  const lastDayMs = beijingDayStart(untilMs);
  if (firstDayMs >= lastDayMs) return [{ table: 'usage_hourly', fromMs, untilMs }];
  const parts: readonly Part[] = [
    { table: 'usage_hourly', fromMs, untilMs: firstDayMs },
    { table: 'usage_daily', fromMs: firstDayMs, untilMs: lastDayMs },
    { table: 'usage_hourly', fromMs: lastDayMs, untilMs },
  ];
  return parts.filter((part) => part.fromMs < part.untilMs);
}

/** The columns of all three that a query may name; totals have only the first two, and are asked for nothing else. */
type SumsRow = { sums: Tables['usage_hourly'] };

function sumsWithin(database: Database, { table, fromMs, untilMs }: Part, filter: UsageFilter) {
  const { model, keyId, workspaceId, region } = filter;
  return database.queries.selectFrom(`${table} as sums` as 'usage_hourly as sums').where(({ eb, and }) => {
    const asked: Expression<SqlBool>[] = [
      eb('sums.starts_at_ms', '>=', fromMs),
      eb('sums.starts_at_ms', '<', untilMs),
      ...(model === undefined ? [] : [eb('sums.model', '=', model)]),
      ...(keyId === undefined ? [] : [eb('sums.key_id', '=', keyId)]),
      ...(workspaceId === undefined ? [] : [eb('sums.workspace_id', '=', workspaceId)]),
      ...(region === undefined ? [] : [eb('sums.region', '=', region)]),
    ];
    return and(asked);
  });
}

/** Sums of money as text: what a driver makes a number of is not exact any more. */
function total(eb: ExpressionBuilder<SumsRow, 'sums'>, count: keyof UsageCounts) {
  return sql<string>`COALESCE(CAST(SUM(${eb.ref(`sums.${count}`)}) AS TEXT), '0')`;
}

// Groups.

const COLUMNS = {
  hour: 'sums.starts_at_ms',
  day: 'sums.starts_at_ms',
  month: 'sums.starts_at_ms',
  model: 'sums.model',
  key: 'sums.key_id',
  workspace: 'sums.workspace_id',
  region: 'sums.region',
  protocol: 'sums.protocol',
  ending: 'sums.ending',
  priority: 'sums.priority',
} as const satisfies { readonly [grouping in UsageGrouping]: `sums.${string}` };

async function summed(database: Database, query: UsageQuery): Promise<Map<string, UsageRow>> {
  const calendar = new Calendar(query.timeZone);
  const groups = new Map<string, UsageRow>();
  for (const part of partsOf(query, calendar)) {
    const rows = await sumsWithin(database, part, query)
      .select(COLUMNS[query.groupBy])
      .select((eb) => [
        total(eb, 'calls').as('calls'),
        total(eb, 'input_tokens').as('inputTokens'),
        total(eb, 'cached_tokens').as('cachedTokens'),
        total(eb, 'written_tokens').as('writtenTokens'),
        total(eb, 'output_tokens').as('outputTokens'),
        total(eb, 'reasoning_tokens').as('reasoningTokens'),
        total(eb, 'free_tokens').as('freeTokens'),
        total(eb, 'charge_nano').as('chargeNano'),
      ])
      .groupBy(COLUMNS[query.groupBy])
      .orderBy(COLUMNS[query.groupBy])
      .execute();
    for (const row of rows) {
      const group = groupOf(query.groupBy, row, calendar);
      const so = groups.get(group);
      const sums = sumsOf(row);
      groups.set(group, { group, ...(so ? added(so, sums) : sums) });
    }
  }
  return groups;
}

function groupOf(
  groupBy: UsageGrouping,
  row: { readonly [column: string]: unknown; readonly starts_at_ms?: number },
  calendar: Calendar,
): string {
  const startsAtMs = row.starts_at_ms ?? 0;
  switch (groupBy) {
    case 'hour':
      return calendar.minuteOf(startsAtMs);
    case 'day':
      return calendar.dayOf(startsAtMs);
    case 'month':
      return calendar.monthOf(startsAtMs);
    default:
      return String(row[COLUMNS[groupBy].slice('sums.'.length)]);
  }
}

function sumsOf(row: { readonly [sum in keyof UsageSums]: string }): UsageSums {
  return {
    calls: Number(row.calls),
    inputTokens: Number(row.inputTokens),
    cachedTokens: Number(row.cachedTokens),
    writtenTokens: Number(row.writtenTokens),
    outputTokens: Number(row.outputTokens),
    reasoningTokens: Number(row.reasoningTokens),
    freeTokens: Number(row.freeTokens),
    chargeNano: BigInt(row.chargeNano),
  };
}

function added(a: UsageSums, b: UsageSums): UsageSums {
  return {
    calls: a.calls + b.calls,
    inputTokens: a.inputTokens + b.inputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    writtenTokens: a.writtenTokens + b.writtenTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    freeTokens: a.freeTokens + b.freeTokens,
    chargeNano: a.chargeNano + b.chargeNano,
  };
}

const NOTHING: UsageSums = {
  calls: 0,
  inputTokens: 0,
  cachedTokens: 0,
  writtenTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  freeTokens: 0,
  chargeNano: 0n,
};

// Pages.

function isByTime(groupBy: UsageGrouping): groupBy is 'hour' | 'day' | 'month' {
  return groupBy === 'hour' || groupBy === 'day' || groupBy === 'month';
}

function dearestFirst(a: UsageRow, b: UsageRow): number {
  if (a.chargeNano !== b.chargeNano) return a.chargeNano > b.chargeNano ? -1 : 1;
  return b.calls - a.calls || (a.group < b.group ? -1 : 1);
}

async function pageOf(database: Database, query: UsageQuery, rows: readonly UsageRow[]): Promise<UsageReport> {
  const start = query.after === undefined ? 0 : rows.findIndex(({ group }) => group === query.after) + 1;
  const page = rows.slice(start, start + query.limit);
  const names = await namesOf(
    database,
    query.groupBy,
    page.map(({ group }) => group),
  );
  return {
    rows: page.map((row) => ({ ...row, ...(names.has(row.group) ? { name: names.get(row.group) } : {}) })),
    totals: rows.reduce<UsageSums>(added, NOTHING),
    next: start + query.limit < rows.length ? page.at(-1)?.group : undefined,
  };
}

// Kinds.

async function kinds(database: Database, filter: UsageFilter): Promise<readonly KindRow[]> {
  const sums = new Map<string, bigint>();
  for (const part of byDaysWithin(hourStart(filter.fromMs), hourStart(filter.untilMs + HOUR_MS - 1))) {
    const row = await sumsWithin(database, part, filter)
      .select((eb) => KIND_COUNTS.map((count) => total(eb, count).as(count)))
      .executeTakeFirstOrThrow();
    for (const count of KIND_COUNTS) sums.set(count, (sums.get(count) ?? 0n) + BigInt(row[count]));
  }
  const of = (count: (typeof KIND_COUNTS)[number]): bigint => sums.get(count) ?? 0n;
  const input = of('input_tokens') - of('cached_tokens') - of('written_tokens');
  const output = of('charge_nano') - of('input_nano') - of('cached_nano') - of('written_nano');
  const part = (kind: KindRow['kind'], partOf: KindRow['partOf'], tokens: bigint): KindRow => ({
    kind,
    partOf,
    tokens: Number(tokens),
  });
  return [
    { kind: 'input', tokens: Number(input), chargeNano: of('input_nano') },
    { kind: 'cached-read', tokens: Number(of('cached_tokens')), chargeNano: of('cached_nano') },
    { kind: 'cache-write', tokens: Number(of('written_tokens')), chargeNano: of('written_nano') },
    { kind: 'output', tokens: Number(of('output_tokens')), chargeNano: output },
    part('image', 'input', of('image_tokens')),
    part('video', 'input', of('video_tokens')),
    part('audio', 'input', of('audio_tokens')),
    part('tool-definitions', 'input', of('tool_tokens')),
    part('reasoning', 'output', of('reasoning_tokens')),
  ];
}

const KIND_COUNTS = [
  'input_tokens',
  'cached_tokens',
  'written_tokens',
  'image_tokens',
  'video_tokens',
  'audio_tokens',
  'tool_tokens',
  'output_tokens',
  'reasoning_tokens',
  'charge_nano',
  'input_nano',
  'cached_nano',
  'written_nano',
] as const satisfies readonly (keyof UsageCounts)[];
