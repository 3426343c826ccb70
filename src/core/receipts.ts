/**
 * Receipts and the sums that are kept beside them, as the ledger (`billing/`) asks the database for them. Sums are written in
 * the transaction that writes their receipts, so that both always agree.
 */
import type { Receipt } from './ports.ts';
import type { Region } from './regions.ts';

/** The free tokens of a model in a region, from their first use on. */
export interface QuotaGrant {
  readonly region: Region;
  /** The catalogue's id: other names of a model draw from the same grant. */
  readonly model: string;
  readonly tokens: number;
  readonly firstUsedAtMs: number;
  readonly expiresAtMs: number;
}

/** A receipt, and the grant it drew from if it did. Whole in itself: the journal keeps it like this. */
export interface SettledCall {
  readonly receipt: Receipt;
  readonly quota: QuotaGrant | undefined;
}

export interface SpendingSum {
  readonly scope: 'key' | 'workspace';
  readonly id: string;
  /** A calendar month of Beijing (`2026-11`), or `total`. */
  readonly period: string;
  readonly nano: number;
}

export interface QuotaSum extends QuotaGrant {
  readonly usedTokens: number;
}

export interface MoneySums {
  readonly spending: readonly SpendingSum[];
  readonly quotas: readonly QuotaSum[];
}

export interface ReceiptStore {
  /**
   * Writes the receipts that are not there yet, and adds them to the sums, all or nothing. Rejects when the database cannot
   * take them now; gives back those that it can never take.
   */
  write(calls: readonly SettledCall[]): Promise<readonly UnwritableCall[]>;
  /** What was spent in a month and in all, and what was drawn from the free quotas. */
  sums(month: string): Promise<MoneySums>;
}

export interface UnwritableCall {
  readonly call: SettledCall;
  readonly error: unknown;
}
