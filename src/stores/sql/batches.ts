/**
 * Batches. A result is one row with its line as key: a line that was done twice, because a process died between doing and
 * writing, is kept once.
 */
import { type Expression, type ExpressionBuilder, type Selectable, type SqlBool, sql, type Transaction } from 'kysely';
import type {
  BatchError,
  BatchFilter,
  BatchResult,
  BatchState,
  BatchStatus,
  BatchStore,
  NewBatch,
  StoredBatch,
} from '../../core/batches.ts';
import type { Owner } from '../../core/ports.ts';
import type { Database } from './database.ts';
import { ownerColumns, ownerOf } from './owners.ts';
import { isForThis, type Server } from './servers.ts';
import type { BatchesTable, Tables } from './tables.ts';

type BatchRow = Selectable<BatchesTable>;

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

const UNFINISHED: readonly BatchStatus[] = ['validating', 'in_progress', 'finalizing', 'cancelling'];

/** The store of one database, for one of its servers. */
export function createBatchStore(database: Database, server: Server): BatchStore {
  return new SqlBatchStore(database, server);
}

class SqlBatchStore implements BatchStore {
  readonly #queries: Database['queries'];
  readonly #server: Server;

  constructor({ queries }: Database, server: Server) {
    this.#queries = queries;
    this.#server = server;
  }

  async create(batch: NewBatch): Promise<StoredBatch> {
    const { account } = batch;
    await this.#queries
      .insertInto('batches')
      .values({
        batch_id: batch.batchId,
        ...ownerColumns(account),
        key_id: account.keyId,
        key_name: account.name,
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
        owner: this.#server.id,
        ...stateColumnsOf(NEW_STATE),
      })
      .execute();
    return { ...batch, ...NEW_STATE, completed: 0, failed: 0 };
  }

  async find(owner: Owner, batchId: string): Promise<StoredBatch | undefined> {
    const row = await this.#rowOf(owner, batchId);
    return row && storedBatchOf(row);
  }

  #rowOf(owner: Owner, batchId: string): Promise<BatchRow | undefined> {
    return this.#queries
      .selectFrom('batches')
      .selectAll()
      .where('batch_id', '=', batchId)
      .where(({ and }) => and(ownerColumns(owner)))
      .executeTakeFirst();
  }

  async list(owner: Owner, filter: BatchFilter): ReturnType<BatchStore['list']> {
    const { afterBatchId, limit } = filter;
    const after = afterBatchId === undefined ? undefined : await this.#rowOf(owner, afterBatchId);
    if (afterBatchId !== undefined && !after) return { batches: [], hasMore: false };
    const rows = await this.#queries
      .selectFrom('batches')
      .selectAll()
      .where(({ and }) => and(ownerColumns(owner)))
      .where((where) => where.and([...matches(where, filter)]))
      .$if(after !== undefined, (query) => query.where('sequence', '<', after?.sequence ?? 0))
      .orderBy('sequence', 'desc')
      .limit(limit + 1)
      .execute();
    return { batches: rows.slice(0, limit).map(storedBatchOf), hasMore: rows.length > limit };
  }

  async claimUnfinished(): Promise<readonly StoredBatch[]> {
    const { id } = this.#server;
    await this.#queries
      .updateTable('batches')
      .set({ owner: id })
      .where('status', 'in', UNFINISHED)
      .where('owner', '!=', id)
      .where((where) => isForThis(this.#server, where))
      .execute();
    const rows = await this.#queries
      .selectFrom('batches')
      .selectAll()
      .where('status', 'in', UNFINISHED)
      .where('owner', '=', id)
      .orderBy('sequence')
      .execute();
    return rows.map(storedBatchOf);
  }

  update(batchId: string, from: BatchStatus, changes: Partial<BatchState>): Promise<boolean> {
    return update(this.#queries, batchId, from, stateColumnsOf(changes));
  }

  finish(batchId: string, from: BatchStatus, changes: Partial<BatchState>): Promise<boolean> {
    return this.#queries.transaction().execute(async (transaction) => {
      // Without its input, whose copy belongs to nobody then, even if the process dies before it is deleted.
      if (!(await update(transaction, batchId, from, { ...stateColumnsOf(changes), input_blob_id: '' }))) return false;
      await transaction.deleteFrom('batch_results').where('batch_id', '=', batchId).execute();
      return true;
    });
  }

  async addResults(batchId: string, results: readonly BatchResult[]): Promise<void> {
    if (results.length === 0) return;
    const rows = results.map(({ line, isFailure, text }) => ({
      batch_id: batchId,
      line,
      is_failure: isFailure ? 1 : 0,
      text,
    }));
    await this.#queries.transaction().execute(async (transaction) => {
      const added = await transaction
        .insertInto('batch_results')
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .returning('is_failure')
        .execute();
      const failed = added.filter((row) => row.is_failure === 1).length;
      await transaction
        .updateTable('batches')
        .set((columns) => ({
          completed: columns('completed', '+', added.length - failed),
          failed: columns('failed', '+', failed),
        }))
        .where('batch_id', '=', batchId)
        .execute();
    });
  }

  async results(
    batchId: string,
    isFailure: boolean,
    afterLine: number,
    limit: number,
  ): Promise<readonly BatchResult[]> {
    const rows = await this.#queries
      .selectFrom('batch_results')
      .select(['line', 'text'])
      .where('batch_id', '=', batchId)
      .where('is_failure', '=', isFailure ? 1 : 0)
      .where('line', '>', afterLine)
      .orderBy('line')
      .limit(limit)
      .execute();
    return rows.map(({ line, text }) => ({ line, isFailure, text }));
  }

  async doneLines(batchId: string): Promise<ReadonlySet<number>> {
    const rows = await this.#queries
      .selectFrom('batch_results')
      .select('line')
      .where('batch_id', '=', batchId)
      .execute();
    return new Set(rows.map(({ line }) => line));
  }
}

async function update(
  queries: Database['queries'] | Transaction<Tables>,
  batchId: string,
  from: BatchStatus,
  columns: Partial<StateColumns> & { readonly input_blob_id?: string },
): Promise<boolean> {
  const { numUpdatedRows } = await queries
    .updateTable('batches')
    .set(columns)
    .where('batch_id', '=', batchId)
    .where('status', '=', from)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

function* matches(
  where: ExpressionBuilder<Tables, 'batches'>,
  { name, inputFileIds, statuses, createdAfterMs, createdBeforeMs }: BatchFilter,
): Generator<Expression<SqlBool>> {
  // Postgres knows no empty list.
  const isAmong = (column: 'input_file_id' | 'status', values: readonly string[]): Expression<SqlBool> =>
    values.length === 0 ? sql<SqlBool>`false` : where(column, 'in', values);
  // Both databases have a function that finds a text in another, under different names; this they say alike.
  if (name !== undefined && name !== '') yield sql<SqlBool>`replace(name, ${name}, '') <> name`;
  if (inputFileIds) yield isAmong('input_file_id', inputFileIds);
  if (statuses) yield isAmong('status', statuses);
  if (createdAfterMs !== undefined) yield where('created_at_ms', '>=', createdAfterMs);
  if (createdBeforeMs !== undefined) yield where('created_at_ms', '<=', createdBeforeMs);
}

type StateColumns = Pick<
  BatchRow,
  | 'status'
  | 'errors'
  | 'output_file_id'
  | 'error_file_id'
  | 'in_progress_at_ms'
  | 'finalizing_at_ms'
  | 'completed_at_ms'
  | 'failed_at_ms'
  | 'expired_at_ms'
  | 'cancelling_at_ms'
  | 'cancelled_at_ms'
  | 'total'
>;

function stateColumnsOf(state: BatchState): StateColumns;
function stateColumnsOf(state: Partial<BatchState>): Partial<StateColumns>;
/** What is undefined is not written. */
function stateColumnsOf(state: Partial<BatchState>): Partial<StateColumns> {
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
    account: { keyId: row.key_id, name: row.key_name, ...ownerOf(row) },
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
