/** Whether what is kept beside the receipts agrees with them. */
import { beijingDayStart, beijingMonthOf, hourStart } from '../../src/core/calendar.ts';
import type { ChargeLine } from '../../src/core/prices.ts';
import type { Database } from '../../src/stores/sql/database.ts';

const READ = [
  'started_at_ms',
  'region',
  'workspace_id',
  'key_id',
  'model',
  'protocol',
  'ending',
  'priority',
  'input_total',
  'output_total',
  'free_tokens',
  'charge_nano',
  'charge_lines',
] as const;

/** Adds up every receipt anew and names the sums that are not as they should be; none is well. */
export async function sumsThatDisagree({ queries }: Pick<Database, 'queries'>): Promise<string[]> {
  const receipts = await queries.selectFrom('receipts').select(READ).execute();
  const right = new Tally();
  for (const receipt of receipts) {
    const { started_at_ms, region, workspace_id, key_id, model, protocol, ending, priority } = receipt;
    for (const period of [beijingMonthOf(started_at_ms), 'total']) {
      right.add(`spending key ${key_id} ${period}`, receipt.charge_nano);
      right.add(`spending workspace ${workspace_id} ${period}`, receipt.charge_nano);
    }
    right.add(`quota ${region} ${model}`, receipt.free_tokens);
    const dimensions = [region, workspace_id, key_id, model, protocol, ending, priority].join(' ');
    for (const [column, count] of [
      ['calls', 1],
      ['input_tokens', receipt.input_total],
      ['output_tokens', receipt.output_total],
      ['free_tokens', receipt.free_tokens],
      ['charge_nano', receipt.charge_nano],
    ] as const) {
      right.add(`usage_hourly ${hourStart(started_at_ms)} ${dimensions} ${column}`, count);
      right.add(`usage_daily ${beijingDayStart(started_at_ms)} ${dimensions} ${column}`, count);
      right.add(`usage_totals ${hourStart(started_at_ms)} ${region} ${column}`, count);
    }
    for (const { item, tokens, nano, isFree } of JSON.parse(receipt.charge_lines ?? '[]') as ChargeLine[]) {
      const line = [
        beijingDayStart(started_at_ms),
        region,
        workspace_id,
        key_id,
        model,
        item,
        isFree ? 'free' : 'paid',
      ];
      right.add(`bill_items ${line.join(' ')} tokens`, tokens);
      right.add(`bill_items ${line.join(' ')} nano`, nano);
    }
  }
  return right.differencesTo(await kept(queries));
}

async function kept(queries: Database['queries']): Promise<Tally> {
  const tally = new Tally();
  for (const { scope, scope_id, period, nano } of await queries.selectFrom('spending').selectAll().execute())
    tally.add(`spending ${scope} ${scope_id} ${period}`, nano);
  for (const { region, model, used_tokens } of await queries.selectFrom('free_quotas').selectAll().execute())
    tally.add(`quota ${region} ${model}`, used_tokens);
  for (const table of ['usage_hourly', 'usage_daily'] as const)
    for (const row of await queries.selectFrom(table).selectAll().execute()) {
      const { starts_at_ms, region, workspace_id, key_id, model, protocol, ending, priority } = row;
      const dimensions = [region, workspace_id, key_id, model, protocol, ending, priority].join(' ');
      for (const column of COLUMNS) tally.add(`${table} ${starts_at_ms} ${dimensions} ${column}`, row[column]);
    }
  for (const row of await queries.selectFrom('usage_totals').selectAll().execute())
    for (const column of COLUMNS) tally.add(`usage_totals ${row.starts_at_ms} ${row.region} ${column}`, row[column]);
  for (const row of await queries.selectFrom('bill_items').selectAll().execute()) {
    const { starts_at_ms, region, workspace_id, key_id, model, item, is_free, tokens, nano } = row;
    const line = [starts_at_ms, region, workspace_id, key_id, model, item, is_free].join(' ');
    tally.add(`bill_items ${line} tokens`, tokens);
    tally.add(`bill_items ${line} nano`, nano);
  }
  return tally;
}

const COLUMNS = ['calls', 'input_tokens', 'output_tokens', 'free_tokens', 'charge_nano'] as const;

class Tally {
  readonly #sums = new Map<string, number>();

  /** What is nothing need not be kept. */
  add(name: string, count: number): void {
    if (count !== 0) this.#sums.set(name, (this.#sums.get(name) ?? 0) + count);
  }

  differencesTo(other: Tally): string[] {
    const names = new Set([...this.#sums.keys(), ...other.#sums.keys()]);
    return [...names].flatMap((name) => {
      const [right, kept] = [this.#sums.get(name) ?? 0, other.#sums.get(name) ?? 0];
      return right === kept ? [] : [`${name}: ${kept} instead of ${right}`];
    });
  }
}
