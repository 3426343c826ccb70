/** The vendor's monthly bill, from the items kept by the day. */
import { sql } from 'kysely';
import { beijingMonth } from '../../core/calendar.ts';
import type { Region } from '../../core/regions.ts';
import type { Bill, BillLine, BillPosition, BillQuery, Bills } from '../../core/usage-report.ts';
import type { Database } from './database.ts';

/** In the order of the bill: a line's key. */
const COLUMNS = ['region', 'workspace_id', 'key_id', 'model', 'item', 'is_free'] as const;

/** The bills of one database. */
export function createBills({ queries }: Database): Bills {
  const itemsOf = (month: string) => {
    const { fromMs, untilMs } = beijingMonth(month);
    return queries.selectFrom('bill_items').where('starts_at_ms', '>=', fromMs).where('starts_at_ms', '<', untilMs);
  };
  // As text: sums of money may be more than a number holds exactly.
  const nano = sql<string>`COALESCE(CAST(SUM(nano) AS TEXT), '0')`.as('nano');
  return {
    async bill(query) {
      const total = await itemsOf(query.month).select(nano).executeTakeFirstOrThrow();
      let items = itemsOf(query.month);
      if (query.after) items = items.where(comesAfter(query.after));
      const rows = await items
        .select([...COLUMNS, sql<string>`CAST(SUM(tokens) AS TEXT)`.as('tokens'), nano])
        .groupBy(COLUMNS)
        .orderBy(sql.join(COLUMNS.map((column) => sql.ref(column))))
        .limit(query.limit + 1)
        .execute();
      return billOf(
        query,
        BigInt(total.nano),
        rows.map((row) => ({
          region: row.region as Region,
          workspaceId: row.workspace_id,
          keyId: row.key_id,
          model: row.model,
          item: row.item,
          isFree: row.is_free === 'free',
          tokens: Number(row.tokens),
          nano: BigInt(row.nano),
        })),
      );
    },
  };
}

function comesAfter({ region, workspaceId, keyId, model, item, isFree }: BillPosition) {
  const values = [region, workspaceId, keyId, model, item, isFree ? 'free' : 'paid'];
  return sql<boolean>`(${sql.join(COLUMNS.map((column) => sql.ref(column)))}) > (${sql.join(values)})`;
}

/** The lines are one more than were asked for where there are any after them. */
function billOf({ limit }: BillQuery, totalNano: bigint, lines: readonly BillLine[]): Bill {
  const page = lines.slice(0, limit);
  return { lines: page, totalNano, next: lines.length > limit ? page.at(-1) : undefined };
}
