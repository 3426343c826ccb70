import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIN_SLICE, orderBatch, planBatch, SLICE_WHILE_READING, SLICE_WHILE_STREAMING } from './batch-plan.ts';

const stream = { pending: 1, isPrompt: false };
const prompt = (pending: number) => ({ pending, isPrompt: true });
const forced = (pending: number) => ({ pending, isPrompt: false });

/** The pieces in which a prompt is computed when it is alone, or beside a stream. */
function pieces(tokens: number, isBesideStream: boolean): number[] {
  const sizes: number[] = [];
  for (let left = tokens; left > 0; ) {
    const [size = 0] = planBatch(isBesideStream ? [prompt(left), stream] : [prompt(left)]);
    sizes.push(size);
    left -= size;
  }
  return sizes;
}

describe('planBatch', () => {
  it('cuts every prompt into pieces that round alike, and its last token apart', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 3000 }), fc.boolean(), (tokens, isBesideStream) => {
        const sizes = pieces(tokens, isBesideStream);
        expect(sizes.at(-1)).toBe(1);
        const before = sizes.slice(0, -1);
        if (tokens - 1 < MIN_SLICE) expect(before).toEqual([tokens - 1]);
        else for (const size of before) expect(size).toBeGreaterThanOrEqual(MIN_SLICE);
        const slice = isBesideStream ? SLICE_WHILE_STREAMING : SLICE_WHILE_READING;
        for (const size of before) expect(size).toBeLessThan(slice + MIN_SLICE);
      }),
    );
  });

  it('gives every stream its token and shares one slice among the readers, the first first', () => {
    expect(planBatch([stream, prompt(1000), stream, prompt(1000)])).toEqual([1, SLICE_WHILE_STREAMING, 1, 0]);
    expect(planBatch([prompt(30), prompt(40), prompt(1000)])).toEqual([29, 39, 0]);
  });

  it('never cuts forced text', () => {
    expect(planBatch([forced(100), stream])).toEqual([100, 1]);
    expect(planBatch([prompt(60), forced(20), stream])).toEqual([59, 0, 1]);
  });

  it('always takes something, so that everything ends', () => {
    const candidate = fc.record({ pending: fc.integer({ min: 1, max: 600 }), isPrompt: fc.boolean() });
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1, maxLength: 16 }), (candidates) => {
        const sizes = planBatch(candidates);
        const sum = sizes.reduce((total, size) => total + size, 0);
        expect(sum).toBeGreaterThan(0);
        expect(sum).toBeLessThanOrEqual(512);
        for (const [i, size] of sizes.entries()) expect(size).toBeLessThanOrEqual(candidates[i]?.pending ?? 0);
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
