/**
 * The sums that reports read instead of receipts. One addition a batch of receipts and sum, whatever the number of
 * receipts: a busy server's receipts are mostly of the same hour, key and model, and are added up by these first.
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

/** Receipts that are of the same hour and alike in all that sums are kept apart by, added up. */
export interface AlikeReceipts {
  readonly hourMs: number;
  /** Any of them. */
  readonly receipt: Receipt;
  readonly counts: UsageCounts & { [name: string]: number };
  readonly items: ReadonlyMap<string, BilledItem>;
}

interface BilledItem {
  readonly item: string;
  readonly isFree: boolean;
  tokens: number;
  nano: number;
}

/** Adds receipts up; their texts have no NUL in them. */
export function alike(receipts: readonly Receipt[]): readonly AlikeReceipts[] {
  const groups = new Map<string, Group>();
  for (const receipt of receipts) {
    const { region, workspaceId, keyId, model, protocol, ending, priority } = receipt;
    const hourMs = hourStart(receipt.startedAtMs);
    const id = `${hourMs}\0${region}\0${workspaceId}\0${keyId}\0${model}\0${protocol}\0${ending}\0${priority}`;
    let group = groups.get(id);
    if (!group) {
      group = new Group(hourMs, receipt);
      groups.set(id, group);
    }
    group.add(receipt);
  }
  return [...groups.values()];
}

class Group implements AlikeReceipts {
  readonly hourMs: number;
  readonly receipt: Receipt;
  readonly counts = noCounts();
  readonly items = new Map<string, BilledItem>();

  constructor(hourMs: number, receipt: Receipt) {
    this.hourMs = hourMs;
    this.receipt = receipt;
  }

  add({ usage: { input, output }, charge }: Receipt): void {
    const { counts } = this;
    counts.calls++;
    counts.input_tokens += input.total;
    counts.cached_tokens += input.cachedRead;
    counts.written_tokens += input.cacheWritten;
    counts.image_tokens += input.image;
    counts.video_tokens += input.video;
    counts.audio_tokens += input.audio;
    counts.tool_tokens += input.toolDefinitions;
    counts.output_tokens += output.total;
    counts.reasoning_tokens += output.reasoning;
    counts.free_tokens += charge.freeTokens;
    counts.charge_nano += charge.totalNano;
    for (const line of charge.lines) this.#addLine(line);
  }

  #addLine(line: ChargeLine): void {
    const { item, tokens, nano } = line;
    const isFree = line.isFree === true;
    const id = isFree ? `free ${item}` : item;
    let known = this.items.get(id);
    if (!known) {
      known = { item, isFree, tokens: 0, nano: 0 };
      this.items.set(id, known);
    }
    known.tokens += tokens;
    known.nano += nano;
    const kind = kindOf(item);
    if (kind) this.counts[kind] += nano;
  }
}

function noCounts(): UsageCounts & { [name: string]: number } {
  return {
    calls: 0,
    input_tokens: 0,
    cached_tokens: 0,
    written_tokens: 0,
    image_tokens: 0,
    video_tokens: 0,
    audio_tokens: 0,
    tool_tokens: 0,
    output_tokens: 0,
    reasoning_tokens: 0,
    free_tokens: 0,
    charge_nano: 0,
    input_nano: 0,
    cached_nano: 0,
    written_nano: 0,
  };
}

/** Items wear a tier and `thinking_` in front, and end in what they are: `context_0-128k_thinking_input_token_batch`. */
function kindOf(item: string): 'input_nano' | 'cached_nano' | 'written_nano' | undefined {
  if (item.includes('input_token_cache_creation')) return 'written_nano';
  if (item.includes('input_token_cache')) return 'cached_nano';
  return item.includes('input_token') ? 'input_nano' : undefined;
}

/** Adds receipts that were not counted before, in the transaction that writes them. */
export async function addUsageSums(
  database: Database,
  transaction: Transaction<Tables>,
  groups: readonly AlikeReceipts[],
): Promise<void> {
  const hourly = new Sums(USAGE_KEYS);
  const daily = new Sums(USAGE_KEYS);
  const totals = new Sums(TOTALS_KEYS);
  const bill = new Sums(BILL_KEYS);
  for (const { hourMs, receipt, counts, items } of groups) {
    const { region, workspaceId, keyId, model, protocol, ending, priority } = receipt;
    const day = beijingDayStart(hourMs);
    const dimensions = [region, workspaceId, keyId, model, protocol, ending, priority];
    hourly.add([hourMs, ...dimensions], counts);
    daily.add([day, ...dimensions], counts);
    totals.add([hourMs, region], counts);
    for (const { item, isFree, tokens, nano } of items.values())
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
