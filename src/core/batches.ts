/** Batches: files of calls that are made in the background, each line once, within a window of time. */
import type { Account, Owner } from './ports.ts';

/** In this order, or to `failed` from `validating`, to `cancelling` before `finalizing`, to `expired` at its end. */
export type BatchStatus =
  | 'validating'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'failed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

/** What is wrong with a line of the input. */
export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  /** Counted from 1; null for the file as a whole. */
  readonly line: number | null;
}

/** What changes while a batch goes its way. */
export interface BatchState {
  readonly status: BatchStatus;
  readonly errors: readonly BatchError[] | null;
  /** Ids are given before the files are made, so that making them again makes the same; null where there is none. */
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly inProgressAtMs: number | null;
  readonly finalizingAtMs: number | null;
  readonly completedAtMs: number | null;
  readonly failedAtMs: number | null;
  readonly expiredAtMs: number | null;
  readonly cancellingAtMs: number | null;
  readonly cancelledAtMs: number | null;
  /** Lines of the input; 0 until they are validated. */
  readonly total: number;
}

export interface StoredBatch extends BatchState {
  readonly batchId: string;
  /** Whose calls the lines are. */
  readonly account: Account;
  readonly endpoint: string;
  readonly inputFileId: string;
  /** The batch's own copy: the input file may be deleted while the batch runs. */
  readonly inputBlobId: string;
  /** As it was asked for, `24h`. */
  readonly completionWindow: string;
  readonly createdAtMs: number;
  /** When lines that are not done are given up. */
  readonly expiresAtMs: number;
  readonly metadata: { readonly [key: string]: string } | null;
  /** Lines that have a result. */
  readonly completed: number;
  readonly failed: number;
}

export type NewBatch = Omit<StoredBatch, keyof BatchState | 'completed' | 'failed'>;

/** The result of one line, as it will stand in the output or the error file. */
export interface BatchResult {
  readonly line: number;
  readonly isFailure: boolean;
  /** JSON, without a line break. */
  readonly text: string;
}

export interface BatchFilter {
  /** Contained in the name (`ds_name`). */
  readonly name?: string | undefined;
  readonly inputFileIds?: readonly string[] | undefined;
  readonly statuses?: readonly BatchStatus[] | undefined;
  readonly createdAfterMs?: number | undefined;
  readonly createdBeforeMs?: number | undefined;
  /** Only batches older than this one. */
  readonly afterBatchId?: string | undefined;
  readonly limit: number;
}

/** Lists are newest first. */
export interface BatchStore {
  /** It is this server's to work on. */
  create(batch: NewBatch): Promise<StoredBatch>;
  find(owner: Owner, batchId: string): Promise<StoredBatch | undefined>;
  list(
    owner: Owner,
    filter: BatchFilter,
  ): Promise<{ readonly batches: readonly StoredBatch[]; readonly hasMore: boolean }>;
  /**
   * What there is to do for this server, of every owner, oldest first: its own batches, and those of servers that are
   * gone, which are its own from then on.
   */
  claimUnfinished(): Promise<readonly StoredBatch[]>;
  /** Changes a batch if it is still in that status. False when it is not. */
  update(batchId: string, from: BatchStatus, changes: Partial<BatchState>): Promise<boolean>;
  /** As `update`, for the last change of a batch: its results are dropped, and its input blob is the caller's to delete. */
  finish(batchId: string, from: BatchStatus, changes: Partial<BatchState>): Promise<boolean>;
  /** All or none; a line that has a result keeps it. */
  addResults(batchId: string, results: readonly BatchResult[]): Promise<void>;
  /** The next results in the order of lines. */
  results(batchId: string, isFailure: boolean, afterLine: number, limit: number): Promise<readonly BatchResult[]>;
  doneLines(batchId: string): Promise<ReadonlySet<number>>;
}

/** Tells somebody outside that a batch has ended. */
export interface Webhooks {
  /** POSTs JSON once. Rejects when the URL may not be called, cannot be reached, or answers with an error. */
  post(url: string, body: unknown): Promise<void>;
}
