import { describe, expect, it } from 'vitest';
import { CacheBlocks, reportOf, type TokenMark, tokenMarksOf } from './cache-blocks.ts';

const row = (length: number, from = 0): number[] => Array.from({ length }, (_, i) => from + i);
const mark = (tokens: number, ...lookBack: number[]): TokenMark => ({ tokens, ends: new Set([tokens, ...lookBack]) });

describe('CacheBlocks', () => {
  it('tells the living blocks that a prompt begins with, of its own namespace', () => {
    const blocks = new CacheBlocks();
    blocks.keep('a', row(4), { lifetimeMs: 10, expiresAtMs: 110 });
    blocks.keep('a', row(8), { lifetimeMs: 10, expiresAtMs: 120 });
    blocks.keep('a', row(8, 1), { lifetimeMs: 10, expiresAtMs: 120 });
    blocks.keep('b', row(6), { lifetimeMs: 10, expiresAtMs: 120 });
    const lengths = (nowMs: number): number[] => blocks.within('a', row(20), nowMs).map(({ tokens }) => tokens);
    expect(lengths(100)).toEqual([4, 8]);
    expect(lengths(110)).toEqual([8]);
    expect(lengths(120)).toEqual([]);
    expect(blocks.within('c', row(20), 100)).toEqual([]);
  });

  it('begins a life anew, and never shortens one', () => {
    const blocks = new CacheBlocks();
    for (const expiresAtMs of [110, 150, 130]) blocks.keep('a', row(4), { lifetimeMs: 10, expiresAtMs });
    expect(blocks.within('a', row(4), 149)).toHaveLength(1);
    blocks.prune(150);
    expect(blocks.within('a', row(4), 0)).toEqual([]);
  });
});

describe('tokenMarksOf', () => {
  it('turns numbers of segments into numbers of tokens', () => {
    const plan = { mode: 'explicit', namespace: 'a', marks: [{ segments: 2, lookBack: [1] }] } as const;
    expect(tokenMarksOf(plan, [0, 5, 12, 20])).toEqual([mark(12, 5)]);
    expect(tokenMarksOf({ ...plan, mode: 'implicit' }, [0, 5, 12, 20])).toEqual([]);
    expect(tokenMarksOf(undefined, [0])).toEqual([]);
  });
});

/** "Context cache", explicit cache. */
describe('reportOf', () => {
  const facts = { blocks: [] as number[], there: 10_000, minTokens: 1024 };

  it('creates a block where there is none', () => {
    expect(reportOf([mark(1605)], facts).marks).toEqual([{ tokens: 1605, hitTokens: 0, createdTokens: 1605 }]);
  });

  it('hits it, and creates nothing more', () => {
    const found = reportOf([mark(1605)], { ...facts, blocks: [1605] });
    expect(found.marks).toEqual([{ tokens: 1605, hitTokens: 1605, createdTokens: 0 }]);
  });

  it('creates only what is new behind an older block', () => {
    const found = reportOf([mark(1500, 1400, 1200)], { ...facts, blocks: [1200] });
    expect(found.marks).toEqual([{ tokens: 1500, hitTokens: 1200, createdTokens: 300 }]);
  });

  it('finds no block that ends elsewhere, and none that is not there', () => {
    expect(reportOf([mark(1500, 1400)], { ...facts, blocks: [1200] }).marks[0]?.hitTokens).toBe(0);
    expect(reportOf([mark(1500, 1200)], { ...facts, blocks: [1200], there: 1199 }).marks[0]?.hitTokens).toBe(0);
    expect(reportOf([mark(1500, 1200)], { ...facts, blocks: [1200], there: 1200 }).marks[0]?.hitTokens).toBe(1200);
  });

  it('makes nothing of a prefix that is too short', () => {
    expect(reportOf([mark(1023)], facts).marks).toEqual([{ tokens: 1023, hitTokens: 0, createdTokens: 0 }]);
  });

  it('counts each token once, however many marks stand behind it', () => {
    const found = reportOf([mark(1100), mark(1500, 1100), mark(1500, 1100)], facts);
    expect(found.marks.map(({ createdTokens }) => createdTokens)).toEqual([1100, 400, 0]);
    const later = reportOf([mark(1100), mark(1500, 1100)], { ...facts, blocks: [1500] });
    expect(later.marks.map(({ hitTokens, createdTokens }) => [hitTokens, createdTokens])).toEqual([
      [0, 0],
      [1500, 0],
    ]);
  });
});
