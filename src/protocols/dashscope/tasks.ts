/** `GET /tasks/{id}`, `GET /tasks` and `POST /tasks/{id}/cancel` ("Manage asynchronous tasks"). */
import { StudioError } from '../../core/errors.ts';
import { REGION_FACTS } from '../../core/regions.ts';
import type { StoredTask, TaskFilter } from '../../core/tasks.ts';
import { formatBeijingTimeMs, parseBeijingTime } from '../beijing-time.ts';
import type { ResourceRoute, WirePorts } from '../protocol.ts';

/** How long the result of a task can be asked for, and how much time one list may span. */
export const TASK_RETENTION_MS = 24 * 60 * 60 * 1000;

const DEFAULT_PAGE_SIZE = 10;
const MAX_PAGE_SIZE = 100;

const STATUSES: readonly string[] = ['PENDING', 'RUNNING', 'SUSPENDED', 'SUCCEEDED', 'FAILED', 'CANCELED'];

export function taskRoutes(prefix: string, { tasks, clock }: Pick<WirePorts, 'tasks' | 'clock'>): ResourceRoute[] {
  return [
    {
      method: 'GET',
      path: `${prefix}/tasks/:id`,
      handle: async ({ params: { id = '' }, account, requestId }) => {
        const task = await tasks.find(account, id);
        const isKept = task && !(task.endedAtMs !== undefined && task.endedAtMs + TASK_RETENTION_MS < clock.now());
        return { status: 200, body: isKept ? encodeTask(task, requestId) : encodeUnknown(id, requestId) };
      },
    },
    {
      method: 'GET',
      path: `${prefix}/tasks`,
      handle: async ({ query, account, requestId }) => {
        const page = pageOf(query);
        const filter: TaskFilter = {
          ...filterOf(query, clock.now()),
          limit: page.size,
          offset: (page.no - 1) * page.size,
        };
        const region = givenIn(query, 'region');
        const isElsewhere = region !== undefined && !REGION_FACTS[account.region].vendorIds.includes(region);
        const found = isElsewhere ? { tasks: [], total: 0 } : await tasks.list(account, filter);
        const body = {
          total: found.total,
          data: found.tasks.map(encodeListed),
          total_page: Math.ceil(found.total / page.size),
          page_no: page.no,
          request_id: requestId,
          page_size: page.size,
        };
        return { status: 200, body };
      },
    },
    {
      method: 'POST',
      path: `${prefix}/tasks/:id/cancel`,
      handle: async ({ params: { id = '' }, account, requestId }) => {
        if (!(await tasks.cancel(account, id, clock.now())))
          throw new StudioError(
            'unsupported-operation',
            'Failed to cancel the task, please confirm if the task is in PENDING status.',
          );
        return { status: 200, body: { request_id: requestId } };
      },
    },
  ];
}

function encodeTask(task: StoredTask, requestId: string): object {
  const { metrics, usage } = task;
  return {
    request_id: requestId,
    output: {
      task_id: task.taskId,
      task_status: task.status,
      submit_time: formatBeijingTimeMs(task.createdAtMs),
      scheduled_time: formatOptional(task.startedAtMs),
      end_time: formatOptional(task.endedAtMs),
      ...task.output,
      task_metrics: metrics && { TOTAL: metrics.total, SUCCEEDED: metrics.succeeded, FAILED: metrics.failed },
    },
    usage,
  };
}

function formatOptional(timeMs: number | undefined): string | undefined {
  return timeMs === undefined ? undefined : formatBeijingTimeMs(timeMs);
}

/** Recorded with status 200. */
function encodeUnknown(taskId: string, requestId: string): object {
  return { request_id: requestId, output: { task_id: taskId, task_status: 'UNKNOWN' } };
}

/** Key order as recorded; whose account it is has one answer here, the workspace. */
function encodeListed(task: StoredTask): object {
  return {
    api_key_id: task.keyId,
    caller_parent_id: task.workspaceId,
    caller_uid: task.workspaceId,
    end_time: task.endedAtMs,
    gmt_create: task.createdAtMs,
    model_name: task.model,
    region: REGION_FACTS[task.region].vendorIds[0],
    request_id: task.requestId,
    start_time: task.startedAtMs,
    status: task.status,
    task_id: task.taskId,
    user_api_unique_key: `apikey:v1:${task.api}:${task.model}`,
  };
}

function pageOf(query: URLSearchParams): { readonly no: number; readonly size: number } {
  return {
    no: countOf(query, 'page_no', 1, Number.MAX_SAFE_INTEGER / MAX_PAGE_SIZE),
    size: countOf(query, 'page_size', DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
  };
}

function countOf(query: URLSearchParams, name: string, fallback: number, highest: number): number {
  const text = givenIn(query, name);
  if (text === undefined) return fallback;
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(count >= 1 && count <= highest))
    throw new StudioError('invalid-parameter', `Range of ${name} should be [1, ${highest}]`, { param: name });
  return count;
}

function filterOf(query: URLSearchParams, nowMs: number): Omit<TaskFilter, 'limit' | 'offset'> {
  const start = timeOf(query, 'start_time');
  const end = timeOf(query, 'end_time');
  const createdToMs = end ?? (start === undefined ? nowMs : start + TASK_RETENTION_MS);
  const createdFromMs = start ?? createdToMs - TASK_RETENTION_MS;
  if (createdToMs < createdFromMs || createdToMs - createdFromMs > TASK_RETENTION_MS)
    throw new StudioError('invalid-parameter', 'The range from start_time to end_time should be within 24 hours.');
  const status = givenIn(query, 'status');
  if (status !== undefined && !STATUSES.includes(status))
    throw new StudioError('invalid-parameter', `status should be one of ${STATUSES.join(', ')}`, { param: 'status' });
  return {
    createdFromMs,
    createdToMs,
    model: givenIn(query, 'model_name'),
    status,
    keyId: givenIn(query, 'api_key_id'),
  };
}

function timeOf(query: URLSearchParams, name: string): number | undefined {
  const text = givenIn(query, name);
  if (text === undefined) return undefined;
  const timeMs = text.length === 14 ? parseBeijingTime(text) : undefined;
  if (timeMs === undefined)
    throw new StudioError('invalid-parameter', `${name} should be 14 digits, such as 20230420000000`, { param: name });
  return timeMs;
}

/** Clients send the names of filters they do not use with nothing behind them. */
function givenIn(query: URLSearchParams, name: string): string | undefined {
  return query.get(name) || undefined;
}
