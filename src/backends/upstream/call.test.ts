import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog, testContext } from '../../../test/support/context.ts';
import { feedCall, helloRequest, showEvents } from '../../../test/support/fed-upstream.ts';
import { chunkFrame, DONE_FRAME, jsonReply, type MockReply, streamReply } from '../../../test/support/mock-replies.ts';
import { type MockUpstream, startMockUpstream } from '../../../test/support/mock-upstream.ts';
import { collect } from '../../../test/support/streams.ts';
import { StudioError } from '../../core/errors.ts';
import { checkedStream } from '../../core/event-grammar.ts';
import type { GenerationEvent } from '../../core/events.ts';
import { type GenerationRequest, plainRequest } from '../../core/generation.ts';
import type { Backend } from '../../core/ports.ts';
import { createUpstreamBackend, type UpstreamOptions } from './index.ts';

const ANSWER = chunkFrame({ content: 'Four.' }) + chunkFrame({}, 'stop') + DONE_FRAME;

const ask = (model: string): GenerationRequest =>
  plainRequest(model, [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }]);

let mock: MockUpstream;
/** What `scripted/*` models get, in order. */
let script: MockReply[] = [];
const backends: Backend[] = [];

function backendFor(changes: Partial<UpstreamOptions> = {}): Backend {
  const backend = createUpstreamBackend({
    id: 'mock',
    baseUrl: `${mock.url}/v1/`,
    retry: { retries: 2, backoffMs: 0 },
    log: silentLog,
    ...changes,
  });
  backends.push(backend);
  return backend;
}

beforeAll(async () => {
  mock = await startMockUpstream({
    isRecording: true,
    reply: ({ model }) => (model === 'scripted' ? script.shift() : undefined),
  });
});

afterAll(async () => {
  await Promise.all(backends.map((backend) => backend.close()));
  await mock.close();
});

const thrownBy = async (backend: Backend, model: string): Promise<StudioError> => {
  try {
    await collect(backend.generate(ask(model), testContext()));
  } catch (thrown) {
    if (thrown instanceof StudioError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
};

describe('a call to an upstream', () => {
  it('streams or answers whole, with the same text', async () => {
    const backend = backendFor({ apiKey: 'sk-test' });
    const textOf = (events: readonly GenerationEvent[]): string =>
      events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('');
    const streamed = await collect(backend.generate(ask('mock/stream-30'), testContext()));
    const whole = await collect(backend.generate(ask('mock/stream-30'), testContext({ isStreaming: false })));
    expect(textOf(streamed)).toBe(textOf(whole));
    expect(streamed.filter(({ type }) => type === 'text-delta')).toHaveLength(30);
    expect(mock.requests.slice(-2).map(({ isStreaming }) => isStreaming)).toEqual([true, false]);
    expect(mock.requests.at(-1)?.path).toBe('/v1/chat/completions');
    expect(mock.requests.at(-1)?.headers).toMatchObject({
      authorization: 'Bearer sk-test',
      accept: 'application/json',
      'x-request-id': expect.stringContaining('-9000-'),
    });
  });

  it('ends with an error when the upstream breaks off', async () => {
    const events = await collect(backendFor().generate(ask('mock/cut-3'), testContext()));
    expect(showEvents(events)).toBe('T[word0 word1 word2  error:upstream-failed');
    expect(events.at(-1)).toMatchObject({ usage: { output: { total: 3 } } });
  });

  it('throws before its first event', async () => {
    const backend = backendFor({ retry: { retries: 0 } });
    expect((await thrownBy(backend, 'mock/error-401')).code).toBe('upstream-failed');
    expect((await thrownBy(backend, 'no-such-model')).code).toBe('model-not-found');
    expect((await thrownBy(backend, 'mock/error-400')).message).toBe('mock error 400');
  });

  it('throws what it cannot encode, before anything is sent', async () => {
    const { stream, sent } = feedCall([], { kind: 'openai', request: { ...helloRequest, sampling: { topK: 5 } } });
    await expect(collect(stream)).rejects.toMatchObject({ code: 'invalid-parameter', param: 'top_k' });
    expect(sent).toEqual([]);
  });

  it('says when nobody listens', async () => {
    const closed = await startMockUpstream();
    await closed.close();
    const backend = backendFor({ baseUrl: closed.url });
    expect(backend.health().isReady).toBe(true);
    expect((await thrownBy(backend, 'mock/plain')).code).toBe('overloaded');
    expect(backend.health()).toMatchObject({ isReady: false, detail: expect.stringContaining('overloaded') });
  });

  it('gives up on an upstream that falls silent', async () => {
    const backend = backendFor({ timeouts: { silenceMs: 50 }, retry: { retries: 0 } });
    expect((await thrownBy(backend, 'mock/silent')).code).toBe('timeout');
  });

  it('holds the upstream back while its reader is slow', async () => {
    const frames = Array.from({ length: 5000 }, () => Buffer.from(chunkFrame({ content: 'x' })));
    const { stream, controller } = feedCall([{ pieces: [...frames, Buffer.from(chunkFrame({}, 'stop'))] }]);
    const wasPaused: boolean[] = [];
    for await (const event of checkedStream(stream)) if (event.type === 'usage') wasPaused.push(controller.isPaused);
    expect(wasPaused).toEqual([true]);
    expect(controller.isPaused).toBe(false);
  });
});

describe('retries', () => {
  const unavailable = jsonReply(503, { error: { message: 'busy' } });

  it('happen before the first event, and then all is well', async () => {
    script = [unavailable, streamReply([], { ending: 'cut' }), streamReply([ANSWER])];
    expect(showEvents(await collect(backendFor().generate(ask('scripted'), testContext())))).toBe('T[Four.] stop');
    expect(script).toEqual([]);
  });

  it('end after two', async () => {
    script = [unavailable, unavailable, unavailable, streamReply([ANSWER])];
    expect((await thrownBy(backendFor(), 'scripted')).code).toBe('overloaded');
    expect(script).toHaveLength(1);
  });

  it('follow an error in the first chunk of a stream', async () => {
    script = [streamReply(['data: {"error": {"message": "died", "code": 500}}\n\n']), streamReply([ANSWER])];
    expect(showEvents(await collect(backendFor().generate(ask('scripted'), testContext())))).toBe('T[Four.] stop');
  });

  it('do not happen for what will not get better', async () => {
    for (const status of [400, 401, 404, 504]) {
      script = [jsonReply(status, { error: { message: 'no' } }), streamReply([ANSWER])];
      await thrownBy(backendFor(), 'scripted');
      expect(script, String(status)).toHaveLength(1);
    }
  });

  it('do not happen after the first event', async () => {
    script = [streamReply([chunkFrame({ content: 'Fo' })], { ending: 'cut' }), streamReply([ANSWER])];
    expect(showEvents(await collect(backendFor().generate(ask('scripted'), testContext())))).toBe(
      'T[Fo error:upstream-failed',
    );
    expect(script).toHaveLength(1);
  });

  it('leave a long wait to the client', async () => {
    script = [jsonReply(429, { error: { message: 'slow' } }, { 'retry-after': '30' }), streamReply([ANSWER])];
    expect(await thrownBy(backendFor(), 'scripted')).toMatchObject({ code: 'rate-limited', retryAfterSeconds: 30 });
    expect(script).toHaveLength(1);
  });

  it('stop when the caller leaves between two attempts', async () => {
    const abort = new AbortController();
    const failed = { status: 503, pieces: [] };
    const { stream, sent } = feedCall([failed, failed], { retries: 1, context: testContext({ signal: abort.signal }) });
    const events = collect(stream);
    queueMicrotask(() => queueMicrotask(() => abort.abort('client-gone')));
    expect((await events).at(-1)).toMatchObject({ type: 'finish', ending: 'client-gone' });
    expect(sent).toHaveLength(1);
  });
});

describe('an abort', () => {
  it('closes 50 of 50 upstream connections', async () => {
    const backend = backendFor();
    const before = mock.stats.closedEarly;
    const last = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const abort = new AbortController();
        let seen: GenerationEvent | undefined;
        for await (const event of checkedStream(
          backend.generate(ask('mock/endless'), testContext({ signal: abort.signal })),
        )) {
          seen = event;
          if (event.type === 'text-delta') abort.abort('client-gone');
        }
        return seen;
      }),
    );
    for (const event of last) expect(event).toMatchObject({ type: 'finish', ending: 'client-gone' });
    await mock.closedEarly(before + 50);
    expect(mock.stats.closedEarly).toBe(before + 50);
  });

  it('at any event ends the stream once, with what was used', async () => {
    const backend = backendFor();
    await fc.assert(
      fc.asyncProperty(fc.nat(12), fc.constantFrom('cancelled', 'client-gone'), async (stopAfter, reason) => {
        const before = mock.stats.closedEarly;
        const abort = new AbortController();
        const events: GenerationEvent[] = [];
        if (stopAfter === 0) abort.abort(reason);
        for await (const event of checkedStream(
          backend.generate(ask('mock/endless'), testContext({ signal: abort.signal })),
        )) {
          events.push(event);
          if (events.length === stopAfter) abort.abort(reason);
        }
        const deltas = events.filter(({ type }) => type === 'text-delta').length;
        const finish = events.at(-1);
        expect(finish).toMatchObject({ type: 'finish', ending: reason });
        if (finish?.type === 'finish') expect(finish.usage.output.total).toBeGreaterThanOrEqual(deltas);
        if (stopAfter > 0) await mock.closedEarly(before + 1);
      }),
      { numRuns: 30 },
    );
  });

  it('by the server gives its own error', async () => {
    const abort = new AbortController();
    abort.abort(new StudioError('shutting-down'));
    const { stream, sent } = feedCall([], { context: testContext({ signal: abort.signal }) });
    await expect(collect(stream)).rejects.toMatchObject({ code: 'shutting-down' });
    expect(sent).toEqual([]);
  });

  it('while the upstream has not answered yet closes the connection too', async () => {
    const before = mock.stats.closedEarly;
    const abort = new AbortController();
    const events = collect(backendFor().generate(ask('mock/silent'), testContext({ signal: abort.signal })));
    setImmediate(() => abort.abort('client-gone'));
    expect((await events).map(({ type }) => type)).toEqual(['start', 'finish']);
    if (mock.requests.at(-1)?.model === 'mock/silent') await mock.closedEarly(before + 1);
  });

  it('comes too late for a complete answer', async () => {
    const abort = new AbortController();
    const { stream } = feedCall([{ pieces: [Buffer.from(ANSWER)] }], {
      context: testContext({ signal: abort.signal }),
    });
    const events: GenerationEvent[] = [];
    for await (const event of checkedStream(stream)) {
      events.push(event);
      if (event.type === 'text-delta') abort.abort('client-gone');
    }
    expect(events.at(-1)).toMatchObject({ type: 'finish', ending: 'completed' });
  });

  it('is what a reader that leaves amounts to', async () => {
    const before = mock.stats.closedEarly;
    for await (const event of backendFor().generate(ask('mock/endless'), testContext()))
      if (event.type === 'text-delta') break;
    await mock.closedEarly(before + 1);
  });
});
