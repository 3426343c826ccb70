/**
 * Recorded exchanges of the file and batch services: what was recorded as there is put into real stores, the recorded
 * request is made, and the answer must come out as recorded, key by key. Where the service made something new, its ids and
 * times are taken from our answer.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StoredBatch } from '../src/core/batches.ts';
import { nativeFileRoutes } from '../src/protocols/dashscope/files.ts';
import { createOpenAiBatchesWire } from '../src/protocols/openai-batches/index.ts';
import type { BatchObject } from '../src/protocols/openai-batches/schema.ts';
import { createOpenAiFilesWire } from '../src/protocols/openai-files/index.ts';
import type { FileObject } from '../src/protocols/openai-files/schema.ts';
import type { BodyPart, ResourceReply, ResourceRoute } from '../src/protocols/protocol.ts';
import { countingIds, fixedClock, testOwner } from './support/context.ts';
import { fieldPart, filePart, openTestStores, readText, type TestStores } from './support/stores.ts';
import { callResource, testWirePorts } from './support/wires.ts';

/** Evidence is read where it lies, beside the repository; a clone elsewhere has none. */
const CAPTURES = new URL('../../shared/captures/dashscope/', import.meta.url);
const isAbsent = !existsSync(CAPTURES);
const REASON = 'the captures do not lie beside this clone';

interface Capture {
  readonly request: { readonly line: string; readonly body: unknown };
  readonly response: { readonly status: number; readonly body: string };
}

let stores: TestStores;
let routes: readonly ResourceRoute[];
beforeEach(async () => {
  stores = await openTestStores();
  // The day after the newest recording of a batch.
  const clock = fixedClock(Date.UTC(2026, 3, 19));
  const ports = testWirePorts({ ...stores.ports, clock, ids: countingIds() });
  routes = [
    ...createOpenAiFilesWire(ports).resources,
    ...createOpenAiBatchesWire(ports).resources,
    ...nativeFileRoutes(ports),
  ];
});
afterEach(() => stores.close());

function read(name: string): Capture {
  return JSON.parse(readFileSync(new URL(`${name}.json`, CAPTURES), 'utf8')) as Capture;
}

/** Makes a recorded request; a body that was lost or damaged is given as parts. */
function replay({ request: { line, body } }: Capture, parts?: readonly BodyPart[]): Promise<ResourceReply> {
  const [, method = '', target = ''] = /^(\w+) (?:https:\/\/[^/]+)?(\S+)/.exec(line) ?? [];
  const { pathname, searchParams: query } = new URL(target, 'http://host');
  const segments = pathname.split('/');
  const route = routes.find(
    ({ method: taken, path }) =>
      taken === method &&
      path.split('/').length === segments.length &&
      path.split('/').every((segment, index) => segment.startsWith(':') || segment === segments[index]),
  );
  if (!route) throw new Error(`nothing is served at ${method} ${pathname}`);
  const id = segments[route.path.split('/').indexOf(':id')] ?? '';
  return callResource({ resources: [route] }, method, route.path, {
    params: { id },
    query,
    body,
    ...(parts && { parts }),
  });
}

const sameAs = (reply: ResourceReply, { response }: Capture, volatile: readonly string[] = []): void => {
  expect(reply.status).toBe(response.status);
  const recorded = JSON.parse(response.body) as object;
  for (const path of volatile) copyMember(reply.body as object, recorded, path.split('.'));
  expect(JSON.stringify(reply.body)).toBe(JSON.stringify(recorded));
};

/** The types have to agree. */
function copyMember(from: object, to: object, [key = '', ...rest]: readonly string[]): void {
  const [ours, theirs] = [from, to] as [{ [key: string]: object }, { [key: string]: object }];
  if (rest.length > 0) {
    copyMember(ours[key] ?? {}, theirs[key] ?? {}, rest);
    return;
  }
  expect(typeof ours[key], key).toBe(typeof theirs[key]);
  theirs[key] = ours[key] as object;
}

async function* textOf(text: string): AsyncGenerator<string> {
  yield text;
}

async function seedFile(file: Omit<FileObject, 'object' | 'status'>, text = 'x'.repeat(file.bytes)): Promise<void> {
  const blob = await stores.ports.blobs.write(textOf(text), 1e9);
  await stores.ports.files.create({
    ...blob,
    fileId: file.id,
    ...testOwner(),
    keyId: 'key-1',
    name: file.filename,
    purpose: file.purpose as 'batch',
    description: '',
    createdAtMs: file.created_at * 1000,
  });
}

/** Puts a recorded batch into the store as if it had come so far. */
async function seedBatch(recorded: BatchObject): Promise<void> {
  const { batches } = stores.ports;
  const ms = (seconds: number | null) => (seconds === null ? null : seconds * 1000);
  const { completed, failed, total } = recorded.request_counts;
  await batches.create({
    batchId: recorded.id,
    account: { keyId: 'key-1', name: 'test', ...testOwner() },
    endpoint: recorded.endpoint,
    inputFileId: recorded.input_file_id,
    inputBlobId: '',
    completionWindow: recorded.completion_window,
    createdAtMs: recorded.created_at * 1000,
    expiresAtMs: recorded.created_at * 1000 + 86_400_000,
    metadata: recorded.metadata,
  });
  const results = Array.from({ length: completed + failed }, (_, index) => ({
    line: index + 1,
    isFailure: index >= completed,
    text: '{}',
  }));
  await batches.addResults(recorded.id, results);
  const state: Partial<StoredBatch> = {
    status: recorded.status,
    errors: recorded.errors?.data ?? null,
    outputFileId: recorded.output_file_id,
    errorFileId: recorded.error_file_id,
    inProgressAtMs: ms(recorded.in_progress_at),
    finalizingAtMs: ms(recorded.finalizing_at),
    completedAtMs: ms(recorded.completed_at),
    failedAtMs: ms(recorded.failed_at),
    cancellingAtMs: ms(recorded.cancelling_at),
    cancelledAtMs: ms(recorded.cancelled_at),
    total,
  };
  await batches.update(recorded.id, 'validating', state);
}

const batchIn = (capture: Capture) => JSON.parse(capture.response.body) as BatchObject;

test.for(['get-inprogress-batch', 'get-completed-batch', 'get-cancelled-batch'])('%s', async (name, { skip }) => {
  skip(isAbsent, REASON);
  const capture = read(`${name}-compatible-nosse`);
  await seedBatch(batchIn(capture));
  sameAs(await replay(capture), capture);
});

test('cancel-batch: the answer does not wait for the work to be cut', async ({ skip }) => {
  skip(isAbsent, REASON);
  const capture = read('cancel-batch-compatible-nosse');
  await seedBatch({ ...batchIn(capture), status: 'in_progress' });
  sameAs(await replay(capture), capture);
});

test('create-batch', async ({ skip }) => {
  skip(isAbsent, REASON);
  const capture = read('create-batch-compatible-nosse');
  await seedFile({
    id: batchIn(capture).input_file_id,
    bytes: 7,
    filename: 'a.jsonl',
    purpose: 'batch',
    created_at: batchIn(capture).created_at,
  });
  sameAs(await replay(capture), capture, ['id', 'created_at']);
});

test.for([
  'list-batches-empty',
  'list-batches-filter-by-input-file-id',
  'list-batches-filter-by-time',
  'list-batches-search-ds-name',
  'list-batches-search-status',
])('%s', async (name, { skip }) => {
  skip(isAbsent, REASON);
  const capture = read(`${name}-compatible-nosse`);
  const { data, has_more } = JSON.parse(capture.response.body) as { data: BatchObject[] | null; has_more: boolean };
  const newestFirst = data ?? [];
  const [newest] = newestFirst;
  // What the filter has to leave out, and one more for the next page where the recording has one.
  const older = newest && { ...newest, id: 'batch_older', created_at: newest.created_at - (has_more ? 1 : 86_400) };
  if (older) await seedBatch({ ...older, input_file_id: has_more ? older.input_file_id : 'other' });
  for (const batch of newestFirst.toReversed()) await seedBatch(batch);
  if (newest)
    await seedBatch({
      ...newest,
      id: 'batch_other',
      input_file_id: 'x',
      status: 'validating',
      metadata: null,
      created_at: 0,
    });
  sameAs(await replay(capture), capture);
});

test('upload-file: the purpose comes after the file', async ({ skip }) => {
  skip(isAbsent, REASON);
  const capture = read('upload-file-compatible-nosse');
  const parts = [filePart('file', 'test2.txt', 'content'), fieldPart('purpose', 'file-extract')];
  sameAs(await replay(capture, parts), capture, ['id', 'created_at']);
});

test('list-files: what the filters leave out is there', async ({ skip }) => {
  skip(isAbsent, REASON);
  const capture = read('list-files-compatible-nosse');
  const [file] = (JSON.parse(capture.response.body) as { data: FileObject[] }).data;
  if (!file) throw new Error('an empty recording');
  const day = 86_400;
  await seedFile({ ...file, id: 'file-fe-too-old', created_at: file.created_at - 400 * day });
  await seedFile(file);
  await seedFile({ ...file, id: 'file-batch-1', purpose: 'batch', created_at: file.created_at + 1 });
  await seedFile({ ...file, id: 'file-fe-e457d4773c3f4c9fbfadffaf', created_at: file.created_at + 2 });
  await seedFile({ ...file, id: 'file-fe-before-the-cursor', created_at: file.created_at + 3 });
  await seedFile({ ...file, id: 'file-fe-too-new', created_at: file.created_at + 30 * day });
  sameAs(await replay(capture), capture);
});

test('delete-file, get-file-content', async ({ skip }) => {
  skip(isAbsent, REASON);
  const removal = read('delete-file-compatible-nosse');
  const content = read('get-file-content-compatible-nosse');
  const file = { bytes: 1, filename: 'a.jsonl', created_at: 1_761_480_070 };
  await seedFile({ ...file, id: 'file-fe-d5c0ea9110bd47afb0505f43', purpose: 'file-extract' });
  sameAs(await replay(removal), removal);
  const id = 'file-batch_output-c5f57bf1fbc749cdae9676ba';
  await seedFile({ ...file, id, purpose: 'batch_output' }, content.response.body);
  const { status, stream } = await replay(content);
  expect(status).toBe(content.response.status);
  expect(await readText(stream)).toBe(content.response.body);
});

test('get-file and delete-file of the native service, by a compatible id', async ({ skip }) => {
  skip(isAbsent, REASON);
  const capture = read('get-file-nosse');
  await seedFile(
    {
      id: 'file-fe-5d5eb068893f4b5e8551ada4',
      bytes: 7,
      filename: 'test2.txt',
      purpose: 'file-extract',
      created_at: 1_764_499_365,
    },
    'content',
  );
  const ours = ['id', 'md5', 'url', 'user_id', 'api_key_id'].map((key) => `data.${key}`);
  sameAs(await replay(capture), capture, [...ours, 'request_id']);
  const removal = read('delete-file-nosse');
  sameAs(await replay(removal), removal, ['request_id']);
});

test('upload-file of the native service, with a file that the quota does not let in', async ({ skip }) => {
  skip(isAbsent, REASON);
  const capture = read('upload-file-nosse');
  const ports = testWirePorts({
    ...stores.ports,
    ids: countingIds(),
    fileQuota: { maxFiles: 10, maxBytes: 1000 },
  });
  routes = nativeFileRoutes(ports);
  for (let index = 0; index < 9; index++)
    await seedFile({ id: `f${index}`, bytes: 1, filename: 'a', purpose: 'file-extract', created_at: 1 });
  const parts = [filePart('files', 'test2.txt', 'content'), filePart('files', 'test1.txt', 'content')];
  const reply = await replay(capture, parts);
  const { data } = reply.body as { data: { uploaded_files: { file_id: string }[] } };
  const recorded = JSON.parse(capture.response.body);
  recorded.data.uploaded_files[0].file_id = data.uploaded_files[0]?.file_id;
  recorded.request_id = 'r';
  expect(JSON.stringify(reply.body)).toBe(JSON.stringify(recorded));
});
