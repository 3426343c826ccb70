import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignedBefore, LONG_PIECE, longPartOf, MAX_PIECE, MIN_PIECE, orderBatch, planBatch } from './batch-plan.ts';

const stream = { from: 7, pending: 1 };
const reader = (pending: number, from = 0) => ({ from, pending });
const slices = fc.integer({ min: 8, max: 200 });

describe('planBatch', () => {
  it('cuts whatever is read into pieces that round alike', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 3000 }), slices, fc.boolean(), (tokens, slice, isBesideStream) => {
        const sizes: number[] = [];
        for (let left = tokens; left > 0; ) {
          const from = tokens - left;
          const candidates = isBesideStream ? [reader(left, from), stream] : [reader(left, from)];
          const [size = 0] = planBatch(candidates, { slice, first: 'shortest' });
          expect(size).toBeGreaterThanOrEqual(MIN_PIECE);
          expect(size).toBeLessThanOrEqual(slice);
          // Long pieces fill the long part, whole, and nothing but them does where there is room for one.
          const isLong = from < longPartOf(tokens) && slice >= LONG_PIECE;
          if (isLong) expect([from % LONG_PIECE, size % LONG_PIECE]).toEqual([0, 0]);
          else expect(size).toBeLessThanOrEqual(MAX_PIECE);
          sizes.push(size);
          left -= size;
          if (left > 0) expect((tokens - left) % 4).toBe(0);
        }
        // The fewest there can be, one for each end of a long piece that short ones stop at, and one for the rest.
        const fewest = Math.ceil(tokens / (alignedBefore(Math.min(slice, MAX_PIECE)) || 1));
        expect(sizes.length).toBeLessThanOrEqual(fewest + Math.ceil(tokens / LONG_PIECE) + 1);
      }),
    );
  });

  it('gives every stream its token, and the rest to who has least to read', () => {
    const candidates = [stream, reader(1000), stream, reader(30)];
    expect(planBatch(candidates, { slice: 50, first: 'shortest' })).toEqual([1, 20, 1, 30]);
    expect(planBatch(candidates, { slice: 50, first: 'oldest' })).toEqual([1, 48, 1, 0]);
    expect(planBatch([reader(1000), reader(49)], { slice: 50, first: 'shortest' })).toEqual([0, 49]);
  });

  it('always takes something, so that everything ends', () => {
    const candidate = fc.record({ from: fc.integer({ min: 0, max: 130 }), pending: fc.integer({ min: 1, max: 600 }) });
    const first = fc.constantFrom('shortest' as const, 'oldest' as const);
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1, maxLength: 16 }), slices, first, (candidates, slice, who) => {
        const sizes = planBatch(candidates, { slice, first: who });
        const sum = sizes.reduce((total, size) => total + size, 0);
        expect(sum).toBeGreaterThan(0);
        expect(sum).toBeLessThanOrEqual(slice + candidates.length);
        for (const [i, size] of sizes.entries()) {
          const pending = candidates[i]?.pending ?? 0;
          expect(size).toBeLessThanOrEqual(pending);
          if (pending > 1) expect([size === 0 || size >= MIN_PIECE, pending - size]).not.toEqual([true, 1]);
        }
      }),
    );
  });
});

describe('orderBatch', () => {
  const entry = (sequence: number, tokens: number) => ({ sequence, tokens: Array.from({ length: tokens }, () => 0) });

  it('puts streams in rising order and no reader next to a neighbour', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([0, 1, 2, 3, 4, 5]),
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        (ids, reads) => {
          const ordered = orderBatch(ids.map((id) => entry(id, reads[id] ? 64 : 1)));
          expect(ordered).toHaveLength(ids.length);
          for (const [i, second] of ordered.entries()) {
            const first = ordered[i - 1];
            if (first === undefined) continue;
            const isNeighbour = second.sequence === first.sequence + 1;
            if (first.tokens.length > 1 || second.tokens.length > 1) expect(isNeighbour).toBe(false);
            else expect(second.sequence).toBeGreaterThan(first.sequence);
          }
        },
      ),
    );
  });
});
