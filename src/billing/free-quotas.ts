/**
 * Free quotas in memory: what the database says was drawn, and what receipts that it does not have yet drew besides. A call
 * draws when it ends, so answers that run when a quota is used up are finished and paid for what is above.
 *
 * Servers that share a database see each other's draws when `load` is called, about once a second: until then both may give
 * away the last tokens, and a quota ends up to a second of calls too late, never too early.
 */
import { DAY_MS } from '../core/calendar.ts';
import type { QuotaGrant, QuotaSum, SettledCall } from '../core/receipts.ts';
import type { Region } from '../core/regions.ts';
import type { OfferedQuota } from './price-book.ts';

interface QuotaState {
  grant: QuotaGrant;
  /** By receipts in the database. */
  stored: number;
  /** By receipts that wait for it. */
  waiting: number;
}

export class FreeQuotas {
  readonly #states = new Map<string, QuotaState>();

  /** Takes what the database says now. Of ours it has exactly the receipts that `wrote` was told of. */
  load(sums: readonly QuotaSum[]): void {
    for (const { usedTokens, ...grant } of sums) {
      const state = this.#states.get(keyOf(grant.region, grant.model));
      if (!state) this.#states.set(keyOf(grant.region, grant.model), { grant, stored: usedTokens, waiting: 0 });
      else {
        state.grant = grant;
        state.stored = usedTokens;
      }
    }
  }

  /** Tokens that are left for a call that began at a time. */
  leftOf(region: Region, { model, quota }: OfferedQuota, startedAtMs: number): number {
    const state = this.#states.get(keyOf(region, model));
    if (!state) return quota.tokens;
    if (startedAtMs >= state.grant.expiresAtMs) return 0;
    return Math.max(0, state.grant.tokens - state.stored - state.waiting);
  }

  /** The grant that a call would draw from; the first call begins it. */
  grantOf(region: Region, { model, quota }: OfferedQuota, startedAtMs: number): QuotaGrant {
    const grant = this.#states.get(keyOf(region, model))?.grant;
    if (grant) return grant;
    const expiresAtMs = startedAtMs + quota.days * DAY_MS;
    return { region, model, tokens: quota.tokens, firstUsedAtMs: startedAtMs, expiresAtMs };
  }

  /** A call has drawn, and its receipt waits for the database. */
  drew({ receipt, quota }: SettledCall): void {
    if (!quota) return;
    const key = keyOf(quota.region, quota.model);
    const state = this.#states.get(key) ?? { grant: quota, stored: 0, waiting: 0 };
    state.waiting += receipt.charge.freeTokens;
    this.#states.set(key, state);
  }

  /** The receipt of a call that drew is in the database. */
  wrote({ receipt, quota }: SettledCall): void {
    const state = quota && this.#states.get(keyOf(quota.region, quota.model));
    if (!state) return;
    state.waiting -= receipt.charge.freeTokens;
    state.stored += receipt.charge.freeTokens;
  }
}

function keyOf(region: Region, model: string): string {
  return `${region}/${model}`;
}
