/** Limits of one server: token buckets and counters in memory. */
import {
  type Admission,
  type ConcurrencyLimit,
  costOf,
  type LimitedCall,
  type Limiter,
  type RateLimit,
} from '../core/limits.ts';
import type { Clock } from '../core/ports.ts';

/** A bucket as it was when it was last taken from. */
interface Bucket {
  level: number;
  atMs: number;
  capacity: number;
  perSecond: number;
}

/** What is missing to a whole call by rounding alone. */
const ROUNDING = 1e-6;

/** How many buckets are looked at for each call that comes, on top of two for each bucket that it adds. */
const SWEPT_PER_CALL = 2;

/** Limits in memory; `size` is how many buckets are kept. */
export class MemoryLimiter implements Limiter {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #buckets = new Map<string, Bucket>();
  readonly #places = new Map<string, number>();
  #sweep = this.#buckets.entries();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#buckets.size + this.#places.size;
  }

  admit(call: LimitedCall): Admission {
    const { rates, concurrency, tokens } = call;
    const nowMs = this.#clock.monotonic();
    const levels: number[] = [];
    let refusing: RateLimit | ConcurrencyLimit | undefined;
    let waitMs = 0;
    for (const rate of rates) {
      const level = this.#level(rate, nowMs);
      levels.push(level);
      const missing = costOf(rate, tokens) - level;
      if (missing <= ROUNDING) continue;
      refusing ??= rate;
      waitMs = Math.max(waitMs, (missing / rate.perSecond) * 1000);
    }
    refusing ??= concurrency.find(({ bucket, max }) => (this.#places.get(bucket) ?? 0) >= max);
    if (refusing) {
      const retryAfterMs = refusing.kind === 'concurrency' ? undefined : waitMs;
      return { isAdmitted: false, kind: refusing.kind, retryAfterMs, levels };
    }
    const sizeBefore = this.#buckets.size;
    for (const [index, rate] of rates.entries()) {
      const level = (levels[index] ?? 0) - costOf(rate, tokens);
      levels[index] = level;
      this.#set(rate, level, nowMs);
    }
    for (const { bucket } of concurrency) this.#places.set(bucket, (this.#places.get(bucket) ?? 0) + 1);
    this.#forgetFull(SWEPT_PER_CALL + 2 * (this.#buckets.size - sizeBefore), nowMs);
    return { isAdmitted: true, levels, settle: (trueTokens) => this.#settle(call, trueTokens) };
  }

  remaining(rate: RateLimit): number {
    return this.#level(rate, this.#clock.monotonic());
  }

  /** What is left of rates by somebody else's count, in their order. */
  note(rates: readonly RateLimit[], levels: readonly number[]): void {
    const nowMs = this.#clock.monotonic();
    for (const [index, rate] of rates.entries()) this.#set(rate, levels[index] ?? rate.capacity, nowMs);
    this.#forgetFull(SWEPT_PER_CALL + 2 * rates.length, nowMs);
  }

  /** Every rate that is kept, with its level. */
  *kept(): Iterable<Pick<RateLimit, 'bucket' | 'capacity' | 'perSecond'> & { readonly level: number }> {
    const nowMs = this.#clock.monotonic();
    for (const [bucket, { capacity, perSecond, level, atMs }] of this.#buckets)
      yield { bucket, capacity, perSecond, level: Math.min(capacity, level + ((nowMs - atMs) / 1000) * perSecond) };
  }

  async close(): Promise<void> {}

  #level({ bucket, capacity, perSecond }: RateLimit, nowMs: number): number {
    const known = this.#buckets.get(bucket);
    if (!known) return capacity;
    return Math.min(capacity, known.level + ((nowMs - known.atMs) / 1000) * perSecond);
  }

  #set({ bucket, capacity, perSecond }: RateLimit, level: number, atMs: number): void {
    const known = this.#buckets.get(bucket);
    if (!known) {
      this.#buckets.set(bucket, { level, atMs, capacity, perSecond });
      return;
    }
    known.level = level;
    known.atMs = atMs;
    known.capacity = capacity;
    known.perSecond = perSecond;
  }

  #settle({ rates, concurrency, tokens }: LimitedCall, trueTokens: number): void {
    const nowMs = this.#clock.monotonic();
    for (const rate of rates) {
      if (rate.kind !== 'tokens') continue;
      const level = this.#level(rate, nowMs) + costOf(rate, tokens) - trueTokens;
      this.#set(rate, Math.min(rate.capacity, level), nowMs);
    }
    for (const { bucket } of concurrency) {
      const taken = this.#places.get(bucket) ?? 0;
      if (taken > 1) this.#places.set(bucket, taken - 1);
      else this.#places.delete(bucket);
    }
  }

  /**
   * A full bucket is as good as none. Each call looks at a few, faster than calls can add any, so that memory holds only
   * what was used within a window, and no call ever waits for a sweep of all of them.
   */
  #forgetFull(count: number, nowMs: number): void {
    for (let looked = 0; looked < count; looked++) {
      const { done, value } = this.#sweep.next();
      if (done) {
        this.#sweep = this.#buckets.entries();
        return;
      }
      const [key, { level, atMs, capacity, perSecond }] = value;
      if (level + ((nowMs - atMs) / 1000) * perSecond >= capacity) this.#buckets.delete(key);
    }
  }
}
