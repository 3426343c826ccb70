import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Region } from '../core/regions.ts';
import { loadCatalogue } from './load.ts';
import { catalogueSchema } from './schema.ts';
import { REGIONS_OF_SCOPE } from './terms.ts';

const catalogue = loadCatalogue();
const file: unknown = JSON.parse(readFileSync(new URL('./models.json', import.meta.url), 'utf8'));

/** Every id of the founding document: its selection guide, then the capability overview and the price reference. */
const FOUNDING_IDS = [
  ...['qwen-plus', 'qwen-max', 'qwen-turbo', 'qwen3.7-max', 'qwen3.6-plus', 'qwen3.5-flash'],
  ...['deepseek-v4-pro', 'deepseek-v4-flash', 'deepseek-r1', 'glm-5.1', 'glm-5', 'glm-4.7'],
  ...['kimi-k2.6', 'kimi-k2-thinking', 'MiniMax-M2.5', 'MiniMax-M2.1'],
  ...['qwen-vl-max', 'qwen-vl-plus', 'qwen3-vl-plus', 'qwen3-vl-flash', 'qvq-max', 'qvq-plus', 'qwen-vl-ocr'],
  ...['qwen3-coder-plus', 'qwen3-coder-flash'],
  ...['qwen2.5-coder-32b-instruct', 'qwen2.5-coder-14b-instruct', 'qwen2.5-coder-7b-instruct'],
  ...['qwen-math-plus', 'qwen-math-turbo', 'qwen-deep-research', 'qwen-plus-character', 'qwen-flash-character'],
  ...['tongyi-xiaomi-analysis-flash', 'tongyi-xiaomi-analysis-pro', 'farui-plus'],
  ...['deepseek-v3.2', 'qwen3-max', 'qwen-flash', 'qwen2.5-math-72b-instruct', 'qwen-long'],
];

/** "Price Reference": yuan a thousand tokens, of input and output. */
const FOUNDING_PRICES: readonly (readonly [string, number, number])[] = [
  ['qwen-plus', 0.002, 0.004],
  ['qwen-max', 0.004, 0.008],
  ['qwen-turbo', 0.0005, 0.001],
  ['qwen-vl-max', 0.005, 0.01],
  ['qwen3-coder-plus', 0.002, 0.004],
  ['deepseek-v4-pro', 0.002, 0.004],
  ['glm-5.1', 0.002, 0.004],
  ['kimi-k2.6', 0.002, 0.004],
  ['MiniMax-M2.5', 0.002, 0.004],
];
const PICO_PER_YUAN_A_THOUSAND = 1_000_000_000;

describe('models.json', () => {
  it('has its schema, whole', () => {
    const result = catalogueSchema.safeParse(file);
    expect(result.success ? [] : result.error.issues.slice(0, 5)).toEqual([]);
  });

  it('says of each model what goes together', () => {
    for (const entry of catalogueSchema.parse(file)) {
      const { id, thinking_mode, thinking_budget_max, regions, deployment_scopes, price_tiers } = entry;
      const reached = new Set(deployment_scopes.flatMap((scope) => REGIONS_OF_SCOPE[scope]));
      expect(reached, id).toEqual(new Set(regions));
      if (thinking_mode === 'none') expect(thinking_budget_max ?? 0, id).toBe(0);
      if (thinking_mode === 'none') expect(entry.stream_required, id).not.toBe('thinking');
      // One price list for all of the USA's ids would be the global pool's, not theirs.
      for (const { id: snapshot, overrides } of entry.snapshots)
        if (snapshot.endsWith('-us')) expect(Object.keys(overrides.price_tiers ?? {}), snapshot).toEqual(['us']);
      if (price_tiers?.beijing && !entry.price_seed) expect(entry.price_effective, id).toEqual(price_tiers.beijing);
    }
  });

  it('holds 143 entries and 87 snapshots, no id twice, short aliases included', () => {
    const entries = catalogueSchema.parse(file);
    expect(entries).toHaveLength(143);
    expect(catalogue.list()).toHaveLength(143 + 87);
    const aliases = entries.flatMap((entry) => entry.snapshots.flatMap(({ short_alias }) => short_alias ?? []));
    const ids = [...catalogue.list().map((card) => card.id), ...aliases];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has every model the founding document names, and marks no other as its', () => {
    expect(new Set(FOUNDING_IDS).size).toBe(41);
    for (const id of FOUNDING_IDS) expect(catalogue.find(id), id).toMatchObject({ id, entryId: id });
    const marked = catalogueSchema.parse(file).filter((entry) => entry.seed_model);
    expect(marked.map(({ id }) => id).sort()).toEqual([...FOUNDING_IDS].sort());
  });
});

describe('terms', () => {
  const termsOf = (id: string, region: Region) => catalogue.find(id)?.terms[region];
  /** Pico-yuan a token. */
  const yuan = (million: number): number => million * 1_000_000;

  it.each(FOUNDING_PRICES)('%s costs in Beijing what the founding document says', (id, input, output) => {
    const { tiers } = termsOf(id, 'beijing')?.prices ?? {};
    expect(tiers).toEqual([
      {
        overTokens: 0,
        upToTokens: null,
        inputPico: Math.round(input * PICO_PER_YUAN_A_THOUSAND),
        outputPico: Math.round(output * PICO_PER_YUAN_A_THOUSAND),
        // "billed as output tokens at the standard output token rate"
        outputThinkingPico: Math.round(output * PICO_PER_YUAN_A_THOUSAND),
      },
    ]);
  });

  it('costs elsewhere what the vendor lists there', () => {
    expect(termsOf('qwen-plus', 'singapore')?.prices?.tiers[0]).toEqual({
      overTokens: 0,
      upToTokens: 262_144,
      inputPico: 2_936_000,
      outputPico: 8_807_000,
      outputThinkingPico: 29_357_000,
    });
    expect(termsOf('qwen-plus', 'virginia')?.prices?.tiers[0]).toMatchObject({
      inputPico: yuan(0.8),
      upToTokens: 131_072,
    });
    expect(termsOf('qwen-plus', 'frankfurt')?.prices?.tiers[0]).toMatchObject({ inputPico: 2_998_000 });
    expect(termsOf('qwen-plus', 'hong-kong')?.prices).toEqual(termsOf('qwen-plus', 'singapore')?.prices);
  });

  it('gives a snapshot its own price where it has one, and that of its alias where not', () => {
    expect(termsOf('qwen-plus-2025-07-14', 'beijing')?.prices?.tiers).toMatchObject([
      { inputPico: yuan(0.8), outputPico: yuan(2), outputThinkingPico: yuan(8) },
    ]);
    expect(termsOf('qwen-plus-2025-12-01', 'beijing')?.prices?.tiers).toMatchObject([{ inputPico: yuan(2) }]);
    expect(termsOf('qwen-plus-2025-12-01', 'singapore')?.prices?.tiers[0]).toMatchObject({ inputPico: 2_936_000 });
    expect(termsOf('qwen-plus-1201', 'beijing')).toEqual(termsOf('qwen-plus-2025-12-01', 'beijing'));
  });

  it('has a model only where it is offered', () => {
    const regionsOf = (id: string) => Object.keys(catalogue.find(id)?.terms ?? {});
    expect(regionsOf('qwen-plus')).toEqual(['beijing', 'singapore', 'virginia', 'hong-kong', 'frankfurt']);
    expect(regionsOf('qwen-long')).toEqual(['beijing']);
    expect(regionsOf('glm-5.1')).toEqual(['beijing', 'virginia', 'frankfurt']);
    expect(regionsOf('qwen-plus-2025-01-12')).toEqual(['beijing']);
    expect(regionsOf('qwen-plus-2025-07-14')).toEqual(['beijing', 'singapore', 'hong-kong']);
  });

  it('has what ends in -us in Virginia alone, at the price of the USA', () => {
    const american = catalogue.list().filter(({ id }) => id.endsWith('-us'));
    expect(american.length).toBeGreaterThan(5);
    for (const { id, terms } of american) expect(Object.keys(terms), id).toEqual(['virginia']);
    expect(termsOf('qwen-plus-us', 'virginia')?.prices?.tiers[0]).toMatchObject({ inputPico: 2_936_000 });
  });

  it('knows the factors of caches and batches', () => {
    expect(termsOf('qwen-plus', 'beijing')?.prices).toMatchObject({
      cacheReadPermille: 200,
      explicitCacheReadPermille: 100,
      cacheWritePermille: 1250,
      batchPermille: 500,
    });
    expect(termsOf('deepseek-v4-pro', 'beijing')?.prices).toMatchObject({ cacheReadPermille: 83, batchPermille: 1000 });
    // Batches are switched by snapshot.
    expect(termsOf('qwen-plus-latest', 'beijing')?.prices?.batchPermille).toBe(500);
    expect(termsOf('qwen-plus-2025-12-01', 'beijing')?.prices?.batchPermille).toBe(1000);
  });

  it('gives free tokens in Beijing, as many as the founding document has where nobody knows', () => {
    const usual = { tokens: 1_000_000, days: 90, isPaidAfter: true };
    expect(termsOf('qwen-plus', 'beijing')?.freeQuota).toEqual(usual);
    expect(termsOf('farui-plus', 'beijing')?.freeQuota).toEqual(usual);
    expect(termsOf('deepseek-r1-distill-qwen-1.5b', 'beijing')?.freeQuota).toEqual({ ...usual, isPaidAfter: false });
    expect(termsOf('qwen-turbo-2024-11-01', 'beijing')?.freeQuota).toEqual({ ...usual, tokens: 10_000_000 });
    expect(termsOf('qwen-deep-research', 'beijing')?.freeQuota).toBeUndefined();
    expect(termsOf('kimi/kimi-k2.6', 'beijing')?.freeQuota).toBeUndefined();
    expect(termsOf('qwen-plus', 'singapore')?.freeQuota).toBeUndefined();
  });

  it('limits each id by itself, in windows where they are known to be its own', () => {
    expect(termsOf('qwen-plus', 'beijing')?.limits).toEqual({
      requestsPerMinute: 30_000,
      tokensPerMinute: 5_000_000,
      requestWindow: { count: 15_000, seconds: 30 },
      tokenWindow: { count: 2_500_000, seconds: 30 },
    });
    expect(termsOf('qwen-plus', 'frankfurt')?.limits).toEqual({
      requestsPerMinute: 600,
      tokensPerMinute: 1_000_000,
      requestWindow: null,
      tokenWindow: null,
    });
    expect(termsOf('qwen-plus-2025-12-01', 'beijing')?.limits).toMatchObject({
      requestsPerMinute: 120,
      requestWindow: null,
    });
    expect(termsOf('qwen-plus-us', 'virginia')?.limits).toMatchObject({ requestsPerMinute: 600 });
    expect(termsOf('qwen3.7-plus', 'beijing')?.limits).toBeUndefined();
  });

  it('is sane for every model in every region', () => {
    for (const { id, terms, thinking } of catalogue.list()) {
      expect(Object.keys(terms).length, id).toBeGreaterThan(0);
      for (const { prices, freeQuota, limits } of Object.values(terms)) {
        for (const tier of prices?.tiers ?? []) {
          const { inputPico, outputPico, outputThinkingPico } = tier;
          for (const pico of [inputPico, outputPico, outputThinkingPico]) {
            expect(Number.isSafeInteger(pico) && pico >= 0 && pico <= yuan(1000), id).toBe(true);
          }
          expect(outputPico, id).toBeGreaterThanOrEqual(inputPico === 0 ? 0 : inputPico);
          if (thinking !== 'none') expect(outputThinkingPico, id).toBeGreaterThanOrEqual(inputPico);
        }
        if (freeQuota) expect(freeQuota.tokens * freeQuota.days, id).toBeGreaterThan(0);
        for (const count of [limits?.requestsPerMinute, limits?.tokensPerMinute])
          if (limits) expect(count, id).toBeGreaterThan(0);
      }
    }
  });
});

describe('loadCatalogue', () => {
  it('finds an entry by its exact id and nothing else', () => {
    expect(catalogue.find('qwen-plus')).toMatchObject({
      entryId: 'qwen-plus',
      thinking: 'hybrid-default-off',
      thinkingBudgetMax: 81920,
      maxOutput: 32768,
      abilities: { tools: true, partialMode: true, vision: false },
      defaultSampling: { temperature: 0.7, temperatureThinking: 0.6, topK: 20 },
      surfaces: { chat: true, responses: true, messages: true, native: 'text-generation' },
    });
    expect(catalogue.find('Qwen-Plus')).toBeUndefined();
    expect(catalogue.find('MiniMax-M2.5')?.thinking).toBe('always');
    expect(catalogue.find('minimax-m2.5')).toBeUndefined();
    expect(catalogue.find('constructor')).toBeUndefined();
  });

  it('gives a snapshot its overrides on top of its entry', () => {
    expect(catalogue.find('qwen-plus-2025-01-25')).toMatchObject({
      id: 'qwen-plus-2025-01-25',
      entryId: 'qwen-plus',
      thinking: 'none',
      thinkingBudgetMax: 0,
      contextWindow: 131072,
      maxOutput: 8192,
      releasedAtSeconds: Date.UTC(2025, 0, 25) / 1000,
    });
    expect(catalogue.find('qwen-plus-2025-07-28')?.thinking).toBe('hybrid-default-off');
  });

  it('finds a snapshot by its short alias, which it does not list', () => {
    expect(catalogue.find('qwen-plus-0728')).toMatchObject({ id: 'qwen-plus-0728', entryId: 'qwen-plus' });
    expect(catalogue.list().some((card) => card.id === 'qwen-plus-0728')).toBe(false);
  });

  it('lists an entry before its snapshots', () => {
    const ids = catalogue.list().map((card) => card.id);
    expect(ids.indexOf('qwen-max')).toBeLessThan(ids.indexOf('qwen-max-2025-01-25'));
  });

  it('takes an unknown ability as there and an unknown budget as bounded by the context', () => {
    expect(catalogue.find('qwen2.5-coder-7b-instruct')?.abilities.tools).toBe(true);
    expect(catalogue.find('qwen-vl-max')?.abilities.tools).toBe(false);
    expect(catalogue.find('kimi/kimi-k2.6')?.thinkingBudgetMax).toBe(262144);
    expect(catalogue.find('gui-plus-2026-02-26')).toMatchObject({
      thinking: 'hybrid-default-off',
      thinkingBudgetMax: 256000,
    });
  });

  it('says which caches a model has, and from which prefix on', () => {
    const cacheOf = (id: string) => catalogue.find(id)?.cache;
    const usual = { explicit: true, implicit: true, session: true, explicitMinTokens: 1024, implicitMinTokens: 256 };
    expect(cacheOf('qwen-plus')).toEqual(usual);
    expect(cacheOf('qwen3.7-max')).toEqual({ ...usual, implicitMinTokens: 1000 });
    expect(cacheOf('MiniMax/MiniMax-M2.7')).toMatchObject({ explicit: false, implicit: true, implicitMinTokens: 512 });
    expect(cacheOf('qwen-max')).toMatchObject({ explicit: false, implicit: true, session: false });
    // A snapshot has what it says itself, and no session of its entry's without marks.
    expect(cacheOf('qwen-plus-2025-12-01')).toMatchObject({ explicit: false, implicit: false, session: false });
    // What nobody knows counts as there.
    expect(cacheOf('glm-5.2')).toEqual(usual);
  });

  it('switches caches by snapshot, and bounds a prompt by its window', () => {
    expect(catalogue.find('qwen-plus')?.hasContextCache).toBe(true);
    expect(catalogue.find('qwen-plus-2025-12-01')?.hasContextCache).toBe(false);
    expect(catalogue.find('qwen-vl-plus-2025-07-10')).toMatchObject({ contextWindow: 32_768, maxInput: 32_768 });
  });

  it('gives every card usable values', () => {
    for (const card of catalogue.list()) {
      expect(['none', 'hybrid-default-off', 'hybrid-default-on', 'always']).toContain(card.thinking);
      expect(Number.isInteger(card.releasedAtSeconds), card.id).toBe(true);
      expect(card.thinkingBudgetMax > 0, card.id).toBe(card.thinking !== 'none');
      const { contextWindow, maxInput, maxInputThinking, maxOutput } = card;
      for (const length of [maxInput, maxInputThinking])
        if (length !== null && contextWindow !== null) expect(length, card.id).toBeLessThanOrEqual(contextWindow);
      for (const length of [contextWindow, maxInput, maxInputThinking, maxOutput])
        if (length !== null) expect(length, card.id).toBeGreaterThan(0);
    }
  });
});
