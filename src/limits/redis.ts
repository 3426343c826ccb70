/**
 * Limits that several servers share, in a Redis. One script a call decides over all of its buckets at once; what a call
 * comes to is settled in the background.
 *
 * Redis is a help and never a condition: while it is away or slow, calls are answered by limits in memory, which are
 * those of this server alone. It is asked again in the background, and takes over when it answers.
 */
import { randomUUID } from 'node:crypto';
import { createClient } from 'redis';
import {
  type Admission,
  type ConcurrencyLimit,
  costOf,
  type LimitedCall,
  type Limiter,
  type RateLimit,
} from '../core/limits.ts';
import type { Logger } from '../core/ports.ts';
import type { MemoryLimiter } from './memory.ts';
import { ADMIT, LEVEL, LOWER, RENEW, SCRIPTS, type Script, SETTLE } from './redis-scripts.ts';

export interface RedisLimiterOptions {
  readonly url: string;
  /** Answers while Redis does not. It is told what Redis says, so that it goes on from there. */
  readonly fallback: MemoryLimiter;
  readonly log: Pick<Logger, 'warn' | 'info'>;
  /** How long a call waits for Redis. Default: 50 ms. */
  readonly timeoutMs?: number | undefined;
  /** How often a Redis that is away is asked. Default: 1 s. */
  readonly retryMs?: number | undefined;
  /** How long a place is held without being renewed. Default: 30 s. */
  readonly leaseMs?: number | undefined;
  /** Time for tests, in ms; without it that of the Redis server. */
  readonly now?: (() => number) | undefined;
}

const PREFIX = 'atelier:';
/** A start waits so long for a Redis before it goes on without. */
const START_MS = 2000;
const CLOSE_MS = 500;
/** So many late answers in a row mean that Redis is away; a single one may be a moment in which this machine was busy. */
const LATE_IN_A_ROW = 3;
/** Leases that one command renews. */
const RENEWED_AT_ONCE = 1000;

type Client = ReturnType<typeof clientOf>;

/** Limits in the Redis of a URL. Does not fail when there is none: it is looked for until there is. */
export async function openRedisLimiter(options: RedisLimiterOptions): Promise<RedisLimiter> {
  const limiter = new RedisLimiter(options);
  await limiter.opened();
  return limiter;
}

function clientOf(url: string, retryMs: number) {
  return createClient({
    url,
    disableOfflineQueue: true,
    socket: { connectTimeout: START_MS, reconnectStrategy: () => retryMs },
  });
}

export class RedisLimiter implements Limiter {
  readonly #options: RedisLimiterOptions;
  readonly #timeoutMs: number;
  readonly #leaseMs: number;
  readonly #client: Client;
  readonly #firstAnswer = Promise.withResolvers<void>();
  readonly #retries: NodeJS.Timeout;
  readonly #renewals: NodeJS.Timeout;
  /** Leases of this server by their places. */
  readonly #leases = new Map<string, Set<string>>();
  readonly #server = randomUUID();
  #leaseCount = 0;
  #isUp = false;
  #isWarned = false;
  #isAsking = false;
  #lateInARow = 0;

  constructor(options: RedisLimiterOptions) {
    const { timeoutMs = 50, retryMs = 1000, leaseMs = 30_000 } = options;
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#leaseMs = leaseMs;
    this.#client = clientOf(options.url, retryMs);
    this.#client.on('ready', () => void this.#ask());
    this.#client.on('error', (thrown) => this.#lose(thrown));
    this.#retries = setInterval(() => void this.#ask(), retryMs).unref();
    this.#renewals = setInterval(() => void this.renew(), leaseMs / 3).unref();
    // Goes on in the background; what goes wrong comes as `error`.
    this.#client.connect().catch(() => {});
  }

  /** Whether calls are counted in Redis at the moment. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** When Redis has answered, or has had its time to. */
  async opened(): Promise<void> {
    const timer = setTimeout(() => this.#lose(new Error(`no answer in ${START_MS} ms`)), START_MS);
    await this.#firstAnswer.promise;
    clearTimeout(timer);
  }

  admit(call: LimitedCall): Admission | Promise<Admission> {
    return this.#isUp ? this.#admit(call) : this.#admitInMemory(call);
  }

  async remaining(rate: RateLimit): Promise<number> {
    if (!this.#isUp) return this.#options.fallback.remaining(rate);
    try {
      const args = [this.#now(), String(rate.capacity), String(rate.perSecond)];
      return Number(await this.#inTime(this.#run(LEVEL, [rate.bucket], args)));
    } catch (thrown) {
      this.#lose(thrown);
      return this.#options.fallback.remaining(rate);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#retries);
    clearInterval(this.#renewals);
    this.#isUp = false;
    this.#isWarned = true;
    const timer = setTimeout(() => this.#client.destroy(), CLOSE_MS);
    // What is still to be settled goes first; a Redis that is not there has nothing to say about it.
    if (this.#client.isReady) await this.#client.close().catch(() => {});
    else this.#client.destroy();
    clearTimeout(timer);
    await this.#options.fallback.close();
  }

  async #admit(call: LimitedCall): Promise<Admission> {
    const lease = call.concurrency.length === 0 ? '' : `${this.#server}:${++this.#leaseCount}`;
    const answer = this.#run(ADMIT, keysOf(call), this.#questionOf(call, lease));
    let reply: readonly string[];
    try {
      reply = (await this.#inTime(answer)) as readonly string[];
      this.#lateInARow = 0;
    } catch (thrown) {
      if (!(thrown instanceof Late) || ++this.#lateInARow >= LATE_IN_A_ROW) this.#lose(thrown);
      this.#giveBackLate(answer, call, lease);
      return this.#admitInMemory(call);
    }
    const admission = this.#admissionOf(reply, call, lease);
    this.#options.fallback.note(call.rates, admission.levels);
    return admission;
  }

  /** The places that this server holds in Redis are still taken. */
  #admitInMemory(call: LimitedCall): Admission {
    const concurrency = call.concurrency.map((limit) => {
      const taken = this.#leases.get(limit.bucket)?.size ?? 0;
      return taken === 0 ? limit : { ...limit, max: limit.max - taken };
    });
    return this.#options.fallback.admit({ ...call, concurrency });
  }

  #questionOf({ rates, concurrency, tokens }: LimitedCall, lease: string): string[] {
    const args = [this.#now(), String(rates.length), lease, String(this.#leaseMs)];
    for (const rate of rates) args.push(String(rate.capacity), String(rate.perSecond), String(costOf(rate, tokens)));
    for (const { max } of concurrency) args.push(String(max));
    return args;
  }

  #admissionOf(reply: readonly string[], call: LimitedCall, lease: string): Admission {
    const [refusing = '0', wait = '0', ...rest] = reply;
    const levels = rest.map(Number);
    const limit: RateLimit | ConcurrencyLimit | undefined = [...call.rates, ...call.concurrency][Number(refusing) - 1];
    if (limit) {
      const retryAfterMs = limit.kind === 'concurrency' ? undefined : Number(wait);
      return { isAdmitted: false, kind: limit.kind, retryAfterMs, levels };
    }
    for (const { bucket } of call.concurrency) this.#leasesOf(bucket).add(lease);
    return {
      isAdmitted: true,
      levels,
      settle: (tokens) => {
        this.#settle(call, lease, tokens).catch((thrown) => this.#lose(thrown));
      },
    };
  }

  async #settle({ rates, concurrency, tokens }: LimitedCall, lease: string, trueTokens: number): Promise<void> {
    for (const { bucket } of concurrency) this.#forgetLease(bucket, lease);
    const changed = rates.filter((rate) => rate.kind === 'tokens' && costOf(rate, tokens) !== trueTokens);
    // While Redis is away there is nobody to tell: the lease ends by itself, the tokens are forgotten.
    if ((changed.length === 0 && concurrency.length === 0) || !this.#client.isReady) return;
    const args = [this.#now(), String(changed.length), lease];
    for (const rate of changed)
      args.push(String(rate.capacity), String(rate.perSecond), String(trueTokens - costOf(rate, tokens)));
    await this.#run(SETTLE, keysOf({ rates: changed, concurrency }), args);
  }

  /** A call that Redis let in after we had stopped waiting was counted twice. */
  #giveBackLate(answer: Promise<unknown>, call: LimitedCall, lease: string): void {
    answer.then(
      (reply) => {
        const admission = this.#admissionOf(reply as readonly string[], call, lease);
        if (admission.isAdmitted) admission.settle(0);
      },
      () => {},
    );
  }

  #leasesOf(bucket: string): Set<string> {
    let leases = this.#leases.get(bucket);
    if (!leases) {
      leases = new Set();
      this.#leases.set(bucket, leases);
    }
    return leases;
  }

  #forgetLease(bucket: string, lease: string): void {
    const leases = this.#leases.get(bucket);
    leases?.delete(lease);
    if (leases?.size === 0) this.#leases.delete(bucket);
  }

  /** Says that this server still holds its places; done three times in the life of a lease. */
  async renew(): Promise<void> {
    if (!this.#isUp) return;
    try {
      for (const [bucket, leases] of this.#leases) {
        const all = [...leases];
        for (let start = 0; start < all.length; start += RENEWED_AT_ONCE) {
          // What was given back meanwhile must not come back.
          const held = all.slice(start, start + RENEWED_AT_ONCE).filter((lease) => leases.has(lease));
          if (held.length > 0) await this.#run(RENEW, [bucket], [this.#now(), String(this.#leaseMs), ...held]);
        }
      }
    } catch (thrown) {
      this.#lose(thrown);
    }
  }

  /** Asks a Redis that is away whether it is there again. One question at a time: one that hangs keeps them all. */
  async #ask(): Promise<void> {
    if (this.#isUp || this.#isAsking || !this.#client.isReady) return;
    this.#isAsking = true;
    try {
      // Known beforehand, so that no first use comes after what was asked behind it.
      const answer = Promise.all(SCRIPTS.map(({ text }) => this.#client.scriptLoad(text)));
      if (await this.#inTime(answer).then(yes, no)) this.#gain();
      else await answer.then(yes, no);
    } finally {
      this.#isAsking = false;
    }
  }

  #gain(): void {
    this.#isUp = true;
    this.#lateInARow = 0;
    // Calls that were let in meanwhile count: what is asked from now on comes behind this.
    for (const { bucket, capacity, perSecond, level } of this.#options.fallback.kept())
      this.#run(LOWER, [bucket], [this.#now(), String(capacity), String(perSecond), String(level)]).catch((thrown) =>
        this.#lose(thrown),
      );
    void this.renew();
    if (this.#isWarned) this.#options.log.info({}, 'Redis is there again: limits are counted in it');
    this.#isWarned = false;
    this.#firstAnswer.resolve();
  }

  #lose(thrown: unknown): void {
    this.#isUp = false;
    this.#firstAnswer.resolve();
    if (this.#isWarned) return;
    this.#isWarned = true;
    const reason = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
    this.#options.log.warn({ reason }, 'Redis does not answer: limits are counted in memory, by this server alone');
  }

  #now(): string {
    return this.#options.now ? String(this.#options.now()) : 'now';
  }

  async #run({ sha, text }: Script, buckets: readonly string[], args: readonly string[]): Promise<unknown> {
    const rest = [String(buckets.length), ...buckets.map((bucket) => PREFIX + bucket), ...args];
    try {
      return await this.#client.sendCommand(['EVALSHA', sha, ...rest]);
    } catch (thrown) {
      if (!(thrown instanceof Error && thrown.message.startsWith('NOSCRIPT'))) throw thrown;
      return this.#client.sendCommand(['EVAL', text, ...rest]);
    }
  }

  /**
   * An answer, unless it takes too long. When this process was busy itself, an answer may have come that was not read
   * yet: it gets one more turn of the loop.
   */
  #inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Late(`no answer in ${this.#timeoutMs} ms`));
      const timer = setTimeout(() => setImmediate(() => setImmediate(fail)), this.#timeoutMs);
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}

class Late extends Error {}

const yes = (): boolean => true;
const no = (): boolean => false;

function keysOf({ rates, concurrency }: Pick<LimitedCall, 'rates' | 'concurrency'>): string[] {
  return [...rates.map(({ bucket }) => bucket), ...concurrency.map(({ bucket }) => bucket)];
}
