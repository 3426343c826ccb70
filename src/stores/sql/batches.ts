/**
 * Batches in SQLite. A result is one row with its line as key: a line that was done twice, because a process died between
 * doing and writing, is kept once.
 */
import type {
  BatchError,
  BatchResult,
  BatchState,
  BatchStatus,
  BatchStore,
  NewBatch,
  StoredBatch,
} from '../../core/batches.ts';
import type { Database } from './database.ts';
import type { BatchesTable, BatchResultsTable } from './tables.ts';

type BatchRow = Omit<BatchesTable, 'sequence'> & { readonly sequence: number };

/** Written by every change. */
const STATE_COLUMNS = [
  'status',
  'errors',
  'output_file_id',
  'error_file_id',
  'in_progress_at_ms',
  'finalizing_at_ms',
  'completed_at_ms',
  'failed_at_ms',
  'expired_at_ms',
  'cancelling_at_ms',
  'cancelled_at_ms',
  'total',
] as const satisfies readonly (keyof BatchesTable)[];

const COLUMNS = [
  'batch_id',
  'workspace_id',
  'key_id',
  'key_name',
  'endpoint',
  'input_file_id',
  'input_blob_id',
  'completion_window',
  'metadata',
  'name',
  'created_at_ms',
  'expires_at_ms',
  'completed',
  'failed',
  ...STATE_COLUMNS,
] as const satisfies readonly (keyof BatchesTable)[];

interface ListParameters {
  readonly workspaceId: string;
  readonly name: string | null;
  /** JSON lists; null for all. */
  readonly inputFileIds: string | null;
  readonly statuses: string | null;
  readonly from: number;
  readonly to: number;
  readonly before: number;
  readonly limit: number;
}

const NEW_STATE: BatchState = {
  status: 'validating',
  errors: null,
  outputFileId: null,
  errorFileId: null,
  inProgressAtMs: null,
  finalizingAtMs: null,
  completedAtMs: null,
  failedAtMs: null,
  expiredAtMs: null,
  cancellingAtMs: null,
  cancelledAtMs: null,
  total: 0,
};

/** The store of one database. */
export function createBatchStore(database: Database): BatchStore {
  return new SqliteBatchStore(database);
}

class SqliteBatchStore implements BatchStore {
  readonly #statements;
  readonly #finish: BatchStore['finish'];
  readonly #addResults: BatchStore['addResults'];

  constructor({ sqlite }: Database) {
    this.#statements = {
      insert: sqlite.prepare<Omit<BatchRow, 'sequence'>>(
        `INSERT INTO batches (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((column) => `@${column}`).join(', ')})`,
      ),
      byId: sqlite.prepare<[string], BatchRow>('SELECT * FROM batches WHERE batch_id = ?'),
      list: sqlite.prepare<ListParameters, BatchRow>(
        `SELECT * FROM batches
         WHERE workspace_id = @workspaceId AND sequence < @before AND created_at_ms BETWEEN @from AND @to
           AND (@name IS NULL OR instr(name, @name) > 0)
           AND (@inputFileIds IS NULL OR input_file_id IN (SELECT value FROM json_each(@inputFileIds)))
           AND (@statuses IS NULL OR status IN (SELECT value FROM json_each(@statuses)))
         ORDER BY sequence DESC LIMIT @limit`,
      ),
      unfinished: sqlite.prepare<[], BatchRow>(
        `SELECT * FROM batches WHERE status NOT IN ('completed', 'failed', 'expired', 'cancelled') ORDER BY sequence`,
      ),
      update: sqlite.prepare<Pick<BatchRow, (typeof STATE_COLUMNS)[number]> & { batchId: string; from: string }>(
        `UPDATE batches SET ${STATE_COLUMNS.map((column) => `${column} = @${column}`).join(', ')}
         WHERE batch_id = @batchId AND status = @from`,
      ),
      addResult: sqlite.prepare<BatchResultsTable>(
        `INSERT OR IGNORE INTO batch_results (batch_id, line, is_failure, text)
         VALUES (@batch_id, @line, @is_failure, @text)`,
      ),
      count: sqlite.prepare<[number, number, string]>(
        'UPDATE batches SET completed = completed + ?, failed = failed + ? WHERE batch_id = ?',
      ),
      results: sqlite.prepare<[string, number, number, number], BatchResultsTable>(
        `SELECT * FROM batch_results WHERE batch_id = ? AND is_failure = ? AND line > ? ORDER BY line LIMIT ?`,
      ),
      doneLines: sqlite.prepare<[string], number>('SELECT line FROM batch_results WHERE batch_id = ?').pluck(),
      // So that the copy of the input belongs to nobody, even if the process dies before it is deleted.
      dropInput: sqlite.prepare<[string]>(`UPDATE batches SET input_blob_id = '' WHERE batch_id = ?`),
      dropResults: sqlite.prepare<[string]>('DELETE FROM batch_results WHERE batch_id = ?'),
    };
    this.#finish = sqlite.transaction((batchId, from, changes) => {
      if (!this.update(batchId, from, changes)) return false;
      this.#statements.dropResults.run(batchId);
      this.#statements.dropInput.run(batchId);
      return true;
    });
    this.#addResults = sqlite.transaction((batchId, results) => this.#insertResults(batchId, results));
  }

  create(batch: NewBatch): StoredBatch {
    const stored = { ...batch, ...NEW_STATE, completed: 0, failed: 0 };
    this.#statements.insert.run({
      batch_id: batch.batchId,
      workspace_id: batch.account.workspaceId,
      key_id: batch.account.keyId,
      key_name: batch.account.name,
      endpoint: batch.endpoint,
      input_file_id: batch.inputFileId,
      input_blob_id: batch.inputBlobId,
      completion_window: batch.completionWindow,
      metadata: batch.metadata && JSON.stringify(batch.metadata),
      name: batch.metadata?.ds_name ?? null,
      created_at_ms: batch.createdAtMs,
      expires_at_ms: batch.expiresAtMs,
      completed: 0,
      failed: 0,
      ...stateColumnsOf(stored),
    });
    return stored;
  }

  find(workspaceId: string, batchId: string): StoredBatch | undefined {
    const row = this.#statements.byId.get(batchId);
    return row?.workspace_id === workspaceId ? storedBatchOf(row) : undefined;
  }

  list: BatchStore['list'] = (workspaceId, filter) => {
    const { name, inputFileIds, statuses, afterBatchId, limit } = filter;
    const after = afterBatchId === undefined ? undefined : this.#statements.byId.get(afterBatchId);
    if (afterBatchId !== undefined && after?.workspace_id !== workspaceId) return { batches: [], hasMore: false };
    const rows = this.#statements.list.all({
      workspaceId,
      name: name ?? null,
      inputFileIds: inputFileIds ? JSON.stringify(inputFileIds) : null,
      statuses: statuses ? JSON.stringify(statuses) : null,
      from: filter.createdAfterMs ?? 0,
      to: filter.createdBeforeMs ?? Number.MAX_SAFE_INTEGER,
      before: after?.sequence ?? Number.MAX_SAFE_INTEGER,
      limit: limit + 1,
    });
    return { batches: rows.slice(0, limit).map(storedBatchOf), hasMore: rows.length > limit };
  };

  unfinished(): readonly StoredBatch[] {
    return this.#statements.unfinished.all().map(storedBatchOf);
  }

  update(batchId: string, from: BatchStatus, changes: Partial<BatchState>): boolean {
    const row = this.#statements.byId.get(batchId);
    if (!row) return false;
    const state = stateColumnsOf({ ...storedBatchOf(row), ...changes });
    return this.#statements.update.run({ ...state, batchId, from }).changes > 0;
  }

  finish(batchId: string, from: BatchStatus, changes: Partial<BatchState>): boolean {
    return this.#finish(batchId, from, changes);
  }

  addResults(batchId: string, results: readonly BatchResult[]): void {
    this.#addResults(batchId, results);
  }

  results(batchId: string, isFailure: boolean, afterLine: number, limit: number): readonly BatchResult[] {
    return this.#statements.results
      .all(batchId, isFailure ? 1 : 0, afterLine, limit)
      .map(({ line, text }) => ({ line, isFailure, text }));
  }

  doneLines(batchId: string): ReadonlySet<number> {
    return new Set(this.#statements.doneLines.all(batchId));
  }

  #insertResults(batchId: string, results: readonly BatchResult[]): void {
    let completed = 0;
    let failed = 0;
    for (const { line, isFailure, text } of results) {
      const row = { batch_id: batchId, line, is_failure: isFailure ? 1 : 0, text };
      if (this.#statements.addResult.run(row).changes === 0) continue;
      if (isFailure) failed++;
      else completed++;
    }
    this.#statements.count.run(completed, failed, batchId);
  }
}

function stateColumnsOf(state: BatchState): Pick<BatchRow, (typeof STATE_COLUMNS)[number]> {
  return {
    status: state.status,
    errors: state.errors && JSON.stringify(state.errors),
    output_file_id: state.outputFileId,
    error_file_id: state.errorFileId,
    in_progress_at_ms: state.inProgressAtMs,
    finalizing_at_ms: state.finalizingAtMs,
    completed_at_ms: state.completedAtMs,
    failed_at_ms: state.failedAtMs,
    expired_at_ms: state.expiredAtMs,
    cancelling_at_ms: state.cancellingAtMs,
    cancelled_at_ms: state.cancelledAtMs,
    total: state.total,
  };
}

function storedBatchOf(row: BatchRow): StoredBatch {
  return {
    batchId: row.batch_id,
    account: { keyId: row.key_id, name: row.key_name, workspaceId: row.workspace_id },
    endpoint: row.endpoint,
    inputFileId: row.input_file_id,
    inputBlobId: row.input_blob_id,
    completionWindow: row.completion_window,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as { [key: string]: string }),
    status: row.status as BatchStatus,
    errors: row.errors === null ? null : (JSON.parse(row.errors) as BatchError[]),
    outputFileId: row.output_file_id,
    errorFileId: row.error_file_id,
    inProgressAtMs: row.in_progress_at_ms,
    finalizingAtMs: row.finalizing_at_ms,
    completedAtMs: row.completed_at_ms,
    failedAtMs: row.failed_at_ms,
    expiredAtMs: row.expired_at_ms,
    cancellingAtMs: row.cancelling_at_ms,
    cancelledAtMs: row.cancelled_at_ms,
    total: row.total,
    completed: row.completed,
    failed: row.failed,
  };
}
