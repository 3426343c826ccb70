/**
 * Regions, workspaces and TLS against the whole server: who may call where, on every wire, and the vendors' own clients with
 * nothing changed but the hosts of this machine.
 */
import { readFileSync } from 'node:fs';
import { connect as tlsConnect } from 'node:tls';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { Agent, request, fetch as undiciFetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestServer, type TestServer } from '../support/server.ts';

const CHAT = '/compatible-mode/v1/chat/completions';
const MESSAGES = '/apps/anthropic/v1/messages';
const NATIVE = '/api/v1/services/aigc/text-generation/generation';
const FAQ =
  'API keys are strictly region-specific: this one was made for China (Beijing) and does not work with the endpoint of Singapore. Make sure that the base_url matches the region in which the key was made.';
const MAINLAND_HELP = 'https://help.aliyun.com/zh/model-studio/error-code#apikey-error';
const INTERNATIONAL_HELP = 'https://www.alibabacloud.com/help/en/model-studio/error-code#apikey-error';

const hello = { model: 'qwen-plus', messages: [{ role: 'user', content: 'hello' }] };
const BODIES: { readonly [path: string]: object } = {
  [CHAT]: hello,
  [MESSAGES]: { ...hello, max_tokens: 10 },
  [NATIVE]: { model: 'qwen-plus', input: { messages: hello.messages } },
};

let server: TestServer;
let singapore: string;
beforeAll(async () => {
  server = await startTestServer({}, { environment: { ATELIER_REGIONS_SINGAPORE_PORT: '0' } });
  singapore = (await server.createKey({ region: 'singapore' })).secret;
});
afterAll(() => server.close());

const portOf = (url: string): string => new URL(url).port;
const singaporeUrl = (): string => `http://127.0.0.1:${server.running.regionPorts.singapore}`;

/** What the wires say, as far as it is looked at here. */
interface Said {
  readonly type?: string;
  readonly code?: string;
  readonly message?: string;
  readonly error?: { readonly type: string; readonly code: string; readonly message: string };
  readonly data?: { readonly [name: string]: string };
}

interface Reply {
  readonly status: number | undefined;
  readonly body: Said;
}

/** POSTs where there is a body, else GETs. */
async function call(
  url: string,
  path: string,
  key: string | undefined,
  headers: { [name: string]: string } = {},
): Promise<Reply> {
  const body = BODIES[path];
  // `fetch` would not send a Host header of ours.
  const reply = await request(url + path, {
    method: body ? 'POST' : 'GET',
    body: body ? JSON.stringify(body) : null,
    headers: {
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...headers,
    },
  });
  return { status: reply.statusCode, body: (await reply.body.json()) as Said };
}

describe('a call is made in a region', () => {
  it('by the port it comes in on', async () => {
    expect((await call(server.running.baseUrl, CHAT, server.key)).status).toBe(200);
    expect((await call(singaporeUrl(), CHAT, singapore)).status).toBe(200);
    expect((await call(singaporeUrl(), CHAT, server.key)).status).toBe(401);
  });

  it('by its path', async () => {
    const { baseUrl } = server.running;
    expect((await call(`${baseUrl}/singapore`, CHAT, singapore)).status).toBe(200);
    expect((await call(`${baseUrl}/singapore`, CHAT, server.key)).status).toBe(401);
    expect((await call(`${singaporeUrl()}/beijing`, CHAT, server.key)).status).toBe(200);
  });

  it('by the name of the host, also through a proxy', async () => {
    const { baseUrl } = server.running;
    const host = 'dashscope-intl.aliyuncs.com';
    for (const headers of [{ host }, { 'x-forwarded-host': host }] as { [name: string]: string }[]) {
      expect((await call(baseUrl, CHAT, singapore, headers)).status).toBe(200);
      expect((await call(baseUrl, CHAT, server.key, headers)).status).toBe(401);
    }
    expect((await call(singaporeUrl(), CHAT, server.key, { host: 'dashscope.aliyuncs.com' })).status).toBe(200);
  });

  it('with whatever is told back leading there again', async () => {
    const base = `${server.running.baseUrl}/singapore`;
    const { body } = await call(base, '/api/v1/uploads?action=getPolicy&model=qwen-vl-plus', singapore);
    const data = body.data ?? {};
    expect(data.upload_host).toBe(`${base}/api/v1/uploads/target`);
    const form = new FormData();
    const field = (name: string, value = ''): void => form.append(name, value);
    field('OSSAccessKeyId', data.oss_access_key_id);
    field('Signature', data.signature);
    field('policy', data.policy);
    field('key', `${data.upload_dir}/cat.png`);
    field('x-oss-object-acl', data.x_oss_object_acl);
    field('x-oss-forbid-overwrite', data.x_oss_forbid_overwrite);
    field('success_action_status', '200');
    form.append('file', new Blob(['cat']), 'cat.png');
    expect((await fetch(String(data.upload_host), { method: 'POST', body: form })).status).toBe(200);
  });

  it('without a key, where none is asked for', async () => {
    const open = await startTestServer({}, { environment: { ATELIER_AUTH_REQUIRED: 'false' } });
    try {
      for (const region of ['', '/singapore', '/virginia']) {
        expect((await call(open.running.baseUrl + region, CHAT, undefined)).status).toBe(200);
        expect((await call(open.running.baseUrl + region, CHAT, open.key)).status).toBe(200);
      }
    } finally {
      await open.close();
    }
  });
});

describe('a key of another region is refused with the FAQ', () => {
  it.each([
    [CHAT, `Incorrect API key provided. ${FAQ} For details, see: ${INTERNATIONAL_HELP}`],
    ['/v1/models', `Incorrect API key provided. ${FAQ} For details, see: ${INTERNATIONAL_HELP}`],
    ['/v1/files', `Incorrect API key provided. ${FAQ} For details, see: ${INTERNATIONAL_HELP}`],
    ['/v1/batches', `Incorrect API key provided. ${FAQ} For details, see: ${INTERNATIONAL_HELP}`],
    ['/v1/responses/resp_1', `Invalid API-key provided. ${FAQ}`],
    ['/v1/conversations/conv_1', `Invalid API-key provided. ${FAQ}`],
    [MESSAGES, `Incorrect API key provided. ${FAQ}`],
    [NATIVE, `Invalid API-key provided. ${FAQ}`],
    ['/api/v1/tasks', `Invalid API-key provided. ${FAQ}`],
  ])('on %s', async (path, message) => {
    const { status, body } = await call(`${server.running.baseUrl}/singapore`, path, server.key);
    expect(status).toBe(401);
    expect(body.error?.message ?? body.message).toBe(message);
    expect(body.message ?? message).toBe(message);
  });

  it.each(['/api-ws/v1/inference', '/compatible-mode/v1/responses', '/v1/responses'])(
    'on the socket %s',
    async (path) => {
      const { status, body } = await refusedSocket(`${singaporeUrl()}${path}`, server.key);
      expect(status).toBe(401);
      expect(body.message).toBe(`Invalid API-key provided. ${FAQ}`);
    },
  );

  it('and an unknown one without, with the help page of the region', async () => {
    const { baseUrl } = server.running;
    const message = async (url: string) => (await call(url, CHAT, 'sk-unknown')).body.error?.message;
    expect(await message(baseUrl)).toBe(`Incorrect API key provided. For details, see: ${MAINLAND_HELP}`);
    expect(await message(`${baseUrl}/frankfurt`)).toBe(
      `Incorrect API key provided. For details, see: ${INTERNATIONAL_HELP}`,
    );
  });
});

describe('a temporary key', () => {
  it('holds where its parent does', async () => {
    const base = `${server.running.baseUrl}/singapore`;
    const reply = await fetch(`${base}/api/v1/tokens?expire_in_seconds=60`, {
      method: 'POST',
      headers: { authorization: `Bearer ${singapore}` },
    });
    const { token } = (await reply.json()) as { token: string };
    expect((await call(base, CHAT, token)).status).toBe(200);
    const { status, body } = await call(server.running.baseUrl, CHAT, token);
    expect(status).toBe(401);
    expect(body.error?.message).toContain('made for Singapore');
  });
});

describe('a workspace', () => {
  let team: { readonly id: string; readonly key: string };
  beforeAll(async () => {
    const { id } = await server.admin.createWorkspace('test', { name: 'team' });
    team = { id, key: (await server.createKey({ workspaceId: id })).secret };
    // Both are known once a key has been looked up.
    await call(server.running.baseUrl, CHAT, team.key);
  });

  it('is chosen by header or host with a key of the default workspace', async () => {
    const { baseUrl } = server.running;
    for (const headers of [
      { 'X-DashScope-WorkSpace': team.id },
      { 'x-dashscope-workspace': team.id },
      { host: `${team.id}.cn-beijing.maas.aliyuncs.com` },
    ] as { [name: string]: string }[]) {
      for (const path of [CHAT, MESSAGES, NATIVE])
        expect((await call(baseUrl, path, server.key, headers)).status).toBe(200);
      expect((await call(baseUrl, CHAT, team.key, headers)).status).toBe(200);
    }
  });

  it.each([
    [CHAT, 'WorkSpaceNotFound', 'Workspace.AccessDenied'],
    [NATIVE, 'WorkSpaceNotFound', 'Workspace.AccessDenied'],
    [MESSAGES, 'not_found_error', 'permission_error'],
    ['/v1/responses/resp_1', 'WorkSpaceNotFound', 'Workspace.AccessDenied'],
  ])('that is not there, or not its own, is refused on %s', async (path, unknown, denied) => {
    const { baseUrl } = server.running;
    const codeOf = ({ body }: Reply) => (body.type === 'error' ? body.error?.type : (body.code ?? body.error?.code));
    const missing = await call(baseUrl, path, server.key, { 'x-dashscope-workspace': 'ws-none' });
    expect([missing.status, codeOf(missing)]).toEqual([404, unknown]);
    const foreign = await call(baseUrl, path, team.key, { 'x-dashscope-workspace': 'default' });
    expect([foreign.status, codeOf(foreign)]).toEqual([403, denied]);
  });

  it('is refused at the handshake of a socket, too', async () => {
    const named = (id: string) => ({ 'x-dashscope-workspace': id });
    const url = `${server.running.baseUrl}/api-ws/v1/inference`;
    expect(await refusedSocket(url, server.key, named('ws-none'))).toMatchObject({
      status: 404,
      body: { code: 'WorkSpaceNotFound' },
    });
    expect(await refusedSocket(url, team.key, named('default'))).toMatchObject({
      status: 403,
      body: { code: 'Workspace.AccessDenied' },
    });
  });

  it('takes its keys along when it is deleted', async () => {
    const { baseUrl } = server.running;
    const { id } = await server.admin.createWorkspace('test', { name: 'gone' });
    const { secret } = await server.createKey({ workspaceId: id });
    await server.admin.deleteWorkspace('test', id);
    const refused = await call(baseUrl, CHAT, secret);
    expect([refused.status, refused.body.error?.code]).toEqual([403, 'Workspace.AccessDenied']);
  });
});

/** The refusal of a handshake. */
function refusedSocket(url: string, key: string, headers: { [name: string]: string } = {}): Promise<Reply> {
  const client = new WebSocket(url.replace('http', 'ws'), { headers: { authorization: `bearer ${key}`, ...headers } });
  client.on('error', () => {});
  return new Promise((resolve, reject) => {
    client.once('open', () => reject(new Error('the socket was opened')));
    client.once('unexpected-response', async (_request, reply) => {
      let text = '';
      for await (const piece of reply) text += piece;
      resolve({ status: reply.statusCode, body: JSON.parse(text) });
    });
  });
}

/** As a hosts entry and a redirected port 443 would have it: whatever host is asked for, it is this server. */
describe("the vendors' own hosts, with nothing changed but the hosts of this machine", () => {
  let secure: TestServer;
  let ca: string;
  let agent: Agent;
  const hostsEntry = (host: string) =>
    tlsConnect({ host: '127.0.0.1', port: Number(portOf(secure.running.baseUrl)), servername: host, ca });

  beforeAll(async () => {
    secure = await startTestServer({ tls: true });
    singapore = (await secure.createKey({ region: 'singapore' })).secret;
    ca = readFileSync(secure.running.trustFile as string, 'utf8');
    agent = new Agent({
      connect: ({ hostname }, done) => {
        const socket = hostsEntry(hostname);
        socket.once('secureConnect', () => done(null, socket));
        socket.once('error', (error) => done(error, null));
      },
    });
  });
  afterAll(async () => {
    await agent.close();
    await secure.close();
  });

  /** What the SDKs take as a `fetch`. */
  const viaHosts = ((url: string, init: object) => undiciFetch(url, { ...init, dispatcher: agent })) as never;
  const openAi = (apiKey: string, host: string) =>
    new OpenAI({ apiKey, baseURL: `https://${host}/compatible-mode/v1`, fetch: viaHosts, maxRetries: 0 });

  it("OpenAI's SDK talks to Beijing and to Singapore, each with its key", async () => {
    for (const [host, key] of [
      ['dashscope.aliyuncs.com', secure.key],
      ['dashscope-intl.aliyuncs.com', singapore],
    ] as const) {
      const stream = await openAi(key, host).chat.completions.create({
        model: 'qwen-plus',
        messages: [{ role: 'user', content: 'one two three' }],
        stream: true,
      });
      let text = '';
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
      expect(text).toBe('one two three');
    }
  });

  it("OpenAI's SDK is told that a key is of another region", async () => {
    const asked = openAi(secure.key, 'dashscope-us.aliyuncs.com').models.list();
    await expect(asked).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(asked).rejects.toThrow(
      /made for China \(Beijing\) and does not work with the endpoint of US \(Virginia\)/,
    );
  });

  it("a workspace's own host is found and refused as such", async () => {
    const asked = openAi(secure.key, 'llm-abc.cn-beijing.maas.aliyuncs.com').models.list();
    await expect(asked).rejects.toThrow(OpenAI.NotFoundError);
    await expect(asked).rejects.toMatchObject({ code: 'WorkSpaceNotFound' });
  });

  it('a workspace that was made with its id is found at its own host, by its own key alone', async () => {
    const { id } = await secure.admin.createWorkspace('test', { name: 'moved', id: 'llm-moved1' });
    const { secret } = await secure.createKey({ workspaceId: id });
    const asked = (host: string) => openAi(secret, host).models.list();
    expect((await asked('llm-moved1.cn-beijing.maas.aliyuncs.com')).data.length).toBeGreaterThan(0);
    await expect(asked('llm-other1.cn-beijing.maas.aliyuncs.com')).rejects.toThrow(OpenAI.PermissionDeniedError);
  });

  it("Anthropic's SDK talks to Beijing", async () => {
    const client = new Anthropic({
      authToken: secure.key,
      apiKey: null,
      baseURL: 'https://dashscope.aliyuncs.com/apps/anthropic',
      fetch: viaHosts,
      maxRetries: 0,
    });
    const { content } = await client.messages.create({
      model: 'qwen-plus',
      max_tokens: 20,
      messages: [{ role: 'user', content: 'one two' }],
    });
    expect(content).toMatchObject([{ type: 'text', text: 'one two' }]);
  });

  it('a task runs on the WebSocket of Singapore', async () => {
    const socket = new WebSocket('wss://dashscope-intl.aliyuncs.com/api-ws/v1/inference', {
      headers: { authorization: `bearer ${singapore}` },
      createConnection: (() => hostsEntry('dashscope-intl.aliyuncs.com')) as never,
    });
    const events: string[] = [];
    await new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', resolve);
      socket.once('open', () =>
        socket.send(
          JSON.stringify({
            header: { action: 'run-task', task_id: 'task-1', streaming: 'out' },
            payload: {
              task_group: 'aigc',
              task: 'text-generation',
              function: 'generation',
              model: 'qwen-plus',
              parameters: {},
              input: { messages: hello.messages },
            },
          }),
        ),
      );
      socket.on('message', (data) => {
        const { header } = JSON.parse(String(data));
        events.push(header.event);
        if (/^task-(finished|failed)$/.test(header.event)) socket.close();
      });
    });
    expect(events[0]).toBe('task-started');
    expect(events.at(-1)).toBe('task-finished');
  });
});
