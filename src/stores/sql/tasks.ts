/** Asynchronous tasks in SQLite. */
import type { StoredTask, TaskStatus, TaskStore } from '../../core/tasks.ts';
import type { Database } from './database.ts';
import type { TasksTable } from './tables.ts';

interface ListParameters {
  readonly workspaceId: string;
  readonly from: number;
  readonly to: number;
  readonly model: string | null;
  readonly status: string | null;
  readonly keyId: string | null;
}

const MATCHES = `workspace_id = @workspaceId AND created_at_ms BETWEEN @from AND @to
  AND (@model IS NULL OR model = @model)
  AND (@status IS NULL OR status = @status)
  AND (@keyId IS NULL OR key_id = @keyId)`;

/** The store of one database. */
export function createTaskStore({ sqlite }: Database): TaskStore {
  const insert = sqlite.prepare<TasksTable>(
    `INSERT INTO tasks (task_id, workspace_id, key_id, request_id, model, api, status, created_at_ms, started_at_ms,
       ended_at_ms, metrics, output, usage)
     VALUES (@task_id, @workspace_id, @key_id, @request_id, @model, @api, @status, @created_at_ms, @started_at_ms,
       @ended_at_ms, @metrics, @output, @usage)`,
  );
  const find = sqlite.prepare<[string, string], TasksTable>(
    'SELECT * FROM tasks WHERE workspace_id = ? AND task_id = ?',
  );
  const list = sqlite.prepare<ListParameters & { limit: number; offset: number }, TasksTable>(
    `SELECT * FROM tasks WHERE ${MATCHES} ORDER BY created_at_ms DESC, rowid DESC LIMIT @limit OFFSET @offset`,
  );
  const count = sqlite.prepare<ListParameters, number>(`SELECT count(*) FROM tasks WHERE ${MATCHES}`).pluck();
  const cancel = sqlite.prepare<[number, string, string]>(
    `UPDATE tasks SET status = 'CANCELED', ended_at_ms = ?
     WHERE workspace_id = ? AND task_id = ? AND status = 'PENDING'`,
  );
  const removeEnded = sqlite.prepare<[number]>('DELETE FROM tasks WHERE ended_at_ms < ?');
  return {
    create: (task) => void insert.run(rowOf(task)),
    find: (workspaceId, taskId) => {
      const row = find.get(workspaceId, taskId);
      return row && storedTaskOf(row);
    },
    list: (workspaceId, filter) => {
      const parameters: ListParameters = {
        workspaceId,
        from: filter.createdFromMs,
        to: filter.createdToMs ?? Number.MAX_SAFE_INTEGER,
        model: filter.model ?? null,
        status: filter.status ?? null,
        keyId: filter.keyId ?? null,
      };
      return {
        tasks: list.all({ ...parameters, limit: filter.limit, offset: filter.offset }).map(storedTaskOf),
        total: count.get(parameters) ?? 0,
      };
    },
    cancel: (workspaceId, taskId, nowMs) => cancel.run(nowMs, workspaceId, taskId).changes > 0,
    removeEnded: (endedBeforeMs) => void removeEnded.run(endedBeforeMs),
  };
}

function rowOf(task: StoredTask): TasksTable {
  return {
    task_id: task.taskId,
    workspace_id: task.workspaceId,
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
    workspaceId: row.workspace_id,
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
