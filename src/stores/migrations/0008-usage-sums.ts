/**
 * Sums beside the receipts, so that a report need not read them: by the hour, by the day, by the hour of everything, and
 * the items of the bill by the day. Days are Beijing's, as on the vendor's bill. Filled from the receipts there are.
 */
import { type CreateTableBuilder, type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { isSqlite } from './dialect.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Ahead of UTC, all year. */
const BEIJING_MS = 8 * HOUR_MS;

const DIMENSIONS = ['region', 'workspace_id', 'key_id', 'model', 'protocol', 'ending', 'priority'] as const;
const BILL_DIMENSIONS = ['region', 'workspace_id', 'key_id', 'model', 'item', 'is_free'] as const;
const BILL_COUNTS = ['tokens', 'nano'] as const;

/** A count, and what it is the sum of in receipts and the lines of their charge. */
const COUNTS = [
  ['calls', sql`1`],
  ['input_tokens', sql`receipts.input_total`],
  ['cached_tokens', sql`receipts.input_cached_read`],
  ['written_tokens', sql`receipts.input_cache_written`],
  ['image_tokens', sql`receipts.input_image`],
  ['video_tokens', sql`receipts.input_video`],
  ['audio_tokens', sql`receipts.input_audio`],
  ['tool_tokens', sql`receipts.input_tool_definitions`],
  ['output_tokens', sql`receipts.output_total`],
  ['reasoning_tokens', sql`receipts.output_reasoning`],
  ['free_tokens', sql`receipts.free_tokens`],
  ['charge_nano', sql`receipts.charge_nano`],
  ['input_nano', sql`COALESCE(charged.input_nano, 0)`],
  ['cached_nano', sql`COALESCE(charged.cached_nano, 0)`],
  ['written_nano', sql`COALESCE(charged.written_nano, 0)`],
] as const;

export const usageSums: Migration = {
  async up(database: Kysely<unknown>) {
    const counts = COUNTS.map(([name]) => name);
    await createSums(database, 'usage_hourly', DIMENSIONS, counts);
    await createSums(database, 'usage_daily', DIMENSIONS, counts);
    await createSums(database, 'usage_totals', ['region'], counts);
    await createSums(database, 'bill_items', BILL_DIMENSIONS, BILL_COUNTS);
    await fillUsage(database, 'usage_hourly', hourOf, DIMENSIONS);
    await fillUsage(database, 'usage_daily', dayOf, DIMENSIONS);
    await fillUsage(database, 'usage_totals', hourOf, ['region']);
    await fillBill(database);
  },
};

async function createSums(
  database: Kysely<unknown>,
  table: string,
  dimensions: readonly string[],
  counts: readonly string[],
): Promise<void> {
  let created: CreateTableBuilder<string, string> = database.schema
    .createTable(table)
    .addColumn('starts_at_ms', 'bigint', (column) => column.notNull());
  for (const name of dimensions) created = created.addColumn(name, 'text', (column) => column.notNull());
  for (const name of counts) created = created.addColumn(name, 'bigint', (column) => column.notNull());
  created = created.addPrimaryKeyConstraint(`${table}_key`, ['starts_at_ms', ...dimensions]);
  // The key is most of a row: without this SQLite keeps it twice.
  await (isSqlite(database) ? created.modifyEnd(sql`WITHOUT ROWID`) : created).execute();
}

/** Starts of the hour, and of the day of Beijing, of a receipt. */
const hourOf = sql`receipts.started_at_ms / ${sql.lit(HOUR_MS)} * ${sql.lit(HOUR_MS)}`;
const dayOf = sql`(receipts.started_at_ms + ${sql.lit(BEIJING_MS)}) / ${sql.lit(DAY_MS)} * ${sql.lit(DAY_MS)} - ${sql.lit(BEIJING_MS)}`;

async function fillUsage(
  database: Kysely<unknown>,
  table: string,
  startsAt: typeof hourOf,
  dimensions: readonly string[],
): Promise<void> {
  const nanoOf = (items: string) => sql`SUM(CASE WHEN ${sql.raw(items)} THEN lines.nano ELSE 0 END)`;
  await sql`
    INSERT INTO ${sql.table(table)}
    SELECT ${startsAt}, ${sql.join(dimensions.map((name) => sql.ref(`receipts.${name}`)))},
      ${sql.join(COUNTS.map(([, value]) => sql`SUM(${value})`))}
    FROM receipts LEFT JOIN (
      SELECT lines.id, ${nanoOf("lines.item LIKE '%input_token' OR lines.item LIKE '%input_token_batch'")} AS input_nano,
        ${nanoOf("lines.item LIKE '%input_token_cache'")} AS cached_nano,
        ${nanoOf("lines.item LIKE '%input_token_cache_creation%'")} AS written_nano
      FROM (${chargeLines(database)}) AS lines GROUP BY lines.id
    ) AS charged ON charged.id = receipts.id
    GROUP BY ${startsAt}, ${sql.join(dimensions.map((name) => sql.ref(`receipts.${name}`)))}`.execute(database);
}

async function fillBill(database: Kysely<unknown>): Promise<void> {
  const keys = sql`${dayOf}, receipts.region, receipts.workspace_id, receipts.key_id, receipts.model, lines.item`;
  await sql`
    INSERT INTO bill_items
    SELECT ${keys}, 'paid', SUM(lines.tokens), SUM(lines.nano)
    FROM receipts JOIN (${chargeLines(database)}) AS lines ON lines.id = receipts.id
    GROUP BY ${keys}`.execute(database);
}

/** One row a line of a charge. */
function chargeLines(database: Kysely<unknown>) {
  return isSqlite(database)
    ? sql`SELECT receipts.id, line.value ->> 'item' AS item, line.value ->> 'tokens' AS tokens, line.value ->> 'nano' AS nano
          FROM receipts, json_each(receipts.charge_lines) AS line`
    : sql`SELECT receipts.id, line ->> 'item' AS item, (line ->> 'tokens')::bigint AS tokens, (line ->> 'nano')::bigint AS nano
          FROM receipts, json_array_elements(receipts.charge_lines::json) AS line`;
}
