/** What a call costs ("Billing" page; models reference §4, §5). */
import {
  type Charge,
  type ChargedCall,
  type ChargeLine,
  type ModelPrices,
  NO_CHARGE,
  type PriceTier,
} from '../core/prices.ts';

/**
 * The charge of one call, exact to the nano-yuan: each line is rounded once, half up, and the total is their sum.
 *
 * - What was streamed is billed, whatever way the call ended. A failed call whose client got nothing is free.
 * - All tokens of a request cost what its input tier costs. Reasoning is output.
 * - Output of a request that thought has a price of its own; one that was asked to think and did not has the plain one.
 * - Read and written cache tokens are input at a factor. The price of a batch and the price of a cache never combine.
 * - Free tokens pay for plain input and output of live calls, line by line, not for the cache.
 */
export function chargeOf(call: ChargedCall, prices: ModelPrices | undefined, freeTokens = 0): Charge {
  const isBatch = call.priority === 'batch';
  const free = isBatch ? 0 : freeTokens;
  const known = prices ?? (free > 0 ? UNPRICED : undefined);
  const tier = known && tierOf(known.tiers, call.usage.input.total);
  if (!known || !tier || isWithoutCharge(call)) return NO_CHARGE;
  return settle(itemsOf(call, known, tier), free);
}

function isWithoutCharge({ ending, priority, wasStreamed }: ChargedCall): boolean {
  return ending === 'failed' && !(wasStreamed && priority === 'live');
}

/** Of a model that answers free tokens only. */
const UNPRICED: ModelPrices = {
  tiers: [{ overTokens: 0, upToTokens: null, inputPico: 0, outputPico: 0, outputThinkingPico: 0 }],
  cacheReadPermille: 0,
  explicitCacheReadPermille: 0,
  cacheWritePermille: 0,
  batchPermille: 0,
};

const WHOLE = 1000;

/** One item of the bill before anybody has paid for it. */
interface Item {
  readonly name: string;
  readonly tokens: number;
  readonly pico: number;
  readonly permille: number;
  /** Free tokens may pay for it. */
  readonly isCovered: boolean;
}

/** The items of a call, named as on the vendor's bill. */
function itemsOf({ usage, priority }: ChargedCall, prices: ModelPrices, tier: PriceTier): readonly Item[] {
  const { input, output } = usage;
  const isBatch = priority === 'batch';
  const hasThought = output.reasoning > 0;
  const prefix = `${tierName(tier, prices.tiers)}${hasThought ? 'thinking_' : ''}`;
  const outputPico = hasThought ? tier.outputThinkingPico : tier.outputPico;
  const plain = (name: string, tokens: number, pico: number): Item => ({
    name: `${prefix}${name}${isBatch ? '_batch' : ''}`,
    tokens,
    pico,
    permille: isBatch ? prices.batchPermille : WHOLE,
    isCovered: true,
  });
  const cache = (name: string, tokens: number, permille: number): Item => ({
    name: `${prefix}${name}`,
    tokens: isBatch ? 0 : tokens,
    pico: tier.inputPico,
    permille,
    isCovered: false,
  });
  const marked = input.markedRead ?? 0;
  const fromCache = isBatch ? 0 : input.cachedRead + input.cacheWritten;
  return [
    plain('input_token', input.total - fromCache, tier.inputPico),
    cache('input_token_cache_read', marked, prices.explicitCacheReadPermille),
    cache('input_token_cache', input.cachedRead - marked, prices.cacheReadPermille),
    cache('input_token_cache_creation_5m', input.cacheWritten, prices.cacheWritePermille),
    plain('output_token', output.total, outputPico),
  ];
}

/** Pays the items in their order, with free tokens as long as there are any. */
function settle(items: readonly Item[], freeTokens: number): Charge {
  const lines: ChargeLine[] = [];
  let totalNano = 0;
  let left = freeTokens;
  for (const { name, tokens, pico, permille, isCovered } of items) {
    const free = isCovered ? Math.min(left, tokens) : 0;
    left -= free;
    if (free > 0) lines.push({ item: name, tokens: free, nano: 0, isFree: true });
    if (tokens <= free) continue;
    const nano = nanoOf(tokens - free, pico, permille);
    totalNano += nano;
    lines.push({ item: name, tokens: tokens - free, nano });
  }
  return { lines, totalNano, freeTokens: freeTokens - left };
}

/** The first whose bound holds; what is above the last bound is charged as the last. */
function tierOf(tiers: readonly PriceTier[], inputTokens: number): PriceTier | undefined {
  return tiers.find(({ upToTokens }) => upToTokens === null || inputTokens <= upToTokens) ?? tiers.at(-1);
}

/** Pico-yuan times thousandths is 10⁻¹⁵ yuan: a million of it is a nano-yuan. A long prompt leaves the safe integers. */
const PER_NANO = 1_000_000n;

function nanoOf(tokens: number, pico: number, permille: number): number {
  const exact = BigInt(tokens) * BigInt(pico) * BigInt(permille);
  return Number((exact + PER_NANO / 2n) / PER_NANO);
}

const KIBI = 1024;

/** Tiered items wear their bounds, as on the vendor's bill: `context_0-128k_`. */
function tierName({ overTokens, upToTokens }: PriceTier, tiers: readonly PriceTier[]): string {
  if (tiers.length < 2) return '';
  const bound = (tokens: number): string => (tokens === 1_000_000 ? '1m' : `${Math.round(tokens / KIBI)}k`);
  return `context_${overTokens === 0 ? '0' : bound(overTokens)}-${upToTokens === null ? '' : bound(upToTokens)}_`;
}
