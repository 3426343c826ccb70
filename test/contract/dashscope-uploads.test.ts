/** Temporary uploads, temporary keys and tasks over HTTP: from the policy to the model that reads the file. */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/stores/sql/database.ts';
import { createTaskStore } from '../../src/stores/sql/tasks.ts';
import { testOwner } from '../support/context.ts';
import { type MockUpstream, startMockUpstream } from '../support/mock-upstream.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** A model that an upstream answers: it shows what a backend is given. */
const MODEL = 'qwen-vl-plus';

let folder: string;
let upstream: MockUpstream;
let server: TestServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atelier-uploads-'));
  upstream = await startMockUpstream({ isRecording: true });
  const settings = {
    engine: { enabled: false },
    upstreams: [{ id: 'mock', baseUrl: `${upstream.url}/v1` }],
    models: { [MODEL]: 'mock/mock/plain', 'scripted/echo': 'scripted/echo' },
  };
  await writeFile(join(folder, 'atelier.yaml'), JSON.stringify(settings));
  server = await startTestServer({ config: join(folder, 'atelier.yaml'), scripted: false });
});
afterAll(async () => {
  await server.close();
  await upstream.close();
  await rm(folder, { recursive: true });
});

const call = (path: string, init: RequestInit = {}, key = server.key) =>
  fetch(`${server.running.baseUrl}/api/v1${path}`, {
    ...init,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...init.headers },
  });

interface Policy {
  readonly policy: string;
  readonly signature: string;
  readonly upload_dir: string;
  readonly upload_host: string;
  readonly oss_access_key_id: string;
}

async function policyFor(model = MODEL): Promise<Policy> {
  const reply = await call(`/uploads?action=getPolicy&model=${encodeURIComponent(model)}`);
  expect(reply.status).toBe(200);
  return ((await reply.json()) as { data: Policy }).data;
}

async function upload(
  file: Blob,
  policy: Policy,
  changes: { readonly [field: string]: string } = {},
): Promise<Response> {
  const form = new FormData();
  const fields = {
    OSSAccessKeyId: policy.oss_access_key_id,
    Signature: policy.signature,
    policy: policy.policy,
    key: keyOf(policy),
    'x-oss-object-acl': 'private',
    'x-oss-forbid-overwrite': 'true',
    success_action_status: '200',
    ...changes,
  };
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', file, 'cat.png');
  return fetch(policy.upload_host, { method: 'POST', body: form });
}

const keyOf = (policy: Policy) => `${policy.upload_dir}/cat.png`;
const cat = new Blob(['cat'], { type: 'image/png' });

const look = (url: string, model = MODEL) =>
  call('/services/aigc/multimodal-generation/generation', {
    method: 'POST',
    body: JSON.stringify({
      model,
      input: { messages: [{ role: 'user', content: [{ image: url }, { text: 'What is it?' }] }] },
    }),
    headers: { 'x-dashscope-ossresourceresolve': 'enable' },
  });

describe('temporary uploads', () => {
  it('reach the model as they were uploaded, on every wire', async () => {
    const policy = await policyFor();
    const uploaded = await upload(cat, policy);
    expect([uploaded.status, await uploaded.text()]).toEqual([200, '']);
    const url = `oss://${keyOf(policy)}`;
    expect((await look(url)).status).toBe(200);
    const chat = await server.chat({
      model: MODEL,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url } },
            { type: 'text', text: '?' },
          ],
        },
      ],
    });
    expect(chat.status).toBe(200);
    expect(upstream.requests).toHaveLength(2);
    for (const { body } of upstream.requests) {
      expect(JSON.stringify(body)).toContain('data:image/png;base64,Y2F0');
      expect(JSON.stringify(body)).not.toContain('oss://');
    }
  });

  it.each([
    ['an unknown one', 'oss://dashscope-instant/0/2026-01-01/x/cat.png', MODEL],
    ['one for another model', undefined, 'scripted/echo'],
  ])('are refused before anything is spent: %s', async (_name, url, model) => {
    const policy = await policyFor();
    await upload(cat, policy);
    const before = upstream.requests.length;
    const reply = await look(url ?? `oss://${keyOf(policy)}`, model);
    expect([reply.status, await reply.json()]).toEqual([
      400,
      { code: 'InvalidParameter', message: 'Failed to download multimodal content.', request_id: expect.any(String) },
    ]);
    expect(upstream.requests).toHaveLength(before);
    expect((await server.receipts()).at(-1)).toMatchObject({ ending: 'failed', inputTokens: 0 });
  });

  it('take files that are larger than any body may be', async () => {
    const policy = await policyFor();
    const megabyte = new Uint8Array(1024 * 1024);
    const reply = await upload(new Blob(Array.from({ length: 70 }, () => megabyte)), policy);
    expect(reply.status).toBe(200);
    const refused = await look(`oss://${keyOf(policy)}`);
    expect(await refused.json()).toMatchObject({ message: 'Multimodal file size is too large' });
  });

  it('need a policy that is ours and as it was', async () => {
    const policy = await policyFor();
    const document = JSON.parse(Buffer.from(policy.policy, 'base64').toString());
    const later = { ...document, expiration: '2099-01-01T00:00:00.000Z' };
    const before = readdirSync(join(server.home, 'uploads')).length;
    const reply = await upload(cat, policy, { policy: Buffer.from(JSON.stringify(later)).toString('base64') });
    expect(reply.status).toBe(403);
    expect(reply.headers.get('content-type')).toContain('application/xml');
    expect(await reply.text()).toContain('<Code>SignatureDoesNotMatch</Code>');
    expect(readdirSync(join(server.home, 'uploads'))).toHaveLength(before);
    const again = await upload(cat, policy);
    expect(again.status).toBe(200);
    expect((await upload(cat, policy)).status).toBe(409);
  });

  it('need no key at the target, and one for the policy', async () => {
    const reply = await call('/uploads?action=getPolicy&model=qwen-vl-plus', {}, 'sk-wrong');
    expect([reply.status, await reply.json()]).toEqual([401, expect.objectContaining({ code: 'InvalidApiKey' })]);
    const target = `${server.running.baseUrl}/api/v1/uploads/target`;
    const bare = await fetch(target, { method: 'POST', body: new FormData() });
    expect(bare.status).toBe(400);
    expect(await bare.text()).toContain('<Code>');
  });

  it('survive a restart, and a policy does not', async () => {
    const own = await startTestServer({ config: join(folder, 'atelier.yaml'), scripted: false });
    const ask = (base: string) =>
      fetch(`${base}/api/v1/uploads?action=getPolicy&model=${MODEL}`, {
        headers: { authorization: `Bearer ${own.key}` },
      });
    const { data } = (await (await ask(own.running.baseUrl)).json()) as { data: Policy };
    expect((await upload(cat, data)).status).toBe(200);
    await own.running.close();
    const again = await startTestServer({ config: join(folder, 'atelier.yaml'), scripted: false, home: own.home });
    const url = `oss://${keyOf(data)}`;
    const reply = await fetch(`${again.running.baseUrl}/api/v1/services/aigc/multimodal-generation/generation`, {
      method: 'POST',
      headers: { authorization: `Bearer ${own.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL, input: { messages: [{ role: 'user', content: [{ image: url }] }] } }),
    });
    expect(reply.status).toBe(200);
    const host = `${again.running.baseUrl}/api/v1/uploads/target`;
    const late = await upload(cat, { ...data, upload_host: host }, { key: `${data.upload_dir}/late.png` });
    expect([late.status, await late.text()]).toEqual([403, expect.stringContaining('SignatureDoesNotMatch')]);
    await again.close();
    await own.close();
  });
});

describe('temporary keys', () => {
  const say = (key: string) =>
    call(
      '/services/aigc/text-generation/generation',
      { method: 'POST', body: JSON.stringify({ model: 'scripted/echo', input: { prompt: 'hello' } }) },
      key,
    );

  it('stand for the key they were made from, and make no others', async () => {
    const reply = await call('/tokens?expire_in_seconds=1800', { method: 'POST' });
    expect(reply.status).toBe(200);
    const { token, expires_at, ...rest } = (await reply.json()) as { token: string; expires_at: number };
    expect(rest).toEqual({});
    expect(token).toMatch(/^st-/);
    expect(expires_at).toBeGreaterThan(Date.now() / 1000 + 1700);
    expect((await say(token)).status).toBe(200);
    const another = await call('/tokens', { method: 'POST' }, token);
    expect([another.status, await another.json()]).toEqual([403, expect.objectContaining({ code: 'AccessDenied' })]);
  });

  it('refuse a time out of range', async () => {
    const reply = await call('/tokens?expire_in_seconds=1801', { method: 'POST' });
    expect([reply.status, await reply.json()]).toEqual([400, expect.objectContaining({ code: 'InvalidParameter' })]);
  });
});

describe('tasks', () => {
  it('are found, listed and cancelled', async () => {
    const database = await openDatabase(join(server.home, 'atelier.db'));
    await createTaskStore(database).create({
      taskId: 'task-1',
      ...testOwner(),
      keyId: 'key-1',
      requestId: 'request-1',
      model: 'wanx',
      api: 'aigc:text2image:image-synthesis',
      status: 'PENDING',
      createdAtMs: Date.now(),
    });
    await database.close();
    const found = await call('/tasks/task-1');
    expect(await found.json()).toMatchObject({ output: { task_id: 'task-1', task_status: 'PENDING' } });
    expect(await (await call('/tasks?status=PENDING')).json()).toMatchObject({ total: 1, page_no: 1, page_size: 10 });
    expect(await (await call('/tasks/none')).json()).toMatchObject({ output: { task_status: 'UNKNOWN' } });
    const cancelled = await call('/tasks/task-1/cancel', { method: 'POST' });
    expect([cancelled.status, await cancelled.json()]).toEqual([200, { request_id: expect.any(String) }]);
    const again = await call('/tasks/task-1/cancel', { method: 'POST' });
    expect([again.status, await again.json()]).toEqual([
      400,
      {
        code: 'UnsupportedOperation',
        message: 'Failed to cancel the task, please confirm if the task is in PENDING status.',
        request_id: again.headers.get('x-request-id'),
      },
    ]);
  });
});
