import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchStore, NewBatch, StoredBatch } from '../../core/batches.ts';
import { createBatchStore } from './batches.ts';
import { blobIdsInUse } from './blob-references.ts';
import { type Database, openDatabase } from './database.ts';

let folder: string;
let database: Database;
let batches: BatchStore;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'atelier-batches-'));
  database = await openDatabase(path.join(folder, 'atelier.db'));
  batches = createBatchStore(database);
});
afterEach(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

let made = 0;
function add(changes: Partial<NewBatch> = {}): StoredBatch {
  const id = String(++made);
  return batches.create({
    batchId: `batch_${id}`,
    account: { keyId: 'key-1', name: 'test', workspaceId: 'default' },
    endpoint: '/v1/chat/completions',
    inputFileId: 'file-batch-1',
    inputBlobId: `blob-${id}`,
    completionWindow: '24h',
    createdAtMs: 1000,
    expiresAtMs: 2000,
    metadata: null,
    ...changes,
  });
}

const find = (batchId: string) => batches.find('default', batchId);
const listed = (filter: Partial<Parameters<BatchStore['list']>[1]> = {}) => {
  const { batches: found, hasMore } = batches.list('default', { limit: 10, ...filter });
  return [found.map(({ batchId }) => batchId), hasMore];
};

it('finds a batch as it was made, in its own workspace only', () => {
  const batch = add({ metadata: { ds_name: '测试', other: 'x' } });
  expect(batch).toMatchObject({ status: 'validating', total: 0, completed: 0, failed: 0, inProgressAtMs: null });
  expect(find(batch.batchId)).toEqual(batch);
  expect(batches.find('other', batch.batchId)).toBeUndefined();
});

it('changes a batch only from the state that was meant', () => {
  const { batchId } = add();
  expect(batches.update(batchId, 'validating', { status: 'in_progress', total: 2, inProgressAtMs: 5 })).toBe(true);
  expect(batches.update(batchId, 'validating', { status: 'failed' })).toBe(false);
  expect(batches.update('unknown', 'validating', { status: 'failed' })).toBe(false);
  expect(find(batchId)).toMatchObject({ status: 'in_progress', total: 2, inProgressAtMs: 5, failedAtMs: null });
});

describe('results', () => {
  it('are kept once a line, counted once, and read in the order of lines', () => {
    const { batchId } = add();
    batches.addResults(batchId, [{ line: 3, isFailure: false, text: 'c' }]);
    batches.addResults(batchId, [
      { line: 1, isFailure: false, text: 'a' },
      { line: 2, isFailure: true, text: 'b' },
      { line: 3, isFailure: true, text: 'again' },
    ]);
    expect(batches.doneLines(batchId)).toEqual(new Set([1, 2, 3]));
    expect(batches.results(batchId, false, 0, 10).map(({ text }) => text)).toEqual(['a', 'c']);
    expect(batches.results(batchId, false, 1, 10).map(({ text }) => text)).toEqual(['c']);
    expect(batches.results(batchId, false, 0, 1).map(({ text }) => text)).toEqual(['a']);
    expect(batches.results(batchId, true, 0, 10)).toEqual([{ line: 2, isFailure: true, text: 'b' }]);
    expect(find(batchId)).toMatchObject({ completed: 2, failed: 1 });
  });

  it('are there after the process was killed, and in other batches untouched', async () => {
    const { batchId } = add();
    const other = add();
    batches.addResults(batchId, [{ line: 1, isFailure: false, text: 'a' }]);
    const again = await openDatabase(path.join(folder, 'atelier.db'));
    const store = createBatchStore(again);
    expect(store.doneLines(batchId)).toEqual(new Set([1]));
    expect(store.doneLines(other.batchId).size).toBe(0);
    await again.close();
  });

  it('and the input go with the last change, counts stay', () => {
    const { batchId, inputBlobId } = add();
    batches.addResults(batchId, [{ line: 1, isFailure: false, text: 'a' }]);
    expect(blobIdsInUse(database).has(inputBlobId)).toBe(true);
    expect(batches.finish(batchId, 'finalizing', { status: 'completed' })).toBe(false);
    expect(batches.doneLines(batchId).size).toBe(1);
    expect(batches.finish(batchId, 'validating', { status: 'completed', outputFileId: 'o' })).toBe(true);
    expect(batches.doneLines(batchId).size).toBe(0);
    expect(blobIdsInUse(database).has(inputBlobId)).toBe(false);
    expect(find(batchId)).toMatchObject({ status: 'completed', outputFileId: 'o', completed: 1 });
  });
});

it('keeps what was wrong with the input', () => {
  const { batchId } = add();
  const errors = [{ code: 'url_not_found', message: 'm', param: 'url', line: 1 }];
  batches.finish(batchId, 'validating', { status: 'failed', errors });
  expect(find(batchId)?.errors).toEqual(errors);
});

describe('lists', () => {
  it('are newest first, in pages', () => {
    const [a, b, c] = [add(), add(), add()].map(({ batchId }) => batchId);
    expect(listed()).toEqual([[c, b, a], false]);
    expect(listed({ limit: 2 })).toEqual([[c, b], true]);
    expect(listed({ afterBatchId: b })).toEqual([[a], false]);
    expect(listed({ afterBatchId: 'unknown' })).toEqual([[], false]);
  });

  it('are filtered by name, input file, status and time', () => {
    const a = add({ metadata: { ds_name: '测试任务' }, inputFileId: 'f1', createdAtMs: 10 }).batchId;
    const b = add({ metadata: { ds_name: '100%' }, inputFileId: 'f2', createdAtMs: 20 }).batchId;
    const c = add({ createdAtMs: 30 }).batchId;
    batches.update(b, 'validating', { status: 'in_progress' });
    add({ account: { keyId: 'k', name: 'n', workspaceId: 'other' } });
    expect(listed({ name: '任务' })).toEqual([[a], false]);
    expect(listed({ name: '%' })).toEqual([[b], false]);
    expect(listed({ inputFileIds: ['f1', 'f2'] })).toEqual([[b, a], false]);
    expect(listed({ inputFileIds: [] })).toEqual([[], false]);
    expect(listed({ statuses: ['in_progress', 'failed'] })).toEqual([[b], false]);
    expect(listed({ createdAfterMs: 20, createdBeforeMs: 30 })).toEqual([[c, b], false]);
  });
});

it('tells what there is to do, of every workspace, oldest first', () => {
  const ended = add();
  const running = add();
  const elsewhere = add({ account: { keyId: 'k', name: 'n', workspaceId: 'other' } });
  batches.finish(ended.batchId, 'validating', { status: 'failed' });
  batches.update(running.batchId, 'validating', { status: 'cancelling' });
  expect(batches.unfinished().map(({ batchId }) => batchId)).toEqual([running.batchId, elsewhere.batchId]);
});
