/** Files and batches with the official OpenAI SDK for Node against the whole server: only URL and key changed. */
import { once } from 'node:events';
import { createReadStream, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import OpenAI, { BadRequestError, NotFoundError, toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openDatabase } from '../../src/stores/sql/database.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let client: OpenAI;
beforeAll(async () => {
  server = await startTestServer();
  client = new OpenAI({ apiKey: server.key, baseURL: server.openAiBaseUrl, maxRetries: 0 });
});
afterAll(() => server.close());

const CHAT = '/v1/chat/completions';
const blobs = () => readdirSync(join(server.home, 'files'), { recursive: true, encoding: 'utf8' }).sort();
const extract = (name: string, text: string) =>
  client.files.create({ file: new File([text], name), purpose: 'file-extract' as 'assistants' });

async function refusal(action: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const thrown = await action.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof OpenAI.APIError)) throw new Error('not refused by the server', { cause: thrown });
  return thrown;
}

describe('files', () => {
  it('are uploaded, found, read and deleted', async () => {
    const text = '第一行\nline two\n'.repeat(20_000);
    const made = await client.files.create({ file: await toFile(Buffer.from(text), 'lines.jsonl'), purpose: 'batch' });
    expect(made).toMatchObject({
      id: expect.stringMatching(/^file-batch-[0-9a-f]{24}$/),
      bytes: Buffer.byteLength(text),
      filename: 'lines.jsonl',
      status: 'processed',
    });
    expect(await client.files.retrieve(made.id)).toEqual(made);
    expect(await client.files.waitForProcessing(made.id, { pollInterval: 1 })).toEqual(made);
    const content = await client.files.content(made.id);
    expect(content.headers.get('content-length')).toBe(String(made.bytes));
    expect(content.headers.get('content-disposition')).toContain('filename="lines.jsonl"');
    expect(await content.text()).toBe(text);
    expect(await client.files.delete(made.id)).toEqual({ id: made.id, object: 'file', deleted: true });
    const gone = await refusal(client.files.retrieve(made.id));
    expect(gone).toBeInstanceOf(NotFoundError);
    expect(gone.message).toBe(`404 File [id:${made.id}] cannot be found.`);
    expect(gone.code).toBeNull();
    expect(await refusal(client.files.content(made.id))).toBeInstanceOf(NotFoundError);
    expect(await refusal(client.files.delete(made.id))).toBeInstanceOf(NotFoundError);
  });

  it('stream from a disk', async () => {
    const path = join(server.home, 'notes.md');
    writeFileSync(path, '# 标题\n');
    const made = await client.files.create({
      file: createReadStream(path),
      purpose: 'file-extract' as 'assistants',
    });
    expect(made).toMatchObject({ filename: 'notes.md', bytes: 9, id: expect.stringMatching(/^file-fe-/) });
    await client.files.delete(made.id);
  });

  it('are listed in pages that the SDK follows by itself', async () => {
    const made = [];
    for (const name of ['a.txt', 'b.txt', 'c.txt']) made.push((await extract(name, name)).id);
    const listed: string[] = [];
    for await (const { id } of client.files.list({ limit: 2, purpose: 'file-extract' })) listed.push(id);
    expect(listed).toEqual(made.toReversed());
    expect((await client.files.list({ purpose: 'batch' })).data).toEqual([]);
    for (const id of made) await client.files.delete(id);
  });

  it('are refused in words, and leave nothing', async () => {
    const purpose = await refusal(client.files.create({ file: new File(['x'], 'a.txt'), purpose: 'vision' }));
    expect(purpose).toBeInstanceOf(BadRequestError);
    expect(purpose).toMatchObject({ param: 'purpose', type: 'invalid_request_error', code: null });
    const format = await refusal(extract('a.exe', 'x'));
    expect(format).toMatchObject({ status: 400, param: 'file' });
    const large = await refusal(extract('a.png', 'x'.repeat(21 * 1024 * 1024)));
    expect(large).toMatchObject({ status: 413, param: 'file' });
    const limit = await refusal(Promise.resolve(client.files.list({ limit: 0 })));
    expect(limit).toMatchObject({ status: 400, param: 'limit' });
    const key = await refusal(
      Promise.resolve(new OpenAI({ apiKey: 'sk-x', baseURL: server.openAiBaseUrl, maxRetries: 0 }).files.list()),
    );
    expect(key).toMatchObject({ status: 401, code: 'invalid_api_key' });
    const noForm = await fetch(`${server.openAiBaseUrl}/files`, {
      method: 'POST',
      body: '{}',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
    });
    expect(noForm.status).toBe(400);
    expect(blobs()).toEqual(['incoming']);
  });

  it('of clients that leave in the middle leave nothing', async () => {
    const socket = connect(server.running.port, '127.0.0.1');
    const form =
      '--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n' +
      '--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n';
    socket.write(
      `POST /compatible-mode/v1/files HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${server.key}\r\n` +
        `content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n${form}${'x'.repeat(100_000)}`,
    );
    await vi.waitUntil(() => blobs().length > 1, { timeout: 5000, interval: 5 });
    socket.destroy();
    await vi.waitUntil(() => blobs().length === 1, { timeout: 5000, interval: 5 });
  });

  it('whose bytes are gone are a 404, not half an answer', async () => {
    const { id } = await extract('a.txt', 'abc');
    const [blob = ''] = blobs().filter((name) => name !== 'incoming');
    rmSync(join(server.home, 'files', blob));
    expect(await refusal(client.files.content(id))).toBeInstanceOf(NotFoundError);
    await client.files.delete(id);
  });
});

describe('batches', () => {
  const lineOf = (custom_id: string, body: object, url = CHAT) =>
    JSON.stringify({ custom_id, method: 'POST', url, body: { model: 'qwen-plus', ...body } });
  const say = (custom_id: string, content = custom_id) => lineOf(custom_id, { messages: [{ role: 'user', content }] });

  async function create(lines: readonly string[], more: Partial<OpenAI.BatchCreateParams> = {}) {
    const file = await client.files.create({ file: new File([lines.join('\n')], 'in.jsonl'), purpose: 'batch' });
    return client.batches.create({ input_file_id: file.id, endpoint: CHAT, completion_window: '24h', ...more });
  }

  const until = (id: string, status: string) =>
    vi.waitUntil(
      async () => {
        const batch = await client.batches.retrieve(id);
        return batch.status === status && batch;
      },
      { timeout: 10_000, interval: 10 },
    ) as Promise<OpenAI.Batch>;

  interface Line {
    readonly custom_id: string;
    readonly response: {
      readonly status_code: number;
      readonly request_id: string;
      readonly body: OpenAI.ChatCompletion;
    };
    readonly error: { readonly code: string; readonly message: string } | null;
  }
  async function linesOf(fileId: string | null | undefined): Promise<Line[]> {
    const text = await (await client.files.content(fileId ?? '')).text();
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }

  it('run, and give results and errors in the order of lines', async () => {
    const { id, status } = await create([say('1', 'one'), lineOf('2', { messages: [] }), say('3', 'three')]);
    expect(status).toBe('validating');
    const batch = await until(id, 'completed');
    expect(batch.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
    const results = await linesOf(batch.output_file_id);
    expect(results.map(({ custom_id, response }) => [custom_id, response.body.choices[0]?.message.content])).toEqual([
      ['1', 'one'],
      ['3', 'three'],
    ]);
    expect(results[0]?.response.body.id).toBe(`chatcmpl-${results[0]?.response.request_id}`);
    expect(await linesOf(batch.error_file_id)).toMatchObject([
      { custom_id: '2', response: { status_code: 400 }, error: { code: 'invalid_parameter_error' } },
    ]);
    const { data } = await client.files.list({ purpose: 'batch_output' });
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining([batch.output_file_id, batch.error_file_id]));
  });

  it('are told from live calls on the receipt', async () => {
    const { id } = await create([say('1')]);
    const batch = await until(id, 'completed');
    const [result] = await linesOf(batch.output_file_id);
    await server.chat({ model: 'qwen-plus', messages: [{ role: 'user', content: 'live' }] });
    await server.receipts();
    const database = await openDatabase(join(server.home, 'atelier.db'));
    const priorities = await database.queries
      .selectFrom('receipts')
      .select(['request_id', 'priority'])
      .orderBy('id', 'desc')
      .limit(2)
      .execute();
    await database.close();
    expect(priorities).toMatchObject([
      { priority: 'live' },
      { priority: 'batch', request_id: result?.response.request_id },
    ]);
  });

  it('force streaming off, and reach models that demand it', async () => {
    const { id } = await create([
      lineOf('1', {
        model: 'qwq-plus',
        stream: true,
        stream_options: { include_usage: true },
        messages: [{ role: 'user', content: 'hi' }],
      }),
    ]);
    const batch = await until(id, 'completed');
    expect((await linesOf(batch.output_file_id))[0]?.response.body).toMatchObject({
      object: 'chat.completion',
      model: 'qwq-plus',
      choices: [{ message: { content: 'hi' } }],
    });
  });

  it('rehearse with the test model', async () => {
    const line = lineOf('1', { model: 'batch-test-model', messages: [] }, '/v1/chat/ds-test');
    const { id } = await create([line], { endpoint: '/v1/chat/ds-test' as typeof CHAT });
    const [result] = await linesOf((await until(id, 'completed')).output_file_id);
    expect(result?.response.body.choices[0]?.message.content).toBe('This is a test result.');
  });

  it('fail with what is wrong with the lines', async () => {
    const { id } = await create([say('1'), '{', lineOf('1', {}, '/v1/chat/completion')]);
    const failed = await until(id, 'failed');
    expect(failed.errors?.data).toMatchObject([
      { code: 'invalid_json_line', line: 2 },
      { code: 'duplicate_custom_id', param: 'custom_id', line: 3 },
    ]);
    expect(failed.output_file_id).toBeNull();
  });

  it('are cancelled in the middle', async () => {
    const slow = { model: 'scripted/text?tokens=1000&rate=20', messages: [{ role: 'user', content: 'x' }] };
    const { id } = await create([lineOf('1', slow), lineOf('2', slow)]);
    await until(id, 'in_progress');
    expect((await client.batches.cancel(id)).status).toBe('cancelling');
    const cancelled = await until(id, 'cancelled');
    expect(cancelled.request_counts).toEqual({ total: 2, completed: 0, failed: 2 });
    expect((await linesOf(cancelled.error_file_id)).map(({ error }) => error?.code)).toEqual([
      'batch_cancelled',
      'batch_cancelled',
    ]);
    expect(await refusal(client.batches.cancel(id))).toMatchObject({ status: 400 });
  });

  it('are listed in pages that the SDK follows by itself', async () => {
    const made = [];
    for (const ds_name of ['夜间评测 1', '夜间评测 2', '夜间评测 3'])
      made.push((await create([say('1')], { metadata: { ds_name } })).id);
    const listed: string[] = [];
    const query = { limit: 2, ds_name: '评测' };
    for await (const { id } of client.batches.list(query)) listed.push(id);
    expect(listed).toEqual(made.toReversed());
    const none = await client.batches.list({ input_file_ids: 'hello' } as object);
    expect(none.data ?? []).toEqual([]);
    for (const id of made) await until(id, 'completed');
  });

  it('are refused in words', async () => {
    const unknown = await refusal(
      client.batches.create({ input_file_id: 'file-batch-x', endpoint: CHAT, completion_window: '24h' }),
    );
    expect(unknown).toMatchObject({ status: 400, param: 'input_file_id', code: 'invalid_parameter_error' });
    expect(unknown.requestID).toMatch(/^[0-9a-f-]{36}$/);
    expect(await refusal(create([say('1')], { endpoint: '/v1/embeddings' }))).toMatchObject({
      status: 400,
      param: 'endpoint',
    });
    expect(await refusal(create([say('1')], { completion_window: '1h' as '24h' }))).toMatchObject({
      param: 'completion_window',
    });
    expect(await refusal(client.batches.retrieve('batch_x'))).toMatchObject({ status: 404, code: 'not_found' });
    expect(await refusal(client.batches.cancel('batch_x'))).toBeInstanceOf(NotFoundError);
    expect(await refusal(Promise.resolve(client.batches.list({ limit: 101 })))).toMatchObject({
      status: 400,
      param: 'limit',
    });
  });

  it('call back only where they may', async () => {
    let posts = 0;
    const target = createServer((_request, response) => {
      posts++;
      response.end();
    });
    await once(target.listen(0, '127.0.0.1'), 'listening');
    const { port } = target.address() as AddressInfo;
    const { id } = await create([say('1')], { metadata: { ds_batch_finish_callback: `http://127.0.0.1:${port}/` } });
    await until(id, 'completed');
    const next = await create([say('1')]);
    await until(next.id, 'completed');
    expect(posts).toBe(0);
    target.close();
  });
});
