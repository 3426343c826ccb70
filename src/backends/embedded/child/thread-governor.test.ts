import { describe, expect, it } from 'vitest';
import { ThreadGovernor } from './thread-governor.ts';

const stream = { tokens: [0] };
const prompt = { tokens: Array.from({ length: 128 }, () => 0) };

/** A machine on which steps take 30 ms, and 30 times as long with more threads than it has free cores. */
function machine(threads: number) {
  let nowMs = 0;
  const governor = new ThreadGovernor(threads, 50, () => nowMs);
  return {
    /** Runs steps for a time; gives the numbers of threads that were used, in order. */
    run(forMs: number, freeCores: number, batch = [stream], quietMs = 30): number[] {
      const used: number[] = [];
      for (const end = nowMs + forMs; nowMs < end; ) {
        const { threads: now } = governor;
        if (used.at(-1) !== now) used.push(now);
        const tookMs = now > freeCores ? quietMs * 30 : quietMs;
        nowMs += tookMs;
        governor.note(batch, tookMs);
      }
      return used;
    },
  };
}

describe('ThreadGovernor', () => {
  it('never changes the number of threads on a quiet machine', () => {
    expect(machine(4).run(100_000, 4)).toEqual([4]);
    expect(machine(4).run(100_000, 4, [stream, stream, stream, stream], 75)).toEqual([4]);
    expect(machine(4).run(100_000, 4, [prompt], 540)).toEqual([4]);
    expect(machine(4).run(100_000, 4, [prompt, stream], 580)).toEqual([4]);
    expect(machine(1).run(1_000, 0)).toEqual([1]);
  });

  it('gives a core away while another process wants it, and takes it back', () => {
    const { run } = machine(2);
    expect(run(3_000, 1)).toEqual([2, 1]);
    expect(run(60_000, 2)).toEqual([1, 2]);
  });

  it('notices it while prompts are being read, too', () => {
    const { run } = machine(2);
    run(5_000, 2);
    expect(run(60_000, 1, [prompt], 540)).toEqual([2, 1]);
  });

  it('gives more away while that is not enough, and comes back step by step', () => {
    const { run } = machine(8);
    expect(run(7_000, 2)).toEqual([8, 7, 4, 1]);
    expect(run(90_000, 8)).toEqual([1, 4, 7, 8]);
  });

  it('tries again less and less often', () => {
    const { run } = machine(2);
    run(3_000, 1);
    const tries = run(120_000, 1).filter((threads) => threads === 2).length;
    expect(tries).toBeGreaterThan(2);
    expect(tries).toBeLessThan(8);
  });

  it('forgives a single slow step', () => {
    const { run } = machine(2);
    run(1_000, 2);
    run(1, 1);
    expect(run(1_000, 2)).toEqual([2]);
  });
});
