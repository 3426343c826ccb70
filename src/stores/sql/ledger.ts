/**
 * Receipts in SQLite. `record` only appends to a list in memory; the list is written in one transaction when 200
 * receipts or 100 ms have gathered. What cannot be written (a full or locked disk) waits in the same list, which is
 * bounded: beyond that the oldest receipts are dropped, counted and told to the log.
 */
import BetterSqlite3 from 'better-sqlite3';
import type { Ledger, Logger, Receipt } from '../../core/ports.ts';
import type { Database } from './database.ts';
import type { ReceiptsTable } from './tables.ts';

const BATCH_ROWS = 200;
const BATCH_MS = 100;
const RETRY_MS = 1000;
/** About 10 MB of memory; at 100 calls a second, more than three minutes of a disk that takes nothing. */
const SPOOL_ROWS = 20_000;

export interface LedgerOptions {
  readonly log: Logger;
  readonly spoolRows?: number | undefined;
}

/** The ledger, and the way to end it: `close` writes what is left. */
export interface SqliteLedger extends Ledger {
  close(): Promise<void>;
}

/** The ledger of one database. Close it before the database. */
export function createLedger(database: Database, options: LedgerOptions): SqliteLedger {
  return new BufferedLedger(database, options);
}

const COLUMNS = [
  'request_id',
  'protocol',
  'key_id',
  'model',
  'served_by',
  'ending',
  'error_code',
  'started_at_ms',
  'total_ms',
  'first_token_ms',
  'hosted_tools',
  'input_total',
  'input_cached_read',
  'input_cache_written',
  'input_image',
  'input_video',
  'input_audio',
  'input_tool_definitions',
  'output_total',
  'output_reasoning',
  'output_audio',
  'priority',
  'charge_nano',
  'charge_lines',
] as const satisfies readonly (keyof ReceiptsTable)[];

type ReceiptRow = Omit<ReceiptsTable, 'id'>;

class BufferedLedger implements SqliteLedger {
  readonly #log: Logger;
  readonly #spoolRows: number;
  readonly #write: (receipts: readonly Receipt[]) => void;
  #waiting: Receipt[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #isFailing = false;
  #dropped = 0;

  constructor({ sqlite }: Database, { log, spoolRows = SPOOL_ROWS }: LedgerOptions) {
    this.#log = log;
    this.#spoolRows = spoolRows;
    const insert = sqlite.prepare<ReceiptRow>(
      `INSERT INTO receipts (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((column) => `@${column}`).join(', ')})`,
    );
    this.#write = sqlite.transaction((receipts: readonly Receipt[]) => {
      for (const receipt of receipts) insert.run(rowOf(receipt));
    });
  }

  record(receipt: Receipt): void {
    this.#waiting.push(receipt);
    if (this.#waiting.length > this.#spoolRows) {
      this.#waiting.shift();
      this.#dropped++;
    }
    if (this.#isFailing) return;
    if (this.#waiting.length >= BATCH_ROWS) this.#immediate ??= setImmediate(() => this.#writeBatch());
    else this.#schedule(BATCH_MS);
  }

  async flush(): Promise<void> {
    while (this.#waiting.length > 0 && this.#writeBatch());
  }

  async close(): Promise<void> {
    await this.flush();
    this.#cancel();
    if (this.#waiting.length > 0)
      this.#log.error({ receipts: this.#waiting.length }, 'receipts were lost: the database could not be written');
  }

  #schedule(delayMs: number): void {
    this.#timer ??= setTimeout(() => this.#writeBatch(), delayMs).unref();
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }

  /** One transaction, and the next one in a later turn of the loop, so that a long list stalls nobody. False when it failed. */
  #writeBatch(): boolean {
    this.#cancel();
    const batch = this.#waiting.slice(0, BATCH_ROWS);
    try {
      this.#writeOrSift(batch);
    } catch (error) {
      if (!this.#isFailing)
        this.#log.error(
          { err: error, receipts: this.#waiting.length },
          'receipts cannot be written; they wait in memory',
        );
      this.#isFailing = true;
      this.#schedule(RETRY_MS);
      return false;
    }
    this.#waiting.splice(0, batch.length);
    this.#recovered();
    if (this.#waiting.length >= BATCH_ROWS) this.#immediate = setImmediate(() => this.#writeBatch());
    else if (this.#waiting.length > 0) this.#schedule(BATCH_MS);
    return true;
  }

  /** A receipt that is wrong in itself must not hold up the others for ever: it goes to the log instead. */
  #writeOrSift(batch: readonly Receipt[]): void {
    try {
      this.#write(batch);
    } catch (error) {
      if (!isFaultOfRow(error)) throw error;
      for (const receipt of batch) this.#writeOrDrop(receipt);
    }
  }

  #writeOrDrop(receipt: Receipt): void {
    try {
      this.#write([receipt]);
    } catch (error) {
      if (!isFaultOfRow(error)) throw error;
      this.#log.error({ err: error, receipt }, 'a receipt could not be stored and is only in this line');
    }
  }

  #recovered(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#log.warn({ dropped: this.#dropped }, 'receipts are written again');
    this.#dropped = 0;
  }
}

/** Not a matter of disk or lock: the same row would fail again. */
function isFaultOfRow(error: unknown): boolean {
  return !(error instanceof BetterSqlite3.SqliteError) || /^SQLITE_(CONSTRAINT|MISMATCH|RANGE|TOOBIG)/.test(error.code);
}

function rowOf(receipt: Receipt): ReceiptRow {
  const { input, output, hostedTools } = receipt.usage;
  return {
    request_id: receipt.requestId,
    protocol: receipt.protocol,
    key_id: receipt.keyId,
    model: receipt.model,
    served_by: receipt.servedBy,
    ending: receipt.ending,
    error_code: receipt.errorCode ?? null,
    started_at_ms: receipt.startedAtMs,
    total_ms: receipt.totalMs,
    first_token_ms: receipt.firstTokenMs ?? null,
    hosted_tools: hostedTools ? JSON.stringify(hostedTools) : null,
    input_total: input.total,
    input_cached_read: input.cachedRead,
    input_cache_written: input.cacheWritten,
    input_image: input.image,
    input_video: input.video,
    input_audio: input.audio,
    input_tool_definitions: input.toolDefinitions,
    output_total: output.total,
    output_reasoning: output.reasoning,
    output_audio: output.audio,
    priority: receipt.priority,
    charge_nano: receipt.charge.totalNano,
    charge_lines: receipt.charge.lines.length > 0 ? JSON.stringify(receipt.charge.lines) : null,
  };
}
