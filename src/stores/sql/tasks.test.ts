import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StoredTask, TaskFilter, TaskStore } from '../../core/tasks.ts';
import { type Database, openDatabase } from './database.ts';
import { createTaskStore } from './tasks.ts';

let database: Database;
let store: TaskStore;

beforeEach(async () => {
  database = await openDatabase(':memory:');
  store = createTaskStore(database);
});
afterEach(() => database.close());

function task(taskId: string, changes: Partial<StoredTask> = {}): StoredTask {
  return {
    taskId,
    workspaceId: 'default',
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
const ids = (filter: Partial<TaskFilter>) =>
  store.list('default', { ...all, ...filter }).tasks.map(({ taskId }) => taskId);

it('finds a task as it was made, in its workspace only', () => {
  const whole = task('a', {
    status: 'FAILED',
    startedAtMs: 1001,
    endedAtMs: 1002,
    metrics: { total: 2, succeeded: 0, failed: 2 },
    output: { code: 'InternalError', message: 'no' },
    usage: { image_count: 0 },
  });
  store.create(whole);
  store.create(task('b'));
  expect(store.find('default', 'a')).toEqual(whole);
  expect(store.find('default', 'b')).toEqual(task('b'));
  expect(store.find('other', 'a')).toBeUndefined();
});

it('lists the newest first, by page, and counts all that match', () => {
  for (let index = 0; index < 5; index++) store.create(task(`t${index}`, { createdAtMs: 1000 + index }));
  expect(ids({ limit: 2 })).toEqual(['t4', 't3']);
  expect(ids({ limit: 2, offset: 4 })).toEqual(['t0']);
  expect(store.list('default', { ...all, limit: 2 }).total).toBe(5);
  expect(store.list('other', all)).toEqual({ tasks: [], total: 0 });
});

it('filters by time, model, status and key', () => {
  store.create(task('a', { createdAtMs: 1000 }));
  store.create(task('b', { createdAtMs: 2000, model: 'n' }));
  store.create(task('c', { createdAtMs: 3000, status: 'RUNNING', keyId: 'key-2' }));
  expect(ids({ createdFromMs: 1000, createdToMs: 2000 })).toEqual(['b', 'a']);
  expect(ids({ createdFromMs: 1001, createdToMs: 1999 })).toEqual([]);
  expect(ids({ model: 'n' })).toEqual(['b']);
  expect(ids({ status: 'RUNNING' })).toEqual(['c']);
  expect(ids({ keyId: 'key-2' })).toEqual(['c']);
  expect(ids({ keyId: 'key-2', model: 'n' })).toEqual([]);
});

it('cancels what waits, and only once', () => {
  store.create(task('a'));
  store.create(task('b', { status: 'RUNNING' }));
  expect(store.cancel('other', 'a', 5000)).toBe(false);
  expect(store.cancel('default', 'a', 5000)).toBe(true);
  expect(store.find('default', 'a')).toEqual(task('a', { status: 'CANCELED', endedAtMs: 5000 }));
  expect(store.cancel('default', 'a', 6000)).toBe(false);
  expect(store.cancel('default', 'b', 5000)).toBe(false);
  expect(store.cancel('default', 'c', 5000)).toBe(false);
});

it('takes out what ended long ago; what has not ended stays', () => {
  store.create(task('a', { endedAtMs: 1999 }));
  store.create(task('b', { endedAtMs: 2000 }));
  store.create(task('c'));
  store.removeEnded(2000);
  expect(ids({}).sort()).toEqual(['b', 'c']);
});
