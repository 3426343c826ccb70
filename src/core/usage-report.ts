/**
 * What was used and what it cost: reports over sums, the vendor's bill, the log of requests and the bodies kept with it.
 * Money is nano-yuan; sums of it are bigints, as a busy year leaves what a number holds exactly.
 */
import type { Receipt } from './ports.ts';
import type { Region } from './regions.ts';

/** The calls that a report is about. Reports know whole hours: `fromMs` is taken down and `untilMs` up to one. */
export interface UsageFilter {
  /** Calls that began at this time or later, and before that one. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly model?: string | undefined;
  readonly keyId?: string | undefined;
  readonly workspaceId?: string | undefined;
  readonly region?: Region | undefined;
}

export const TIME_GROUPINGS = ['hour', 'day', 'month'] as const;
export const OTHER_GROUPINGS = ['model', 'key', 'workspace', 'region', 'protocol', 'ending', 'priority'] as const;

export type UsageGrouping = (typeof TIME_GROUPINGS)[number] | (typeof OTHER_GROUPINGS)[number];

export interface UsageQuery extends UsageFilter {
  readonly groupBy: UsageGrouping;
  /**
   * Whose hours, days and months. An hour of the sums belongs to the day in which it begins: where a zone is half an hour
   * off, so are its days.
   */
  readonly timeZone: string;
  /** Rows at most, and the group after which they begin. */
  readonly limit: number;
  readonly after?: string | undefined;
}

/** Sums, exact. Cached and written tokens are part of the input, reasoning of the output. */
export interface UsageSums {
  readonly calls: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly writtenTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** Paid by the free quota. */
  readonly freeTokens: number;
  readonly chargeNano: bigint;
}

export interface UsageRow extends UsageSums {
  /** `2026-11-27`, a model id, a key id… */
  readonly group: string;
  /** Of a key or a workspace. */
  readonly name?: string | undefined;
}

export interface UsageReport {
  /** Times in their order, everything else the dearest first. */
  readonly rows: readonly UsageRow[];
  /** Of all rows, not only of this page. */
  readonly totals: UsageSums;
  /** The group to go on after; undefined: this is the last page. */
  readonly next: string | undefined;
}

/** A kind of token: those without `partOf` add up to everything. */
export interface KindRow {
  readonly kind:
    | 'input'
    | 'cached-read'
    | 'cache-write'
    | 'output'
    | 'image'
    | 'video'
    | 'audio'
    | 'tool-definitions'
    | 'reasoning';
  readonly partOf?: 'input' | 'output' | undefined;
  readonly tokens: number;
  /** Undefined for a part: it is charged with the rest. */
  readonly chargeNano?: bigint | undefined;
}

export interface UsageReports {
  report(query: UsageQuery): Promise<UsageReport>;
  /** `input` is what came from no cache and went into none; its parts are of all input. */
  kinds(filter: UsageFilter): Promise<readonly KindRow[]>;
}

export interface BillQuery {
  /** Of Beijing: `2026-11`. */
  readonly month: string;
  readonly limit: number;
  readonly after?: BillPosition | undefined;
}

/** One line of the vendor's bill: what a key used of one item of a model, paid or free. */
export interface BillLine {
  readonly region: Region;
  readonly workspaceId: string;
  readonly keyId: string;
  readonly model: string;
  readonly item: string;
  readonly isFree: boolean;
  readonly tokens: number;
  readonly nano: bigint;
}

/** The line to go on after. */
export type BillPosition = Pick<BillLine, 'region' | 'workspaceId' | 'keyId' | 'model' | 'item' | 'isFree'>;

export interface Bill {
  readonly lines: readonly BillLine[];
  /** Of the whole month. */
  readonly totalNano: bigint;
  readonly next: BillPosition | undefined;
}

export interface Bills {
  bill(query: BillQuery): Promise<Bill>;
}

/** Which calls, newest first. */
export interface RequestQuery extends Partial<UsageFilter> {
  readonly protocol?: string | undefined;
  readonly ending?: Receipt['ending'] | undefined;
  readonly limit: number;
  readonly before?: RequestPosition | undefined;
}

/** Where a page of the log ends: receipts of the same millisecond have an order too. */
export interface RequestPosition {
  readonly startedAtMs: number;
  readonly id: number;
}

export interface LoggedRequest extends Receipt {
  /** Of the key. */
  readonly keyName?: string | undefined;
}

export interface RequestPage {
  readonly requests: readonly LoggedRequest[];
  /** Undefined: there are no older ones. */
  readonly next: RequestPosition | undefined;
}

/** The log of requests: the receipts, as they were written. */
export interface RequestLog {
  page(query: RequestQuery): Promise<RequestPage>;
  find(receiptId: string): Promise<LoggedRequest | undefined>;
}

/** What was asked and answered in one call, as JSON without secrets and media, and cut to a size. */
export interface CallBody {
  readonly request: string;
  readonly reply: string;
}

/** Bodies of calls, of keys that keep them. */
export interface CallBodies {
  /** Never waits and never throws: what cannot be kept is lost, and the log tells. */
  keep(receiptId: string, body: CallBody, expiresAtMs: number): void;
  /** Undefined when there is none, or not any more. */
  find(receiptId: string): Promise<CallBody | undefined>;
}
