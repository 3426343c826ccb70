/**
 * Prices and charges. A price is an integer of pico-yuan (10⁻¹² CNY) a token: what the vendor prints a million tokens,
 * times 10⁶. Charges are integers of nano-yuan (10⁻⁹ CNY).
 */
import type { Receipt } from './ports.ts';
import type { Usage } from './usage.ts';

/** The tier of a request is chosen by its input tokens and holds for its output too. */
export interface PriceTier {
  /** Exclusive. */
  readonly overTokens: number;
  /** Inclusive; null: no bound. */
  readonly upToTokens: number | null;
  readonly inputPico: number;
  readonly outputPico: number;
  /** Of all output of a request that thought. */
  readonly outputThinkingPico: number;
}

export interface ModelPrices {
  /** Ascending, at least one. */
  readonly tiers: readonly PriceTier[];
  /** Thousandths of the input price: found without marks, found by a mark, and written by a mark. */
  readonly cacheReadPermille: number;
  readonly explicitCacheReadPermille: number;
  readonly cacheWritePermille: number;
  /** Thousandths of the price for lines of a batch. */
  readonly batchPermille: number;
}

/** A call, as its price depends on it. */
export interface ChargedCall {
  readonly usage: Usage;
  readonly ending: Receipt['ending'];
  readonly priority: Receipt['priority'];
  /** Something of the answer went to the client as it came. */
  readonly wasStreamed: boolean;
}

/** One item of the bill, named as on the vendor's. An item that the free quota paid in part has two lines. */
export interface ChargeLine {
  readonly item: string;
  readonly tokens: number;
  /** What is to be paid: 0 on a line that the free quota paid. */
  readonly nano: number;
  /** Paid by the free quota. */
  readonly isFree?: true | undefined;
}

export interface Charge {
  readonly lines: readonly ChargeLine[];
  /** The sum of the lines. */
  readonly totalNano: number;
  /** Tokens that the free quota paid. */
  readonly freeTokens: number;
}

export const NO_CHARGE: Charge = { lines: [], totalNano: 0, freeTokens: 0 };

/** Tokens a model answers for free: so many, for so many days from its first use. Of a region, alias and snapshot apart. */
export interface FreeQuota {
  readonly tokens: number;
  readonly days: number;
  /** False: calls fail when it is used up, as the model cannot be paid for. */
  readonly isPaidAfter: boolean;
}
