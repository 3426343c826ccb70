/**
 * The ledger: a receipt of every call, in the journal before its client sees the end of it and in the database soon after.
 * What a call costs is decided in memory when it ends: by the prices that held when it began, and by what is left of the free
 * quota. The same amounts decide whether a call is let in (`funds`).
 *
 * - `openLedger` first sees through what an earlier process left in the journal: receipts are written, calls that were open
 *   are closed as failed, with the usage that was last noted.
 * - Calls are refused when too many receipts wait for the database: better no call than one that is forgotten.
 */
import { beijingMonthOf } from '../core/calendar.ts';
import { StudioError } from '../core/errors.ts';
import type { Funds, PlatformState, PlatformWatch } from '../core/platform.ts';
import type { Clock, ClosedCall, Ledger, Logger, OpenAccount, OpenedCall, Receipt } from '../core/ports.ts';
import type { Charge, ModelPrices } from '../core/prices.ts';
import type { ReceiptStore, SettledCall } from '../core/receipts.ts';
import type { Region } from '../core/regions.ts';
import type { Usage } from '../core/usage.ts';
import { Budgets } from './budgets.ts';
import { FreeQuotas } from './free-quotas.ts';
import { type Journal, type JournalEntry, type JournalOptions, openJournal, type RecoveredCall } from './journal.ts';
import type { LedgerPriceBook, OfferedQuota } from './price-book.ts';
import { chargeOf } from './prices.ts';
import { Spool, type SpooledCall } from './spool.ts';

export interface LedgerOptions {
  readonly journal: Omit<JournalOptions, 'log'>;
  readonly store: ReceiptStore;
  readonly prices: LedgerPriceBook;
  readonly clock: Clock;
  readonly log: Logger;
  /** Receipts that may wait for the database. */
  readonly spoolReceipts: number;
  readonly quota: { readonly enabled: boolean; readonly freeTierOnly: boolean };
  /** What the administrator has set: prices, budgets, the free-tier-only switch. */
  readonly platform: Pick<PlatformWatch, 'onChange'>;
  /** Other servers write to the same database, and their sums are read every so often. */
  readonly pollMs?: number | undefined;
}

export interface RunningLedger extends Ledger {
  readonly funds: Funds;
  /** Reads the sums again; what other servers have added holds from then on. */
  refresh(): Promise<void>;
  /** Writes what is left; what cannot be written stays in the journal for the next start. */
  close(): Promise<void>;
}

/** How often what open calls have used goes into the journal; seldomer when very many are open. */
const PROGRESS_MS = 20;
const PROGRESS_CALLS_A_MS = 50;
/** A database that takes nothing is tried again every second. */
const RETRY_AFTER_SECONDS = 2;
/** The error code of calls that a killed process left open. */
const PROCESS_KILLED = 'process-killed';
/** A caller chooses these; an index of a database takes only so much. */
const MAX_TEXT_LENGTH = 256;

/** The vendor warns at a fifth ("Free quota for new users"). */
const WARN_AT_SHARE = 0.2;

/** A call that ends, as the prices need it. */
interface EndingCall {
  readonly call: OpenedCall;
  readonly closed: ClosedCall;
  /** Of when it began. */
  readonly prices: ModelPrices | undefined;
  /** Something of its answer went to the client as it came. */
  readonly wasStreamed: boolean;
}

export async function openLedger(options: LedgerOptions): Promise<RunningLedger> {
  const { journal, recovered, lastAtMs } = openJournal({ ...options.journal, log: options.log });
  const ledger = new JournalledLedger(options, journal);
  await ledger.recover(recovered, lastAtMs);
  return ledger;
}

class JournalledLedger implements RunningLedger {
  readonly funds: Funds = { check: (call) => this.#check(call) };
  readonly #options: LedgerOptions;
  readonly #journal: Journal;
  readonly #spool: Spool;
  readonly #quotas = new FreeQuotas();
  readonly #budgets = new Budgets();
  #freeTierOnly: ReadonlySet<string> = new Set();
  #progressTimer: NodeJS.Timeout | undefined;
  readonly #pollTimer: NodeJS.Timeout | undefined;
  #isPolling = false;
  #isFull = false;

  constructor(options: LedgerOptions, journal: Journal) {
    this.#options = options;
    this.#journal = journal;
    this.#spool = new Spool({
      store: options.store,
      log: options.log,
      onStored: (calls) => {
        for (const call of calls) {
          this.#quotas.wrote(call);
          this.#budgets.wrote(call);
        }
        journal.stored(calls.map(({ entry }) => entry));
      },
    });
    options.platform.onChange((state) => this.#setPlatform(state));
    if (options.pollMs !== undefined) this.#pollTimer = setInterval(() => this.#poll(), options.pollMs).unref();
  }

  open(call: OpenedCall, soFar: () => Usage): OpenAccount {
    this.#refuseWhenFull();
    const opened = withShortTexts(call);
    const { model, region, startedAtMs } = opened;
    const prices = this.#options.prices.pricesOf({ model, region, atMs: startedAtMs });
    const entry = this.#journal.begin(opened, soFar);
    this.#scheduleProgress();
    return {
      close: (closed) => {
        const wasStreamed = opened.isStreaming && closed.firstTokenMs !== undefined;
        return this.#close({ call: opened, closed, prices, wasStreamed }, entry);
      },
    };
  }

  flush(): Promise<void> {
    return this.#spool.flush();
  }

  refresh(): Promise<void> {
    return this.#spool.exclusively(async () => {
      const { spending, quotas } = await this.#options.store.sums(beijingMonthOf(this.#options.clock.now()));
      this.#budgets.load(spending);
      this.#quotas.load(quotas);
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#pollTimer);
    clearTimeout(this.#progressTimer);
    await this.#spool.close();
    this.#journal.close();
  }

  /** Receipts before open calls, as those may draw from what the others have left of a quota. */
  async recover(recovered: readonly RecoveredCall[], lastAtMs: number): Promise<void> {
    for (const { settled, entry } of recovered) if (settled) this.#keep({ ...settled, entry });
    await this.#spool.flush();
    await this.refresh();
    const open = recovered.filter(({ settled }) => !settled);
    for (const { call, usage, entry } of open) {
      if (!call) continue;
      const { model, region, startedAtMs } = call;
      const prices = this.#options.prices.pricesOf({ model, region, atMs: startedAtMs });
      const totalMs = Math.max(0, lastAtMs - startedAtMs);
      const closed: ClosedCall = { servedBy: '', usage, ending: 'failed', errorCode: PROCESS_KILLED, totalMs };
      const wasStreamed = call.isStreaming && usage.output.total > 0;
      this.#close({ call, closed, prices, wasStreamed }, entry);
    }
    await this.#spool.flush();
    if (recovered.length > 0)
      this.#options.log.warn(
        { receipts: recovered.length - open.length, calls: open.length },
        'the journal had receipts to write and calls to close',
      );
  }

  #close(ending: EndingCall, entry: JournalEntry): Receipt {
    const { receipt, quota } = this.#settle(ending);
    const settled = { receipt, quota, entry };
    this.#journal.end(entry, settled);
    this.#keep(settled);
    return receipt;
  }

  #settle({ call, closed, prices, wasStreamed }: EndingCall): SettledCall {
    const { region, model, priority, startedAtMs } = call;
    const { usage, ending } = closed;
    const offered = this.#options.quota.enabled ? this.#options.prices.freeQuotaOf({ model, region }) : undefined;
    const free = offered ? this.#quotas.leftOf(region, offered, startedAtMs) : 0;
    const charge = chargeOf({ usage, ending, priority, wasStreamed }, prices, free);
    if (offered) this.#warnOfQuota(region, offered, free, charge.freeTokens);
    const quota = offered && charge.freeTokens > 0 ? this.#quotas.grantOf(region, offered, startedAtMs) : undefined;
    return { receipt: receiptOf(call, closed, charge), quota };
  }

  #warnOfQuota(region: Region, { model, quota }: OfferedQuota, before: number, drawn: number): void {
    const left = before - drawn;
    for (const mark of [0, Math.floor(quota.tokens * WARN_AT_SHARE)])
      if (before > mark && left <= mark) {
        this.#options.log.warn(
          { region, model, left },
          left > 0 ? 'a free quota is nearly used up' : 'a free quota is used up',
        );
        return;
      }
  }

  #keep(call: SpooledCall): void {
    this.#quotas.drew(call);
    this.#budgets.charged(call);
    this.#spool.add(call);
  }

  #check({ account, model }: Parameters<Funds['check']>[0]): void {
    const nowMs = this.#options.clock.now();
    if (this.#budgets.areSpent(account, nowMs)) throw new StudioError('quota-exceeded');
    if (!this.#options.quota.enabled) return;
    const offered = this.#options.prices.freeQuotaOf({ model, region: account.region });
    if (!offered) return;
    const isFreeOnly = this.#isFreeTierOnly(model) || this.#isFreeTierOnly(offered.model);
    if (offered.quota.isPaidAfter && !isFreeOnly) return;
    if (this.#quotas.leftOf(account.region, offered, nowMs) > 0) return;
    // The vendor's words for models that have no paid price ("Error messages", Throttling.AllocationQuota).
    if (!offered.quota.isPaidAfter) throw new StudioError('quota-exceeded', 'Free allocated quota exceeded.');
    throw new StudioError('free-tier-exhausted');
  }

  #isFreeTierOnly(model: string): boolean {
    return this.#options.quota.freeTierOnly || this.#freeTierOnly.has('*') || this.#freeTierOnly.has(model);
  }

  #refuseWhenFull(): void {
    const isFull = this.#spool.size >= this.#options.spoolReceipts;
    if (isFull !== this.#isFull) {
      const fields = { receipts: this.#spool.size };
      if (isFull) this.#options.log.error(fields, 'too many receipts wait for the database: calls are refused');
      else this.#options.log.warn(fields, 'receipts have found their way: calls are taken again');
    }
    this.#isFull = isFull;
    if (isFull) throw new StudioError('overloaded', undefined, { retryAfterSeconds: RETRY_AFTER_SECONDS });
  }

  #setPlatform(state: PlatformState): void {
    this.#options.prices.setOverrides(state.prices);
    this.#budgets.setBudgets(state);
    this.#freeTierOnly = new Set(state.freeTierOnly);
  }

  /** While calls are open; one timer for all. */
  #scheduleProgress(): void {
    const delayMs = Math.max(PROGRESS_MS, this.#journal.openCalls / PROGRESS_CALLS_A_MS);
    this.#progressTimer ??= setTimeout(() => {
      this.#progressTimer = undefined;
      this.#journal.writeProgress(this.#options.clock.now());
      if (this.#journal.openCalls > 0) this.#scheduleProgress();
    }, delayMs).unref();
  }

  #poll(): void {
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.refresh()
      // A database that is away is told about by what cannot be written.
      .catch((error: unknown) => this.#options.log.debug({ err: error }, 'sums could not be read'))
      .finally(() => {
        this.#isPolling = false;
      });
  }
}

/** Member by member: copies of whole objects cost several times as much. */
function receiptOf(call: OpenedCall, closed: ClosedCall, charge: Charge): Receipt {
  return {
    receiptId: call.receiptId,
    requestId: call.requestId,
    protocol: call.protocol,
    keyId: call.keyId,
    workspaceId: call.workspaceId,
    region: call.region,
    priority: call.priority,
    model: call.model,
    startedAtMs: call.startedAtMs,
    servedBy: closed.servedBy,
    usage: closed.usage,
    ending: closed.ending,
    errorCode: closed.errorCode,
    totalMs: closed.totalMs,
    firstTokenMs: closed.firstTokenMs,
    charge,
  };
}

function withShortTexts(call: OpenedCall): OpenedCall {
  const { requestId, model } = call;
  if (requestId.length <= MAX_TEXT_LENGTH && model.length <= MAX_TEXT_LENGTH) return call;
  return { ...call, requestId: requestId.slice(0, MAX_TEXT_LENGTH), model: model.slice(0, MAX_TEXT_LENGTH) };
}
