/** What holds for limits wherever they are counted. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, silentLog } from '../../test/support/context.ts';
import { REDIS_MISSING, startRedis, type TestRedis, titleOnRedis } from '../../test/support/redis.ts';
import type { Admission, ConcurrencyLimit, LimitedCall, Limiter, RateLimit } from '../core/limits.ts';
import { MemoryLimiter } from './memory.ts';
import { openRedisLimiter } from './redis.ts';

const perSecond = (count: number, bucket = 'qps'): RateLimit => ({
  bucket,
  kind: 'requests',
  capacity: count,
  perSecond: count,
});
const perMinute = (count: number, kind: RateLimit['kind'] = 'requests'): RateLimit => ({
  bucket: `a minute ${kind}`,
  kind,
  capacity: count,
  perSecond: count / 60,
});
const places = (max: number, bucket = 'streams'): ConcurrencyLimit => ({ bucket, kind: 'concurrency', max });
const call = (changes: Partial<LimitedCall>): LimitedCall => ({ rates: [], concurrency: [], tokens: 0, ...changes });

function settleOf(admission: Admission): (tokens: number) => void {
  if (!admission.isAdmitted) throw new Error(`refused by ${admission.kind}`);
  return admission.settle;
}

let redis: TestRedis;
let databases = 0;
/** Each test counts in a Redis database of its own: there are sixteen. */
const MOST_DATABASES = 16;

const HOMES = [
  {
    home: 'in memory',
    missing: undefined,
    open: async (clock: ReturnType<typeof fixedClock>): Promise<Limiter> => new MemoryLimiter(clock),
  },
  {
    home: titleOnRedis('in Redis'),
    missing: REDIS_MISSING,
    open: async (clock: ReturnType<typeof fixedClock>): Promise<Limiter> =>
      openRedisLimiter({
        url: `${redis.url}/${databases++ % MOST_DATABASES}`,
        fallback: new MemoryLimiter(clock),
        log: { ...silentLog, warn: (_fields, message) => expect.fail(message) },
        timeoutMs: 10_000,
        leaseMs: 3_600_000,
        now: () => clock.monotonic(),
      }),
  },
];

beforeAll(async () => {
  if (REDIS_MISSING === undefined) redis = await startRedis();
});
afterAll(() => redis?.close());

describe.each(HOMES)('limits $home', ({ missing, open }) => {
  let clock: ReturnType<typeof fixedClock>;
  let limiter: Limiter;
  beforeEach(async (context) => {
    if (missing !== undefined) context.skip(missing);
    clock = fixedClock();
    limiter = await open(clock);
  });
  afterEach(() => limiter?.close());

  it('let exactly as many through as the bucket holds and time adds', async () => {
    const rates = [perSecond(100)];
    let passed = 0;
    for (let asked = 0; asked < 2500; asked++) {
      if ((await limiter.admit(call({ rates }))).isAdmitted) passed++;
      clock.advance(2);
    }
    // Five times the limit for five seconds: what the bucket held, and a hundred a second.
    expect(passed).toBe(100 + 5 * 100 - 1);
  });

  it('tell how long it takes until there is enough', async () => {
    const rates = [perMinute(30)];
    for (let asked = 0; asked < 30; asked++) settleOf(await limiter.admit(call({ rates })));
    const refused = await limiter.admit(call({ rates }));
    expect(refused).toEqual({ isAdmitted: false, kind: 'requests', retryAfterMs: 2000, levels: [0] });
    clock.advance(1999);
    expect(await limiter.admit(call({ rates }))).toMatchObject({ isAdmitted: false });
    clock.advance(1);
    expect(await limiter.admit(call({ rates }))).toMatchObject({ isAdmitted: true, levels: [0] });
  });

  it('take from all buckets of a call or from none', async () => {
    const rates = [perSecond(5), perMinute(2)];
    settleOf(await limiter.admit(call({ rates })));
    settleOf(await limiter.admit(call({ rates })));
    for (let asked = 0; asked < 10; asked++)
      expect(await limiter.admit(call({ rates }))).toMatchObject({ isAdmitted: false, retryAfterMs: 30_000 });
    expect(await limiter.remaining(perSecond(5))).toBe(3);
    expect(await limiter.remaining(perMinute(2))).toBe(0);
  });

  it('name what refuses in the order of the limits, and the wait for all of them', async () => {
    const rates = [perSecond(1), perMinute(10, 'tokens'), { ...perSecond(1, 'growth'), kind: 'burst' as const }];
    const concurrency = [places(1)];
    settleOf(await limiter.admit(call({ rates, concurrency, tokens: 10 })));
    expect(await limiter.admit(call({ rates, concurrency, tokens: 5 }))).toMatchObject({
      kind: 'requests',
      retryAfterMs: 30_000,
    });
    clock.advance(1000);
    expect(await limiter.admit(call({ rates, concurrency, tokens: 5 }))).toMatchObject({ kind: 'tokens' });
    clock.advance(60_000);
    expect(await limiter.admit(call({ rates, concurrency, tokens: 5 }))).toEqual({
      isAdmitted: false,
      kind: 'concurrency',
      retryAfterMs: undefined,
      levels: [1, 10, 1],
    });
  });

  it('settle an estimate to the true number, below zero if need be', async () => {
    const rates = [perMinute(60, 'tokens')];
    const settle = settleOf(await limiter.admit(call({ rates, tokens: 50 })));
    expect(await limiter.remaining(perMinute(60, 'tokens'))).toBe(10);
    settle(80);
    expect(await limiter.remaining(perMinute(60, 'tokens'))).toBe(-20);
    expect(await limiter.admit(call({ rates, tokens: 1 }))).toMatchObject({ kind: 'tokens', retryAfterMs: 21_000 });
    clock.advance(21_000);
    settleOf(await limiter.admit(call({ rates, tokens: 1 })))(0);
    expect(await limiter.remaining(perMinute(60, 'tokens'))).toBe(1);
  });

  it('never hold more than the bucket, whatever is given back', async () => {
    const rates = [perMinute(60, 'tokens')];
    const settle = settleOf(await limiter.admit(call({ rates, tokens: 30 })));
    clock.advance(20_000);
    settle(0);
    expect(await limiter.remaining(perMinute(60, 'tokens'))).toBe(60);
  });

  it('let in what is larger than a whole bucket when it is full, and remember it', async () => {
    const rates = [perMinute(60, 'tokens')];
    settleOf(await limiter.admit(call({ rates, tokens: 600 })))(620);
    expect(await limiter.remaining(perMinute(60, 'tokens'))).toBe(-560);
  });

  it('give places back', async () => {
    const concurrency = [places(2)];
    const first = settleOf(await limiter.admit(call({ concurrency })));
    settleOf(await limiter.admit(call({ concurrency })));
    expect(await limiter.admit(call({ concurrency }))).toMatchObject({ kind: 'concurrency' });
    expect(await limiter.admit(call({ concurrency: [places(2, 'others')] }))).toMatchObject({ isAdmitted: true });
    first(0);
    expect(await limiter.admit(call({ concurrency }))).toMatchObject({ isAdmitted: true });
    expect(await limiter.admit(call({ concurrency }))).toMatchObject({ kind: 'concurrency' });
  });

  it('go by the newest size of a limit', async () => {
    for (let asked = 0; asked < 10; asked++) settleOf(await limiter.admit(call({ rates: [perSecond(10)] })));
    expect(await limiter.admit(call({ rates: [perSecond(10)] }))).toMatchObject({ isAdmitted: false });
    clock.advance(10);
    expect(await limiter.admit(call({ rates: [perSecond(1000)] }))).toMatchObject({ isAdmitted: true, levels: [9] });
    clock.advance(5000);
    expect(await limiter.admit(call({ rates: [perSecond(2)] }))).toMatchObject({ isAdmitted: true, levels: [1] });
  });

  it('are exact for calls that come together', async () => {
    const rates = [perSecond(100)];
    const all = await Promise.all(Array.from({ length: 1000 }, () => limiter.admit(call({ rates }))));
    expect(all.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(100);
  });
});
