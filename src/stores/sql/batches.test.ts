import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, testOwner } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { BatchStore, NewBatch, StoredBatch } from '../../core/batches.ts';
import { createBatchStore } from './batches.ts';
import { blobIdsInUse } from './blob-references.ts';
import type { Database } from './database.ts';

onEachDatabase((databases) => {
  let database: Database;
  let batches: BatchStore;
  let clock: ReturnType<typeof fixedClock>;
  beforeEach(async () => {
    clock = fixedClock();
    database = await databases.open();
    batches = createBatchStore(database, { id: 'server-1', clock });
  });
  afterEach(() => database.close());

  const ours = testOwner();
  const notOurs = [testOwner({ workspaceId: 'other' }), testOwner({ region: 'singapore' })];

  let made = 0;
  function add(changes: Partial<NewBatch> = {}): Promise<StoredBatch> {
    const id = String(++made);
    return batches.create({
      batchId: `batch_${id}`,
      account: { keyId: 'key-1', name: 'test', ...ours },
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

  const find = (batchId: string) => batches.find(ours, batchId);
  const listed = async (filter: Partial<Parameters<BatchStore['list']>[1]> = {}) => {
    const { batches: found, hasMore } = await batches.list(ours, { limit: 10, ...filter });
    return [found.map(({ batchId }) => batchId), hasMore];
  };

  it('finds a batch as it was made, for its owner only', async () => {
    const batch = await add({ metadata: { ds_name: '测试', other: 'x' } });
    expect(batch).toMatchObject({ status: 'validating', total: 0, completed: 0, failed: 0, inProgressAtMs: null });
    expect(await find(batch.batchId)).toEqual(batch);
    for (const owner of notOurs) expect(await batches.find(owner, batch.batchId)).toBeUndefined();
  });

  it('changes a batch only from the state that was meant', async () => {
    const { batchId } = await add();
    expect(await batches.update(batchId, 'validating', { status: 'in_progress', total: 2, inProgressAtMs: 5 })).toBe(
      true,
    );
    expect(await batches.update(batchId, 'validating', { status: 'failed' })).toBe(false);
    expect(await batches.update('unknown', 'validating', { status: 'failed' })).toBe(false);
    expect(await find(batchId)).toMatchObject({ status: 'in_progress', total: 2, inProgressAtMs: 5, failedAtMs: null });
  });

  describe('results', () => {
    it('are kept once a line, counted once, and read in the order of lines', async () => {
      const { batchId } = await add();
      await batches.addResults(batchId, [{ line: 3, isFailure: false, text: 'c' }]);
      await batches.addResults(batchId, [
        { line: 1, isFailure: false, text: 'a' },
        { line: 2, isFailure: true, text: 'b' },
        { line: 3, isFailure: true, text: 'again' },
      ]);
      expect(await batches.doneLines(batchId)).toEqual(new Set([1, 2, 3]));
      expect((await batches.results(batchId, false, 0, 10)).map(({ text }) => text)).toEqual(['a', 'c']);
      expect((await batches.results(batchId, false, 1, 10)).map(({ text }) => text)).toEqual(['c']);
      expect((await batches.results(batchId, false, 0, 1)).map(({ text }) => text)).toEqual(['a']);
      expect(await batches.results(batchId, true, 0, 10)).toEqual([{ line: 2, isFailure: true, text: 'b' }]);
      expect(await find(batchId)).toMatchObject({ completed: 2, failed: 1 });
    });

    it('belong to their batch', async () => {
      const { batchId } = await add();
      const other = await add();
      await batches.addResults(batchId, [{ line: 1, isFailure: false, text: 'a' }]);
      expect(await batches.doneLines(batchId)).toEqual(new Set([1]));
      expect((await batches.doneLines(other.batchId)).size).toBe(0);
    });

    it('and the input go with the last change, counts stay', async () => {
      const { batchId, inputBlobId } = await add();
      await batches.addResults(batchId, [{ line: 1, isFailure: false, text: 'a' }]);
      expect((await blobIdsInUse(database)).has(inputBlobId)).toBe(true);
      expect(await batches.finish(batchId, 'finalizing', { status: 'completed' })).toBe(false);
      expect((await batches.doneLines(batchId)).size).toBe(1);
      expect(await batches.finish(batchId, 'validating', { status: 'completed', outputFileId: 'o' })).toBe(true);
      expect((await batches.doneLines(batchId)).size).toBe(0);
      expect((await blobIdsInUse(database)).has(inputBlobId)).toBe(false);
      expect(await find(batchId)).toMatchObject({ status: 'completed', outputFileId: 'o', completed: 1 });
    });
  });

  it('keeps what was wrong with the input', async () => {
    const { batchId } = await add();
    const errors = [{ code: 'url_not_found', message: 'm', param: 'url', line: 1 }];
    await batches.finish(batchId, 'validating', { status: 'failed', errors });
    expect((await find(batchId))?.errors).toEqual(errors);
  });

  describe('lists', () => {
    it('are newest first, in pages', async () => {
      const [a, b, c] = [await add(), await add(), await add()].map(({ batchId }) => batchId);
      expect(await listed()).toEqual([[c, b, a], false]);
      expect(await listed({ limit: 2 })).toEqual([[c, b], true]);
      expect(await listed({ afterBatchId: b })).toEqual([[a], false]);
      expect(await listed({ afterBatchId: 'unknown' })).toEqual([[], false]);
    });

    it('are filtered by name, input file, status and time', async () => {
      const a = (await add({ metadata: { ds_name: '测试任务' }, inputFileId: 'f1', createdAtMs: 10 })).batchId;
      const b = (await add({ metadata: { ds_name: '100%' }, inputFileId: 'f2', createdAtMs: 20 })).batchId;
      const c = (await add({ createdAtMs: 30 })).batchId;
      await batches.update(b, 'validating', { status: 'in_progress' });
      for (const owner of notOurs) await add({ account: { keyId: 'k', name: 'n', ...owner } });
      expect(await listed({ name: '任务' })).toEqual([[a], false]);
      expect(await listed({ name: '%' })).toEqual([[b], false]);
      expect(await listed({ inputFileIds: ['f1', 'f2'] })).toEqual([[b, a], false]);
      expect(await listed({ inputFileIds: [] })).toEqual([[], false]);
      expect(await listed({ statuses: ['in_progress', 'failed'] })).toEqual([[b], false]);
      expect(await listed({ createdAfterMs: 20, createdBeforeMs: 30 })).toEqual([[c, b], false]);
    });
  });

  describe('what there is to do', () => {
    const claimed = async (id: string) => {
      const found = await createBatchStore(database, { id, clock }).claimUnfinished();
      return found.map(({ batchId }) => batchId);
    };

    it('is what has not ended, of every owner, oldest first', async () => {
      const ended = await add();
      const running = await add();
      const elsewhere = await add({ account: { keyId: 'k', name: 'n', workspaceId: 'other', region: 'singapore' } });
      await batches.finish(ended.batchId, 'validating', { status: 'failed' });
      await batches.update(running.batchId, 'validating', { status: 'cancelling' });
      expect(await batches.claimUnfinished()).toEqual([{ ...running, status: 'cancelling' }, elsewhere]);
    });

    it('is the server’s that took it in, until that is gone', async () => {
      await database.queries
        .insertInto('servers')
        .values(['server-1', 'server-2'].map((id) => ({ id, seen_at_ms: clock.now() })))
        .execute();
      const { batchId } = await add();
      expect(await claimed('server-2')).toEqual([]);
      await database.queries.deleteFrom('servers').where('id', '=', 'server-1').execute();
      expect(await claimed('server-2')).toEqual([batchId]);
      expect(await claimed('server-1')).toEqual([]);
    });

    it('is taken by one server, also when several ask at once', async () => {
      const servers = ['server-2', 'server-3', 'server-4'];
      await database.queries
        .insertInto('servers')
        .values(servers.map((id) => ({ id, seen_at_ms: clock.now() })))
        .execute();
      const made = [await add(), await add(), await add()].map(({ batchId }) => batchId);
      const taken = await Promise.all(servers.map(claimed));
      expect(taken.flat().sort()).toEqual([...made].sort());
    });
  });
});
