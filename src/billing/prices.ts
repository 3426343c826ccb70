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
 * - A failed call is free; one that was stopped, cancelled or left by its client costs what was generated.
 * - All tokens of a request cost what its input tier costs. Reasoning is output.
 * - Output of a request that thought has a price of its own; one that was asked to think and did not has the plain one.
 * - Read and written cache tokens are input at a factor. The price of a batch and the price of a cache never combine.
 */
export function chargeOf({ usage, ending, priority }: ChargedCall, prices: ModelPrices | undefined): Charge {
  if (!prices || ending === 'failed') return NO_CHARGE;
  const { input, output } = usage;
  const tier = tierOf(prices.tiers, input.total);
  if (!tier) return NO_CHARGE;
  const isBatch = priority === 'batch';
  const hasThought = output.reasoning > 0;
  const cached = isBatch ? 0 : input.cachedRead;
  const written = isBatch ? 0 : input.cacheWritten;
  const factor = isBatch ? prices.batchPermille : WHOLE;
  const name = (item: string): string => `${tierName(tier, prices.tiers)}${hasThought ? 'thinking_' : ''}${item}`;
  const suffix = isBatch ? '_batch' : '';
  const outputPico = hasThought ? tier.outputThinkingPico : tier.outputPico;
  const lines = [
    line(name(`input_token${suffix}`), input.total - cached - written, tier.inputPico, factor),
    line(name('input_token_cache'), cached, tier.inputPico, prices.cacheReadPermille),
    line(name('input_token_cache_creation_5m'), written, tier.inputPico, prices.cacheWritePermille),
    line(name(`output_token${suffix}`), output.total, outputPico, factor),
  ].filter(({ tokens }) => tokens > 0);
  return { lines, totalNano: lines.reduce((sum, { nano }) => sum + nano, 0) };
}

const WHOLE = 1000;

/** The first whose bound holds; what is above the last bound is charged as the last. */
function tierOf(tiers: readonly PriceTier[], inputTokens: number): PriceTier | undefined {
  return tiers.find(({ upToTokens }) => upToTokens === null || inputTokens <= upToTokens) ?? tiers.at(-1);
}

function line(item: string, tokens: number, pico: number, permille: number): ChargeLine {
  return { item, tokens, nano: nanoOf(tokens, pico, permille) };
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
