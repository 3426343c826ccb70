/**
 * The administration's API, `/admin`: what goes in and what comes out. The console imports the types; the schemas check what
 * comes in, from HTTP and from the command line alike. Times are milliseconds since the epoch. Money is yuan as decimal text
 * (nano-yuan are exact in it), prices are yuan a million tokens. A list comes in pages: `?after=` takes `nextCursor`.
 */
import { z } from 'zod';
import { parseDecimal } from '../core/decimals.ts';
import type { ModelLimits } from '../core/models.ts';
import type { AuditRow, KeyLimits } from '../core/platform.ts';
import { DEFAULT_WORKSPACE_ID } from '../core/ports.ts';
import type { FreeQuota } from '../core/prices.ts';
import type { QuotaSum } from '../core/receipts.ts';
import { REGION_FACTS, REGIONS, type Region, SHARED_HOST_LABELS } from '../core/regions.ts';

export type { AuditRow, KeyLimits, QuotaSum };

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Null: this is the last page. */
  readonly nextCursor: string | null;
}

// What comes out.

export interface BudgetView {
  /** Calls are refused once as much is spent. */
  readonly yuan: string;
  /** Of a calendar month of Beijing, or of all time. */
  readonly period: 'month' | 'total';
}

export interface KeyView {
  readonly id: string;
  readonly kind: 'api' | 'admin';
  readonly name: string;
  /** The first and last characters of the secret. */
  readonly hint: string;
  readonly region: Region;
  readonly workspaceId: string;
  /** Ids and patterns; null: what the workspace may. */
  readonly models: readonly string[] | null;
  readonly budget: BudgetView | null;
  readonly limits: KeyLimits | null;
  readonly keepsBodies: boolean;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
  readonly state: KeyState;
}

export type KeyState = (typeof KEY_STATES)[number];

export interface CreatedKey {
  readonly key: KeyView;
  /** Never to be had again. */
  readonly secret: string;
}

export interface WorkspaceView {
  readonly id: string;
  readonly name: string;
  /** Ids and patterns; null: every model. */
  readonly models: readonly string[] | null;
  readonly budget: BudgetView | null;
  readonly createdAtMs: number;
  readonly liveKeys: number;
}

export interface ModelView {
  readonly id: string;
  readonly name: string;
  readonly family: string;
  /** Who answers; null: nobody. */
  readonly servedBy: string | null;
  readonly isStandIn: boolean;
  readonly contextWindow: number | null;
  readonly maxInput: number | null;
  readonly maxOutput: number | null;
  readonly thinking: string;
  /** What it can do: `tools`, `vision`… */
  readonly capabilities: readonly string[];
  /** What holds now; null: calls are free. */
  readonly prices: PricesView | null;
  readonly freeQuota: FreeQuota | null;
  readonly limits: ModelLimits | null;
}

export interface PricesView {
  readonly tiers: readonly PriceTierView[];
  /** Thousandths of the input price. */
  readonly cacheReadPermille: number;
  readonly explicitCacheReadPermille: number;
  readonly cacheWritePermille: number;
  /** Thousandths of the price. */
  readonly batchPermille: number;
}

export interface PriceTierView {
  /** Of input, inclusive; null: no bound. */
  readonly upToTokens: number | null;
  readonly input: string;
  readonly output: string;
  readonly outputThinking: string;
}

export interface PriceView {
  readonly model: string;
  /** Null: in every region. */
  readonly region: Region | null;
  readonly validFromMs: number;
  /** Null: the catalogue's hold again. */
  readonly prices: PricesView | null;
}

export interface QuotaView {
  /** Models whose calls are refused when their free tokens are used up; `*` is every model. */
  readonly freeTierOnly: readonly string[];
  /** Those that have been used. */
  readonly used: readonly QuotaSum[];
}

/** A failure of any call: 400, 401, 403, 404, 409 or 500. */
export interface AdminErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

// What goes in.

export const KEY_STATES = ['live', 'expired', 'revoked'] as const;

const MAX_NAME = 100;
const MAX_PATTERNS = 1000;
/** Each may match anything in between; more would take long to tell that an id does not match. */
const MAX_STARS = 4;
const MAX_TIERS = 20;
const MAX_PERMILLE = 100_000;

/** Nano-yuan and pico-yuan a token, of what is written in yuan. */
const NANO_PLACES = 9;
const PRICE_PLACES = 6;

const name = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(MAX_NAME, `must have at most ${MAX_NAME} characters`)
  .regex(/^[^\p{Cc}]*$/u, 'must have no control characters');

const models = z
  .array(
    z
      .string()
      .regex(/^[\w.:/*-]{1,128}$/, 'must be a model id or a pattern such as qwen3-*')
      .refine((pattern) => pattern.split('*').length <= MAX_STARS + 1, `must have at most ${MAX_STARS} stars`),
  )
  .min(1, 'must name a model; null stands for all')
  .max(MAX_PATTERNS)
  .nullable();

/** An integer of so many places below the yuan. */
const amount = (places: number) =>
  z.union([z.string(), z.number()]).transform((written, context) => {
    const parsed = parseDecimal(written, places);
    if (parsed !== undefined) return parsed;
    context.addIssue(`must be an amount in yuan with at most ${places} decimals`);
    return z.NEVER;
  });

const budget = z
  .strictObject({ yuan: amount(NANO_PLACES), period: z.enum(['month', 'total']) })
  .transform(({ yuan, period }) => ({ nano: yuan, period }))
  .nullable();

const count = z.int().min(1).max(1_000_000_000).optional();

const limits = z
  .strictObject({
    requestsPerSecond: count,
    requestsPerMinute: count,
    tokensPerMinute: count,
    concurrentStreams: count,
  })
  .refine((given) => Object.keys(given).length > 0, 'must set a limit; null stands for none')
  .nullable();

const time = z.int().min(0).max(8_640_000_000_000_000);

const keyRules = {
  name,
  models: models.optional(),
  budget: budget.optional(),
  limits: limits.optional(),
  keepsBodies: z.boolean().optional(),
  expiresAtMs: time.nullable().optional(),
};

/** `POST /admin/keys`. An admin key has a name and an expiry only. */
export const newKeySchema = z.strictObject({
  kind: z.enum(['api', 'admin']).default('api'),
  region: z.enum(REGIONS).optional(),
  workspaceId: z.string().optional(),
  ...keyRules,
});
export type NewKeyRequest = z.input<typeof newKeySchema>;

/** `PATCH /admin/keys/:id`. */
export const keyChangesSchema = z.strictObject({ ...keyRules, name: name.optional() });
export type KeyChangesRequest = z.input<typeof keyChangesSchema>;

/** `GET /admin/keys`. */
export const keyQuerySchema = z.strictObject({
  ...pageFields(),
  state: z.enum(KEY_STATES).optional(),
  kind: z.enum(['api', 'admin']).optional(),
  region: z.enum(REGIONS).optional(),
  workspaceId: z.string().optional(),
});
export type KeyQuery = z.input<typeof keyQuerySchema>;

/** A label of a host name (RFC 1123): `{WorkspaceId}.cn-beijing.maas.aliyuncs.com`. */
const HOST_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** What would be taken for something else in a host name, or by people. */
const RESERVED_IDS: ReadonlySet<string> = new Set([
  DEFAULT_WORKSPACE_ID,
  ...REGIONS,
  ...REGIONS.flatMap((region) => REGION_FACTS[region].vendorIds),
  ...SHARED_HOST_LABELS,
]);

const workspaceId = z
  .string()
  .regex(HOST_LABEL, 'must have lower-case letters, digits and dashes between them, 63 at most')
  .refine((id) => !RESERVED_IDS.has(id), 'must not be the name of a region or another name with a meaning of its own');

const workspaceRules = { name, models: models.optional(), budget: budget.optional() };

/**
 * `POST /admin/workspaces`. Without an `id` one is made up; with the one that it has at the service, programs that have the
 * host of their workspace written into them work unchanged.
 */
export const newWorkspaceSchema = z.strictObject({ id: workspaceId.optional(), ...workspaceRules });
export type NewWorkspaceRequest = z.input<typeof newWorkspaceSchema>;

/** `PATCH /admin/workspaces/:id`. */
export const workspaceChangesSchema = z.strictObject(workspaceRules).partial();
export type WorkspaceChangesRequest = z.input<typeof workspaceChangesSchema>;

export const pageQuerySchema = z.strictObject(pageFields());
export type PageQuery = z.input<typeof pageQuerySchema>;

/** `GET /admin/models`. */
export const modelQuerySchema = z.strictObject({ region: z.enum(REGIONS).optional() });

const permille = (fallback: number) => z.int().min(0).max(MAX_PERMILLE).default(fallback);

const priceTier = z
  .strictObject({
    upToTokens: z.int().min(1).nullable().default(null),
    input: amount(PRICE_PLACES),
    output: amount(PRICE_PLACES),
    /** Of all output of a request that thought; left out, as other output. */
    outputThinking: amount(PRICE_PLACES).optional(),
  })
  .transform((tier) => ({ ...tier, outputThinking: tier.outputThinking ?? tier.output }));

/** Left out, the service's usual parts ("Context cache", "Batch"): 20% and 10% for reading, 125% for writing, half for batches. */
const prices = z.strictObject({
  tiers: z
    .array(priceTier)
    .min(1)
    .max(MAX_TIERS)
    .refine(isAscending, 'must ascend by upToTokens, and only the last has none'),
  cacheReadPermille: permille(200),
  explicitCacheReadPermille: permille(100),
  cacheWritePermille: permille(1250),
  batchPermille: permille(500),
});

/** `PUT /admin/prices`: a price from a time on, now unless said otherwise. */
export const newPriceSchema = z.strictObject({
  model: z.string().regex(/^[\w.:/-]{1,128}$/, 'must be a model id'),
  region: z.enum(REGIONS).nullable().default(null),
  validFromMs: time.optional(),
  prices: prices.nullable(),
});
export type NewPriceRequest = z.input<typeof newPriceSchema>;

/** `PUT /admin/quota`. */
export const quotaChangesSchema = z.strictObject({
  freeTierOnly: z.array(z.string().regex(/^(?:\*|[\w.:/-]{1,128})$/, 'must be a model id or *')).max(MAX_PATTERNS),
});
export type QuotaChangesRequest = z.input<typeof quotaChangesSchema>;

function pageFields() {
  const limit = z.coerce.number().pipe(z.int().min(1).max(1000)).default(100);
  return { limit, after: z.string().optional() };
}

function isAscending(tiers: readonly { readonly upToTokens: number | null }[]): boolean {
  return tiers.every(({ upToTokens }, index) => {
    const next = tiers[index + 1];
    if (!next) return upToTokens === null;
    return upToTokens !== null && (next.upToTokens === null || next.upToTokens > upToTokens);
  });
}
