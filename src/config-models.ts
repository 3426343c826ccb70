/** Settings of models: who answers for one, what it is and can do, what it costs. Part of the schema of `config.ts`. */
import { z } from 'zod';
import type { ModelAbilities, OwnModel, ThinkingMode } from './core/models.ts';
import type { PriceOverride } from './core/platform.ts';
import type { ModelPrices, PriceTier } from './core/prices.ts';
import { REGIONS } from './core/regions.ts';

const tokens = (min: number) => {
  const error = `must be a whole number of tokens from ${min} to 100000000`;
  return z.int({ error }).min(min, { error }).max(100_000_000, { error });
};
const wholeCount = z.int({ error: 'must be a whole number from 1' }).min(1, { error: 'must be a whole number from 1' });
const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

// Prices

/** Integers of pico-yuan a token have six decimals of yuan a million. */
const YUAN = 'must be yuan a million tokens, from 0 to 1000000, with at most six decimals';
const yuan = z.number({ error: YUAN }).refine((value) => isDecimal(value, 6) && value <= 1_000_000, { error: YUAN });
const FACTOR = 'must be a number from 0 to 10 with at most three decimals';
const factor = z.number({ error: FACTOR }).refine((value) => isDecimal(value, 3) && value <= 10, { error: FACTOR });

function isDecimal(value: number, decimals: number): boolean {
  return new RegExp(`^\\d+(\\.\\d{1,${decimals}})?$`).test(String(value));
}

const regions = z
  .array(oneOf(REGIONS), { error: 'must be a list of regions' })
  .min(1, { error: 'must name a region' })
  .optional();

const tierShape = {
  input: yuan.describe('Yuan a million tokens of the prompt.'),
  output: yuan.describe('Yuan a million tokens of the answer.'),
  thinkingOutput: yuan.optional().describe('Yuan a million tokens of output of calls that thought; output without it.'),
};
/** The factors that are left out are the service's ("Context cache", "Batch"). */
const priceShape = {
  ...tierShape,
  tiers: z
    .array(
      z.strictObject({
        over: tokens(1).describe('Prompts of more tokens than this have these prices, for all of their tokens.'),
        ...tierShape,
      }),
      { error: 'must be a list of prices, each with over' },
    )
    .refine((tiers) => tiers.every(({ over }, index) => over > (tiers[index - 1]?.over ?? 0)), {
      error: 'must ascend by over',
    })
    .optional()
    .describe('Prices of longer prompts, each with over, ascending.'),
  cacheRead: factor.default(0.2).describe('Share of input that a prompt found in the cache costs.'),
  explicitCacheRead: factor.default(0.1).describe('The same, where a cache_control mark found it.'),
  cacheWrite: factor.default(1.25).describe('Share of input that keeping a prompt by a mark costs.'),
  batch: factor.default(0.5).describe('Share of the price that lines of a batch cost.'),
};
const priceSchema = z.strictObject(priceShape, { error: 'must be a map with input and output' });
type Price = z.output<typeof priceSchema>;

const FROM =
  'must be a day such as 2026-01-31, which begins in Beijing, or a time such as 2026-01-31T08:00:00Z, with its offset';
const datedPriceSchema = z.strictObject(
  {
    from: z
      .union([z.iso.date(), z.iso.datetime({ offset: true })], { error: FROM })
      .optional()
      .describe('When it begins to hold, for calls that begin then or later; always without it.'),
    regions: regions.describe('Regions it holds in; all without it.'),
    ...priceShape,
  },
  { error: 'must be a price, or a list of prices' },
);

/** The setting `prices`. One price may stand without its list. */
export const pricesSchema = z
  .record(
    z.string(),
    z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(datedPriceSchema)),
    { error: 'must be a map from model id to prices' },
  )
  .superRefine((prices, context) => {
    for (const id of Object.keys(prices))
      if (!isNoPattern(id))
        context.addIssue({ code: 'custom', path: [id], message: 'must stand under one model id, not a pattern' });
  });

/** Newer ones behind older ones, as they stand in the file. */
export function priceOverridesOf(prices: z.output<typeof pricesSchema>): PriceOverride[] {
  return Object.entries(prices).flatMap(([model, list]) =>
    list.flatMap(({ from, regions: named, ...price }) =>
      (named ?? [null]).map((region) => ({
        model,
        region,
        validFromMs: from === undefined ? 0 : Date.parse(from.includes('T') ? from : `${from}T00:00:00+08:00`),
        prices: modelPricesOf(price),
      })),
    ),
  );
}

function modelPricesOf(price: Price): ModelPrices {
  const longer = price.tiers ?? [];
  const tiers = [{ over: 0, ...price }, ...longer].map(
    ({ over, input, output, thinkingOutput }, index): PriceTier => ({
      overTokens: over,
      upToTokens: longer[index]?.over ?? null,
      inputPico: picoOf(input),
      outputPico: picoOf(output),
      outputThinkingPico: picoOf(thinkingOutput ?? output),
    }),
  );
  return {
    tiers,
    cacheReadPermille: permilleOf(price.cacheRead),
    explicitCacheReadPermille: permilleOf(price.explicitCacheRead),
    cacheWritePermille: permilleOf(price.cacheWrite),
    batchPermille: permilleOf(price.batch),
  };
}

function picoOf(value: number): number {
  return Math.round(value * 1_000_000);
}

function permilleOf(value: number): number {
  return Math.round(value * 1000);
}

// Models

const CAPABILITIES = [
  'tools',
  'thinking',
  'vision',
  'video',
  'json',
  'jsonSchema',
  'partial',
  'fim',
  'search',
  'codeInterpreter',
  'logprobs',
] as const;

/** As the file has them; the words for a hybrid are what it does when the caller says nothing. */
const THINKING_MODES: { readonly [word in 'off' | 'on' | 'always' | 'none']: ThinkingMode } = {
  off: 'hybrid-default-off',
  on: 'hybrid-default-on',
  always: 'always',
  none: 'none',
};

const modelSchema = z.strictObject(
  {
    backend: z
      .string({ error: 'must be text' })
      .min(1, { error: 'must not be empty' })
      .optional()
      .describe('Who answers: embedded, an upstream id, upstream-id/its-model, scripted/behaviour.'),
    name: z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' }).optional().describe('For people.'),
    context: tokens(1).optional().describe('Tokens that prompt and answer may have together.'),
    maxInput: tokens(1).optional().describe('Tokens a prompt may have; context without it.'),
    maxOutput: tokens(1).optional().describe('Tokens an answer may have.'),
    capabilities: z
      .array(oneOf(CAPABILITIES), { error: `must be a list of ${CAPABILITIES.join(', ')}` })
      .optional()
      .describe(`All that it can do, of ${CAPABILITIES.join(', ')}; everything without it.`),
    thinking: oneOf(['off', 'on', 'always', 'none'])
      .optional()
      .describe('What it does when a caller does not say: think (on), or not (off); always and none leave no choice.'),
    maxThinking: tokens(1).optional().describe('Tokens its reasoning may have.'),
    regions: regions.describe('Regions that have it; all without it.'),
    price: priceSchema.optional().describe('What it costs, in yuan a million tokens; nothing without it.'),
    freeQuota: tokens(0).optional().describe('Tokens that are free for 90 days from its first use.'),
    limits: z
      .strictObject(
        {
          requestsPerMinute: wholeCount.optional().describe('Calls a minute, by all keys together.'),
          tokensPerMinute: wholeCount.optional().describe('Tokens a minute, by all keys together.'),
        },
        { error: 'must be a map with requestsPerMinute and tokensPerMinute' },
      )
      .optional()
      .describe('How much it may be used.'),
  },
  { error: 'must be text (who answers), or a map that describes the model' },
);
export type ModelSetting = z.output<typeof modelSchema>;

/** The setting `models`. Text says who answers; a map says more. */
export const modelsSchema = z
  .record(
    z.string(),
    z.preprocess((value) => (typeof value === 'string' ? { backend: value } : value), modelSchema),
    { error: 'must be a map from model id to backend' },
  )
  .superRefine((models, context) => {
    for (const [pattern, model] of Object.entries(models))
      if (!isNoPattern(pattern) && Object.keys(model).some((key) => key !== 'backend'))
        context.addIssue({
          code: 'custom',
          path: [pattern],
          message: 'must be text: a pattern is routed, only a single id can be described',
        });
  });

function isNoPattern(id: string): boolean {
  return !id.includes('*');
}

/** Every single id of the setting, described or not: whoever names one wants it in every region. */
export function ownModelsOf(models: z.output<typeof modelsSchema>): OwnModel[] {
  return Object.entries(models)
    .filter(([id]) => isNoPattern(id))
    .map(([id, model]) => ({
      id,
      name: model.name,
      contextWindow: model.context,
      maxInput: model.maxInput,
      maxOutput: model.maxOutput,
      thinking: thinkingOf(model),
      abilities: model.capabilities && abilitiesOf(new Set(model.capabilities)),
      regions: model.regions,
      terms: termsOf(model),
    }));
}

function thinkingOf({ thinking, capabilities, maxThinking }: ModelSetting): OwnModel['thinking'] {
  const budget = maxThinking === undefined ? {} : { budgetMax: maxThinking };
  if (thinking !== undefined) return { mode: THINKING_MODES[thinking], ...budget };
  if (capabilities === undefined)
    return maxThinking === undefined ? undefined : { mode: 'hybrid-default-off', ...budget };
  return { mode: capabilities.includes('thinking') ? 'hybrid-default-off' : 'none', ...budget };
}

function abilitiesOf(can: ReadonlySet<(typeof CAPABILITIES)[number]>): ModelAbilities {
  return {
    tools: can.has('tools'),
    parallelTools: can.has('tools'),
    jsonObject: can.has('json'),
    jsonSchema: can.has('jsonSchema'),
    partialMode: can.has('partial'),
    logprobs: can.has('logprobs'),
    fim: can.has('fim'),
    webSearch: can.has('search'),
    codeInterpreter: can.has('codeInterpreter'),
    vision: can.has('vision'),
    video: can.has('video'),
  };
}

const FREE_DAYS = 90;

function termsOf({ price, freeQuota, limits }: ModelSetting): OwnModel['terms'] {
  return {
    ...(price && { prices: modelPricesOf(price) }),
    ...(freeQuota !== undefined && { freeQuota: { tokens: freeQuota, days: FREE_DAYS, isPaidAfter: true } }),
    ...(limits && {
      limits: {
        requestsPerMinute: limits.requestsPerMinute ?? null,
        tokensPerMinute: limits.tokensPerMinute ?? null,
        requestWindow: null,
        tokenWindow: null,
      },
    }),
  };
}
