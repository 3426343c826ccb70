/** Asynchronous tasks. */
import type { SelectQueryBuilder } from 'kysely';
import type { StoredTask, TaskFilter, TaskStatus, TaskStore } from '../../core/tasks.ts';
import type { Database } from './database.ts';
import { ownerColumns, ownerOf } from './owners.ts';
import type { Tables, TasksTable } from './tables.ts';

/** The store of one database. */
export function createTaskStore({ queries }: Database): TaskStore {
  return {
    create: async (task) => {
      await queries.insertInto('tasks').values(rowOf(task)).execute();
    },
    find: async (owner, taskId) => {
      const row = await queries
        .selectFrom('tasks')
        .selectAll()
        .where(({ and }) => and(ownerColumns(owner)))
        .where('task_id', '=', taskId)
        .executeTakeFirst();
      return row && storedTaskOf(row);
    },
    list: async (owner, filter) => {
      const found = matching(
        queries.selectFrom('tasks').where(({ and }) => and(ownerColumns(owner))),
        filter,
      );
      const [rows, { total }] = await Promise.all([
        found
          .selectAll()
          // Of those of one millisecond any order will do, as long as it is the same on every page.
          .orderBy('created_at_ms', 'desc')
          .orderBy('task_id', 'desc')
          .limit(filter.limit)
          .offset(filter.offset)
          .execute(),
        found.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow(),
      ]);
      return { tasks: rows.map(storedTaskOf), total };
    },
    cancel: async (owner, taskId, nowMs) => {
      const { numUpdatedRows } = await queries
        .updateTable('tasks')
        .set({ status: 'CANCELED', ended_at_ms: nowMs })
        .where(({ and }) => and(ownerColumns(owner)))
        .where('task_id', '=', taskId)
        .where('status', '=', 'PENDING')
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },
    removeEnded: async (endedBeforeMs) => {
      await queries.deleteFrom('tasks').where('ended_at_ms', '<', endedBeforeMs).execute();
    },
  };
}

function matching<Output>(
  tasks: SelectQueryBuilder<Tables, 'tasks', Output>,
  { createdFromMs, createdToMs, model, status, keyId }: TaskFilter,
): SelectQueryBuilder<Tables, 'tasks', Output> {
  let query = tasks.where('created_at_ms', '>=', createdFromMs);
  if (createdToMs !== undefined) query = query.where('created_at_ms', '<=', createdToMs);
  if (model !== undefined) query = query.where('model', '=', model);
  if (status !== undefined) query = query.where('status', '=', status);
  if (keyId !== undefined) query = query.where('key_id', '=', keyId);
  return query;
}

function rowOf(task: StoredTask): TasksTable {
  return {
    task_id: task.taskId,
    ...ownerColumns(task),
    key_id: task.keyId,
    request_id: task.requestId,
    model: task.model,
    api: task.api,
    status: task.status,
    created_at_ms: task.createdAtMs,
    started_at_ms: task.startedAtMs ?? null,
    ended_at_ms: task.endedAtMs ?? null,
    metrics: task.metrics ? JSON.stringify(task.metrics) : null,
    output: task.output ? JSON.stringify(task.output) : null,
    usage: task.usage ? JSON.stringify(task.usage) : null,
  };
}

function storedTaskOf(row: TasksTable): StoredTask {
  return {
    taskId: row.task_id,
    ...ownerOf(row),
    keyId: row.key_id,
    requestId: row.request_id,
    model: row.model,
    api: row.api,
    status: row.status as TaskStatus,
    createdAtMs: row.created_at_ms,
    startedAtMs: row.started_at_ms ?? undefined,
    endedAtMs: row.ended_at_ms ?? undefined,
    metrics: row.metrics === null ? undefined : JSON.parse(row.metrics),
    output: row.output === null ? undefined : JSON.parse(row.output),
    usage: row.usage === null ? undefined : JSON.parse(row.usage),
  };
}
