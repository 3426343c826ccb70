/**
 * Recorded replies of the native resources, against ours for a store that holds the same: status, members and their order.
 * Times, ids and signatures are compared by kind.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StoredTask } from '../src/core/tasks.ts';
import { encodeError } from '../src/protocols/dashscope/errors.ts';
import { createDashScopeWire } from '../src/protocols/dashscope/index.ts';
import type { ListedModel, Wire } from '../src/protocols/protocol.ts';
import { type Database, openDatabase } from '../src/stores/sql/database.ts';
import { createTaskStore } from '../src/stores/sql/tasks.ts';
import { testOwner } from './support/context.ts';
import { callResource, testWirePorts } from './support/wires.ts';

/** Evidence is read where it lies, beside the repository; a clone elsewhere has none. */
const CAPTURES = new URL('../../shared/captures/dashscope/', import.meta.url);
const isAbsent = !existsSync(CAPTURES);
const REASON = 'the captures do not lie beside this clone';

interface Recorded {
  readonly status: number;
  readonly body: Json;
}
type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

let database: Database;
let wire: Wire;

beforeEach(async () => {
  database = await openDatabase(':memory:');
  const model = { card: { id: 'qwen-vl-plus' } } as unknown as ListedModel;
  wire = createDashScopeWire(testWirePorts({ tasks: createTaskStore(database), findModel: () => model }));
});
afterEach(() => database.close());

function recorded(name: string): Recorded {
  const { response } = JSON.parse(readFileSync(new URL(`${name}.json`, CAPTURES), 'utf8'));
  return { status: response.status, body: JSON.parse(response.body) };
}

/** Members in their order, values by kind. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.entries(value).map(([name, member]) => [name, shapeOf(member)]);
}

const seed = (changes: Partial<StoredTask>) =>
  createTaskStore(database).create({
    taskId: '1111',
    ...testOwner(),
    keyId: 'key-1',
    requestId: 'request',
    model: 'text-embedding-async-v2',
    api: 'embeddings:text-embedding:text-embedding',
    status: 'RUNNING',
    createdAtMs: testWirePorts().clock.now() - 1000,
    startedAtMs: testWirePorts().clock.now() - 900,
    ...changes,
  });

test('a running task', async ({ skip }) => {
  skip(isAbsent, REASON);
  await seed({ metrics: { total: 4, succeeded: 0, failed: 0 } });
  const { status, body } = recorded('get-task-running-nosse');
  const ours = await callResource(wire, 'GET', '/api/v1/tasks/:id', { params: { id: '1111' } });
  expect(ours.status).toBe(status);
  expect(shapeOf(JSON.parse(JSON.stringify(ours.body)))).toEqual(shapeOf(body));
});

test('a list of tasks', async ({ skip }) => {
  skip(isAbsent, REASON);
  await seed({ status: 'SUCCEEDED', endedAtMs: testWirePorts().clock.now() });
  const { status, body } = recorded('list-task-nosse');
  const ours = await callResource(wire, 'GET', '/api/v1/tasks');
  expect(ours.status).toBe(status);
  expect(shapeOf(ours.body)).toEqual(shapeOf(body));
});

test('a task that cannot be cancelled', async ({ skip }) => {
  skip(isAbsent, REASON);
  await seed({});
  const { status, body } = recorded('cancel-completed-task-nosse');
  const { request_id: requestId } = body as { readonly request_id: string };
  const refusal = await callResource(wire, 'POST', '/api/v1/tasks/:id/cancel', { params: { id: '1111' } }).catch(
    (thrown) => encodeError(thrown, requestId),
  );
  expect(refusal.status).toBe(status);
  expect(refusal.body).toEqual(body);
});

test('a policy for an upload', async ({ skip }) => {
  skip(isAbsent, REASON);
  const { status, body } = recorded('get-upload-policy-nosse');
  const query = new URLSearchParams('action=getPolicy&model=qwen-vl-plus');
  const ours = await callResource(wire, 'GET', '/api/v1/uploads', { query });
  expect(ours.status).toBe(status);
  expect(shapeOf(ours.body)).toEqual(shapeOf(body));
  const { data } = body as { readonly data: { readonly [name: string]: Json } };
  const fixed = [
    'expire_in_seconds',
    'max_file_size_mb',
    'capacity_limit_mb',
    'x_oss_object_acl',
    'x_oss_forbid_overwrite',
  ];
  expect((ours.body as { data: object }).data).toMatchObject(
    Object.fromEntries(fixed.map((name) => [name, data[name]])),
  );
});
