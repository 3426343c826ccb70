import { describe, expect, it } from 'vitest';
import { countingIds, fixedClock, silentLog } from '../../test/support/context.ts';
import { StudioError } from '../core/errors.ts';
import { CallGate } from './call-gate.ts';
import { FrameWriter } from './frame-writer.ts';
import type { GenerationProtocol, Headers } from './protocol.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { RunningCalls } from './running-calls.ts';
import { type Generate, KeepAlives, type ServePorts, serveGeneration } from './serve.ts';

function writerAt(lastWriteMs: number): ReplyWriter & { written: string[]; started: number } {
  return {
    written: [],
    started: 0,
    lastWriteMs,
    isClientGone: false,
    get hasStarted() {
      return this.started > 0;
    },
    onClientGone() {},
    startStream() {
      this.started++;
    },
    write(text) {
      this.written.push(text);
    },
    drained: () => undefined,
    end() {},
    sendBody() {},
  };
}

describe('KeepAlives', () => {
  it('speaks on streams that have been silent too long, beginning those that have not begun', () => {
    const clock = fixedClock();
    const keepAlives = new KeepAlives(clock);
    const silent = writerAt(0);
    const busy = writerAt(KeepAlives.SILENCE_MS - 1);
    const over = writerAt(0);
    keepAlives.watch(silent, () => ({}), ': x\n\n');
    keepAlives.watch(busy, () => ({}), ': x\n\n');
    keepAlives.watch(over, () => ({}), ': x\n\n').stop();
    clock.advance(KeepAlives.SILENCE_MS - 1);
    keepAlives.sweep();
    expect(silent.written).toEqual([]);
    clock.advance(1);
    keepAlives.sweep();
    expect(silent.written).toEqual([': x\n\n']);
    expect(silent.started).toBe(1);
    expect(busy.written).toEqual([]);
    expect(over.written).toEqual([]);
    keepAlives.close();
  });
});

/** Frames are the types of the events. */
const showing: GenerationProtocol = {
  id: 'test',
  paths: [],
  decodeRequest: (body) => ({ request: body as never, plan: { isStreaming: true } }),
  createEncoder: () => ({
    push: (event) => (event.type === 'error' ? `error:${event.error.code}\n` : `${event.type}\n`),
  }),
  encodeResult: () => ({}),
  encodeError: ({ code }) => ({ status: 400, headers: {}, body: code }),
  keepAliveFrame: 'keep-alive\n',
};

function served(protocol: GenerationProtocol, generate: Generate, headers: Headers = {}) {
  const clock = fixedClock();
  const seen: unknown[] = [];
  const writer = new FrameWriter(
    {
      onFrame: (frame) => seen.push(frame),
      onBody: (status, body) => seen.push([status, body]),
      onEnd: () => seen.push('end'),
    },
    clock,
  );
  const keepAlives = new KeepAlives(clock);
  const ports: ServePorts = {
    generate,
    clock,
    ids: countingIds(),
    log: silentLog,
    keepAlives,
    gate: new CallGate(),
    running: new RunningCalls(),
    shutdownSignal: new AbortController().signal,
  };
  const account = { keyId: 'k', name: 'k', workspaceId: 'w', region: 'beijing' as const };
  const exchange = { requestId: 'r', account, headers, query: new URLSearchParams(), body: '{}', writer };
  const done = serveGeneration(protocol, exchange, ports);
  const beSilent = (): void => {
    clock.advance(KeepAlives.SILENCE_MS);
    keepAlives.sweep();
  };
  return { seen, done, beSilent };
}

describe('a refusal', () => {
  const refusing =
    (after: Promise<void>): Generate =>
    () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          await after;
          throw new StudioError('queue-full');
        },
      }),
    });

  it('is a status before the first byte', async () => {
    const { seen, done } = served(showing, refusing(Promise.resolve()));
    await done;
    expect(seen).toEqual([[400, 'queue-full'], 'end']);
  });

  it('is told in the stream once a keep-alive has begun it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { seen, done, beSilent } = served(showing, refusing(promise));
    beSilent();
    resolve();
    await done;
    expect(seen).toEqual(['keep-alive', 'start', 'error:queue-full', 'end']);
  });

  it('by limits that are counted elsewhere is waited for before a call is accepted', async () => {
    const accepting: GenerationProtocol = { ...showing, encodeAccepted: () => ({ status: 'queued' }) };
    const { promise, resolve } = Promise.withResolvers<void>();
    const { seen, done } = served(accepting, (request, context) => {
      context.admitting = promise;
      return refusing(promise)(request, context);
    });
    await new Promise((next) => setImmediate(next));
    expect(seen).toEqual([]);
    resolve();
    await done;
    expect(seen).toEqual([[400, 'queue-full'], 'end']);
  });

  it('of a call that would be accepted is read instead', async () => {
    const accepting: GenerationProtocol = { ...showing, encodeAccepted: () => ({ status: 'queued' }) };
    const refused = served(accepting, refusing(Promise.resolve()));
    await refused.done;
    expect(refused.seen).toEqual([[400, 'queue-full'], 'end']);
    const { promise, resolve } = Promise.withResolvers<void>();
    const accepted = served(accepting, refusing(promise));
    await new Promise((next) => setImmediate(next));
    expect(accepted.seen).toEqual([[200, { status: 'queued' }], 'end']);
    resolve();
    await accepted.done;
  });
});

it.each([
  ['3', 3000],
  ['0.5', 500],
  ['3600', 120_000],
  ['0', undefined],
  ['-1', undefined],
  ['soon', undefined],
])('a caller that would wait %s seconds for its turn waits %s ms', async (seconds, waitTimeoutMs) => {
  const waits: unknown[] = [];
  const generate: Generate = (_request, context) => {
    waits.push(context.waitTimeoutMs);
    throw new StudioError('burst-limited');
  };
  await served(showing, generate, { 'x-dashscope-wait-timeout': seconds }).done;
  expect(waits).toEqual([waitTimeoutMs]);
});

it('the headers of a reply, also of a refusal, are made of what is left of its limits', async () => {
  const told: unknown[] = [];
  const protocol: GenerationProtocol = {
    ...showing,
    replyHeaders: (_requestId, _plan, rateLimits) => {
      told.push(rateLimits);
      return {};
    },
  };
  const rateLimits = { requests: { limit: 1, remaining: 0, resetMs: 1000 } };
  await served(protocol, (_request, context) => {
    context.rateLimits = rateLimits;
    throw new StudioError('rate-limited');
  }).done;
  expect(told.at(-1)).toBe(rateLimits);
});
