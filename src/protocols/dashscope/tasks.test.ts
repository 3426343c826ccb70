import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, testOwner } from '../../../test/support/context.ts';
import { callResource } from '../../../test/support/wires.ts';
import type { StoredTask } from '../../core/tasks.ts';
import { type Database, openDatabase } from '../../stores/sql/database.ts';
import { createTaskStore } from '../../stores/sql/tasks.ts';
import { TASK_RETENTION_MS, taskRoutes } from './tasks.ts';

const NOW = Date.parse('2024-03-01T10:00:00.000Z');
const clock = fixedClock(NOW);
let database: Database;
let wire: { resources: ReturnType<typeof taskRoutes> };

beforeEach(async () => {
  database = await openDatabase(':memory:');
  wire = { resources: taskRoutes('/api/v1', { tasks: createTaskStore(database), clock }) };
});
afterEach(() => database.close());

async function seed(changes: Partial<StoredTask> = {}): Promise<StoredTask> {
  const task: StoredTask = {
    taskId: 'task-1',
    ...testOwner(),
    keyId: 'key-1',
    requestId: 'request-1',
    model: 'text-embedding-async-v2',
    api: 'embeddings:text-embedding:text-embedding',
    status: 'RUNNING',
    createdAtMs: NOW - 5000,
    startedAtMs: NOW - 4986,
    ...changes,
  };
  await createTaskStore(database).create(task);
  return task;
}

const get = (id: string) => callResource(wire, 'GET', '/api/v1/tasks/:id', { params: { id } });
const list = (query = '') => callResource(wire, 'GET', '/api/v1/tasks', { query: new URLSearchParams(query) });
const cancel = (id: string) => callResource(wire, 'POST', '/api/v1/tasks/:id/cancel', { params: { id } });

describe('GET /tasks/{id}', () => {
  it('tells a running task as recorded, byte for byte', async () => {
    await seed({ metrics: { total: 4, succeeded: 0, failed: 0 } });
    const { status, body } = await get('task-1');
    expect(status).toBe(200);
    expect(JSON.stringify(body)).toBe(
      '{"request_id":"r","output":{"task_id":"task-1","task_status":"RUNNING","submit_time":"2024-03-01 17:59:55.000",' +
        '"scheduled_time":"2024-03-01 17:59:55.014","task_metrics":{"TOTAL":4,"SUCCEEDED":0,"FAILED":0}}}',
    );
  });

  it('shows results, failures and usage', async () => {
    await seed({
      status: 'FAILED',
      endedAtMs: NOW,
      output: { code: 'InternalError', message: 'no' },
      usage: { count: 1 },
    });
    expect((await get('task-1')).body).toMatchObject({
      output: { task_status: 'FAILED', end_time: '2024-03-01 18:00:00.000', code: 'InternalError', message: 'no' },
      usage: { count: 1 },
    });
  });

  it('does not know a task that is not there, of somebody else, or past its time', async () => {
    await seed({ taskId: 'theirs', workspaceId: 'other' });
    await seed({ taskId: 'elsewhere', region: 'singapore' });
    await seed({ taskId: 'old', status: 'SUCCEEDED', endedAtMs: NOW - TASK_RETENTION_MS - 1 });
    await seed({ taskId: 'kept', status: 'SUCCEEDED', endedAtMs: NOW - TASK_RETENTION_MS });
    for (const id of ['none', 'theirs', 'elsewhere', 'old'])
      expect(await get(id)).toEqual({
        status: 200,
        body: { request_id: 'r', output: { task_id: id, task_status: 'UNKNOWN' } },
      });
    expect((await get('kept')).body).toMatchObject({ output: { task_status: 'SUCCEEDED' } });
  });
});

describe('GET /tasks', () => {
  it('lists as recorded, byte for byte', async () => {
    await seed({ status: 'SUCCEEDED', endedAtMs: NOW });
    expect(JSON.stringify((await list()).body)).toBe(
      '{"total":1,"data":[{"api_key_id":"key-1","caller_parent_id":"default","caller_uid":"default",' +
        `"end_time":${NOW},"gmt_create":${NOW - 5000},"model_name":"text-embedding-async-v2","region":"cn-beijing",` +
        `"request_id":"request-1","start_time":${NOW - 4986},"status":"SUCCEEDED","task_id":"task-1",` +
        '"user_api_unique_key":"apikey:v1:embeddings:text-embedding:text-embedding:text-embedding-async-v2"}],' +
        '"total_page":1,"page_no":1,"request_id":"r","page_size":10}',
    );
  });

  it('pages', async () => {
    for (let index = 0; index < 5; index++) await seed({ taskId: `t${index}`, createdAtMs: NOW - 5000 + index });
    const { body } = await list('page_no=2&page_size=2');
    expect(body).toMatchObject({ total: 5, total_page: 3, page_no: 2, page_size: 2 });
    expect((body as { data: { task_id: string }[] }).data.map(({ task_id }) => task_id)).toEqual(['t2', 't1']);
    expect((await list('page_no=4&page_size=2')).body).toMatchObject({ total: 5, data: [] });
  });

  it.each([
    ['', 1],
    ['status=RUNNING&model_name=&region=', 1],
    ['status=SUCCEEDED', 0],
    ['model_name=other', 0],
    ['api_key_id=key-1', 1],
    ['region=cn-beijing', 1],
    ['region=ap-southeast-1', 0],
    ['start_time=20240301175955', 1],
    ['start_time=20240301175956', 0],
    ['end_time=20240301175954', 0],
    ['start_time=20240229180000&end_time=20240301180000', 1],
  ])('filters by %j', async (query, total) => {
    await seed();
    expect((await list(query)).body).toMatchObject({ total });
  });

  it("tells and takes the vendor's ids of the account's own region", async () => {
    await seed({ taskId: 'here', region: 'virginia' });
    await seed({ taskId: 'elsewhere' });
    const account = { keyId: 'key-1', name: 'test', ...testOwner({ region: 'virginia' }) };
    const listThere = (region: string) =>
      callResource(wire, 'GET', '/api/v1/tasks', { account, query: new URLSearchParams({ region }) });
    for (const region of ['us-east-1', 'us-east'])
      expect((await listThere(region)).body).toMatchObject({
        total: 1,
        data: [{ task_id: 'here', region: 'us-east-1' }],
      });
    expect((await listThere('cn-beijing')).body).toMatchObject({ total: 0, data: [] });
  });

  it('shows the last 24 hours when no time is given', async () => {
    await seed({ createdAtMs: NOW - TASK_RETENTION_MS - 1 });
    expect((await list()).body).toMatchObject({ total: 0 });
  });

  it.each([
    ['page_no=0', 'Range of page_no'],
    ['page_no=-1', 'Range of page_no'],
    ['page_size=101', 'Range of page_size should be [1, 100]'],
    ['page_size=ten', 'Range of page_size'],
    ['status=DONE', 'status should be one of'],
    ['start_time=2024', 'start_time should be 14 digits'],
    ['end_time=20240230000000', 'end_time should be 14 digits'],
    ['start_time=20240229175959&end_time=20240301180000', 'within 24 hours'],
    ['start_time=20240302000000&end_time=20240301000000', 'within 24 hours'],
  ])('refuses %j', async (query, text) => {
    await expect(list(query)).rejects.toMatchObject({
      code: 'invalid-parameter',
      message: expect.stringContaining(text),
    });
  });
});

describe('POST /tasks/{id}/cancel', () => {
  it('cancels what waits', async () => {
    await seed({ status: 'PENDING', startedAtMs: undefined });
    expect(await cancel('task-1')).toEqual({ status: 200, body: { request_id: 'r' } });
    expect((await get('task-1')).body).toMatchObject({ output: { task_status: 'CANCELED' } });
  });

  it("refuses the rest in the service's words", async () => {
    await seed();
    for (const id of ['task-1', 'none'])
      await expect(cancel(id)).rejects.toMatchObject({
        code: 'unsupported-operation',
        message: 'Failed to cancel the task, please confirm if the task is in PENDING status.',
      });
  });
});
