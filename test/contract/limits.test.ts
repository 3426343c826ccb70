/** Limits over real HTTP: what each wire is refused with, streams and sockets, waiting, and the SDKs' own retries. */
import { once } from 'node:events';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { describePython } from '../support/python.ts';
import { REDIS_MISSING, startRedis, titleOnRedis } from '../support/redis.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

type KeyLimits = NonNullable<Parameters<TestServer['createKey']>[0]>['limits'];

const keyWith = async (limits: KeyLimits): Promise<string> => (await server.createKey({ limits })).secret;

const MESSAGES = [{ role: 'user', content: 'hi' }];
const CHAT = '/compatible-mode/v1/chat/completions';
const RESPONSES = '/compatible-mode/v1/responses';

function post(key: string, path: string, body: object, headers = {}, on = server): Promise<Response> {
  return fetch(`${on.running.baseUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'qwen-plus', ...body }),
  });
}

const WIRES: readonly (readonly [string, string, object])[] = [
  ['Chat Completions', CHAT, { messages: MESSAGES }],
  ['Completions', '/compatible-mode/v1/completions', { model: 'qwen-coder-turbo', prompt: 'hi' }],
  ['Responses', RESPONSES, { input: 'hi' }],
  ['Messages', '/apps/anthropic/v1/messages', { max_tokens: 10, messages: MESSAGES }],
  ['DashScope', '/api/v1/services/aigc/text-generation/generation', { input: { messages: MESSAGES } }],
];

interface Refusal {
  readonly error?: { readonly code?: string; readonly type: string; readonly message: string };
  readonly code?: string;
  readonly message?: string;
}

/** The code of a refusal and its words, wherever the wire has them. */
async function told(response: Response): Promise<{ code: string | undefined; message: string | undefined }> {
  const { error, code, message } = (await response.json()) as Refusal;
  return { code: error?.code ?? error?.type ?? code, message: error?.message ?? message };
}

describe.each(WIRES)('on %s', (wire, path, body) => {
  const isOpenAi = path.startsWith('/compatible-mode');
  const link = (anchor: string): string =>
    isOpenAi && wire !== 'Responses'
      ? ` For details, see: https://help.aliyun.com/zh/model-studio/error-code#${anchor}`
      : '';
  const codeOf = (codes: { chat: string; native: string }): string =>
    ({ Responses: 'rate_limit_exceeded', Messages: 'rate_limit_error', DashScope: codes.native })[wire] ?? codes.chat;

  it('too many calls a minute are refused, with how long to wait', async () => {
    const key = await keyWith({ requestsPerMinute: 2 });
    expect((await post(key, path, body)).status).toBe(200);
    expect((await post(key, path, body)).status).toBe(200);
    const refused = await post(key, path, body);
    expect(refused.status).toBe(429);
    expect(await told(refused)).toEqual({
      code: codeOf({ chat: 'limit_requests', native: 'Throttling.RateQuota' }),
      message: `You have exceeded your current request limit.${link('rate-limit')}`,
    });
    // One of two a minute comes back after half of it.
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(20);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(30);
    if (wire !== 'DashScope') expect(refused.headers.get('x-should-retry')).toBe('true');
  });

  it('too many tokens a minute are refused', async () => {
    const key = await keyWith({ tokensPerMinute: 1 });
    expect((await post(key, path, body)).status).toBe(200);
    const refused = await post(key, path, body);
    expect(refused.status).toBe(429);
    expect(await told(refused)).toEqual({
      code: codeOf({ chat: 'insufficient_quota', native: 'Throttling.AllocationQuota' }),
      message: `Allocated quota exceeded, please increase your quota limit.${link('token-limit')}`,
    });
    expect(refused.headers.get('retry-after')).toBe('59');
  });

  it('replies tell what is left, as the wire does', async () => {
    const key = await keyWith({ requestsPerMinute: 60, tokensPerMinute: 6000 });
    const { headers } = await post(key, path, body);
    if (isOpenAi) {
      expect(headers.get('x-ratelimit-limit-requests')).toBe('60');
      expect(headers.get('x-ratelimit-remaining-requests')).toBe('59');
      expect(headers.get('x-ratelimit-reset-requests')).toBe('1s');
      expect(headers.get('x-ratelimit-limit-tokens')).toBe('6000');
    } else if (wire === 'Messages') {
      expect(headers.get('anthropic-ratelimit-requests-limit')).toBe('60');
      expect(headers.get('anthropic-ratelimit-requests-remaining')).toBe('59');
      expect(Date.parse(headers.get('anthropic-ratelimit-tokens-reset') ?? '')).toBeGreaterThan(0);
    } else expect([...headers.keys()].filter((name) => name.includes('ratelimit'))).toEqual([]);
  });
});

it('streams have the headers too', async () => {
  const key = await keyWith({ requestsPerMinute: 60 });
  const response = await post(key, CHAT, { messages: MESSAGES, stream: true });
  expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('59');
  expect(response.headers.get('x-atelier-backend')).toBe('scripted/echo');
  await response.text();
});

describe('streams at a time', () => {
  const SLOW = { model: 'scripted/text?tokens=100000&rate=20', messages: MESSAGES, stream: true };

  it('are as many as a key may have; plain replies are not counted', async () => {
    const key = await keyWith({ concurrentStreams: 1 });
    const leaving = new AbortController();
    const first = await fetch(`${server.running.baseUrl}${CHAT}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(SLOW),
      signal: leaving.signal,
    });
    expect(first.status).toBe(200);
    const refused = await post(key, CHAT, { messages: MESSAGES, stream: true });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await told(refused)).toEqual({ code: 'Throttling.Concurrency', message: 'Too many concurrent requests.' });
    expect((await post(key, CHAT, { messages: MESSAGES })).status).toBe(200);
    const before = (await server.receipts()).length;
    leaving.abort();
    await server.receiptAfter(before);
    expect((await post(key, CHAT, { messages: MESSAGES, stream: true })).status).toBe(200);
  });

  it('are ten where nobody says otherwise', async () => {
    const usual = await startTestServer({}, { environment: { ATELIER_LIMITS_CONCURRENT_STREAMS: '' } });
    try {
      const streams = await Promise.all(Array.from({ length: 11 }, () => post(usual.key, CHAT, SLOW, {}, usual)));
      expect(streams.map(({ status }) => status).sort()).toEqual([...Array(10).fill(200), 429]);
      await Promise.all(streams.map(({ body }) => body?.cancel()));
    } finally {
      await usual.close();
    }
  });

  it('and sockets share the places; a handshake without one is refused', async () => {
    const key = await keyWith({ concurrentStreams: 1 });
    const url = `${server.running.baseUrl.replace('http', 'ws')}/api-ws/v1/inference`;
    const headers = { authorization: `bearer ${key}` };
    const socket = new WebSocket(url, { headers });
    await once(socket, 'open');
    expect((await post(key, CHAT, { messages: MESSAGES, stream: true })).status).toBe(429);
    const second = new WebSocket(url, { headers });
    const [, response] = await once(second, 'unexpected-response');
    expect(response.statusCode).toBe(429);
    response.resume();
    const closed = once(socket, 'close');
    socket.close();
    await closed;
    await expect.poll(async () => (await post(key, CHAT, { messages: MESSAGES, stream: true })).status).toBe(200);
  });
});

describe('growth', () => {
  it('is refused when it is asked for, and waited for by who asks for that', async () => {
    const environment = { ATELIER_LIMITS_BURST: '1', ATELIER_LIMITS_REQUESTS_PER_SECOND: '2' };
    const held = await startTestServer({}, { environment });
    try {
      const ask = (headers = {}): Promise<Response> => post(held.key, CHAT, { messages: MESSAGES }, headers, held);
      const answers = await Promise.all([ask(), ask()]);
      const refused = answers.find(({ status }) => status === 429);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(await told(refused as Response)).toMatchObject({
        code: 'limit_burst_rate',
        message: expect.stringMatching(/^Request rate increased too quickly\./),
      });
      expect(refused?.headers.get('retry-after')).toBe('1');
      expect((await ask({ 'x-dashscope-wait-timeout': '30' })).status).toBe(200);
      expect(await held.metric('atelier_refused_total')).toBe(1);
    } finally {
      await held.close();
    }
  });
});

describe('switched off', () => {
  it('nothing is limited, and nothing told', async () => {
    const free = await startTestServer(
      {},
      { environment: { ATELIER_LIMITS: 'off', ATELIER_LIMITS_REQUESTS_PER_SECOND: '1' } },
    );
    try {
      for (let call = 0; call < 5; call++) {
        const response = await free.chat({ model: 'qwen-plus', messages: MESSAGES });
        expect(response.status).toBe(200);
        expect(response.headers.get('x-ratelimit-limit-requests')).toBeNull();
      }
    } finally {
      await free.close();
    }
  });
});

describe('six calls at twice the limit, with the SDKs’ own retries', () => {
  const LIMIT = { requestsPerSecond: 3 };
  const MANY = Array.from({ length: 6 }, (_, call) => `call ${call}`);

  it('all succeed with OpenAI’s', async () => {
    const client = new OpenAI({ apiKey: await keyWith(LIMIT), baseURL: server.openAiBaseUrl });
    const answers = await Promise.all(
      MANY.map((content) =>
        client.chat.completions.create({ model: 'qwen-plus', messages: [{ role: 'user', content }] }),
      ),
    );
    expect(answers.map(({ choices }) => choices[0]?.message.content)).toEqual(MANY);
  });

  it('all succeed with Anthropic’s', async () => {
    const client = new Anthropic({ apiKey: await keyWith(LIMIT), baseURL: `${server.running.baseUrl}/apps/anthropic` });
    const answers = await Promise.all(
      MANY.map((content) =>
        client.messages.create({ model: 'qwen-plus', max_tokens: 100, messages: [{ role: 'user', content }] }),
      ),
    );
    expect(answers.map(({ content }) => content[0])).toMatchObject(MANY.map((text) => ({ type: 'text', text })));
  });

  it('were refused on the way', async () => {
    expect((await server.receipts()).filter(({ errorCode }) => errorCode === 'rate-limited').length).toBeGreaterThan(6);
  });
});

describe.skipIf(REDIS_MISSING !== undefined)(titleOnRedis('two servers with one Redis'), () => {
  it('count together', async () => {
    const redis = await startRedis();
    const environment = { ATELIER_LIMITS_CATALOGUE: 'true' };
    const servers = await Promise.all([0, 1].map(() => startTestServer({ redis: redis.url }, { environment })));
    try {
      // Six in six seconds, says the catalogue.
      const ask = (each: TestServer) => each.chat({ model: 'glm-4.6', messages: MESSAGES, enable_thinking: false });
      const answers = await Promise.all(servers.flatMap((each) => Array.from({ length: 20 }, () => ask(each))));
      const passed = answers.filter(({ status }) => status === 200).length;
      expect(passed).toBeGreaterThanOrEqual(6);
      // Each second that this takes brings one back.
      expect(passed).toBeLessThan(20);
      expect(answers.map(({ status }) => status).filter((status) => status === 429)).toHaveLength(40 - passed);
      // Accepted at once as a rule; what is refused is told all the same.
      const background = { model: 'glm-4.6', input: 'hi', background: true, enable_thinking: false };
      const asked = await Promise.all(
        Array.from({ length: 10 }, () => post(servers[0]?.key ?? '', RESPONSES, background, {}, servers[0])),
      );
      expect(asked.map(({ status }) => status)).toContain(429);
    } finally {
      await Promise.all(servers.map((each) => each.close()));
      await redis.close();
    }
  });
});

await describePython('limits.py', 3, {}, { environment: { ATELIER_LIMITS_REQUESTS_PER_SECOND: '4' } });
