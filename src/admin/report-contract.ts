/** Usage, bills and the log of requests in the administration's API; see `contract.ts`. */
import { z } from 'zod';
import { isTimeZone, localTimeZone } from '../core/calendar.ts';
import type { Receipt } from '../core/ports.ts';
import { REGIONS, type Region } from '../core/regions.ts';
import type { Usage } from '../core/usage.ts';
import { type KindRow, OTHER_GROUPINGS, TIME_GROUPINGS, type UsageSums } from '../core/usage-report.ts';

// What comes out.

export interface UsageSumsView extends Omit<UsageSums, 'chargeNano'> {
  readonly chargeYuan: string;
}

export interface UsageRowView extends UsageSumsView {
  /** `2026-11-27`, a model id, a key id… */
  readonly group: string;
  /** Of a key or a workspace. */
  readonly name?: string | undefined;
}

/** `GET /admin/usage`. Times are taken to whole hours. */
export interface UsageView extends UsageSpan {
  readonly items: readonly UsageRowView[];
  /** Of everything that was asked for, not only of this page. */
  readonly totals: UsageSumsView;
  readonly nextCursor: string | null;
}

/** `GET /admin/usage?by=kind`: those without `partOf` add up to everything. */
export interface KindsView extends UsageSpan {
  readonly items: readonly KindView[];
  readonly nextCursor: null;
}

export interface KindView {
  readonly kind: KindRow['kind'];
  readonly partOf: 'input' | 'output' | null;
  readonly tokens: number;
  /** Null of a part: it is charged with the rest. */
  readonly chargeYuan: string | null;
}

interface UsageSpan {
  readonly by: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly timeZone: string;
}

/** `GET /admin/bill`: the vendor's monthly bill. */
export interface BillView {
  /** Of Beijing. */
  readonly month: string;
  readonly items: readonly BillLineView[];
  /** Of the whole month, with all nine decimals. */
  readonly totalYuan: string;
  readonly nextCursor: string | null;
}

export interface BillLineView {
  /** As on the vendor's bill: key, workspace, model, item, channel and whether it was free, joined by `;`. */
  readonly instance: string;
  readonly region: Region;
  readonly workspaceId: string;
  readonly keyId: string;
  readonly model: string;
  readonly item: string;
  readonly channel: 'app';
  /** Paid by the free quota. */
  readonly isFree: boolean;
  readonly tokens: number;
  readonly unit: 'token';
  /** With all nine decimals. */
  readonly yuan: string;
}

/** `GET /admin/requests`. */
export interface RequestView extends Omit<Receipt, 'charge' | 'usage' | 'errorCode' | 'firstTokenMs'> {
  readonly keyName: string | null;
  readonly errorCode: string | null;
  readonly firstTokenMs: number | null;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly writtenTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  readonly freeTokens: number;
  readonly chargeYuan: string;
}

/** `GET /admin/requests/:receiptId`. */
export interface RequestDetailsView extends RequestView {
  readonly usage: Usage;
  readonly lines: readonly { item: string; tokens: number; yuan: string; isFree: boolean }[];
  /** Null where the key keeps no bodies, and when their time is up. */
  readonly body: { readonly request: unknown; readonly reply: unknown } | null;
}

// What goes in.

const ENDINGS = ['completed', 'cancelled', 'client-gone', 'failed'] as const satisfies readonly Receipt['ending'][];

const GROUPINGS = [...TIME_GROUPINGS, ...OTHER_GROUPINGS] as const;
/** What usage may be grouped by; kinds of tokens are a report of their own. */
export const USAGE_GROUPINGS = [...GROUPINGS, 'kind'] as const;

/** A day (`2026-11-27`, of the time zone that is asked for), a time with its offset, or milliseconds since the epoch. */
const time = z.string().regex(/^(?:\d{4}-\d\d-\d\d(?:T[\d:.]{4,12}(?:Z|[+-]\d\d:?\d\d))?|\d{1,15})$/, {
  error: 'must be a day such as 2026-11-27, a time such as 2026-11-27T08:00+08:00, or milliseconds',
});

const filters = {
  from: time.optional(),
  /** A day is meant to its end. */
  until: time.optional(),
  timeZone: z
    .string()
    .refine(isTimeZone, { error: 'must be a time zone such as Asia/Shanghai or +08:00' })
    .default(localTimeZone),
  model: z.string().optional(),
  keyId: z.string().optional(),
  workspaceId: z.string().optional(),
  region: z.enum(REGIONS).optional(),
};

const page = {
  limit: z.coerce.number().pipe(z.int().min(1).max(1000)).default(100),
  after: z.string().optional(),
  format: z.enum(['json', 'csv']).default('json'),
};

export const usageQuerySchema = z.strictObject({
  by: z.enum(GROUPINGS, { error: `must be one of ${USAGE_GROUPINGS.join(', ')}` }).default('day'),
  ...filters,
  ...page,
});
export type UsageRequest = z.input<typeof usageQuerySchema>;

export const kindsQuerySchema = usageQuerySchema.extend({ by: z.literal('kind').default('kind') });
export type KindsRequest = z.input<typeof kindsQuerySchema>;

export const billQuerySchema = z.strictObject({
  /** Of Beijing; left out, this one. */
  month: z
    .string()
    .regex(/^\d{4}-(?:0[1-9]|1[0-2])$/, { error: 'must be a month such as 2026-11' })
    .optional(),
  ...page,
});
export type BillRequest = z.input<typeof billQuerySchema>;

export const requestQuerySchema = z.strictObject({
  ...filters,
  protocol: z.string().optional(),
  ending: z.enum(ENDINGS).optional(),
  ...page,
});
export type RequestsRequest = z.input<typeof requestQuerySchema>;
