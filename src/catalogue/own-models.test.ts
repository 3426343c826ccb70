import { describe, expect, it } from 'vitest';
import { type OwnModel, permissiveCard } from '../core/models.ts';
import type { ModelPrices } from '../core/prices.ts';
import { REGIONS } from '../core/regions.ts';
import { withAliases } from './aliases.ts';
import { loadCatalogue } from './load.ts';
import { withOwnModels } from './own-models.ts';

const catalogue = loadCatalogue();
const prices: ModelPrices = {
  tiers: [{ overTokens: 0, upToTokens: null, inputPico: 1, outputPico: 2, outputThinkingPico: 2 }],
  cacheReadPermille: 200,
  explicitCacheReadPermille: 100,
  cacheWritePermille: 1250,
  batchPermille: 500,
};
const nothing = {
  tools: false,
  parallelTools: false,
  jsonObject: false,
  jsonSchema: false,
  partialMode: false,
  logprobs: false,
  fim: false,
  webSearch: false,
  codeInterpreter: false,
  vision: false,
  video: false,
};

function cardOf(own: OwnModel) {
  const card = withOwnModels([own], catalogue).find(own.id);
  if (!card) throw new Error(`${own.id} is an own model`);
  return card;
}

describe('a new model', () => {
  it('may do anything, anywhere, for nothing, until something is said of it', () => {
    expect(cardOf({ id: 'mine' })).toEqual(permissiveCard('mine'));
  });

  it('is what is said of it', () => {
    const terms = { prices, freeQuota: { tokens: 5, days: 90, isPaidAfter: true } };
    const card = cardOf({
      id: 'mine',
      name: 'Mine',
      contextWindow: 8192,
      maxOutput: 1024,
      thinking: { mode: 'hybrid-default-on', budgetMax: 512 },
      abilities: { ...nothing, vision: true },
      regions: ['singapore'],
      terms,
    });
    expect(card).toMatchObject({
      id: 'mine',
      name: 'Mine',
      contextWindow: 8192,
      maxInput: 8192,
      maxInputThinking: 8192,
      maxOutput: 1024,
      thinking: 'hybrid-default-on',
      thinkingBudgetMax: 512,
      kinds: ['chat', 'vision'],
      inputModalities: ['text', 'image'],
      abilities: { vision: true, tools: false },
    });
    expect(card.terms).toEqual({ singapore: terms });
  });

  it('stands before the catalogue’s in the list', () => {
    const listed = withOwnModels([{ id: 'mine' }, { id: 'qwen-plus' }], catalogue).list();
    expect(listed.slice(0, 2).map(({ id }) => id)).toEqual(['mine', 'qwen-plus']);
    expect(listed).toHaveLength(catalogue.list().length + 1);
    expect(withOwnModels([{ id: 'mine' }], catalogue).find('qwen-max')).toBe(catalogue.find('qwen-max'));
  });

  it('can have other names', () => {
    const own = withOwnModels([{ id: 'mine', terms: { prices } }], catalogue);
    const router = { resolve: () => undefined };
    const aliases = [{ pattern: 'gpt-5', model: 'mine', isFallback: false }];
    const aliased = withAliases(aliases, own, router).catalogue;
    expect(aliased.find('gpt-5')).toMatchObject({ id: 'gpt-5', terms: { frankfurt: { prices } } });
    expect(aliased.list().map(({ id }) => id)).toContain('gpt-5');
  });
});

describe('a model of the catalogue', () => {
  it('stays what it is, and comes to every region', () => {
    const known = catalogue.find('qwen-long');
    const card = cardOf({ id: 'qwen-long' });
    expect({ ...card, terms: {} }).toEqual({ ...known, terms: {} });
    expect(Object.keys(card.terms).sort()).toEqual([...REGIONS].sort());
    expect(card.terms.beijing).toEqual(known?.terms.beijing);
    // What it costs in Beijing, without Beijing's free tokens.
    expect(card.terms.virginia?.prices).toEqual(known?.terms.beijing?.prices);
    expect(card.terms.virginia?.freeQuota).toBeUndefined();
  });

  it('keeps a region’s own terms, under those of the configuration', () => {
    const card = cardOf({ id: 'qwen-plus', terms: { prices } });
    expect(card.terms.beijing).toEqual({ ...catalogue.find('qwen-plus')?.terms.beijing, prices });
    expect(card.terms.singapore?.limits).toEqual(catalogue.find('qwen-plus')?.terms.singapore?.limits);
  });

  it('is bounded by a smaller context in whatever was not said', () => {
    expect(cardOf({ id: 'qwen-plus', contextWindow: 4096 })).toMatchObject({
      maxInput: 4096,
      maxInputThinking: 4096,
      maxOutput: 4096,
    });
    expect(cardOf({ id: 'qwen-plus', maxInput: 100 })).toMatchObject({
      contextWindow: 1_000_000,
      maxInput: 100,
      maxInputThinking: 100,
      maxOutput: 32_768,
    });
  });

  it('may be another one here: it thinks otherwise, and need not stream', () => {
    expect(cardOf({ id: 'qwq-plus', thinking: { mode: 'none' } })).toMatchObject({
      thinking: 'none',
      thinkingBudgetMax: 0,
      isThinkingBudgetSettable: false,
      streamRequired: 'no',
    });
  });
});
