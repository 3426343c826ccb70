/**
 * No key, prompt or answer stands in a log line, in an error, in the metrics, in the audit or in the journal: a server is
 * led through success and every kind of failure with marked secrets, and everything it says besides the answers is searched.
 */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { logOptions } from '../src/main.ts';
import {
  chunkFrame,
  DONE_FRAME,
  frame,
  jsonReply,
  type MockReply,
  type MockRequest,
  streamReply,
} from './support/mock-replies.ts';
import { type MockUpstream, startMockUpstream } from './support/mock-upstream.ts';
import { startTestServer, type TestServer } from './support/server.ts';

/** What callers send and models answer. */
const MARKS = {
  system: 'system-mark-larch-1127',
  prompt: 'prompt-mark-quartz-4471',
  toolDescription: 'description-mark-heron-5580',
  toolResult: 'result-mark-basalt-9034',
  toolArguments: 'arguments-mark-ochre-2216',
  answer: 'answer-mark-cobalt-7783',
  reasoning: 'reasoning-mark-umber-3349',
  file: 'file-mark-sienna-6612',
  metadata: 'metadata-mark-lichen-8205',
} as const;

const UPSTREAM_KEY = 'sk-upstream0key0mark0vermilion0771';
const WRONG_KEY = `sk-${'0badc0de'.repeat(4)}`;

/** What errors repeat on purpose, in the service's own words: an id that leads nowhere, a value that is none of a list. */
const ECHOED = { model: 'model-mark-saffron-1908', value: 'value-mark-teal-4630' } as const;

/** Where: names of models, roles, kinds and calls, and whatever is no list or no switch. Nobody writes a prompt there. */
const ECHOING = /(?:^|\.)(?:model|stream|role|type|(?:tool_)?call_id|tool_use_id|properties)$/;

const logged: string[] = [];
/** Errors as clients read them, and what they had asked. */
const errors: { readonly what: string; readonly text: string }[] = [];

let upstream: MockUpstream;
let server: TestServer;
const keys = { api: '', other: '', temporary: '', admin: '' };

beforeAll(async () => {
  upstream = await startMockUpstream({ reply: upstreamReply });
  const log = pino(
    logOptions('trace'),
    new Writable({
      write(line, _encoding, done) {
        logged.push(String(line));
        done();
      },
    }),
  );
  server = await startTestServer(
    { scripted: false },
    {
      log,
      environment: {
        ATELIER_ENGINE_ENABLED: 'false',
        // With a second one nothing is a gateway, where every id leads somewhere.
        ATELIER_UPSTREAMS: JSON.stringify(
          ['up', 'idle'].map((id) => ({ id, baseUrl: `${upstream.url}/v1`, apiKey: UPSTREAM_KEY })),
        ),
        ATELIER_MODELS: JSON.stringify({ 'up-*': 'up', 'qwen-*': 'scripted/echo', 'qwen2.5-coder-*': 'scripted/echo' }),
      },
    },
  );
  keys.api = (await server.createKey({ name: 'kept', keepsBodies: true })).secret;
  keys.other = (await server.createKey({ region: 'singapore' })).secret;
  keys.admin = (await server.createKey({ kind: 'admin' })).secret;
  const made = await fetch(`${server.running.baseUrl}/api/v1/tokens`, { method: 'POST', headers: bearer(keys.api) });
  keys.temporary = ((await made.json()) as { token: string }).token;
});
afterAll(async () => {
  await server.close();
  await upstream.close();
});

// The upstream.

/** Errors that repeat the key and the prompt, as careless servers do. */
function upstreamReply(request: MockRequest): MockReply {
  const said = `You (${String(request.headers.authorization)}, ${UPSTREAM_KEY}) asked: ${JSON.stringify(request.body)}`;
  const isChat = request.path.includes('/chat/');
  const answer = [
    ...(isChat ? [] : [frame({ choices: [{ index: 0, text: MARKS.answer, finish_reason: null }] })]),
    chunkFrame({ role: 'assistant', reasoning_content: MARKS.reasoning }),
    chunkFrame({ content: MARKS.answer }),
    chunkFrame({
      tool_calls: [
        {
          index: 0,
          id: 'call_1',
          type: 'function',
          function: { name: 'f', arguments: `{"x":"${MARKS.toolArguments}"}` },
        },
      ],
    }),
  ];
  const status = /^up-(\d{3})$/.exec(request.model)?.[1];
  if (status !== undefined) return jsonReply(Number(status), { error: { message: said, type: 'bad', code: 'bad' } });
  switch (request.model) {
    case 'up-bare':
      return jsonReply(400, { error: { message: MARKS.prompt } });
    case 'up-page':
      return { status: 200, headers: { 'content-type': 'text/html' }, chunks: [`<html>${said}</html>`] };
    case 'up-garbage':
      return { status: 200, headers: { 'content-type': 'application/json' }, chunks: [`{"choices": ${said}`] };
    case 'up-chunk':
      return streamReply([...answer, `data: ${JSON.stringify({ error: { message: said, code: 500 } })}\n\n`]);
    case 'up-broken':
      return streamReply([...answer, `data: {"choices": ${said}\n\n`]);
    case 'up-cut':
      return streamReply(answer, { ending: 'cut' });
    default:
      return streamReply([...answer, chunkFrame({}, 'tool_calls'), DONE_FRAME]);
  }
}

const FAILING = ['up-400', 'up-401', 'up-403', 'up-404', 'up-413', 'up-422', 'up-429', 'up-500', 'up-503'].concat([
  'up-bare',
  'up-page',
  'up-garbage',
  'up-chunk',
  'up-broken',
  'up-cut',
]);

// The callers.

type Json = { readonly [member: string]: unknown };

const chatTool = {
  type: 'function',
  function: {
    name: 'f',
    description: MARKS.toolDescription,
    parameters: { type: 'object', properties: { x: { type: 'string', description: MARKS.toolDescription } } },
  },
};
const chatTurns = [
  { role: 'system', content: MARKS.system },
  { role: 'user', content: 'hello' },
  {
    role: 'assistant',
    content: null,
    tool_calls: [
      { id: 'call_0', type: 'function', function: { name: 'f', arguments: `{"x":"${MARKS.toolArguments}"}` } },
    ],
  },
  { role: 'tool', tool_call_id: 'call_0', content: MARKS.toolResult },
  { role: 'user', content: MARKS.prompt },
];

/** A whole request of each wire, with marks wherever a caller may write. */
const WIRES: { readonly [wire: string]: { readonly path: string; body(model: string, isStreaming: boolean): Json } } = {
  chat: {
    path: '/compatible-mode/v1/chat/completions',
    body: (model, stream) => ({ model, stream, messages: chatTurns, tools: [chatTool] }),
  },
  completions: {
    path: '/compatible-mode/v1/completions',
    body: (model, stream) => ({ model, stream, prompt: MARKS.prompt }),
  },
  responses: {
    path: '/compatible-mode/v1/responses',
    body: (model, stream) => ({
      model,
      stream,
      instructions: MARKS.system,
      metadata: { note: MARKS.metadata },
      input: [
        { role: 'user', content: 'hello' },
        { type: 'function_call', call_id: 'call_0', name: 'f', arguments: `{"x":"${MARKS.toolArguments}"}` },
        { type: 'function_call_output', call_id: 'call_0', output: MARKS.toolResult },
        { role: 'user', content: MARKS.prompt },
      ],
      tools: [{ type: 'function', ...chatTool.function }],
    }),
  },
  messages: {
    path: '/apps/anthropic/v1/messages',
    body: (model, stream) => ({
      model,
      stream,
      max_tokens: 100,
      system: MARKS.system,
      messages: [
        { role: 'user', content: 'hello' },
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: 'toolu_0', name: 'f', input: { x: MARKS.toolArguments } }],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_0', content: MARKS.toolResult },
            { type: 'text', text: MARKS.prompt },
          ],
        },
      ],
      tools: [{ name: 'f', description: MARKS.toolDescription, input_schema: chatTool.function.parameters }],
    }),
  },
  dashscope: {
    path: '/api/v1/services/aigc/text-generation/generation',
    body: (model) => ({
      model,
      input: { messages: chatTurns },
      parameters: { result_format: 'message', tools: [chatTool] },
    }),
  },
};

function bearer(secret: string): { authorization: string } {
  return { authorization: `Bearer ${secret}` };
}

async function call(what: string, path: string, init: RequestInit): Promise<string> {
  const response = await fetch(`${server.running.baseUrl}${path}`, { method: 'POST', ...init });
  const text = await response.text();
  if (response.status >= 400) errors.push({ what: `${what} ${response.status}`, text });
  // An answer that began well shows the answer before its error.
  else
    for (const frame of text.split('\n\n').filter(isErrorFrame)) errors.push({ what: `${what} stream`, text: frame });
  return text;
}

function isErrorFrame(frame: string): boolean {
  return /^event: ?error|"error":\{|"type":"response\.failed"|"type":"error"|"code":"[A-Za-z]/m.test(frame);
}

/** A failed response shows what it was asked, by the wire's own form; what it says of the failure is the error. */
function withoutRequest(text: string): string {
  const start = text.indexOf('"error":');
  return text.includes('response.failed') && start >= 0 ? text.slice(start, text.indexOf('}', start) + 1) : text;
}

const asJson = (secret: string, body: unknown, headers = {}): RequestInit => ({
  headers: { ...bearer(secret), 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

const SSE = { accept: 'text/event-stream', 'x-dashscope-sse': 'enable' };

describe('calls with secrets in them', () => {
  describe.each(Object.entries(WIRES))('%s', (wire, { path, body }) => {
    const known = wire === 'completions' ? 'qwen2.5-coder-32b-instruct' : 'qwen-plus';

    it.each([known, 'up-fine'])('answered by %s', async (model) => {
      const plain = await call(`${wire} ${model}`, path, asJson(keys.api, body(model, false)));
      const streamed = await call(`${wire} ${model}`, path, asJson(keys.temporary, body(model, true), SSE));
      // The marks do come through where they belong.
      const expected = model === 'up-fine' ? MARKS.answer : MARKS.prompt;
      for (const text of [plain, streamed]) expect(text.replaceAll(/[^\w-]/g, '')).toContain(expected.slice(0, 6));
    });

    it('failed by upstreams of every kind', async () => {
      const calls = FAILING.flatMap((model) => [
        call(`${wire} ${model}`, path, asJson(keys.api, body(model, false))),
        call(`${wire} ${model} streamed`, path, asJson(keys.api, body(model, true), SSE)),
      ]);
      await Promise.all(calls);
    });

    it('refused', async () => {
      const whole = body(known, false);
      const text = JSON.stringify(whole);
      for (const secret of [WRONG_KEY, keys.other, keys.admin, `${keys.api}0`])
        await call(`${wire} wrong key`, path, asJson(secret, whole));
      await call(`${wire} no key`, path, { body: text, headers: { 'content-type': 'application/json' } });
      await call(`${wire} key in the query`, `${path}?api_key=${keys.api}&key=${keys.api}`, {
        body: text,
        headers: { 'content-type': 'application/json' },
      });
      await call(`${wire} wrong workspace`, path, asJson(keys.api, whole, { 'x-dashscope-workspace': 'ws-none' }));
      await call(`${wire} half a body`, path, asJson(keys.api, text.slice(0, -20)));
      await call(`${wire} no JSON`, path, asJson(keys.api, `${MARKS.prompt} ${keys.api}`));
      await call(`${wire} other type`, path, {
        headers: { ...bearer(keys.api), 'content-type': 'text/plain' },
        body: MARKS.prompt,
      });
      await call(`${wire} unknown model`, path, asJson(keys.api, body(ECHOED.model, false)));
      await call(`${wire} wrong method`, path, { method: 'PUT', headers: bearer(keys.api), body: MARKS.prompt });
      await call(`${wire} unknown path`, `${path}/none?api_key=${keys.api}`, asJson(keys.api, whole));
    });

    it('with every part of the body in turn of the wrong type', async () => {
      const whole = body(known, false);
      for (const place of placesOf(whole)) {
        const mark = ECHOING.test(place.join('.')) ? ECHOED.value : MARKS.prompt;
        for (const junk of [mark, [mark], { [mark]: mark }])
          await call(`${wire} ${place.join('.')}`, path, asJson(keys.api, withValueAt(whole, place, junk)));
      }
    });
  });

  it('in sockets', async () => {
    const frames = async (path: string, ...messages: unknown[]): Promise<void> => {
      const socket = new WebSocket(`${server.running.baseUrl.replace('http', 'ws')}${path}`, {
        headers: bearer(keys.api),
      });
      await once(socket, 'open');
      for (const message of messages) {
        const reply = once(socket, 'message');
        socket.send(typeof message === 'string' ? message : JSON.stringify(message));
        const [first] = await Promise.race([reply, once(socket, 'close').then(() => [''])]);
        if (isErrorFrame(String(first)) || String(first).includes('error_message'))
          errors.push({ what: `socket ${path}`, text: String(first) });
        if (socket.readyState !== WebSocket.OPEN) break;
      }
      socket.terminate();
    };
    const response = { type: 'response.create', ...WIRES.responses?.body('up-400', true) };
    await frames('/v1/responses', response, { ...response, model: ECHOED.model });
    await frames('/v1/responses', `{"type": "${MARKS.prompt}`);
    const task = (model: string) => ({
      header: { action: 'run-task', task_id: 't-1', streaming: 'out' },
      payload: {
        ...WIRES.dashscope?.body(model, true),
        task_group: 'aigc',
        task: 'text-generation',
        function: 'generation',
      },
    });
    await frames('/api-ws/v1/inference', task('up-fine'));
    await frames('/api-ws/v1/inference', task('up-400'));
    await frames('/api-ws/v1/inference', `{"header": "${MARKS.prompt}`);
    const refused = new WebSocket(`${server.running.baseUrl.replace('http', 'ws')}/v1/responses`, {
      headers: bearer(WRONG_KEY),
    });
    refused.on('error', () => {});
    const [, reply] = await once(refused, 'unexpected-response');
    expect(reply.statusCode).toBe(401);
    refused.terminate();
  });

  it('in files and batches', async () => {
    const line = (id: string, model: string) =>
      JSON.stringify({
        custom_id: id,
        method: 'POST',
        url: '/v1/chat/completions',
        body: { ...WIRES.chat?.body(model, false), note: MARKS.file },
      });
    const upload = async (text: string, purpose: string): Promise<string> => {
      const form = new FormData();
      form.append('file', new File([text], 'lines.jsonl'));
      form.append('purpose', purpose);
      return call('upload', '/compatible-mode/v1/files', { headers: bearer(keys.api), body: form });
    };
    await upload(MARKS.file, ECHOED.value);
    const created = async (text: string): Promise<{ id: string; output?: string; errors?: string }> => {
      const { id } = JSON.parse(await upload(text, 'batch')) as { id: string };
      const reply = await call(
        'batch',
        '/compatible-mode/v1/batches',
        asJson(keys.api, { input_file_id: id, endpoint: '/v1/chat/completions', completion_window: '24h' }),
      );
      return JSON.parse(reply) as { id: string };
    };
    const ended = async (id: string): Promise<{ error_file_id?: string | null; errors?: unknown }> => {
      for (;;) {
        const response = await fetch(`${server.openAiBaseUrl}/batches/${id}`, { headers: bearer(keys.api) });
        const batch = (await response.json()) as { status: string };
        if (['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) return batch as object;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await ended((await created(line('a', 'up-fine'))).id);
    const failed = await ended((await created([line('a', 'up-400'), line('b', 'up-400')].join('\n'))).id);
    expect(failed.error_file_id).toBeTruthy();
    const failures = await fetch(`${server.openAiBaseUrl}/files/${failed.error_file_id}/content`, {
      headers: bearer(keys.api),
    });
    errors.push({ what: 'batch error file', text: await failures.text() });
    const broken = await ended((await created(`{"custom_id": "x", "body": "${MARKS.file}`)).id);
    errors.push({ what: 'batch that failed', text: JSON.stringify(broken.errors) });
  });

  it('in the administration', async () => {
    const admin = (what: string, path: string, init: RequestInit) => call(`admin ${what}`, `/admin${path}`, init);
    for (const secret of [WRONG_KEY, keys.api])
      await admin('wrong key', '/keys', { method: 'GET', headers: bearer(secret) });
    await admin('half a body', '/keys', asJson(keys.admin, `{"name": "${MARKS.prompt}`));
    await admin('unknown member', '/keys', asJson(keys.admin, { name: 'x', secret: keys.api }));
    await admin('wrong type', '/keys', asJson(keys.admin, { name: [keys.api] }));
    await admin('unknown path', `/none?key=${keys.api}`, { method: 'GET', headers: bearer(keys.admin) });
  });
});

describe('nothing of them stands', () => {
  const secrets = (): string[] => [
    ...Object.values(MARKS),
    UPSTREAM_KEY,
    ...[WRONG_KEY, server.key, ...Object.values(keys)].map((key) => key.replace(/^s[kt]-/, '')),
  ];
  /** Places that hold one of them, the secret in capitals. */
  const found = (texts: readonly { readonly what: string; readonly text: string }[]): string[] =>
    texts.flatMap(({ what, text }) =>
      secrets()
        .filter((secret) => text.includes(secret))
        .map((secret) => `${what}: ${around(text, secret)}`),
    );
  const around = (text: string, secret: string): string => {
    const at = text.indexOf(secret);
    return `${text.slice(Math.max(0, at - 150), at)}${secret.toUpperCase()}${text.slice(at + secret.length, at + secret.length + 50)}`;
  };

  it('in a log line', () => {
    expect(logged.length).toBeGreaterThan(500);
    expect(logged.join('')).toContain('upstream failed');
    expect([...new Set(found(logged.map((text) => ({ what: 'log', text }))))]).toEqual([]);
  });

  it('in an error', () => {
    expect(errors.length).toBeGreaterThan(500);
    const texts = errors.map(({ what, text }) => ({ what, text: withoutRequest(text) }));
    expect([...new Set(found(texts))]).toEqual([]);
    expect(errors.some(({ text }) => text.includes(ECHOED.model))).toBe(true);
  });

  it('in the metrics', async () => {
    const text = await (await fetch(`${server.running.baseUrl}/metrics`)).text();
    expect(text).toContain('atelier_calls_total');
    expect(found([{ what: 'metrics', text }])).toEqual([]);
  });

  it('in the audit', async () => {
    const response = await fetch(`${server.running.baseUrl}/admin/audit?limit=1000`, { headers: bearer(keys.admin) });
    const text = await response.text();
    expect(text).toContain('keys.create');
    expect(found([{ what: 'audit', text }])).toEqual([]);
  });

  it('in the journal', () => {
    const folder = join(server.home, 'journal');
    const texts = readdirSync(folder).map((name) => ({ what: name, text: readFileSync(join(folder, name), 'utf8') }));
    expect(texts.length).toBeGreaterThan(0);
    expect(found(texts)).toEqual([]);
  });

  it('of the keys, in the database, whose bodies of calls hold prompts', async () => {
    await server.running.flush();
    const texts = readdirSync(server.home)
      .filter((name) => name.startsWith('atelier.db'))
      .map((name) => ({ what: name, text: readFileSync(join(server.home, name), 'latin1') }));
    expect(texts.map(({ text }) => text).join('')).toContain(MARKS.prompt);
    const ofKeys = found(texts).filter(
      (place) => !Object.values(MARKS).some((mark) => place.includes(mark.toUpperCase())),
    );
    expect(ofKeys).toEqual([]);
  });
});

/** Every place in a JSON value but the value itself. */
function placesOf(value: unknown, place: readonly string[] = []): (readonly string[])[] {
  const own = place.length === 0 ? [] : [place];
  if (typeof value !== 'object' || value === null) return own;
  return [...own, ...Object.entries(value).flatMap(([member, inner]) => placesOf(inner, [...place, member]))];
}

function withValueAt(value: unknown, [member, ...rest]: readonly string[], other: unknown): unknown {
  if (member === undefined) return other;
  const copy: object = structuredClone(value) as object;
  Reflect.set(copy, member, withValueAt(Reflect.get(copy, member), rest, other));
  return copy;
}
