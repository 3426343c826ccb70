import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { countingIds, fixedClock, testOwner } from '../../../test/support/context.ts';
import { openTestStores, readText, type TestStores } from '../../../test/support/stores.ts';
import { callResource, testWirePorts } from '../../../test/support/wires.ts';
import type { StoredBatch } from '../../core/batches.ts';
import { StudioError } from '../../core/errors.ts';
import { createBatchStore } from '../../stores/sql/batches.ts';
import type { InnerCall, InnerReply, Wire, WirePorts } from '../protocol.ts';
import { createOpenAiBatchesWire } from './index.ts';
import type { BatchObject } from './schema.ts';

const BATCHES = '/compatible-mode/v1/batches';
const CHAT = '/v1/chat/completions';

let stores: TestStores;
let wire: Wire;
let clock: ReturnType<typeof fixedClock>;
let calls: InnerCall[];
let posts: [string, unknown][];
/** What a call gives; the default echoes the line's `say`. */
let answer: (call: InnerCall) => Promise<InnerReply>;
const ids = countingIds();

beforeEach(async () => {
  clock = fixedClock();
  stores = await openTestStores(clock);
  calls = [];
  posts = [];
  answer = async ({ body }) => ok({ said: JSON.parse(body).say });
  build();
});
afterEach(async () => {
  vi.useRealTimers();
  await wire.work?.stop();
  await stores.close();
});

/** A wire on the same stores, as after a restart. */
function build(overrides: Partial<WirePorts> = {}): void {
  wire = createOpenAiBatchesWire(
    testWirePorts({
      ...stores.ports,
      clock,
      ids,
      findModel: () => ({ servedBy: 'scripted/echo' }) as never,
      callWire: (call) => {
        calls.push(call);
        return answer(call);
      },
      webhooks: {
        post: async (url, body) => {
          posts.push([url, body]);
        },
      },
      ...overrides,
    }),
  );
}

function ok(body: object): InnerReply {
  return { status: 200, requestId: ids.uuid(), body };
}

function refused(status: number, code = 'some_code', message = 'Some words.'): InnerReply {
  return { status, requestId: ids.uuid(), body: { error: { code, message } } };
}

const lineOf = (say: string, url = CHAT, body: object = {}) =>
  JSON.stringify({ custom_id: say, method: 'POST', url, body: { model: 'qwen-plus', say, ...body } });

async function storeInput(lines: readonly string[], purpose: 'batch' | 'file-extract' = 'batch'): Promise<string> {
  async function* source(): AsyncGenerator<string> {
    yield lines.join('\n');
  }
  const blob = await stores.ports.blobs.write(source(), 1e9);
  const fileId = `file-batch-${ids.uuid()}`;
  const { files } = stores.ports;
  const owner = { ...testOwner(), keyId: 'key-1' };
  await files.create({ ...blob, ...owner, fileId, name: 'a.jsonl', purpose, description: '', createdAtMs: 0 });
  return fileId;
}

const request = (body: unknown) => callResource(wire, 'POST', BATCHES, { body });

async function create(lines: readonly string[], changes: object = {}): Promise<BatchObject> {
  const input_file_id = await storeInput(lines);
  const { body } = await request({ input_file_id, endpoint: CHAT, completion_window: '24h', ...changes });
  return body as BatchObject;
}

async function retrieve(id: string): Promise<BatchObject> {
  return (await callResource(wire, 'GET', `${BATCHES}/:id`, { params: { id } })).body as BatchObject;
}

const cancel = async (id: string) =>
  (await callResource(wire, 'POST', `${BATCHES}/:id/cancel`, { params: { id } })).body as BatchObject;

function until(id: string, ...statuses: string[]): Promise<BatchObject> {
  return vi.waitUntil(
    async () => {
      const batch = await retrieve(id);
      return statuses.includes(batch.status) && batch;
    },
    { timeout: 5000, interval: 5 },
  ) as Promise<BatchObject>;
}

async function linesIn(fileId: string | null): Promise<{ custom_id: string; response: unknown; error: unknown }[]> {
  const file = fileId === null ? undefined : await stores.ports.files.find(testOwner(), fileId);
  if (!file) return [];
  expect(file).toMatchObject({ purpose: 'batch_output', fileId: expect.stringMatching(/^file-batch_output-/) });
  const text = await readText(stores.ports.blobs.read(file.blobId));
  expect(file.bytes).toBe(Buffer.byteLength(text));
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** A call that ends when the test says so, or when it is cut. */
function heldCalls() {
  const held: { call: InnerCall; end: (reply: InnerReply) => void }[] = [];
  answer = (call) =>
    new Promise((resolve) => {
      held.push({ call, end: resolve });
      // A cut call gives what there was of it.
      call.signal.addEventListener('abort', () => resolve(ok({ said: 'half' })), { once: true });
    });
  return held;
}

describe('a batch', () => {
  it('calls every line once and puts the results into files in the order of lines', async () => {
    wire.work?.start();
    answer = async ({ body }) => {
      const { say } = JSON.parse(body) as { say: string };
      return say === 'b' ? refused(400, 'invalid_parameter_error', 'Not so.') : ok({ said: say });
    };
    const created = await create([lineOf('a'), lineOf('b'), '', lineOf('c')]);
    expect(created).toMatchObject({ status: 'validating', request_counts: { total: 0, completed: 0, failed: 0 } });
    const seconds = Math.floor(clock.now() / 1000);
    const done = await until(created.id, 'completed');
    expect(done).toMatchObject({
      errors: null,
      created_at: seconds,
      in_progress_at: seconds,
      finalizing_at: seconds,
      completed_at: seconds,
      cancelled_at: null,
      request_counts: { total: 3, completed: 2, failed: 1 },
    });
    const output = await linesIn(done.output_file_id);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(['a', 'c']);
    expect(JSON.stringify(output[0])).toMatch(
      /^\{"id":"([^"]+)","custom_id":"a","response":\{"status_code":200,"request_id":"\1","body":\{"said":"a"\}\},"error":null\}$/,
    );
    expect(await linesIn(done.error_file_id)).toMatchObject([
      {
        custom_id: 'b',
        response: { status_code: 400, body: { error: { code: 'invalid_parameter_error' } } },
        error: { code: 'invalid_parameter_error', message: 'Not so.' },
      },
    ]);
    await wire.work?.stop();
    // The batch's own copy of the input and its rows are gone.
    expect(stores.blobNames()).toHaveLength(3);
    expect((await stores.ports.batches.doneLines(created.id)).size).toBe(0);
  });

  it('calls for its account, as batch work, whole and not streamed', async () => {
    wire.work?.start();
    const { id } = await create([lineOf('a', CHAT, { stream: true, stream_options: { include_usage: true }, n: 2 })]);
    await until(id, 'completed');
    expect(calls).toMatchObject([
      {
        path: CHAT,
        priority: 'batch',
        account: { keyId: 'key-1', name: 'test', ...testOwner() },
      },
    ]);
    expect(JSON.parse(calls[0]?.body ?? '')).toEqual({ model: 'qwen-plus', say: 'a', n: 2, stream: false });
  });

  it('of Responses waits for each answer', async () => {
    wire.work?.start();
    const line = lineOf('a', '/v1/responses', { background: true, stream: true });
    const { id } = await create([line], { endpoint: '/v1/responses' });
    await until(id, 'completed');
    expect(JSON.parse(calls[0]?.body ?? '')).toEqual({ model: 'qwen-plus', say: 'a', stream: false });
  });

  it('runs as many lines side by side as it may, over all batches', async () => {
    build({ batchConcurrency: 2 });
    wire.work?.start();
    const held = heldCalls();
    const long = await create([...'abcdefgh'].map((say) => lineOf(say)));
    const short = await create([lineOf('z')]);
    await until(short.id, 'in_progress');
    const turns: string[] = [];
    while (turns.length < 9) {
      await vi.waitUntil(() => held.length > 0, { interval: 1 });
      expect(held.length).toBeLessThanOrEqual(2);
      const next = held.shift();
      turns.push(JSON.parse(next?.call.body ?? '').say);
      next?.end(ok({}));
    }
    await until(long.id, 'completed');
    await until(short.id, 'completed');
    // The short one need not wait for the end of the long one.
    expect(turns.indexOf('z')).toBeLessThan(8);
    expect(turns.filter((say) => say !== 'z').join('')).toBe('abcdefgh');
  });

  it('outlives its input file', async () => {
    const { id, input_file_id } = await create([lineOf('a')]);
    const file = await stores.ports.files.find(testOwner(), input_file_id);
    await stores.ports.files.delete(testOwner(), input_file_id);
    await stores.ports.blobs.delete(file?.blobId ?? '');
    wire.work?.start();
    expect((await until(id, 'completed')).request_counts.completed).toBe(1);
  });

  it('rehearses without calling anything, with the documented answer', async () => {
    wire.work?.start();
    const line = JSON.stringify({
      custom_id: '1',
      method: 'POST',
      url: '/v1/chat/ds-test',
      body: { model: 'batch-test-model', messages: [] },
    });
    const { id } = await create([line], { endpoint: '/v1/chat/ds-test' });
    const { output_file_id } = await until(id, 'completed');
    expect(await linesIn(output_file_id)).toMatchObject([
      {
        response: {
          body: { model: 'batch-test-model', choices: [{ message: { content: 'This is a test result.' } }] },
        },
      },
    ]);
    expect(calls).toEqual([]);
  });

  it('fails with what is wrong with its lines, and calls none', async () => {
    wire.work?.start();
    const { id } = await create([lineOf('a'), lineOf('b', '/v1/chat/completion')]);
    const failed = await until(id, 'failed');
    expect(failed).toMatchObject({
      errors: { object: 'list', data: [{ code: 'url_not_found', param: 'url', line: 2 }] },
      in_progress_at: null,
      failed_at: failed.created_at,
      request_counts: { total: 0, completed: 0, failed: 0 },
    });
    expect(calls).toEqual([]);
    await wire.work?.stop();
    expect(stores.blobNames()).toHaveLength(1);
  });

  it('fails where no wire answers at its endpoint', async () => {
    build({ callWire: () => undefined });
    wire.work?.start();
    const { id } = await create([lineOf('a')]);
    const { error_file_id } = await until(id, 'completed');
    expect(await linesIn(error_file_id)).toMatchObject([{ error: { code: 'url_not_found' } }]);
  });
});

describe('a line that fails', () => {
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true, advanceTimeDelta: 20 });
    wire.work?.start();
  });

  /** Lets waits pass, however long. */
  async function fastUntil(id: string, status: string): Promise<BatchObject> {
    for (;;) {
      await vi.advanceTimersByTimeAsync(60_000);
      await new Promise((resolve) => setImmediate(resolve));
      const batch = await retrieve(id);
      if (batch.status === status) return batch;
    }
  }

  it('is called again for as long as the model is busy', async () => {
    answer = async () => (calls.length < 12 ? refused(calls.length % 2 ? 429 : 503) : ok({}));
    const { id } = await create([lineOf('a')]);
    expect((await fastUntil(id, 'completed')).request_counts).toMatchObject({ completed: 1, failed: 0 });
    expect(calls).toHaveLength(12);
  });

  it('is given up after five calls that broke', async () => {
    answer = async () => refused(500);
    const { id } = await create([lineOf('a')]);
    expect((await fastUntil(id, 'completed')).request_counts).toMatchObject({ completed: 0, failed: 1 });
    expect(calls).toHaveLength(5);
  });

  it('is not called again where that cannot help', async () => {
    answer = async () => refused(404);
    const { id } = await create([lineOf('a'), lineOf('b')]);
    expect((await fastUntil(id, 'completed')).request_counts).toMatchObject({ failed: 2 });
    expect(calls).toHaveLength(2);
  });
});

describe('a restart', () => {
  it('in the middle calls no line again that has a result, and loses none', async () => {
    wire.work?.start();
    let left = 2;
    const never = heldCalls();
    const hold = answer;
    answer = (call) => (left-- > 0 ? Promise.resolve(ok({})) : hold(call));
    const { id } = await create(['a', 'b', 'c', 'd'].map((say) => lineOf(say)));
    await vi.waitUntil(() => never.length === 1, { interval: 5 });
    await wire.work?.stop();
    expect(await retrieve(id)).toMatchObject({ status: 'in_progress', request_counts: { completed: 2, failed: 0 } });
    calls = [];
    answer = async ({ body }) => ok({ said: JSON.parse(body).say });
    build();
    wire.work?.start();
    const done = await until(id, 'completed');
    expect(calls.map(({ body }) => JSON.parse(body).say)).toEqual(['c', 'd']);
    const output = await linesIn(done.output_file_id);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(['a', 'b', 'c', 'd']);
  });

  /** A batch as a process leaves it that dies while it makes the files. */
  async function dyingWhileFinalizing(): Promise<StoredBatch> {
    const { id } = await create([lineOf('a')]);
    const { batches } = stores.ports;
    await batches.update(id, 'validating', { status: 'in_progress', total: 1 });
    await batches.addResults(id, [{ line: 1, isFailure: false, text: '{"custom_id":"a"}' }]);
    await batches.update(id, 'in_progress', {
      status: 'finalizing',
      outputFileId: 'file-batch_output-1',
      errorFileId: 'file-batch_output-2',
    });
    return (await batches.find(testOwner(), id)) as StoredBatch;
  }

  it('while the files are made makes one file', async () => {
    const { batchId } = await dyingWhileFinalizing();
    wire.work?.start();
    const done = await until(batchId, 'completed');
    expect(done).toMatchObject({ output_file_id: 'file-batch_output-1', error_file_id: null });
    expect(await linesIn(done.output_file_id)).toEqual([{ custom_id: 'a' }]);
  });

  it('after the file was made takes it as it is', async () => {
    const { batchId } = await dyingWhileFinalizing();
    const made = await storeInput(['{"custom_id":"from before"}']);
    const file = await stores.ports.files.find(testOwner(), made);
    if (!file) throw new Error('not stored');
    await stores.ports.files.create({ ...file, fileId: 'file-batch_output-1', purpose: 'batch_output' });
    wire.work?.start();
    await until(batchId, 'completed');
    expect(await linesIn('file-batch_output-1')).toEqual([{ custom_id: 'from before' }]);
    const outputs = (await stores.ports.files.list(testOwner(), { purpose: 'batch_output', limit: 10 })).files;
    expect(outputs).toHaveLength(1);
  });

  it('finds what was left waiting, and validates it', async () => {
    const { id } = await create([lineOf('a')]);
    build();
    wire.work?.start();
    await until(id, 'completed');
  });

  it('without the input ends the batch', async () => {
    const { id } = await create([lineOf('a')]);
    const { inputBlobId } = (await stores.ports.batches.find(testOwner(), id)) as StoredBatch;
    await stores.ports.blobs.delete(inputBlobId);
    wire.work?.start();
    expect((await until(id, 'failed')).errors?.data).toMatchObject([{ code: 'file_not_found' }]);
  });
});

describe('cancelling', () => {
  it('cuts what runs, keeps what is done and gives up the rest', async () => {
    wire.work?.start();
    const held = heldCalls();
    const { id } = await create(['a', 'b', 'c'].map((say) => lineOf(say)));
    await vi.waitUntil(() => held.length === 1, { interval: 5 });
    held[0]?.end(ok({ said: 'a' }));
    await vi.waitUntil(() => held.length === 2, { interval: 5 });
    const answered = await cancel(id);
    // As recorded: the time comes later.
    expect(answered).toMatchObject({ status: 'cancelling', cancelling_at: null, error_file_id: null });
    const cancelled = await until(id, 'cancelled');
    expect(held[1]?.call.signal.aborted).toBe(true);
    expect(cancelled).toMatchObject({
      request_counts: { total: 3, completed: 1, failed: 2 },
      finalizing_at: null,
      completed_at: null,
      cancelling_at: expect.any(Number),
      cancelled_at: expect.any(Number),
    });
    expect(await linesIn(cancelled.output_file_id)).toMatchObject([{ custom_id: 'a' }]);
    expect(await linesIn(cancelled.error_file_id)).toMatchObject([
      { custom_id: 'b', response: null, error: { code: 'batch_cancelled' } },
      { custom_id: 'c', response: null, error: { code: 'batch_cancelled' } },
    ]);
  });

  it('before anything was read makes no files; after a restart, too', async () => {
    const { id } = await create([lineOf('a')]);
    await cancel(id);
    expect(await cancel(id)).toMatchObject({ status: 'cancelling' });
    build();
    wire.work?.start();
    expect(await until(id, 'cancelled')).toMatchObject({
      output_file_id: null,
      error_file_id: null,
      request_counts: { total: 0, completed: 0, failed: 0 },
    });
    expect(calls).toEqual([]);
  });

  it('what has ended is refused', async () => {
    wire.work?.start();
    const { id } = await create([lineOf('a')]);
    await until(id, 'completed');
    await expect(cancel(id)).rejects.toMatchObject({
      status: 400,
      message: "Cannot cancel a batch with status 'completed'.",
    });
  });
});

describe('with several servers', () => {
  /** As long as a server waits until it looks again what the others did. */
  const look = () => vi.advanceTimersByTimeAsync(5000);
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const servers = ['test', 'other'].map((id) => ({ id, seen_at_ms: clock.now() }));
    await stores.database.queries.insertInto('servers').values(servers).execute();
  });

  /** A wire of another server on the same database. */
  function elsewhere(answers: typeof answer): { readonly wire: Wire; readonly calls: InnerCall[] } {
    const [own, mine, ownAnswer] = [wire, calls, answer];
    const theirs: InnerCall[] = [];
    build({
      batches: createBatchStore(stores.database, { id: 'other', clock }),
      callWire: (call) => {
        theirs.push(call);
        return answers(call);
      },
    });
    const other = wire;
    [wire, calls, answer] = [own, mine, ownAnswer];
    return { wire: other, calls: theirs };
  }

  it('each works on its own batches', async () => {
    const other = elsewhere(async () => ok({}));
    other.wire.work?.start();
    wire.work?.start();
    const { id } = await create([lineOf('a')]);
    await look();
    await until(id, 'completed');
    await other.wire.work?.stop();
    expect([calls.length, other.calls.length]).toEqual([1, 0]);
  });

  it('what one has cancelled, another stops working on', async () => {
    wire.work?.start();
    const held = heldCalls();
    const { id } = await create([lineOf('a'), lineOf('b')]);
    await vi.waitUntil(() => held.length === 1, { interval: 5 });
    const other = elsewhere(async () => ok({}));
    await callResource(other.wire, 'POST', `${BATCHES}/:id/cancel`, { params: { id } });
    expect(held[0]?.call.signal.aborted).toBe(false);
    await look();
    expect(await until(id, 'cancelled')).toMatchObject({ request_counts: { completed: 0, failed: 2 } });
    expect(held[0]?.call.signal.aborted).toBe(true);
    expect(other.calls).toEqual([]);
  });

  it('what one leaves behind, another goes on with; who was believed gone lets go of it', async () => {
    wire.work?.start();
    let left = 1;
    const held = heldCalls();
    const hold = answer;
    answer = (call) => (left-- > 0 ? Promise.resolve(ok({ said: 'a' })) : hold(call));
    const { id } = await create([lineOf('a'), lineOf('b')]);
    await vi.waitUntil(() => held.length === 1, { interval: 5 });
    await stores.database.queries.deleteFrom('servers').where('id', '=', 'test').execute();
    const other = elsewhere(async ({ body }) => ok({ said: JSON.parse(body).say }));
    other.wire.work?.start();
    const done = await until(id, 'completed');
    expect(other.calls.map(({ body }) => JSON.parse(body).say)).toEqual(['b']);
    await look();
    await vi.waitUntil(() => held[0]?.call.signal.aborted, { interval: 5 });
    await other.wire.work?.stop();
    expect((await linesIn(done.output_file_id)).map(({ custom_id }) => custom_id)).toEqual(['a', 'b']);
    expect((await retrieve(id)).request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
  });
});

describe('a batch whose time is over', () => {
  it('keeps what is done and gives up the rest', async () => {
    wire.work?.start();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const held = heldCalls();
    const { id } = await create(
      ['a', 'b'].map((say) => lineOf(say)),
      { completion_window: '1d' },
    );
    await realTurns(() => held.length === 1);
    held[0]?.end(ok({}));
    await realTurns(() => held.length === 2);
    clock.advance(24 * 3_600_000);
    vi.advanceTimersByTime(24 * 3_600_000);
    vi.useRealTimers();
    const expired = await until(id, 'expired');
    expect(expired).toMatchObject({
      request_counts: { total: 2, completed: 1, failed: 1 },
      completed_at: null,
      expired_at: expired.created_at + 24 * 3600,
    });
    expect(await linesIn(expired.output_file_id)).toMatchObject([{ custom_id: 'a' }]);
    expect(await linesIn(expired.error_file_id)).toMatchObject([{ custom_id: 'b', error: { code: 'batch_expired' } }]);
  });

  it('while the server was down calls nothing', async () => {
    const { id } = await create([lineOf('a')], { completion_window: '336h' });
    clock.advance(336 * 3_600_000);
    build();
    wire.work?.start();
    expect((await until(id, 'expired')).request_counts).toEqual({ total: 1, completed: 0, failed: 1 });
    expect(calls).toEqual([]);
  });

  async function realTurns(isDone: () => boolean): Promise<void> {
    while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
  }
});

describe('the callback', () => {
  it('is posted once, when the batch has ended', async () => {
    wire.work?.start();
    const metadata = { ds_batch_finish_callback: 'https://example.com/done?x=1', ds_name: 'n' };
    const { id } = await create([lineOf('a')], { metadata });
    const done = await until(id, 'completed');
    await vi.waitUntil(() => posts.length > 0, { interval: 5 });
    build();
    wire.work?.start();
    expect(posts).toEqual([['https://example.com/done?x=1', done]]);
  });

  it('may fail; that is in the log only', async () => {
    const warnings: unknown[] = [];
    const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => warnings.push(fields) };
    build({ webhooks: { post: async () => Promise.reject(new Error('not there')) }, log });
    wire.work?.start();
    const { id } = await create([lineOf('a')], { metadata: { ds_batch_finish_callback: 'http://example.com' } });
    await until(id, 'completed');
    await vi.waitUntil(() => warnings.length > 0, { interval: 5 });
    expect(warnings).toMatchObject([{ batchId: id }]);
  });
});

describe('a failure of ours', () => {
  it('is not the end of the batch', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true, advanceTimeDelta: 20 });
    let failures = 1;
    const { batches } = stores.ports;
    build({
      batches: Object.assign(Object.create(batches), {
        addResults: async (...parameters: Parameters<typeof batches.addResults>) => {
          if (failures-- > 0) throw new Error('the disk is full');
          await batches.addResults(...parameters);
        },
        find: batches.find.bind(batches),
        update: batches.update.bind(batches),
        finish: batches.finish.bind(batches),
        create: batches.create.bind(batches),
        results: batches.results.bind(batches),
        doneLines: batches.doneLines.bind(batches),
        claimUnfinished: batches.claimUnfinished.bind(batches),
      }),
    });
    wire.work?.start();
    const { id } = await create([lineOf('a'), lineOf('b')]);
    for (let status = ''; status !== 'completed'; { status } = await retrieve(id)) {
      await vi.advanceTimersByTimeAsync(5000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await retrieve(id)).request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
    expect(calls.length).toBe(3);
  });
});

describe('a create request is refused', () => {
  const good = { endpoint: CHAT, completion_window: '24h' };
  it.each<[string, unknown, string]>([
    ['input_file_id', { ...good }, "'input_file_id' must be a string."],
    ['input_file_id', { ...good, input_file_id: 'file-batch-x' }, 'File [id:file-batch-x] cannot be found.'],
    ['endpoint', { ...good, endpoint: undefined, input_file_id: 'x' }, "'endpoint' must be a string."],
    [
      'endpoint',
      { ...good, endpoint: '/v1/embeddings', input_file_id: 'x' },
      "The endpoint '/v1/embeddings' is not supported: this server makes no embeddings. Supported: '/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/chat/ds-test'.",
    ],
    [
      'endpoint',
      { ...good, endpoint: '/v1/x', input_file_id: 'x' },
      "The endpoint '/v1/x' is not supported by the Batch API. Supported: '/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/chat/ds-test'.",
    ],
    ...['23h', '337h', '15d', '1.5d', '24', '', '24m', '-24h'].map((completion_window): [string, unknown, string] => [
      'completion_window',
      { ...good, completion_window, input_file_id: 'x' },
      "'completion_window' must be from 24h to 336h, in whole hours (h) or days (d).",
    ]),
    ['metadata', { ...good, input_file_id: 'x', metadata: [] }, "'metadata' must be an object."],
    ['a', { ...good, input_file_id: 'x', metadata: { a: 1 } }, "Values of 'metadata' must be strings."],
    [
      'ds_name',
      { ...good, input_file_id: 'x', metadata: { ds_name: '任'.repeat(101) } },
      "'ds_name' must not be longer than 100.",
    ],
    [
      'ds_description',
      { ...good, input_file_id: 'x', metadata: { ds_description: 'x'.repeat(201) } },
      "'ds_description' must not be longer than 200.",
    ],
    ...['ftp://a', 'a', 'file:///etc/passwd'].map((url): [string, unknown, string] => [
      'ds_batch_finish_callback',
      { ...good, input_file_id: 'x', metadata: { ds_batch_finish_callback: url } },
      "'ds_batch_finish_callback' must be an http or https URL.",
    ]),
    ['body', undefined, 'The request body must be a JSON object.'],
    ['body', 'x', 'The request body must be a JSON object.'],
  ])('for %s: %j', async (param, body, message) => {
    const thrown = await request(body).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(StudioError);
    const reply = wire.encodeError(thrown as StudioError, 'r');
    expect(reply).toMatchObject({ status: 400 });
    expect(JSON.stringify(reply.body)).toBe(
      JSON.stringify({
        error: { message, type: 'invalid_request_error', param, code: 'invalid_parameter_error' },
        request_id: 'r',
      }),
    );
  });

  it('for a file that was uploaded for something else', async () => {
    const input_file_id = await storeInput([lineOf('a')], 'file-extract');
    await expect(request({ ...good, input_file_id })).rejects.toMatchObject({ code: 'invalid-parameter' });
  });
});

describe('lists', () => {
  const list = async (query = '') =>
    (await callResource(wire, 'GET', BATCHES, { query: new URLSearchParams(query) })).body as {
      data: BatchObject[] | null;
    };

  it('are empty as recorded', async () => {
    expect(JSON.stringify(await list())).toBe(
      '{"object":"list","data":null,"first_id":null,"last_id":null,"has_more":false}',
    );
  });

  it('page, filter, and reach back 30 days', async () => {
    const a = (await create([lineOf('a')], { metadata: { ds_name: '测试任务' } })).id;
    clock.advance(1000);
    const { id: b, input_file_id: file } = await create([lineOf('b')]);
    expect(await list()).toMatchObject({ data: [{ id: b }, { id: a }], first_id: b, last_id: a, has_more: false });
    expect(await list('limit=1')).toMatchObject({ data: [{ id: b }], has_more: true });
    expect(await list(`after=${b}`)).toMatchObject({ data: [{ id: a }] });
    expect(await list('ds_name=任务')).toMatchObject({ data: [{ id: a }] });
    expect(await list(`input_file_ids=${file},other`)).toMatchObject({ data: [{ id: b }] });
    expect(await list('status=validating,failed')).toMatchObject({ data: [{ id: b }, { id: a }] });
    expect(await list('status=completed')).toMatchObject({ data: null });
    expect(await list('status=&input_file_ids=')).toMatchObject({ data: [{ id: b }, { id: a }] });
    // 2026-02-11 07:08:22 in Beijing.
    expect(await list('create_after=20260211070823')).toMatchObject({ data: [{ id: b }] });
    expect(await list('create_before=20260211070822')).toMatchObject({ data: [{ id: a }] });
    clock.advance(30 * 24 * 3_600_000);
    expect((await list()).data).toHaveLength(1);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=many',
    'status=done',
    'create_after=2026',
    'after=batch_x',
    `input_file_ids=${Array.from({ length: 21 }, (_, index) => index).join(',')}`,
  ])('refuse %s', async (query) => {
    await expect(list(query)).rejects.toMatchObject({ code: 'invalid-parameter', param: query.split('=')[0] });
  });
});

it('knows nothing of batches that are not there, or of another owner', async () => {
  const { id } = await create([lineOf('a')]);
  const others = [testOwner({ workspaceId: 'other' }), testOwner({ region: 'singapore' })];
  const asked: (() => unknown)[] = [
    () => retrieve('batch_x'),
    () => cancel('batch_x'),
    ...others.map((owner) => {
      const account = { keyId: 'k', name: 'n', ...owner };
      return () => callResource(wire, 'GET', `${BATCHES}/:id`, { params: { id }, account });
    }),
  ];
  for (const ask of asked)
    await expect(Promise.resolve().then(ask)).rejects.toMatchObject({ code: 'not-found', status: 404 });
});
