/**
 * The log of requests: the receipts themselves, newest first.
 *
 * Receipts have an index by time, and none for every filter there is: each would slow down every write. A filtered page asks
 * the sums first in which hours there is anything, and reads the receipts of those hours only.
 */
import type { Expression, Selectable, SelectQueryBuilder, SqlBool } from 'kysely';
import { HOUR_MS, hourStart } from '../../core/calendar.ts';
import type { Receipt } from '../../core/ports.ts';
import type { ChargeLine } from '../../core/prices.ts';
import type { Region } from '../../core/regions.ts';
import type { LoggedRequest, RequestLog, RequestPage, RequestQuery } from '../../core/usage-report.ts';
import type { Database } from './database.ts';
import { namesOf } from './names.ts';
import type { ReceiptsTable, Tables } from './tables.ts';

type ReceiptRow = Selectable<ReceiptsTable>;
type ReceiptsQuery = SelectQueryBuilder<Tables, 'receipts', ReceiptRow>;

/** The log of one database. */
export function createRequestLog(database: Database): RequestLog {
  return {
    async page(query) {
      const rows = isFiltered(query)
        ? await filtered(database, query)
        : await newest(database, query, query.limit + 1).execute();
      return pageOf(database, query, rows);
    },
    async find(receiptId) {
      const row = await database.queries
        .selectFrom('receipts')
        .selectAll()
        .where('receipt_id', '=', receiptId)
        .executeTakeFirst();
      return row && (await named(database, [row]))[0];
    },
  };
}

/** What sums are kept apart by, and a page may be asked for. */
const FILTERS = [
  ['model', 'model'],
  ['keyId', 'key_id'],
  ['workspaceId', 'workspace_id'],
  ['region', 'region'],
  ['protocol', 'protocol'],
  ['ending', 'ending'],
] as const satisfies readonly (readonly [keyof RequestQuery, keyof Tables['usage_hourly'] & keyof ReceiptsTable])[];

function isFiltered(query: RequestQuery): boolean {
  return FILTERS.some(([name]) => query[name] !== undefined);
}

/** Span by span, newest first, until there are enough; more of them at once the longer that takes. */
async function filtered(database: Database, query: RequestQuery): Promise<ReceiptRow[]> {
  const wanted = query.limit + 1;
  const rows: ReceiptRow[] = [];
  const spans = await spansOf(database, query, wanted);
  for (let start = 0, count = 1; start < spans.length && rows.length < wanted; ) {
    const some = spans.slice(start, start + count);
    const pages = some.map((span) => newest(database, within(query, span), wanted - rows.length));
    // As subqueries, so that each has its own end and reads no more than its span.
    const [first, ...others] = pages.map((page) => database.queries.selectFrom(page.as('span')).selectAll());
    if (!first) break;
    const found = await others.reduce((all, page) => all.unionAll(page), first).execute();
    // Spans do not overlap, and no database promises the order of a union.
    rows.push(...found.sort((a, b) => b.started_at_ms - a.started_at_ms || b.id - a.id));
    start += count;
    count = Math.min(2 * count, MAX_SPANS_AT_ONCE);
  }
  return rows.slice(0, wanted);
}

const MAX_SPANS_AT_ONCE = 16;

function within(query: RequestQuery, { fromMs, untilMs }: Span): RequestQuery {
  return {
    ...query,
    fromMs: Math.max(fromMs, query.fromMs ?? fromMs),
    untilMs: Math.min(untilMs, query.untilMs ?? untilMs),
  };
}

interface Span {
  fromMs: number;
  readonly untilMs: number;
}

/** The hours of so many calls, newest first; those that follow each other are one. */
async function spansOf({ queries }: Database, query: RequestQuery, wanted: number): Promise<readonly Span[]> {
  let hours = queries.selectFrom('usage_hourly').select('starts_at_ms').groupBy('starts_at_ms');
  for (const [name, column] of FILTERS) if (query[name] !== undefined) hours = hours.where(column, '=', query[name]);
  if (query.fromMs !== undefined) hours = hours.where('starts_at_ms', '>=', hourStart(query.fromMs));
  if (query.untilMs !== undefined) hours = hours.where('starts_at_ms', '<', query.untilMs);
  if (query.before) hours = hours.where('starts_at_ms', '<=', query.before.startedAtMs);
  const spans: Span[] = [];
  // Every hour has one call at least, save the newest, whose calls may all be too new.
  for (const { starts_at_ms } of await hours
    .orderBy('starts_at_ms', 'desc')
    .limit(wanted + 1)
    .execute()) {
    const last = spans.at(-1);
    if (last?.fromMs === starts_at_ms + HOUR_MS) last.fromMs = starts_at_ms;
    else spans.push({ fromMs: starts_at_ms, untilMs: starts_at_ms + HOUR_MS });
  }
  return spans;
}

function newest({ queries }: Database, query: RequestQuery, limit: number): ReceiptsQuery {
  let receipts: ReceiptsQuery = queries.selectFrom('receipts').selectAll();
  for (const [name, column] of FILTERS)
    if (query[name] !== undefined) receipts = receipts.where(column, '=', query[name]);
  const { fromMs, untilMs, before } = query;
  if (fromMs !== undefined) receipts = receipts.where('started_at_ms', '>=', fromMs);
  if (untilMs !== undefined) receipts = receipts.where('started_at_ms', '<', untilMs);
  if (before)
    receipts = receipts.where(
      ({ eb, refTuple, tuple }): Expression<SqlBool> =>
        eb(refTuple('started_at_ms', 'id'), '<', tuple(before.startedAtMs, before.id)),
    );
  return receipts.orderBy('started_at_ms', 'desc').orderBy('id', 'desc').limit(limit);
}

/** The rows are one more than were asked for where there are any older ones. */
async function pageOf(database: Database, { limit }: RequestQuery, rows: readonly ReceiptRow[]): Promise<RequestPage> {
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return {
    requests: await named(database, page),
    next: last && { startedAtMs: last.started_at_ms, id: last.id },
  };
}

async function named(database: Database, rows: readonly ReceiptRow[]): Promise<LoggedRequest[]> {
  const names = await namesOf(
    database,
    'key',
    rows.map(({ key_id }) => key_id),
  );
  return rows.map((row) => {
    const keyName = names.get(row.key_id);
    return { ...receiptOf(row), ...(keyName === undefined ? {} : { keyName }) };
  });
}

function receiptOf(row: ReceiptRow): Receipt {
  const lines = row.charge_lines === null ? [] : (JSON.parse(row.charge_lines) as ChargeLine[]);
  return {
    receiptId: row.receipt_id ?? '',
    requestId: row.request_id,
    protocol: row.protocol,
    keyId: row.key_id,
    workspaceId: row.workspace_id,
    region: row.region as Region,
    priority: row.priority as Receipt['priority'],
    charge: { lines, totalNano: row.charge_nano, freeTokens: row.free_tokens },
    model: row.model,
    servedBy: row.served_by,
    usage: {
      input: {
        total: row.input_total,
        cachedRead: row.input_cached_read,
        cacheWritten: row.input_cache_written,
        image: row.input_image,
        video: row.input_video,
        audio: row.input_audio,
        toolDefinitions: row.input_tool_definitions,
      },
      output: { total: row.output_total, reasoning: row.output_reasoning, audio: row.output_audio },
      ...(row.hosted_tools === null ? {} : { hostedTools: JSON.parse(row.hosted_tools) as { [kind: string]: number } }),
    },
    ending: row.ending as Receipt['ending'],
    ...(row.error_code === null ? {} : { errorCode: row.error_code }),
    startedAtMs: row.started_at_ms,
    totalMs: row.total_ms,
    ...(row.first_token_ms === null ? {} : { firstTokenMs: row.first_token_ms }),
  };
}
