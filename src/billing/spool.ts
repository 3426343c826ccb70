/**
 * Receipts on their way to the database. `add` only appends to a list in memory; the list is written in the background, in one
 * transaction when 200 receipts or 100 ms have gathered. What cannot be written (a full or locked disk, a database that is
 * away) waits in the same list, and the journal has it too.
 */
import type { Logger } from '../core/ports.ts';
import type { ReceiptStore, SettledCall } from '../core/receipts.ts';
import type { JournalEntry } from './journal.ts';

const BATCH_RECEIPTS = 200;
const BATCH_MS = 100;
const RETRY_MS = 1000;
/** Longer than this a server that is told to end does not wait for a database. */
const CLOSE_MS = 5000;

/** A settled call and its entry in the journal. */
export interface SpooledCall extends SettledCall {
  readonly entry: JournalEntry;
}

export interface SpoolOptions {
  readonly store: ReceiptStore;
  readonly log: Logger;
  /** The database has them; in the same turn in which they leave the list. */
  readonly onStored: (calls: readonly SpooledCall[]) => void;
}

export class Spool {
  readonly #options: SpoolOptions;
  #waiting: SpooledCall[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** Everything that asks the database, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #isFailing = false;
  #isClosed = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.length;
  }

  add(call: SpooledCall): void {
    this.#waiting.push(call);
    if (this.#isFailing || this.#isClosed) return;
    if (this.#waiting.length < BATCH_RECEIPTS) this.#schedule(BATCH_MS);
    else this.#immediate ??= setImmediate(() => this.#writeSoon());
  }

  /** Writes what is waiting, unless the database does not take it. */
  async flush(): Promise<void> {
    let hasWritten = true;
    while (hasWritten && this.#waiting.length > 0)
      await this.exclusively(async () => {
        hasWritten = await this.#writeBatch();
      });
  }

  /** Runs when nothing is being written, and nothing is written while it runs. */
  exclusively(action: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.flush(), patience]);
    clearTimeout(timer);
    this.#isClosed = true;
    this.#cancel();
    if (this.#waiting.length > 0)
      this.#options.log.error(
        { receipts: this.#waiting.length },
        'receipts could not be written; the journal keeps them for the next start',
      );
  }

  #schedule(delayMs: number): void {
    this.#timer ??= setTimeout(() => this.#writeSoon(), delayMs).unref();
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }

  #writeSoon(): void {
    void this.exclusively(async () => {
      await this.#writeBatch();
    });
  }

  /** One transaction; the next in a later turn of the loop, so that a long list stalls nobody. False when it failed. */
  async #writeBatch(): Promise<boolean> {
    this.#cancel();
    const batch = this.#waiting.slice(0, BATCH_RECEIPTS);
    if (batch.length === 0) return true;
    const { store, log, onStored } = this.#options;
    try {
      for (const { call, error } of await store.write(batch))
        log.error({ err: error, receipt: call.receipt }, 'a receipt could not be stored and is only in this line');
    } catch (error) {
      this.#failed(error);
      return false;
    }
    this.#waiting.splice(0, batch.length);
    onStored(batch);
    if (this.#isFailing) log.warn({}, 'receipts are written again');
    this.#isFailing = false;
    if (this.#waiting.length >= BATCH_RECEIPTS) this.#immediate ??= setImmediate(() => this.#writeSoon());
    else if (this.#waiting.length > 0) this.#schedule(BATCH_MS);
    return true;
  }

  #failed(error: unknown): void {
    if (!this.#isFailing)
      this.#options.log.error(
        { err: error, receipts: this.#waiting.length },
        'receipts cannot be written; they wait in memory and in the journal',
      );
    this.#isFailing = true;
    if (!this.#isClosed) this.#schedule(RETRY_MS);
  }
}
