/**
 * The sums that reports read instead of receipts. One addition a batch of receipts and sum, whatever the number of
 * receipts: a busy server's receipts are mostly of the same hour, key and model.
 */
import type { Transaction } from 'kysely';
import { beijingDayStart, hourStart } from '../../core/calendar.ts';
import type { Receipt } from '../../core/ports.ts';
import type { ChargeLine } from '../../core/prices.ts';
import type { Database, Row } from './database.ts';
import type { BillItemsTable, Tables, UsageCounts, UsageSumsTable, UsageTotalsTable } from './tables.ts';

/** What the sums of a time are kept apart by. */
export const USAGE_KEYS = [
  'starts_at_ms',
  'region',
  'workspace_id',
  'key_id',
  'model',
  'protocol',
  'ending',
  'priority',
] as const satisfies readonly (keyof UsageSumsTable)[];

const TOTALS_KEYS = ['starts_at_ms', 'region'] as const satisfies readonly (keyof UsageTotalsTable)[];

const BILL_KEYS = [
  'starts_at_ms',
  'region',
  'workspace_id',
  'key_id',
  'model',
  'item',
  'is_free',
] as const satisfies readonly (keyof BillItemsTable)[];

/** Adds receipts that were not counted before, in the transaction that writes them. */
export async function addUsageSums(
  database: Database,
  transaction: Transaction<Tables>,
  receipts: readonly Receipt[],
): Promise<void> {
  const hourly = new Sums(USAGE_KEYS);
  const daily = new Sums(USAGE_KEYS);
  const totals = new Sums(TOTALS_KEYS);
  const bill = new Sums(BILL_KEYS);
  for (const receipt of receipts) {
    const counts = countsOf(receipt);
    const { region, workspaceId, keyId, model, protocol, ending, priority } = receipt;
    const hour = hourStart(receipt.startedAtMs);
    const day = beijingDayStart(receipt.startedAtMs);
    const dimensions = [region, workspaceId, keyId, model, protocol, ending, priority];
    hourly.add([hour, ...dimensions], counts);
    daily.add([day, ...dimensions], counts);
    totals.add([hour, region], counts);
    for (const { item, tokens, nano, isFree } of receipt.charge.lines)
      bill.add([day, region, workspaceId, keyId, model, item, isFree ? 'free' : 'paid'], { tokens, nano });
  }
  await database.addSums(transaction, 'usage_hourly', USAGE_KEYS, hourly.rows());
  await database.addSums(transaction, 'usage_daily', USAGE_KEYS, daily.rows());
  await database.addSums(transaction, 'usage_totals', TOTALS_KEYS, totals.rows());
  await database.addSums(transaction, 'bill_items', BILL_KEYS, bill.rows());
}

/** Rows of counts, one a key. */
class Sums<Counts extends { readonly [name: string]: number }> {
  readonly #keys: readonly string[];
  readonly #rows = new Map<string, { [column: string]: string | number }>();

  constructor(keys: readonly string[]) {
    this.#keys = keys;
  }

  add(key: readonly (string | number)[], counts: Counts): void {
    const id = JSON.stringify(key);
    const row = this.#rows.get(id);
    if (row) for (const [name, count] of Object.entries(counts)) row[name] = Number(row[name]) + count;
    else this.#rows.set(id, { ...Object.fromEntries(this.#keys.map((name, at) => [name, key[at] ?? ''])), ...counts });
  }

  /** In the order of their keys, which every process keeps. */
  rows(): Row[] {
    return [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }
}

function countsOf({ usage: { input, output }, charge }: Receipt): UsageCounts & { [name: string]: number } {
  const nano = { input: 0, cached: 0, written: 0, output: 0 };
  for (const line of charge.lines) nano[kindOf(line)] += line.nano;
  return {
    calls: 1,
    input_tokens: input.total,
    cached_tokens: input.cachedRead,
    written_tokens: input.cacheWritten,
    image_tokens: input.image,
    video_tokens: input.video,
    audio_tokens: input.audio,
    tool_tokens: input.toolDefinitions,
    output_tokens: output.total,
    reasoning_tokens: output.reasoning,
    free_tokens: charge.freeTokens,
    charge_nano: charge.totalNano,
    input_nano: nano.input,
    cached_nano: nano.cached,
    written_nano: nano.written,
  };
}

/** Items wear a tier and `thinking_` in front, and end in what they are: `context_0-128k_thinking_input_token_batch`. */
function kindOf({ item }: ChargeLine): 'input' | 'cached' | 'written' | 'output' {
  if (item.includes('input_token_cache_creation')) return 'written';
  if (item.includes('input_token_cache')) return 'cached';
  return item.includes('input_token') ? 'input' : 'output';
}
