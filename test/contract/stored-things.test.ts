/**
 * Whose stored things are, of every kind, against the whole server: a workspace's in one region. Another key of both sees
 * them; a key of the same workspace in another region finds nothing, and gets the words for what was never there.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Owner } from '../../src/core/ports.ts';
import type { Region } from '../../src/core/regions.ts';
import { openDatabase } from '../../src/stores/sql/database.ts';
import { createTaskStore } from '../../src/stores/sql/tasks.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const MODEL = 'qwen-vl-plus';
const CHAT = '/v1/chat/completions';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

/** A key, and where it calls. */
interface Caller extends Owner {
  readonly prefix: string;
  readonly key: string;
}

async function callerIn(workspaceId: string, region: Region): Promise<Caller> {
  return { workspaceId, region, prefix: `/${region}`, key: (await server.createKey({ workspaceId, region })).secret };
}

interface Asked {
  readonly method?: string;
  readonly path: string;
  /** A form as it is, anything else as JSON. */
  readonly body?: object;
}

interface Said {
  readonly status: number;
  readonly text: string;
}

async function ask({ prefix, key }: Caller, { method, path, body }: Asked): Promise<Said> {
  const isForm = body instanceof FormData;
  const reply = await fetch(server.running.baseUrl + prefix + path, {
    method: method ?? (body ? 'POST' : 'GET'),
    headers: { authorization: `Bearer ${key}`, ...(body && !isForm ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: isForm ? body : JSON.stringify(body) } : {}),
  });
  return { status: reply.status, text: await reply.text() };
}

async function make<Body>(who: Caller, asked: Asked): Promise<Body> {
  const { status, text } = await ask(who, asked);
  expect(status, text).toBe(200);
  return JSON.parse(text) as Body;
}

function formOf(fields: { readonly [name: string]: string }, fileField: string, text: string): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append(fileField, new Blob([text], { type: 'image/png' }), 'a.jsonl');
  return form;
}

async function makeFile(who: Caller): Promise<string> {
  const line = { custom_id: 'a', method: 'POST', url: CHAT, body: { model: MODEL, messages: [hello] } };
  const body = formOf({ purpose: 'batch' }, 'file', JSON.stringify(line));
  return (await make<{ id: string }>(who, { path: '/v1/files', body })).id;
}

async function makeNativeFile(who: Caller): Promise<string> {
  interface Made {
    readonly data: { readonly uploaded_files: readonly { readonly file_id: string }[] };
  }
  const { data } = await make<Made>(who, { path: '/api/v1/files', body: formOf({}, 'files', 'x') });
  return data.uploaded_files[0]?.file_id ?? '';
}

/** Without its host: it is asked for in the region of whoever asks. */
async function makeAddress(who: Caller): Promise<string> {
  const path = `/api/v1/files/${await makeNativeFile(who)}`;
  const { data } = await make<{ data: { url: string } }>(who, { path });
  return data.url.replace(server.running.baseUrl + who.prefix, '');
}

const batchOf = (fileId: string) => ({
  path: '/v1/batches',
  body: { input_file_id: fileId, endpoint: CHAT, completion_window: '24h' },
});

async function makeBatch(who: Caller): Promise<string> {
  return (await make<{ id: string }>(who, batchOf(await makeFile(who)))).id;
}

async function makeOutputFile(who: Caller): Promise<string> {
  const id = await makeBatch(who);
  return vi.waitUntil(
    async () => (await make<{ output_file_id: string | null }>(who, { path: `/v1/batches/${id}` })).output_file_id,
    { timeout: 10_000, interval: 10 },
  );
}

async function makeResponse(who: Caller): Promise<string> {
  return (await make<{ id: string }>(who, { path: '/v1/responses', body: { model: MODEL, input: 'hello' } })).id;
}

async function makeConversation(who: Caller): Promise<string> {
  return (await make<{ id: string }>(who, { path: '/v1/conversations', body: {} })).id;
}

/** No call of this server makes one yet. */
async function makeTask(who: Caller): Promise<string> {
  const taskId = randomUUID();
  const database = await openDatabase(join(server.home, 'atelier.db'));
  await createTaskStore(database).create({
    taskId,
    workspaceId: who.workspaceId,
    region: who.region,
    keyId: 'key-1',
    requestId: 'request-1',
    model: 'wanx',
    api: 'aigc:text2image:image-synthesis',
    status: 'PENDING',
    createdAtMs: Date.now(),
  });
  await database.close();
  return taskId;
}

async function makeUpload(who: Caller): Promise<string> {
  interface Policy {
    readonly data: { readonly [name: string]: string };
  }
  const { data } = await make<Policy>(who, { path: `/api/v1/uploads?action=getPolicy&model=${MODEL}` });
  const key = `${data.upload_dir}/cat.png`;
  const fields = {
    OSSAccessKeyId: data.oss_access_key_id ?? '',
    Signature: data.signature ?? '',
    policy: data.policy ?? '',
    key,
    'x-oss-object-acl': 'private',
    'x-oss-forbid-overwrite': 'true',
    success_action_status: '200',
  };
  const path = String(data.upload_host).replace(server.running.baseUrl + who.prefix, '');
  expect(await ask(who, { path, body: formOf(fields, 'file', 'cat') })).toEqual({ status: 200, text: '' });
  return `oss://${key}`;
}

const hello = { role: 'user', content: 'hello' };
const imageChat = (url: string) => ({
  path: CHAT,
  body: {
    model: MODEL,
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
  },
});
const respond = (members: object) => ({ path: '/v1/responses', body: { model: MODEL, input: 'and?', ...members } });

interface Kind {
  readonly name: string;
  make(who: Caller): Promise<string>;
  /** What its owners may ask of it, and what others are told then. What comes last ends it, where that can be done. */
  asked(id: string): readonly (readonly [request: Asked, status: number, words: string])[];
  readonly list?: string;
  /** What a list without anything has in it. */
  readonly emptyList?: object;
}

const noFile = (id: string) => `File [id:${id}] cannot be found.`;
const noResponse = (id: string) => `Response with id '${id}' not found.`;
const noConversation = (id: string) => `Conversation with id '${id}' not found.`;

const KINDS: readonly Kind[] = [
  {
    name: 'a file',
    make: makeFile,
    asked: (id) => [
      [{ path: `/v1/files/${id}` }, 404, noFile(id)],
      [{ path: `/v1/files/${id}/content` }, 404, noFile(id)],
      [{ path: `/api/v1/files/${id}` }, 404, noFile(id)],
      [batchOf(id), 400, noFile(id)],
      [{ method: 'DELETE', path: `/v1/files/${id}` }, 404, noFile(id)],
    ],
    list: '/v1/files',
    emptyList: { data: [], has_more: false },
  },
  {
    name: 'a native file',
    make: makeNativeFile,
    asked: (id) => [
      [{ path: `/api/v1/files/${id}` }, 404, noFile(id)],
      [{ method: 'DELETE', path: `/api/v1/files/${id}` }, 404, noFile(id)],
    ],
    list: '/api/v1/files',
    emptyList: { data: { total: 0, files: [] } },
  },
  {
    name: 'the address of a file',
    make: makeAddress,
    asked: (path) => [[{ path }, 403, 'AccessDenied']],
  },
  {
    name: 'a batch',
    make: makeBatch,
    asked: (id) => [[{ path: `/v1/batches/${id}` }, 404, `No batch found with id '${id}'.`]],
    list: '/v1/batches',
    // As recorded.
    emptyList: { data: null, has_more: false },
  },
  {
    name: 'the output of a batch',
    make: makeOutputFile,
    asked: (id) => [[{ path: `/v1/files/${id}/content` }, 404, noFile(id)]],
    list: '/v1/files?purpose=batch_output',
    emptyList: { data: [], has_more: false },
  },
  {
    name: 'a response',
    make: makeResponse,
    asked: (id) => [
      [{ path: `/v1/responses/${id}` }, 404, noResponse(id)],
      [{ path: `/v1/responses/${id}/input_items` }, 404, noResponse(id)],
      [respond({ previous_response_id: id }), 400, `Not found previous_response_id: ${id}`],
      [{ method: 'DELETE', path: `/v1/responses/${id}` }, 404, noResponse(id)],
    ],
  },
  {
    name: 'a conversation',
    make: makeConversation,
    asked: (id) => [
      [{ path: `/v1/conversations/${id}` }, 404, noConversation(id)],
      [{ path: `/v1/conversations/${id}/items` }, 404, noConversation(id)],
      [{ path: `/v1/conversations/${id}`, body: { metadata: { a: 'b' } } }, 404, noConversation(id)],
      [respond({ conversation: id }), 404, noConversation(id)],
      [{ method: 'DELETE', path: `/v1/conversations/${id}` }, 404, noConversation(id)],
    ],
  },
  {
    name: 'a task',
    make: makeTask,
    asked: (id) => [
      [{ path: `/api/v1/tasks/${id}` }, 200, '"task_status":"UNKNOWN"'],
      [{ method: 'POST', path: `/api/v1/tasks/${id}/cancel` }, 400, 'Failed to cancel the task'],
    ],
    list: '/api/v1/tasks',
    emptyList: { total: 0, data: [] },
  },
  {
    name: 'an upload',
    make: makeUpload,
    asked: (url) => [[imageChat(url), 400, 'Failed to download multimodal content.']],
  },
];

describe.each<readonly [Region, Region]>([
  ['beijing', 'singapore'],
  ['singapore', 'beijing'],
])('what was made in %s is there for every key of its owner, and not in %s:', (here, there) => {
  it.each(KINDS)('$name', async ({ make: makeOne, asked, list, emptyList }) => {
    const { id: workspaceId } = await server.admin.createWorkspace('test', { name: randomUUID() });
    const maker = await callerIn(workspaceId, here);
    const sameOwner = await callerIn(workspaceId, here);
    const other = await callerIn(workspaceId, there);
    const id = await makeOne(maker);
    for (const [request, status, words] of asked(id))
      expect(await ask(other, request)).toEqual({ status, text: expect.stringContaining(words) });
    if (list !== undefined) {
      expect(await make(other, { path: list })).toMatchObject(emptyList ?? {});
      expect((await ask(sameOwner, { path: list })).text).toContain(id);
    }
    for (const [request, , words] of asked(id))
      expect(await ask(sameOwner, request)).toEqual({ status: 200, text: expect.not.stringContaining(words) });
  });
});
