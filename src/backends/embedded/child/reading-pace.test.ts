import { describe, expect, it } from 'vitest';
import { LONG_PIECE, MAX_LONG } from './batch-plan.ts';
import { ReadingPace } from './reading-pace.ts';

const stream = { tokens: [0] };
const piece = (tokens: number) => ({ tokens: Array.from({ length: tokens }, () => 0) });

/** A machine on which a step of a stream takes so long, and a token that is read so long. */
function read(pace: ReadingPace, batches: number, { streams, stepMs, tokenMs }: Record<string, number>): number[] {
  return Array.from({ length: batches }, () => {
    const slice = pace.sliceBeside(streams ?? 1);
    const tookMs = ((streams ?? 1 > 0) ? (stepMs ?? 0) * (1 + 0.5 * ((streams ?? 1) - 1)) : 0) + slice * (tokenMs ?? 0);
    pace.note([...Array.from({ length: streams ?? 1 }, () => stream), piece(slice)], tookMs);
    return tookMs;
  });
}

describe('ReadingPace', () => {
  it('reads whole pieces while nobody streams', () => {
    expect(new ReadingPace(500).sliceBeside(0)).toBe(MAX_LONG);
  });

  it('comes to batches of at most 0.3 s, whatever the machine and the number of streams', () => {
    for (const tokenMs of [1, 4, 10, 25])
      for (const streams of [1, 3]) {
        const took = read(new ReadingPace(30), 30, { streams, stepMs: 30, tokenMs });
        for (const tookMs of took.slice(8)) expect(tookMs).toBeLessThanOrEqual(310);
        const fits = 30 * (1 + 0.5 * (streams - 1)) + LONG_PIECE * tokenMs <= 300;
        expect(took.at(-1)).toBeGreaterThan(fits ? LONG_PIECE * tokenMs : 240);
      }
  });

  it('believes a slower machine at once', () => {
    const pace = new ReadingPace(30);
    read(pace, 20, { streams: 1, stepMs: 30, tokenMs: 4 });
    const took = read(pace, 6, { streams: 1, stepMs: 30, tokenMs: 12 });
    expect(took[4]).toBeLessThan(350);
  });

  it('still reads something where even a little takes too long', () => {
    const pace = new ReadingPace(2_000);
    expect(pace.sliceBeside(1)).toBe(8);
  });

  it('learns what streams cost from batches that read nothing', () => {
    const pace = new ReadingPace(300);
    expect(pace.sliceBeside(1)).toBe(8);
    for (let i = 0; i < 40; i++) pace.note([stream], 20);
    read(pace, 40, { streams: 1, stepMs: 20, tokenMs: 4 });
    expect(pace.sliceBeside(1)).toBe(64);
  });
});
