/** What was used and what it cost, summed over receipts. */

/** A local calendar day, a model, a key, or the way calls ended. */
export type UsageGrouping = 'day' | 'model' | 'key' | 'ending';

export interface UsageQuery {
  readonly groupBy: UsageGrouping;
  /** Calls that began at this time or later, and before that one. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Sums of one group. Every count is exact. */
export interface UsageRow {
  /** `2026-11-27`, a model id, a key id, or an ending. */
  readonly group: string;
  readonly calls: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** Nano-yuan. */
  readonly chargeNano: number;
}

export interface UsageReports {
  /** Days in their order, everything else the dearest first. */
  report(query: UsageQuery): readonly UsageRow[];
}
