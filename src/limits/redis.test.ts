/** What a Redis brings: limits that servers share, places that a killed server leaves, and its going away. */
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock } from '../../test/support/context.ts';
import { REDIS_MISSING, startRedis, type TestRedis, titleOnRedis } from '../../test/support/redis.ts';
import type { LimitedCall } from '../core/limits.ts';
import { MemoryLimiter } from './memory.ts';
import { openRedisLimiter, type RedisLimiter, type RedisLimiterOptions } from './redis.ts';

const LEASE_MS = 30_000;
const ONE_PLACE: LimitedCall = {
  rates: [],
  concurrency: [{ bucket: 'streams', kind: 'concurrency', max: 1 }],
  tokens: 0,
};
const TEN_CALLS: LimitedCall = {
  rates: [{ bucket: 'qps', kind: 'requests', capacity: 10, perSecond: 1 }],
  concurrency: [],
  tokens: 0,
};

/** One command without arguments that need quoting. */
function command({ url }: TestRedis, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(`${text}\r\n`));
    socket.once('error', reject);
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
  });
}

describe.skipIf(REDIS_MISSING !== undefined)(titleOnRedis('limits in Redis'), () => {
  let redis: TestRedis;
  let clock: ReturnType<typeof fixedClock>;
  let lines: string[];
  let told: PromiseWithResolvers<void>;
  const open: RedisLimiter[] = [];
  const note = (message: string): void => {
    lines.push(message);
    told.resolve();
    told = Promise.withResolvers();
  };
  const server = async (options: Partial<RedisLimiterOptions> = {}): Promise<RedisLimiter> => {
    const limiter = await openRedisLimiter({
      url: redis.url,
      fallback: new MemoryLimiter(clock),
      log: { warn: (_fields, message) => note(message), info: (_fields, message) => note(message) },
      timeoutMs: 5000,
      retryMs: 5,
      leaseMs: LEASE_MS,
      now: () => clock.monotonic(),
      ...options,
    });
    open.push(limiter);
    return limiter;
  };
  beforeEach(async () => {
    redis = await startRedis();
    clock = fixedClock();
    lines = [];
    told = Promise.withResolvers();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((limiter) => limiter.close()));
    await redis.close();
  });

  it('are those of all servers together', async () => {
    const [one, other] = [await server(), await server()];
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, call) => (call % 2 === 0 ? one : other).admit(TEN_CALLS)),
    );
    expect(answers.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(10);
  });

  it('let go of the places of a server that was killed', async () => {
    const [killed, other] = [await server(), await server()];
    expect((await killed.admit(ONE_PLACE)).isAdmitted).toBe(true);
    clock.advance(LEASE_MS - 1);
    expect((await other.admit(ONE_PLACE)).isAdmitted).toBe(false);
    clock.advance(1);
    expect((await other.admit(ONE_PLACE)).isAdmitted).toBe(true);
  });

  it('renew the places of streams that go on', async () => {
    const [one, other] = [await server(), await server()];
    const admission = await one.admit(ONE_PLACE);
    for (let third = 0; third < 9; third++) {
      clock.advance(LEASE_MS / 3);
      await one.renew();
    }
    expect((await other.admit(ONE_PLACE)).isAdmitted).toBe(false);
    if (admission.isAdmitted) admission.settle(0);
    await one.renew();
    expect(await one.admit(ONE_PLACE)).toMatchObject({ isAdmitted: true });
  });

  it('are counted in memory while Redis is away, with one warning, and in Redis again when it is back', async () => {
    const limiter = await server();
    const [rate] = TEN_CALLS.rates;
    if (!rate) throw new Error('no rate');
    expect((await limiter.admit(TEN_CALLS)).isAdmitted).toBe(true);
    await redis.stop();
    const answers = [];
    for (let call = 0; call < 30; call++) answers.push(await limiter.admit(TEN_CALLS));
    // Memory knows what Redis said last.
    expect(answers.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(9);
    expect(lines).toEqual(['Redis does not answer: limits are counted in memory, by this server alone']);
    expect(await limiter.remaining(rate)).toBe(0);
    const isBack = told.promise;
    await redis.start();
    await isBack;
    expect(lines[1]).toBe('Redis is there again: limits are counted in it');
    // It came back empty, and was told.
    const other = await server();
    expect((await other.admit(TEN_CALLS)).isAdmitted).toBe(false);
    clock.advance(1000);
    expect((await other.admit(TEN_CALLS)).isAdmitted).toBe(true);
    expect(await limiter.remaining(rate)).toBe(0);
    expect(lines).toHaveLength(2);
  });

  it('keep the places of streams that began before Redis went away, also when it comes back empty', async () => {
    const limiter = await server();
    const before = await limiter.admit(ONE_PLACE);
    await redis.stop();
    expect((await limiter.admit(ONE_PLACE)).isAdmitted).toBe(false);
    const isBack = told.promise;
    await redis.start();
    await isBack;
    const other = await server();
    expect((await other.admit(ONE_PLACE)).isAdmitted).toBe(false);
    if (before.isAdmitted) before.settle(0);
    expect((await limiter.admit(ONE_PLACE)).isAdmitted).toBe(true);
  });

  it('begin in memory where there is no Redis', async () => {
    await redis.stop();
    const limiter = await server();
    expect((await limiter.admit(ONE_PLACE)).isAdmitted).toBe(true);
    expect((await limiter.admit(ONE_PLACE)).isAdmitted).toBe(false);
    expect(lines).toHaveLength(1);
  });

  it('wait for a Redis that hangs a few times only, and give back what it lets in too late', async () => {
    const limiter = await server({ timeoutMs: 200 });
    expect(limiter.isUp).toBe(true);
    redis.pause();
    for (let late = 0; late < 3; late++) expect((await limiter.admit(ONE_PLACE)).isAdmitted).toBe(late === 0);
    // Answered from memory at once.
    expect(limiter.admit(TEN_CALLS)).not.toBeInstanceOf(Promise);
    const isBack = told.promise;
    redis.resume();
    await isBack;
    const other = await server();
    expect((await other.admit(ONE_PLACE)).isAdmitted).toBe(true);
  });

  it('know their scripts again when Redis has forgotten them', async () => {
    const limiter = await server();
    await command(redis, 'SCRIPT FLUSH');
    expect((await limiter.admit(ONE_PLACE)).isAdmitted).toBe(true);
    expect(lines).toEqual([]);
  });
});
