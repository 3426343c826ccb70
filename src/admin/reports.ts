/**
 * Reports, bills and the log of requests as an administrator asks for them, the same by HTTP and on the command line. Throws
 * `invalid-parameter` and `not-found`.
 */
import type { z } from 'zod';
import { beijingMonthOf, Calendar, DAY_MS } from '../core/calendar.ts';
import { formatDecimal } from '../core/decimals.ts';
import { StudioError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import type {
  BillLine,
  BillPosition,
  Bills,
  CallBodies,
  KindRow,
  LoggedRequest,
  RequestLog,
  RequestPosition,
  UsageFilter,
  UsageReports,
  UsageSums,
} from '../core/usage-report.ts';
import { read } from './read.ts';
import {
  type BillLineView,
  type BillRequest,
  type BillView,
  billQuerySchema,
  type KindsRequest,
  type KindsView,
  type KindView,
  kindsQuerySchema,
  type RequestDetailsView,
  type RequestsRequest,
  type RequestView,
  requestQuerySchema,
  type UsageRequest,
  type UsageRowView,
  type UsageSumsView,
  type UsageView,
  usageQuerySchema,
} from './report-contract.ts';

export interface ReportPorts {
  readonly usage: UsageReports;
  readonly bills: Bills;
  readonly requests: RequestLog;
  readonly bodies: Pick<CallBodies, 'find'>;
  readonly clock: Pick<Clock, 'now'>;
}

export interface AdminReports {
  usage(request?: UsageRequest): Promise<UsageView>;
  kinds(request?: KindsRequest): Promise<KindsView>;
  bill(request?: BillRequest): Promise<BillView>;
  /** Newest first. */
  requests(request?: RequestsRequest): Promise<{ items: readonly RequestView[]; nextCursor: string | null }>;
  request(receiptId: string): Promise<RequestDetailsView>;
}

/** Of usage, where nothing else is asked for. */
const DEFAULT_DAYS = 30;

export function createAdminReports(ports: ReportPorts): AdminReports {
  const { usage, bills, requests, bodies, clock } = ports;
  return {
    async usage(request = {}) {
      const query = read(usageQuerySchema, request);
      const { by, timeZone, limit, after } = query;
      const filter = filterOf(query, clock.now());
      const { rows, totals, next } = await usage.report({
        ...untilNow(filter, clock),
        groupBy: by,
        timeZone,
        limit,
        after,
      });
      return {
        ...spanOf(query, filter),
        items: rows.map(({ group, name, ...sums }): UsageRowView => ({ group, name, ...sumsView(sums) })),
        totals: sumsView(totals),
        nextCursor: next ?? null,
      };
    },
    async kinds(request = {}) {
      const query = read(kindsQuerySchema, request);
      const filter = filterOf(query, clock.now());
      return {
        ...spanOf(query, filter),
        items: (await usage.kinds(untilNow(filter, clock))).map(kindView),
        nextCursor: null,
      };
    },
    async bill(request = {}) {
      const { month = beijingMonthOf(clock.now()), limit, after } = read(billQuerySchema, request);
      const { lines, totalNano, next } = await bills.bill({ month, limit, after: decodedBillCursor(after) });
      return {
        month,
        items: lines.map(billLineView),
        totalYuan: allDecimals(totalNano),
        nextCursor: next ? encodedBillCursor(next) : null,
      };
    },
    async requests(request = {}) {
      const { from, until, timeZone, after, format: _, ...rest } = read(requestQuerySchema, request);
      const calendar = new Calendar(timeZone);
      const { requests: page, next } = await requests.page({
        ...rest,
        ...(from === undefined ? {} : { fromMs: startOf(from, calendar) }),
        ...(until === undefined ? {} : { untilMs: endOf(until, calendar) }),
        before: decodedPosition(after),
      });
      return { items: page.map(requestView), nextCursor: next ? `${next.startedAtMs}-${next.id}` : null };
    },
    async request(receiptId) {
      const request = await requests.find(receiptId);
      if (!request) throw new StudioError('not-found', `There is no request ${receiptId}.`);
      const body = await bodies.find(receiptId);
      return {
        ...requestView(request),
        usage: request.usage,
        lines: request.charge.lines.map(({ item, tokens, nano, isFree = false }) => ({
          item,
          tokens,
          yuan: formatDecimal(nano, NANO_PLACES),
          isFree,
        })),
        body: body ? { request: JSON.parse(body.request), reply: JSON.parse(body.reply) } : null,
      };
    },
  };
}

// Times.

/** Nothing began in the future: calendars need not be asked about thousands of years. */
function untilNow(filter: UsageFilter, clock: Pick<Clock, 'now'>): UsageFilter {
  return { ...filter, untilMs: Math.min(filter.untilMs, clock.now() + DAY_MS) };
}

type Filters = Omit<z.output<typeof usageQuerySchema>, 'by'>;

function spanOf({ by, timeZone }: { by: string; timeZone: string }, { fromMs, untilMs }: UsageFilter) {
  return { by, fromMs, untilMs, timeZone };
}

function filterOf(query: Filters, nowMs: number): UsageFilter {
  const { from, until, timeZone, model, keyId, workspaceId, region } = query;
  const calendar = new Calendar(timeZone);
  const untilMs = until === undefined ? nowMs : endOf(until, calendar);
  const fromMs =
    from === undefined
      ? calendar.startOf(calendar.dayOf(untilMs - 1 - (DEFAULT_DAYS - 1) * DAY_MS))
      : startOf(from, calendar);
  return { fromMs, untilMs, model, keyId, workspaceId, region };
}

function startOf(time: string, calendar: Calendar): number {
  return isDay(time) ? calendar.startOf(checked(time)) : timeOf(time);
}

function endOf(time: string, calendar: Calendar): number {
  if (!isDay(time)) return timeOf(time);
  // Noon of the next day, however long this one is.
  return calendar.startOf(calendar.dayOf(calendar.startOf(checked(time)) + 1.5 * DAY_MS));
}

function isDay(time: string): boolean {
  return time.length === 'YYYY-MM-DD'.length && time.includes('-');
}

/** JavaScript takes the 31st of February for the 3rd of March. */
function checked(day: string): string {
  const atMs = Date.parse(`${day}T00:00Z`);
  if (Number.isNaN(atMs) || new Date(atMs).toISOString().slice(0, 10) !== day)
    throw new StudioError('invalid-parameter', `There is no day ${day}.`);
  return day;
}

function timeOf(time: string): number {
  const atMs = /^\d+$/.test(time) ? Number(time) : Date.parse(time);
  if (Number.isNaN(atMs) || atMs > MAX_TIME_MS) throw new StudioError('invalid-parameter', `There is no time ${time}.`);
  return atMs;
}

/** The end of the year 9999: calendars have four digits for a year. */
const MAX_TIME_MS = 253_402_300_799_999;

// Places to go on at.

function decodedPosition(after: string | undefined): RequestPosition | undefined {
  if (after === undefined) return undefined;
  const [, startedAtMs, id] = /^(\d{1,15})-(\d{1,15})$/.exec(after) ?? [];
  if (startedAtMs === undefined || id === undefined) throw wrongCursor();
  return { startedAtMs: Number(startedAtMs), id: Number(id) };
}

function encodedBillCursor({ region, workspaceId, keyId, model, item, isFree }: BillPosition): string {
  return Buffer.from(JSON.stringify([region, workspaceId, keyId, model, item, isFree])).toString('base64url');
}

function decodedBillCursor(after: string | undefined): BillPosition | undefined {
  if (after === undefined) return undefined;
  const [region, workspaceId, keyId, model, item, isFree] = parsedList(Buffer.from(after, 'base64url').toString());
  if (
    ![region, workspaceId, keyId, model, item].every((each) => typeof each === 'string') ||
    typeof isFree !== 'boolean'
  )
    throw wrongCursor();
  return { region, workspaceId, keyId, model, item, isFree } as BillPosition;
}

function parsedList(json: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(json);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

function wrongCursor(): StudioError {
  return new StudioError('invalid-parameter', 'after must be a nextCursor of this list.');
}

// Views.

const NANO_PLACES = 9;

/** As on the vendor's bill. */
function allDecimals(nano: bigint): string {
  const digits = String(nano).padStart(NANO_PLACES + 1, '0');
  return `${digits.slice(0, -NANO_PLACES)}.${digits.slice(-NANO_PLACES)}`;
}

function sumsView({ chargeNano, ...counts }: UsageSums): UsageSumsView {
  return { ...counts, chargeYuan: formatDecimal(chargeNano, NANO_PLACES) };
}

function kindView({ kind, partOf, tokens, chargeNano }: KindRow): KindView {
  const chargeYuan = chargeNano === undefined ? null : formatDecimal(chargeNano, NANO_PLACES);
  return { kind, partOf: partOf ?? null, tokens, chargeYuan };
}

function billLineView({ nano, ...line }: BillLine): BillLineView {
  const { keyId, workspaceId, model, item, isFree } = line;
  const channel = 'app';
  const instance = [keyId, workspaceId, model, item, channel, isFree ? '1' : '0'].join(';');
  return { instance, ...line, channel, unit: 'token', yuan: allDecimals(nano) };
}

function requestView({ usage, charge, keyName, errorCode, firstTokenMs, ...rest }: LoggedRequest): RequestView {
  return {
    ...rest,
    keyName: keyName ?? null,
    errorCode: errorCode ?? null,
    firstTokenMs: firstTokenMs ?? null,
    inputTokens: usage.input.total,
    cachedTokens: usage.input.cachedRead,
    writtenTokens: usage.input.cacheWritten,
    outputTokens: usage.output.total,
    reasoningTokens: usage.output.reasoning,
    freeTokens: charge.freeTokens,
    chargeYuan: formatDecimal(charge.totalNano, NANO_PLACES),
  };
}
