import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fixedClock, testContext } from '../../../test/support/context.ts';
import { collect, streamOf, testRoute, textAnswer } from '../../../test/support/streams.ts';
import { type ErrorCode, StudioError } from '../../core/errors.ts';
import type { GenerationEvent, GenerationStream } from '../../core/events.ts';
import { plainRequest } from '../../core/generation.ts';
import type { Limiter } from '../../core/limits.ts';
import { type ModelLimits, permissiveCard } from '../../core/models.ts';
import type { CallPolicy, KeyLimits } from '../../core/platform.ts';
import type { CallContext } from '../../core/ports.ts';
import { MemoryLimiter } from '../../limits/memory.ts';
import type { LimitSettings } from '../call-limits.ts';
import type { Generate } from '../feature.ts';
import { type AdmissionPorts, admission, socketAdmission } from './admission.ts';

const MODEL = 'qwen-plus';
const LIMITS: ModelLimits = {
  requestsPerMinute: 600,
  tokensPerMinute: 6000,
  requestWindow: { count: 60, seconds: 6 },
  tokenWindow: null,
};
const SETTINGS: LimitSettings = { requestsPerSecond: 100, concurrentStreams: 10, catalogue: true, burst: 0 };

interface World {
  readonly settings?: Partial<LimitSettings>;
  readonly key?: KeyLimits;
  readonly model?: Partial<ModelLimits>;
  readonly ports?: Partial<AdmissionPorts>;
  readonly limiter?: (memory: MemoryLimiter) => Limiter;
}

/** Admission over limits in memory, on a clock that stands still; `call` goes through it. */
function world({ settings, key = {}, model, ports, limiter = (memory) => memory }: World = {}) {
  const clock = fixedClock();
  const policy: CallPolicy = { mayUse: () => true, limits: key, keepsBodies: false };
  const memory = new MemoryLimiter(clock);
  const allPorts: AdmissionPorts = {
    policies: { policyOf: () => policy },
    funds: { check() {} },
    limits: { limiter: limiter(memory), settings: { ...SETTINGS, ...settings } },
    pause: async (milliseconds) => clock.advance(milliseconds),
    ...ports,
  };
  const feature = admission(allPorts);
  const terms = { beijing: { limits: { ...LIMITS, ...model } } };
  const contextOf = (changes: Partial<CallContext> = {}): CallContext =>
    testContext({
      clock,
      isStreaming: false,
      card: { ...permissiveCard(MODEL), terms },
      route: testRoute(),
      ...changes,
    });
  const answers: Generate = () => streamOf(textAnswer(['hi']));
  const call = (changes: Partial<CallContext> = {}, next = answers): GenerationStream =>
    feature.apply(plainRequest(MODEL, []), contextOf(changes), next);
  return { clock, memory, feature, contextOf, call, ports: allPorts };
}

/** The error that a call is refused with before its first event; undefined when it is answered. */
async function refusal(open: () => GenerationStream): Promise<StudioError | undefined> {
  try {
    for await (const _event of open()) break;
  } catch (thrown) {
    if (thrown instanceof StudioError) return thrown;
    throw thrown;
  }
  return undefined;
}

describe('a call is not let in', () => {
  it('with a key that is not live any more', async () => {
    const { call } = world({ ports: { policies: { policyOf: () => undefined } } });
    expect(await refusal(call)).toMatchObject({ code: 'invalid-api-key' });
  });

  it('to a model that is not granted, by its own name or another that it has', async () => {
    const asked: string[] = [];
    const policy: CallPolicy = { mayUse: (id) => asked.push(id) > 2, limits: {}, keepsBodies: false };
    const { call } = world({ ports: { policies: { policyOf: () => policy }, modelOf: () => 'qwen-max' } });
    expect(await refusal(call)).toMatchObject({ code: 'model-access-denied', message: 'Model access denied.' });
    expect(asked).toEqual([MODEL, 'qwen-max']);
    expect(await refusal(call)).toBeUndefined();
  });

  it('when nobody would pay, whatever it is', async () => {
    const checked: unknown[] = [];
    const funds = {
      check(asked: unknown): void {
        checked.push(asked);
        throw new StudioError('quota-exceeded');
      },
    };
    const { call, contextOf } = world({ ports: { funds, limits: undefined } });
    expect(await refusal(call)).toMatchObject({ code: 'quota-exceeded' });
    expect(await refusal(() => call({ priority: 'batch' }))).toMatchObject({ code: 'quota-exceeded' });
    expect(checked[1]).toEqual({ account: contextOf().account, model: MODEL, priority: 'batch' });
  });
});

describe('limits', () => {
  it('refuse in the order requests, tokens, growth, streams, each with its words and how long to wait', async () => {
    const { call, clock } = world({
      settings: { burst: 3, concurrentStreams: 2 },
      model: { requestsPerMinute: 600, requestWindow: { count: 4, seconds: 8 }, tokensPerMinute: 60 },
    });
    /** A stream that goes on. */
    const stream = async (): Promise<StudioError | undefined> => {
      try {
        await call({ isStreaming: true })[Symbol.asyncIterator]().next();
        return undefined;
      } catch (thrown) {
        return thrown as StudioError;
      }
    };
    await stream();
    await stream();
    expect(await stream()).toMatchObject({
      code: 'concurrency-limited',
      message: 'Too many concurrent requests.',
      retryAfterSeconds: undefined,
    });
    await refusal(call);
    expect(await refusal(call)).toMatchObject({
      code: 'burst-limited',
      message:
        'Request rate increased too quickly. To ensure system stability, please adjust your client logic to scale requests more smoothly over time.',
      retryAfterSeconds: 1,
    });
    clock.advance(10);
    await refusal(call);
    expect(await refusal(call)).toMatchObject({
      code: 'rate-limited',
      message: 'You have exceeded your current request limit.',
      retryAfterSeconds: 2,
    });
  });

  it('count the tokens of an estimate at first, and the true ones when the call has ended', async () => {
    const { call, clock } = world({ model: { tokensPerMinute: 60 } });
    const answer = textAnswer(
      Array.from({ length: 100 }, () => 'x'),
      { input: 20 },
    );
    await collect(call({}, () => streamOf(answer)));
    // 60 were there; 120 were used, and a token comes back each second.
    expect(await refusal(call)).toMatchObject({
      code: 'tokens-limited',
      message: 'Allocated quota exceeded, please increase your quota limit.',
      retryAfterSeconds: 61,
    });
    clock.advance(61_000);
    expect(await refusal(call)).toBeUndefined();
  });

  it.each([
    [
      'is refused further down',
      () => (): GenerationStream => {
        throw new StudioError('invalid-parameter');
      },
    ],
    [
      'fails',
      () => (): GenerationStream => streamOf([{ type: 'error', error: new StudioError('internal'), usage: textUsage }]),
    ],
    ['is left by its caller', () => (): GenerationStream => streamOf(textAnswer(['a', 'b']))],
  ])('give places back when a call %s', async (_how, next) => {
    const { call } = world({ settings: { concurrentStreams: 1 } });
    for (let again = 0; again < 3; again++) {
      const iterator = call({ isStreaming: true }, next())[Symbol.asyncIterator]();
      await iterator.next().catch(() => {});
      await iterator.return?.();
    }
    expect(await refusal(() => call({ isStreaming: true }))).toBeUndefined();
  });

  it('count streams as streams: no plain replies, no calls on a socket that has its place', async () => {
    const { call, ports, contextOf } = world({ settings: { concurrentStreams: 1 } });
    const leave = await socketAdmission(ports)(contextOf().account);
    expect(await refusal(() => call({ isStreaming: true }))).toMatchObject({ code: 'concurrency-limited' });
    expect(await refusal(() => call({ isStreaming: true, isOnSocket: true }))).toBeUndefined();
    expect(await refusal(call)).toBeUndefined();
    leave();
    const again = await socketAdmission(ports)(contextOf().account);
    leave();
    expect(await refusal(() => call({ isStreaming: true }))).toMatchObject({ code: 'concurrency-limited' });
    again();
    expect(await refusal(() => call({ isStreaming: true }))).toBeUndefined();
  });

  it('refuse a socket beside as many streams as there may be', () => {
    const { ports, contextOf } = world({ key: { concurrentStreams: 1 } });
    const { account } = contextOf();
    const enter = socketAdmission(ports);
    expect(enter(account)).toBeTypeOf('function');
    expect(() => enter(account)).toThrow(expect.objectContaining({ code: 'concurrency-limited' }));
    expect(() => enter({ ...account, keyId: 'key-2' })).not.toThrow();
    expect(() => socketAdmission({ ...ports, limits: undefined })(account)).not.toThrow();
  });

  it('are not for lines of batches, nor where they are switched off', async () => {
    const batch = world({ settings: { requestsPerSecond: 1 } });
    const off = world({ ports: { limits: undefined } });
    for (let asked = 0; asked < 100; asked++) {
      expect(await refusal(() => batch.call({ priority: 'batch' }))).toBeUndefined();
      expect(await refusal(off.call)).toBeUndefined();
    }
  });

  it('are those of the model that another name stands for', async () => {
    const { call, memory } = world({ ports: { modelOf: () => 'qwen-max' } });
    await refusal(call);
    expect(
      memory.remaining({ bucket: 'beijing/qwen-max/second', kind: 'requests', capacity: 100, perSecond: 100 }),
    ).toBe(99);
  });

  it('let exactly what they allow through at five times the limit, however many calls come', async () => {
    const { call, clock } = world({ model: { requestsPerMinute: null, requestWindow: null, tokensPerMinute: null } });
    const counts = new Map<ErrorCode | 'passed', number>();
    for (let asked = 0; asked < 10_000; asked++) {
      const error = await refusal(call);
      const outcome = error?.code ?? 'passed';
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      if (error) expect(error.retryAfterSeconds).toBe(1);
      clock.advance(2);
    }
    // Twenty seconds at 500 a second: a full bucket, and a hundred each second.
    expect(Object.fromEntries(counts)).toEqual({ passed: 100 + 20 * 100 - 1, 'rate-limited': 10_000 - 2099 });
  });

  it('tell the reply what is left', async () => {
    const { feature, contextOf } = world({ key: { requestsPerSecond: 1 } });
    const context = contextOf();
    const ask = (): Promise<StudioError | undefined> =>
      refusal(() => feature.apply(plainRequest(MODEL, []), context, () => streamOf(textAnswer(['hi']))));
    await ask();
    expect(context.rateLimits).toMatchObject({
      requests: { limit: 1, remaining: 0, resetMs: 1000 },
      tokens: { limit: 6000, remaining: 5999 },
    });
    context.rateLimits = undefined;
    await ask();
    expect(context.rateLimits).toMatchObject({ requests: { limit: 1, remaining: 0 } });
  });
});

describe('limits that are counted elsewhere', () => {
  const later = (memory: MemoryLimiter): Limiter => ({
    admit: async (asked) => {
      await setImmediate();
      return memory.admit(asked);
    },
    remaining: (rate) => memory.remaining(rate),
    close: async () => {},
  });

  it('hold as well, and say that they are waited for', async () => {
    const { call, feature, contextOf } = world({ settings: { requestsPerSecond: 2 }, limiter: later });
    const context = contextOf();
    const stream = feature.apply(plainRequest(MODEL, []), context, () => streamOf(textAnswer(['hi'])));
    expect(context.admitting).toBeInstanceOf(Promise);
    expect((await collect(stream)).at(-1)).toMatchObject({ type: 'finish' });
    expect(await refusal(call)).toBeUndefined();
    expect(await refusal(call)).toMatchObject({ code: 'rate-limited' });
  });

  it('get their place back from a caller that left meanwhile', async () => {
    const { call } = world({ settings: { concurrentStreams: 1 }, limiter: later });
    const iterator = call({ isStreaming: true })[Symbol.asyncIterator]();
    void iterator.next();
    await iterator.return?.();
    expect(await refusal(() => call({ isStreaming: true }))).toBeUndefined();
  });
});

describe('a caller that would rather wait than be refused for growth', () => {
  const burst = { settings: { burst: 1, requestsPerSecond: 10 } };

  it('waits for its turn', async () => {
    const { call, clock } = world(burst);
    await refusal(call);
    expect((await collect(call({ waitTimeoutMs: 3000 }))).at(-1)).toMatchObject({ ending: 'completed' });
    expect(clock.monotonic()).toBe(100);
  });

  it('waits behind those that wait already', async () => {
    const woken: number[] = [];
    const { call, clock } = world({
      ...burst,
      ports: {
        pause: async (milliseconds) => {
          const atMs = clock.monotonic() + milliseconds;
          await setImmediate();
          woken.push(milliseconds);
          if (atMs > clock.monotonic()) clock.advance(atMs - clock.monotonic());
        },
      },
    });
    await refusal(call);
    await Promise.all(Array.from({ length: 5 }, () => collect(call({ waitTimeoutMs: 3000 }))));
    // One pause each, a tenth of a second apart: nobody is woken for a place that another takes.
    expect(woken).toEqual([100, 200, 300, 400, 500]);
    await collect(call({ waitTimeoutMs: 3000 }));
    expect(woken.at(-1)).toBe(100);
  });

  it('is refused when its time is over, or none was given', async () => {
    const { call } = world(burst);
    await refusal(call);
    expect(await refusal(() => call({ waitTimeoutMs: 50 }))).toMatchObject({
      code: 'burst-limited',
      retryAfterSeconds: 1,
    });
    expect(await refusal(() => call({ waitTimeoutMs: undefined }))).toMatchObject({ code: 'burst-limited' });
  });

  it('does not wait for other limits', async () => {
    const { call, clock } = world({ key: { requestsPerSecond: 1 } });
    await refusal(call);
    expect(await refusal(() => call({ waitTimeoutMs: 3000 }))).toMatchObject({ code: 'rate-limited' });
    expect(clock.monotonic()).toBe(0);
  });

  it('may leave while it waits', async () => {
    const controller = new AbortController();
    const { call } = world({
      ...burst,
      ports: {
        pause: (_milliseconds, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', reject)),
      },
    });
    await refusal(call);
    const events = collect(call({ waitTimeoutMs: 3000, signal: controller.signal }));
    await setImmediate();
    controller.abort('client-gone');
    expect((await events).map(({ type }) => type)).toEqual(['start', 'finish']);
    expect((await events).at(-1)).toMatchObject({ ending: 'client-gone' });
  });
});

const textUsage = (textAnswer(['x']).at(-1) as Extract<GenerationEvent, { type: 'finish' }>).usage;
