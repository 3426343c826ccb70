/**
 * What keys and workspaces have spent, in memory: what the database says, and what receipts that it does not have yet cost
 * besides. What calls in flight will cost is not held back, so a budget can be passed by the calls that run when it is used
 * up; servers that share a database see each other's spending about a second late.
 */
import { beijingMonthOf } from '../core/calendar.ts';
import type { Budget, PlatformState } from '../core/platform.ts';
import type { Account } from '../core/ports.ts';
import type { SettledCall, SpendingSum } from '../core/receipts.ts';

interface Spent {
  stored: number;
  waiting: number;
}

type Scope = SpendingSum['scope'];

export class Budgets {
  #spent = new Map<string, Spent>();
  #ofKeys: ReadonlyMap<string, Budget> = new Map();
  #ofWorkspaces: ReadonlyMap<string, Budget> = new Map();

  setBudgets({ keys, workspaces }: Pick<PlatformState, 'keys' | 'workspaces'>): void {
    this.#ofKeys = budgetsOf(keys);
    this.#ofWorkspaces = budgetsOf(workspaces);
  }

  /** Takes what the database says now. Of ours it has exactly the receipts that `wrote` was told of. */
  load(sums: readonly SpendingSum[]): void {
    const before = this.#spent;
    this.#spent = new Map();
    for (const [key, { waiting }] of before) if (waiting > 0) this.#spent.set(key, { stored: 0, waiting });
    for (const { scope, id, period, nano } of sums) this.#of(scope, id, period).stored = nano;
  }

  /** Whether a call that begins now has nothing left to spend. */
  areSpent({ keyId, workspaceId }: Account, nowMs: number): boolean {
    const ofKey = this.#ofKeys.get(keyId);
    const ofWorkspace = this.#ofWorkspaces.get(workspaceId);
    return (
      (ofKey !== undefined && this.#isSpent('key', keyId, ofKey, nowMs)) ||
      (ofWorkspace !== undefined && this.#isSpent('workspace', workspaceId, ofWorkspace, nowMs))
    );
  }

  /** A call was charged, and its receipt waits for the database. */
  charged({ receipt }: SettledCall): void {
    if (receipt.charge.totalNano === 0) return;
    for (const spent of this.#ofReceipt(receipt)) spent.waiting += receipt.charge.totalNano;
  }

  /** The receipt of a call is in the database. */
  wrote({ receipt }: SettledCall): void {
    if (receipt.charge.totalNano === 0) return;
    for (const spent of this.#ofReceipt(receipt)) {
      spent.waiting -= receipt.charge.totalNano;
      spent.stored += receipt.charge.totalNano;
    }
  }

  #isSpent(scope: Scope, id: string, { nano, period }: Budget, nowMs: number): boolean {
    const spent = this.#spent.get(keyOf(scope, id, period === 'total' ? 'total' : beijingMonthOf(nowMs)));
    return (spent ? spent.stored + spent.waiting : 0) >= nano;
  }

  #ofReceipt({ keyId, workspaceId, startedAtMs }: SettledCall['receipt']): readonly Spent[] {
    const month = beijingMonthOf(startedAtMs);
    return [
      this.#of('key', keyId, month),
      this.#of('key', keyId, 'total'),
      this.#of('workspace', workspaceId, month),
      this.#of('workspace', workspaceId, 'total'),
    ];
  }

  #of(scope: Scope, id: string, period: string): Spent {
    const key = keyOf(scope, id, period);
    const spent = this.#spent.get(key) ?? { stored: 0, waiting: 0 };
    this.#spent.set(key, spent);
    return spent;
  }
}

function budgetsOf(owners: readonly { readonly id: string; readonly budget: Budget | null }[]): Map<string, Budget> {
  return new Map(owners.flatMap(({ id, budget }) => (budget ? [[id, budget] as const] : [])));
}

function keyOf(scope: Scope, id: string, period: string): string {
  return `${scope}/${id}/${period}`;
}
