import { describe, expect, it } from 'vitest';
import { loadCatalogue } from '../catalogue/load.ts';
import type { PriceOverride } from '../core/platform.ts';
import type { ModelPrices } from '../core/prices.ts';
import type { Region } from '../core/regions.ts';
import { createPriceBook } from './price-book.ts';

const catalogue = loadCatalogue();

function flat(inputPico: number): ModelPrices {
  return {
    tiers: [{ overTokens: 0, upToTokens: null, inputPico, outputPico: 0, outputThinkingPico: 0 }],
    cacheReadPermille: 200,
    explicitCacheReadPermille: 100,
    cacheWritePermille: 1250,
    batchPermille: 500,
  };
}

function override(validFromMs: number, inputPico: number | null, rest: Partial<PriceOverride> = {}): PriceOverride {
  return {
    model: 'qwen-plus',
    region: null,
    validFromMs,
    prices: inputPico === null ? null : flat(inputPico),
    ...rest,
  };
}

function open(overrides: readonly PriceOverride[] = []) {
  const book = createPriceBook({ catalogue, modelOf: (id) => (id === 'claude-x' ? 'qwen-plus' : id), overrides });
  const inputAt = (atMs: number, model = 'qwen-plus', region: Region = 'beijing') =>
    book.pricesOf({ model, region, atMs })?.tiers[0]?.inputPico;
  return { book, inputAt };
}

describe('the price book', () => {
  it('has what the catalogue says of a model in a region', () => {
    const { inputAt } = open();
    expect(inputAt(0)).toBe(2_000_000);
    expect(inputAt(0, 'qwen-plus', 'singapore')).toBe(2_936_000);
    expect(inputAt(0, 'no-such-model')).toBeUndefined();
  });

  it('puts a set price before it from its date on, and the newest before older ones', () => {
    const { inputAt } = open([override(100, 7), override(300, 9), override(200, 8)]);
    expect([99, 100, 199, 200, 300].map((atMs) => inputAt(atMs))).toEqual([2_000_000, 7, 7, 8, 9]);
  });

  it('goes back to the catalogue where that was set', () => {
    const { inputAt } = open([override(100, 7), override(200, null)]);
    expect([150, 200].map((atMs) => inputAt(atMs))).toEqual([7, 2_000_000]);
  });

  it('of the same date takes the one for the region, then what was set last', () => {
    const { inputAt } = open([override(100, 7), override(100, 5, { region: 'singapore' }), override(100, 6)]);
    expect(inputAt(100)).toBe(6);
    expect(inputAt(100, 'qwen-plus', 'singapore')).toBe(5);
  });

  it('puts what the administrator has set before the configuration, and forgets what is set no more', () => {
    const { book, inputAt } = open([override(100, 7)]);
    book.setOverrides([override(100, 8)]);
    expect(inputAt(100)).toBe(8);
    book.setOverrides([]);
    expect(inputAt(100)).toBe(7);
  });

  it('charges another name of a model as the model, unless the name has a price of its own', () => {
    const { book, inputAt } = open([override(100, 7)]);
    expect(inputAt(100, 'claude-x')).toBe(7);
    book.setOverrides([override(50, 3, { model: 'claude-x' })]);
    expect(inputAt(100, 'claude-x')).toBe(3);
  });

  it('tells the free quota of a model in a region', () => {
    const { book } = open();
    expect(book.freeQuotaOf({ model: 'qwen-plus', region: 'beijing' })).toEqual({
      model: 'qwen-plus',
      quota: { tokens: 1_000_000, days: 90, isPaidAfter: true },
    });
    expect(book.freeQuotaOf({ model: 'no-such-model', region: 'beijing' })).toBeUndefined();
  });
});
