import { describe, expect, it } from 'vitest';
import { fixedClock } from '../../test/support/context.ts';
import { MemoryLimiter } from './memory.ts';

const limitOf = (bucket: string) => ({ bucket, kind: 'requests' as const, capacity: 10, perSecond: 10 });

describe('limits in memory', () => {
  it('keep only what was used within a window, however many there were', () => {
    const clock = fixedClock();
    const limiter = new MemoryLimiter(clock);
    for (let caller = 0; caller < 100_000; caller++) {
      limiter.admit({ rates: [limitOf(`key-${caller}`)], concurrency: [], tokens: 0 });
      clock.advance(1);
    }
    // A bucket is full again after 100 ms, in which 100 callers come.
    expect(limiter.size).toBeLessThan(1000);
  });

  it('forget no bucket that is still in use', () => {
    const clock = fixedClock();
    const limiter = new MemoryLimiter(clock);
    for (let asked = 0; asked < 10; asked++) limiter.admit({ rates: [limitOf('one')], concurrency: [], tokens: 0 });
    for (let caller = 0; caller < 10_000; caller++)
      limiter.admit({ rates: [limitOf(`key-${caller}`)], concurrency: [], tokens: 0 });
    expect(limiter.admit({ rates: [limitOf('one')], concurrency: [], tokens: 0 }).isAdmitted).toBe(false);
  });
});
