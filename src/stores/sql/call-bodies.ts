/**
 * Bodies of calls. They are written in small batches, off the way of every call, and unlike receipts they may be lost: what
 * the database does not take soon is dropped, and the log tells how many there were.
 */
import type { Clock, Logger } from '../../core/ports.ts';
import type { CallBodies } from '../../core/usage-report.ts';
import type { Database, Row } from './database.ts';

export interface CallBodiesOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
  readonly maxWaitingCharacters?: number | undefined;
}

/** The bodies of one database; close them before it. */
export interface StoredCallBodies extends CallBodies {
  /** Writes what is waiting. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const WRITE_AFTER_MS = 200;
/** At the size of most bodies, thousands of them. */
const MAX_WAITING_CHARACTERS = 32 * 1024 * 1024;
const BATCH_ROWS = 50;

export function createCallBodies(database: Database, options: CallBodiesOptions): StoredCallBodies {
  return new BufferedBodies(database, options);
}

class BufferedBodies implements StoredCallBodies {
  readonly #database: Database;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #log: Logger;
  readonly #maxCharacters: number;
  #waiting: Row[] = [];
  #characters = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  /** One write at a time. */
  #writing: Promise<void> = Promise.resolve();

  constructor(database: Database, { clock, log, maxWaitingCharacters = MAX_WAITING_CHARACTERS }: CallBodiesOptions) {
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
    this.#maxCharacters = maxWaitingCharacters;
  }

  keep(receiptId: string, { request, reply }: { request: string; reply: string }, expiresAtMs: number): void {
    const characters = request.length + reply.length;
    if (this.#characters + characters > this.#maxCharacters) {
      this.#dropped++;
      return;
    }
    this.#characters += characters;
    this.#waiting.push({ receipt_id: receiptId, request, reply, expires_at_ms: expiresAtMs });
    this.#timer ??= setTimeout(() => void this.flush(), WRITE_AFTER_MS).unref();
  }

  async find(receiptId: string) {
    const row = await this.#database.queries
      .selectFrom('call_bodies')
      .select(['request', 'reply'])
      .where('receipt_id', '=', receiptId)
      .where('expires_at_ms', '>', this.#clock.now())
      .executeTakeFirst();
    return row;
  }

  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
  }

  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const bodies = this.#waiting;
    this.#waiting = [];
    this.#characters = 0;
    for (let start = 0; start < bodies.length; start += BATCH_ROWS)
      await this.#writeBatch(bodies.slice(start, start + BATCH_ROWS));
    if (this.#dropped > 0) this.#log.warn({ bodies: this.#dropped }, 'bodies of calls were not kept');
    this.#dropped = 0;
  }

  async #writeBatch(rows: readonly Row[]): Promise<void> {
    try {
      await this.#database.queries
        .transaction()
        .execute((transaction) => this.#database.insertNew(transaction, 'call_bodies', 'receipt_id', rows));
    } catch (error) {
      this.#dropped += rows.length;
      // Only its message: a driver's error may hold the rows.
      this.#log.debug({ problem: error instanceof Error ? error.message : String(error) }, 'bodies were not written');
    }
  }
}
