import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadCatalogue } from '../catalogue/load.ts';
import type { ChargedCall, ModelPrices } from '../core/prices.ts';
import { usageOf } from '../core/usage.ts';
import { chargeOf } from './prices.ts';

const catalogue = loadCatalogue();

function pricesOf(model: string): ModelPrices {
  const prices = catalogue.find(model)?.terms.beijing?.prices;
  if (!prices) throw new Error(`${model} has no price`);
  return prices;
}

interface Counts {
  readonly input: number;
  readonly output: number;
  readonly cachedRead?: number;
  readonly markedRead?: number;
  readonly cacheWritten?: number;
  readonly reasoning?: number;
}

function call(counts: Counts, rest: Partial<ChargedCall> = {}): ChargedCall {
  const usage = usageOf(counts);
  const input = { ...usage.input, cacheWritten: counts.cacheWritten ?? 0, markedRead: counts.markedRead };
  return { usage: { ...usage, input }, ending: 'completed', priority: 'live', wasStreamed: true, ...rest };
}

/**
 * A sheet worked out by hand. Prices a million tokens, in yuan: qwen-plus 2 / 4; qwen3-max 2.5 / 10 up to 32K, 4 / 16 up to
 * 128K, 7 / 28 above; qwen-flash 0.15 / 1.5 up to 128K; qwen3.7-max 12 / 36. A token at 1 yuan a million is 1,000 nano-yuan.
 */
const SHEET: readonly (readonly [string, string, ChargedCall, number])[] = [
  ['a plain call', 'qwen-plus', call({ input: 100, output: 50 }), 100 * 2000 + 50 * 4000],
  ['reasoning is output', 'qwen-plus', call({ input: 100, output: 50, reasoning: 40 }), 100 * 2000 + 50 * 4000],
  [
    'a cached prefix at a fifth',
    'qwen-plus',
    call({ input: 2000, cachedRead: 1500, output: 10 }),
    500 * 2000 + 1500 * 400 + 40_000,
  ],
  [
    'a written prefix at 125%',
    'qwen-plus',
    call({ input: 2000, cacheWritten: 1024, output: 10 }),
    976 * 2000 + 1024 * 2500 + 40_000,
  ],
  ['the last token of a tier', 'qwen3-max', call({ input: 32_768, output: 100 }), 32_768 * 2500 + 100 * 10_000],
  [
    'the first of the next, for output too',
    'qwen3-max',
    call({ input: 32_769, output: 100 }),
    32_769 * 4000 + 100 * 16_000,
  ],
  ['above the last tier', 'qwen3-max', call({ input: 262_145, output: 1 }), 262_145 * 7000 + 28_000],
  [
    'cached tokens count for the tier',
    'qwen3-max',
    call({ input: 40_000, cachedRead: 30_000, output: 0 }),
    10_000 * 4000 + 30_000 * 800,
  ],
  [
    'a line of a batch at half',
    'qwen-plus',
    call({ input: 101, output: 7 }, { priority: 'batch' }),
    101 * 1000 + 7 * 2000,
  ],
  [
    'a batch knows no cache price',
    'qwen-plus',
    call({ input: 1000, cachedRead: 900, output: 0 }, { priority: 'batch' }),
    1000 * 1000,
  ],
  [
    'a failed line of a batch',
    'qwen-plus',
    call({ input: 101, output: 7 }, { priority: 'batch', ending: 'failed' }),
    0,
  ],
  [
    'a failed call whose client got nothing',
    'qwen-plus',
    call({ input: 100, output: 50 }, { ending: 'failed', wasStreamed: false }),
    0,
  ],
  ['a stream that broke', 'qwen-plus', call({ input: 100, output: 50 }, { ending: 'failed' }), 100 * 2000 + 50 * 4000],
  [
    'a prefix found by a mark at a tenth, the rest of it at a fifth',
    'qwen-plus',
    call({ input: 2000, cachedRead: 1500, markedRead: 1024, output: 10 }),
    500 * 2000 + 1024 * 200 + 476 * 400 + 40_000,
  ],
  [
    'a cancelled call pays for what came',
    'qwen-plus',
    call({ input: 100, output: 3 }, { ending: 'cancelled' }),
    212_000,
  ],
  [
    'a client that left pays for what came',
    'qwen-plus',
    call({ input: 100, output: 3 }, { ending: 'client-gone' }),
    212_000,
  ],
  ['parts of a nano-yuan', 'qwen-flash', call({ input: 7, output: 3 }), 7 * 150 + 3 * 1500],
  ['a fifth of an odd price', 'qwen-flash', call({ input: 301, cachedRead: 301, output: 0 }), 301 * 30],
  ['nothing at all', 'qwen-plus', call({ input: 0, output: 0 }), 0],
  ['a million tokens', 'qwen3.7-max', call({ input: 1_000_000, output: 131_072 }), 12_000_000_000 + 131_072 * 36_000],
];

describe('the bill', () => {
  it.each(SHEET)('%s', (_what, model, charged, nano) => {
    expect(chargeOf(charged, pricesOf(model)).totalNano).toBe(nano);
  });

  it('names its items as the vendor does', () => {
    const itemsOf = (model: string, charged: ChargedCall) =>
      chargeOf(charged, pricesOf(model)).lines.map(({ item }) => item);
    expect(itemsOf('qwen-plus', call({ input: 9, cachedRead: 4, markedRead: 1, cacheWritten: 2, output: 1 }))).toEqual([
      'input_token',
      'input_token_cache_read',
      'input_token_cache',
      'input_token_cache_creation_5m',
      'output_token',
    ]);
    expect(itemsOf('qwen-plus', call({ input: 9, output: 2, reasoning: 1 }))).toEqual([
      'thinking_input_token',
      'thinking_output_token',
    ]);
    expect(itemsOf('qwen-flash', call({ input: 9, output: 2 }))).toEqual([
      'context_0-128k_input_token',
      'context_0-128k_output_token',
    ]);
    expect(itemsOf('qwen-flash', call({ input: 300_000, output: 2 }, { priority: 'batch' }))).toEqual([
      'context_256k-1m_input_token_batch',
      'context_256k-1m_output_token_batch',
    ]);
  });

  it('takes free tokens for plain input first, then for output, never for the cache', () => {
    const charged = call({ input: 100, cachedRead: 30, cacheWritten: 20, output: 10 });
    expect(chargeOf(charged, pricesOf('qwen-plus'), 55)).toEqual({
      lines: [
        { item: 'input_token', tokens: 50, nano: 0, isFree: true },
        { item: 'input_token_cache', tokens: 30, nano: 12_000 },
        { item: 'input_token_cache_creation_5m', tokens: 20, nano: 50_000 },
        { item: 'output_token', tokens: 5, nano: 0, isFree: true },
        { item: 'output_token', tokens: 5, nano: 20_000 },
      ],
      totalNano: 82_000,
      freeTokens: 55,
    });
    const batch = call({ input: 10, output: 5 }, { priority: 'batch' });
    expect(chargeOf(batch, pricesOf('qwen-plus'), 55)).toMatchObject({ totalNano: 20_000, freeTokens: 0 });
    const failed = call({ input: 10, output: 5 }, { ending: 'failed', wasStreamed: false });
    expect(chargeOf(failed, pricesOf('qwen-plus'), 55)).toMatchObject({ totalNano: 0, freeTokens: 0 });
  });

  it('counts free tokens of a model that has no price, and finishes its last answer', () => {
    const charge = chargeOf(call({ input: 10, output: 5 }), undefined, 12);
    expect(charge).toMatchObject({ totalNano: 0, freeTokens: 12 });
    expect(charge.lines.map(({ tokens }) => tokens)).toEqual([10, 2, 3]);
  });

  it('is free where no price is known', () => {
    expect(chargeOf(call({ input: 5, output: 5 }), undefined)).toEqual({ lines: [], totalNano: 0, freeTokens: 0 });
  });

  it('rounds each line once, half up', () => {
    const prices = (inputPico: number): ModelPrices => ({
      tiers: [{ overTokens: 0, upToTokens: null, inputPico, outputPico: 0, outputThinkingPico: 0 }],
      cacheReadPermille: 200,
      explicitCacheReadPermille: 100,
      cacheWritePermille: 1250,
      batchPermille: 500,
    });
    const nano = (inputPico: number) => chargeOf(call({ input: 1, output: 0 }), prices(inputPico)).totalNano;
    expect([nano(499), nano(500), nano(1499), nano(1500)]).toEqual([0, 1, 1, 2]);
  });

  it('adds up, never charges less for more, and never charges twice', () => {
    const models = catalogue.list().flatMap(({ terms }) => terms.beijing?.prices ?? []);
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        fc.record({
          plain: fc.nat(500_000),
          cachedRead: fc.nat(200_000),
          cacheWritten: fc.nat(200_000),
          output: fc.nat(100_000),
          isThinking: fc.boolean(),
          isBatch: fc.boolean(),
          free: fc.nat(200_000),
        }),
        (prices, { plain, cachedRead, cacheWritten, output, isThinking, isBatch, free }) => {
          const counts = {
            input: plain + cachedRead + cacheWritten,
            cachedRead,
            markedRead: Math.floor(cachedRead / 3),
            cacheWritten,
            output,
            reasoning: isThinking ? output : 0,
          };
          const priority = isBatch ? 'batch' : 'live';
          const { lines, totalNano } = chargeOf(call(counts, { priority }), prices);
          expect(lines.reduce((sum, { nano }) => sum + nano, 0)).toBe(totalNano);
          expect(lines.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(counts.input + output);
          const more = chargeOf(call({ ...counts, input: counts.input + 1, output: output + 1 }, { priority }), prices);
          expect(more.totalNano).toBeGreaterThanOrEqual(totalNano);
          const helped = chargeOf(call(counts, { priority }), prices, free);
          expect(helped.totalNano).toBeLessThanOrEqual(totalNano);
          expect(helped.freeTokens).toBe(isBatch ? 0 : Math.min(free, plain + output));
          const freeLines = helped.lines.filter(({ isFree }) => isFree);
          expect(freeLines.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(helped.freeTokens);
          expect(freeLines.every(({ nano }) => nano === 0)).toBe(true);
          expect(helped.lines.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(counts.input + output);
        },
      ),
    );
  });
});
