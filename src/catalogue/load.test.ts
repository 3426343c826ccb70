import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadCatalogue } from './load.ts';

const catalogue = loadCatalogue();
const file: unknown = JSON.parse(readFileSync(new URL('./models.json', import.meta.url), 'utf8'));

const flag = z.boolean().nullable();
const tokens = z.number().int().nonnegative().nullable();
const date = z.iso.date().nullable();
const tiers = z.array(
  z.strictObject({
    over: z.number(),
    up_to: z.number().nullable(),
    input: z.number(),
    output: z.number().nullable(),
    output_thinking: z.number().nullable(),
  }),
);
const entry = z.strictObject({
  id: z.string().min(1),
  name: z.string().min(1),
  family: z.string().min(1),
  owner: z.string().min(1),
  inference_provider: z.string(),
  seed_model: z.boolean(),
  status: z.enum(['current', 'legacy', 'retiring', 'later']),
  released_at: date,
  retires_at: date,
  kinds: z.array(z.string()).min(1),
  open_weights: z.boolean(),
  input_modalities: z.array(z.enum(['text', 'image', 'video'])).nullable(),
  output_modalities: z.array(z.string()),
  thinking_mode: z.enum(['none', 'hybrid_default_off', 'hybrid_default_on', 'always']),
  thinking_budget_max: tokens,
  thinking_budget_settable: flag,
  reasoning_effort: z.array(z.string()),
  preserve_thinking: flag,
  stream_required: z.enum(['no', 'thinking', 'always']),
  context_window: tokens,
  context_window_thinking: tokens,
  max_input: tokens,
  max_input_thinking: tokens,
  max_output: tokens,
  max_output_includes_reasoning: flag,
  tools: flag,
  parallel_tools: flag,
  tool_stream: flag,
  json_object: flag,
  json_schema: flag,
  partial_mode: flag,
  fim_completions: z.boolean(),
  logprobs: flag,
  vision: z.union([z.literal(false), z.looseObject({ images: z.boolean(), video: z.boolean() })]).nullable(),
  cache_explicit: flag,
  cache_implicit: flag,
  cache_session: flag,
  cache_price_multipliers: z.record(z.string(), z.number().nullable()).nullable(),
  cache_min_tokens: z.record(z.string(), z.number().nullable()).nullable(),
  web_search: flag,
  code_interpreter: flag,
  builtin_tools: z.array(z.looseObject({ tool: z.string() })).nullable(),
  api_chat: z.boolean(),
  api_responses: flag,
  api_anthropic: flag,
  api_dashscope: z.union([z.string(), z.literal(false)]),
  api_batch_file: flag,
  api_batch_chat: flag,
  batch_discount: z.number().nullable(),
  regions: z.array(z.string()),
  deployment_scopes: z.array(z.string()),
  rate_limits: z.record(z.string(), z.unknown()).nullable(),
  rate_window: z.record(z.string(), z.number().nullable()).nullable(),
  price_tiers: z.record(z.string(), tiers).nullable(),
  price_seed: z.record(z.string(), z.unknown()).nullable(),
  price_effective: tiers.nullable(),
  price_promo: z.string().nullable(),
  free_quota: z.record(z.string(), z.unknown()).nullable(),
  default_sampling: z.record(z.string(), z.number().nullable()).nullable(),
  alias_of: z.string().nullable(),
  snapshots: z.array(
    z.strictObject({
      id: z.string().min(1),
      type: z.string(),
      short_alias: z.string().nullable(),
      deployment_scopes: z.array(z.string()).nullable(),
      cache_explicit: flag,
      cache_implicit: flag,
      batch_file: flag,
      overrides: z.record(z.string(), z.unknown()),
    }),
  ),
  nearest_open_weight: z.record(z.string(), z.unknown()),
  cpu_stand_in: z.record(z.string(), z.unknown()),
  conflicts: z.array(z.string()),
  notes: z.array(z.string()),
  sources: z.array(z.string()),
});

describe('models.json', () => {
  it('has the shape the catalogue reads', () => {
    const result = z.array(entry).safeParse(file);
    expect(result.success ? [] : result.error.issues.slice(0, 5)).toEqual([]);
  });

  it('holds 143 entries and 87 snapshots, no id twice', () => {
    const entries = z.array(entry).parse(file);
    expect(entries).toHaveLength(143);
    expect(catalogue.list()).toHaveLength(143 + 87);
    expect(new Set(catalogue.list().map((card) => card.id)).size).toBe(230);
  });

  it('has every model the founding document names, each findable', () => {
    const seeds = z
      .array(entry)
      .parse(file)
      .filter((each) => each.seed_model);
    expect(seeds).toHaveLength(41);
    for (const seed of seeds) expect(catalogue.find(seed.id)).toMatchObject({ id: seed.id, entryId: seed.id });
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

  it('gives every card usable values', () => {
    for (const card of catalogue.list()) {
      expect(['none', 'hybrid-default-off', 'hybrid-default-on', 'always']).toContain(card.thinking);
      expect(Number.isInteger(card.releasedAtSeconds), card.id).toBe(true);
      expect(card.thinkingBudgetMax > 0, card.id).toBe(card.thinking !== 'none');
    }
  });
});
