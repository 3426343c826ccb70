/**
 * The shape of `models.json`, whole. A test holds the file to it; the program itself only takes its types, so that no start
 * pays for checking 10,000 lines that never change. What each key means: docs/models.md, "The catalogue".
 */
import { z } from 'zod';

/** `null` where nobody knows. */
const flag = z.boolean().nullable();
const count = z.int().positive().nullable();
/** 0: the mode or the thing does not exist. */
const countOrNone = z.int().nonnegative().nullable();
const date = z.iso.date().nullable();
const price = z.number().nonnegative().max(1000);

/** Where inference may run; prices and limits are told by these. */
const SCOPES = ['beijing', 'global', 'singapore', 'eu', 'us'] as const;
const scope = z.enum(SCOPES);
const byScope = <Value extends z.ZodType>(value: Value) => z.partialRecord(scope, value);

/** Yuan a million tokens, for prompts with `over < tokens <= up_to`. */
const priceTier = z.strictObject({
  over: z.int().nonnegative(),
  up_to: z.int().positive().nullable(),
  input: price,
  /** Null: it cannot answer without thinking, or cannot think. Never both. */
  output: price.nullable(),
  output_thinking: price.nullable(),
});
const priceTiers = z
  .array(priceTier)
  .min(1)
  .refine((tiers) => tiers.every(({ over }, index) => over === (tiers[index - 1]?.up_to ?? 0)), {
    error: 'tiers begin at 0 and follow one another without a gap',
  })
  .refine((tiers) => tiers.slice(0, -1).every(({ up_to }) => up_to !== null), { error: 'only the last tier is open' })
  .refine((tiers) => tiers.every((tier) => (tier.output ?? tier.output_thinking) !== null), {
    error: 'a tier has a price of its output',
  });

const rateLimits = byScope(z.strictObject({ rpm: z.int().positive(), tpm: z.int().positive() }));

const range = z.tuple([z.number(), z.number()]).nullable();
const vision = z.strictObject({
  images: z.boolean(),
  video: z.boolean(),
  max_images: count,
  max_videos: count,
  token_pixels_side: z.union([z.literal(28), z.literal(32)]).nullable(),
  image_min_pixels_default: count,
  image_max_pixels_default: count,
  image_max_pixels_limit: count,
  high_resolution_max_pixels: count,
  image_max_mb: count,
  base64_max_mb: countOrNone,
  image_aspect_ratio_max: count,
  image_side_min_px_exclusive: count,
  fps_default: count,
  fps_range: range,
  frames_min: count,
  frames_max: count,
  frame_list_max: count,
  video_frame_min_pixels_default: count,
  video_frame_min_pixels_floor: count,
  video_frame_max_pixels_default: count,
  video_frame_max_pixels_limit: count,
  video_total_pixels: count,
  video_max_mb: count,
  video_seconds_range: range,
});

const sampling = z.strictObject({
  temperature: z.number().min(0).lt(2).nullable(),
  temperature_thinking: z.number().min(0).lt(2).nullable(),
  top_p: z.number().positive().max(1).nullable(),
  top_p_thinking: z.number().positive().max(1).nullable(),
  top_k: count,
  // 0 in one entry: the page prints it so.
  repetition_penalty: z.number().nonnegative().nullable(),
  presence_penalty: z.number().min(-2).max(2).nullable(),
  presence_penalty_thinking: z.number().min(-2).max(2).nullable(),
});

/** Keys of the entry that differ, and keys of its `vision`. */
const overrides = z
  .strictObject({
    thinking_mode: z.enum(['none', 'hybrid']),
    thinking_budget_max: countOrNone,
    context_window: count,
    max_input: count,
    max_input_thinking: countOrNone,
    max_output: count,
    price_tiers: byScope(priceTiers),
    rate_limits: rateLimits,
    free_quota_tokens: z.int().nonnegative(),
    ...vision.pick({
      token_pixels_side: true,
      image_min_pixels_default: true,
      image_max_pixels_default: true,
      image_max_pixels_limit: true,
    }).shape,
  })
  .partial();

const snapshot = z.strictObject({
  id: z.string().min(1),
  type: z.enum(['snapshot', 'latest', 'regional']),
  short_alias: z.string().min(1).nullable(),
  /** Null: those of its entry. */
  deployment_scopes: z.array(scope).nullable(),
  cache_explicit: flag,
  cache_implicit: flag,
  batch_file: z.boolean(),
  overrides,
});

const entry = z.strictObject({
  id: z.string().min(1),
  name: z.string().min(1),
  family: z.string().min(1),
  owner: z.string().min(1),
  inference_provider: z.string().min(1),
  /** The founding document names it. */
  seed_model: z.boolean(),
  status: z.enum(['current', 'legacy', 'retiring', 'later']),
  released_at: date,
  retires_at: date,
  kinds: z.array(z.string().min(1)).min(1),
  open_weights: z.boolean(),
  input_modalities: z.array(z.enum(['text', 'image', 'video'])).nullable(),
  output_modalities: z.array(z.literal('text')),
  thinking_mode: z.enum(['none', 'hybrid_default_off', 'hybrid_default_on', 'always']),
  thinking_budget_max: countOrNone,
  thinking_budget_settable: flag,
  reasoning_effort: z.array(z.enum(['low', 'medium', 'high', 'xhigh', 'max'])),
  preserve_thinking: flag,
  stream_required: z.enum(['no', 'thinking', 'always']),
  context_window: count,
  context_window_thinking: countOrNone,
  max_input: count,
  max_input_thinking: countOrNone,
  max_output: count,
  max_output_includes_reasoning: flag,
  tools: flag,
  parallel_tools: flag,
  tool_stream: flag,
  json_object: flag,
  json_schema: flag,
  partial_mode: flag,
  fim_completions: z.boolean(),
  logprobs: flag,
  vision: z.union([z.literal(false), vision]).nullable(),
  cache_explicit: flag,
  cache_implicit: flag,
  cache_session: flag,
  /** Factors on the price of input. */
  cache_price_multipliers: z
    .strictObject({
      implicit_hit: z.number().positive().lt(1).nullable(),
      explicit_create: z.number().min(1).max(2).nullable(),
      explicit_hit: z.number().positive().lt(1).nullable(),
    })
    .nullable(),
  cache_min_tokens: z.strictObject({ implicit: count, explicit: count }).nullable(),
  web_search: flag,
  code_interpreter: flag,
  builtin_tools: z
    .array(
      z.strictObject({
        tool: z.string().min(1),
        api: z.enum(['chat', 'responses']),
        cny_per_1000_calls: z.number().nonnegative(),
      }),
    )
    .nullable(),
  api_chat: z.boolean(),
  api_responses: flag,
  api_anthropic: flag,
  api_dashscope: z.union([z.literal(false), z.enum(['text-generation', 'multimodal-generation'])]),
  api_batch_file: flag,
  api_batch_chat: flag,
  /** The share that lines of a batch are cheaper by; 0: as dear as any call. */
  batch_discount: z.number().min(0).lt(1).nullable(),
  regions: z.array(z.enum(['beijing', 'singapore', 'virginia', 'frankfurt'])).min(1),
  deployment_scopes: z.array(scope).min(1),
  rate_limits: rateLimits.nullable(),
  /** Beijing's limits as the service keeps them: so many in so many seconds. */
  rate_window: z
    .strictObject({
      requests: z.int().positive(),
      requests_per_seconds: z.int().positive(),
      tokens: z.int().positive(),
      tokens_per_seconds: z.int().positive(),
    })
    .nullable(),
  price_tiers: byScope(priceTiers).nullable(),
  price_seed: z.strictObject({ input: price, output: price }).nullable(),
  /** What holds in Beijing: the founding document's price where it has one, else the vendor's. */
  price_effective: priceTiers.nullable(),
  price_promo: z.string().nullable(),
  free_quota: z
    .strictObject({ tokens: countOrNone, days: countOrNone, scope: scope.nullable(), paid_after: z.boolean() })
    .nullable(),
  default_sampling: sampling.nullable(),
  alias_of: z.string().nullable(),
  snapshots: z.array(snapshot),
  nearest_open_weight: z.strictObject({ repo: z.string(), relation: z.enum(['same weights', 'closest']) }),
  cpu_stand_in: z.strictObject({
    repo: z.string(),
    gguf_repo: z.string().nullable(),
    gguf_files: z.array(z.string()),
    mmproj_file: z.string().nullable(),
    approx_download_mb: count,
    file_names_confirmed: z.boolean(),
    alternative: z.string().nullable(),
  }),
  conflicts: z.array(z.string()),
  notes: z.array(z.string()),
  sources: z.array(z.string()),
});

export const catalogueSchema = z.array(entry);

export type CatalogueEntry = z.output<typeof entry>;
export type CatalogueSnapshot = z.output<typeof snapshot>;
export type CataloguePriceTier = z.output<typeof priceTier>;
export type CatalogueScope = z.output<typeof scope>;
