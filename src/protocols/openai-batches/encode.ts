/** Batches and their results as this wire shows them. */
import type { BatchStatus, StoredBatch } from '../../core/batches.ts';
import type { InnerReply } from '../protocol.ts';
import type { BatchList, BatchObject, ResultLine } from './schema.ts';

const ENDED: ReadonlySet<BatchStatus> = new Set(['completed', 'failed', 'expired', 'cancelled']);

export function hasEnded({ status }: Pick<StoredBatch, 'status'>): boolean {
  return ENDED.has(status);
}

export function encodeBatch(batch: StoredBatch): BatchObject {
  // The ids of the result files are given before the files are there.
  const isEnded = hasEnded(batch);
  return {
    id: batch.batchId,
    object: 'batch',
    endpoint: batch.endpoint,
    errors: batch.errors && { object: 'list', data: batch.errors },
    input_file_id: batch.inputFileId,
    completion_window: batch.completionWindow,
    status: batch.status,
    output_file_id: isEnded ? batch.outputFileId : null,
    error_file_id: isEnded ? batch.errorFileId : null,
    created_at: seconds(batch.createdAtMs),
    in_progress_at: secondsOrNull(batch.inProgressAtMs),
    expires_at: null,
    finalizing_at: secondsOrNull(batch.finalizingAtMs),
    completed_at: secondsOrNull(batch.completedAtMs),
    failed_at: secondsOrNull(batch.failedAtMs),
    expired_at: secondsOrNull(batch.expiredAtMs),
    cancelling_at: secondsOrNull(batch.cancellingAtMs),
    cancelled_at: secondsOrNull(batch.cancelledAtMs),
    request_counts: { total: batch.total, completed: batch.completed, failed: batch.failed },
    metadata: batch.metadata,
  };
}

export function encodeBatchList(batches: readonly StoredBatch[], hasMore: boolean): BatchList {
  return {
    object: 'list',
    data: batches.length === 0 ? null : batches.map(encodeBatch),
    first_id: batches[0]?.batchId ?? null,
    last_id: batches.at(-1)?.batchId ?? null,
    has_more: hasMore,
  };
}

/** What a line's call gave. A refusal is told twice: whole, as the wire said it, and as the code and message of `error`. */
export function encodeResult(customId: string, { status, requestId, body }: InnerReply): ResultLine {
  return {
    id: requestId,
    custom_id: customId,
    response: { status_code: status, request_id: requestId, body },
    error: status === 200 ? null : errorOf(status, body),
  };
}

/** A line that was never called. */
export function encodeUncalled(id: string, customId: string, code: string, message: string): ResultLine {
  return { id, custom_id: customId, response: null, error: { code, message } };
}

function errorOf(status: number, body: unknown): { code: string; message: string } {
  const { code, message } = memberOf(memberOf({ body }, 'body'), 'error');
  return { code: String(code ?? status), message: String(message ?? `The call was answered with status ${status}.`) };
}

function memberOf(value: { readonly [key: string]: unknown }, key: string): { readonly [key: string]: unknown } {
  const member = value[key];
  return typeof member === 'object' && member !== null ? (member as { [key: string]: unknown }) : {};
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

function secondsOrNull(milliseconds: number | null): number | null {
  return milliseconds === null ? null : seconds(milliseconds);
}
