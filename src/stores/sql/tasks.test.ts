import { afterEach, beforeEach, expect, it } from 'vitest';
import { testOwner } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { StoredTask, TaskFilter, TaskStore } from '../../core/tasks.ts';
import type { Database } from './database.ts';
import { createTaskStore } from './tasks.ts';

onEachDatabase((databases) => {
  let database: Database;
  let store: TaskStore;

  beforeEach(async () => {
    database = await databases.open();
    store = createTaskStore(database);
  });
  afterEach(() => database.close());

  const ours = testOwner();
  const notOurs = [testOwner({ workspaceId: 'other' }), testOwner({ region: 'singapore' })];

  function task(taskId: string, changes: Partial<StoredTask> = {}): StoredTask {
    return {
      taskId,
      ...ours,
      keyId: 'key-1',
      requestId: `request-of-${taskId}`,
      model: 'm',
      api: 'aigc:a:b',
      status: 'PENDING',
      createdAtMs: 1000,
      ...changes,
    };
  }

  const all: TaskFilter = { createdFromMs: 0, limit: 10, offset: 0 };
  const ids = async (filter: Partial<TaskFilter>) =>
    (await store.list(ours, { ...all, ...filter })).tasks.map(({ taskId }) => taskId);

  it('finds a task as it was made, for its owner only', async () => {
    const whole = task('a', {
      status: 'FAILED',
      startedAtMs: 1001,
      endedAtMs: 1002,
      metrics: { total: 2, succeeded: 0, failed: 2 },
      output: { code: 'InternalError', message: 'no' },
      usage: { image_count: 0 },
    });
    await store.create(whole);
    await store.create(task('b'));
    expect(await store.find(ours, 'a')).toEqual(whole);
    expect(await store.find(ours, 'b')).toEqual(task('b'));
    for (const owner of notOurs) expect(await store.find(owner, 'a')).toBeUndefined();
  });

  it('lists the newest first, by page, and counts all that match', async () => {
    for (let index = 0; index < 5; index++) await store.create(task(`t${index}`, { createdAtMs: 1000 + index }));
    expect(await ids({ limit: 2 })).toEqual(['t4', 't3']);
    expect(await ids({ limit: 2, offset: 4 })).toEqual(['t0']);
    expect((await store.list(ours, { ...all, limit: 2 })).total).toBe(5);
    for (const owner of notOurs) expect(await store.list(owner, all)).toEqual({ tasks: [], total: 0 });
  });

  it('filters by time, model, status and key', async () => {
    await store.create(task('a', { createdAtMs: 1000 }));
    await store.create(task('b', { createdAtMs: 2000, model: 'n' }));
    await store.create(task('c', { createdAtMs: 3000, status: 'RUNNING', keyId: 'key-2' }));
    expect(await ids({ createdFromMs: 1000, createdToMs: 2000 })).toEqual(['b', 'a']);
    expect(await ids({ createdFromMs: 1001, createdToMs: 1999 })).toEqual([]);
    expect(await ids({ model: 'n' })).toEqual(['b']);
    expect(await ids({ status: 'RUNNING' })).toEqual(['c']);
    expect(await ids({ keyId: 'key-2' })).toEqual(['c']);
    expect(await ids({ keyId: 'key-2', model: 'n' })).toEqual([]);
  });

  it('cancels what waits, and only once', async () => {
    await store.create(task('a'));
    await store.create(task('b', { status: 'RUNNING' }));
    for (const owner of notOurs) expect(await store.cancel(owner, 'a', 5000)).toBe(false);
    expect(await store.cancel(ours, 'a', 5000)).toBe(true);
    expect(await store.find(ours, 'a')).toEqual(task('a', { status: 'CANCELED', endedAtMs: 5000 }));
    expect(await store.cancel(ours, 'a', 6000)).toBe(false);
    expect(await store.cancel(ours, 'b', 5000)).toBe(false);
    expect(await store.cancel(ours, 'c', 5000)).toBe(false);
  });

  it('takes out what ended long ago; what has not ended stays', async () => {
    await store.create(task('a', { endedAtMs: 1999 }));
    await store.create(task('b', { endedAtMs: 2000 }));
    await store.create(task('c'));
    await store.removeEnded(2000);
    expect((await ids({})).sort()).toEqual(['b', 'c']);
  });
});
