/**
 * The catalogue of models, from `models.json`, as `ModelCard`s.
 *
 * The file's shape is held by a test, not at each start. Where the file says `null` (nobody knows), an ability counts as
 * there: refusing what may well be allowed would break programs that work elsewhere.
 */
import { readFileSync } from 'node:fs';
import {
  type ModelAbilities,
  type ModelCache,
  type ModelCard,
  type ModelCatalogue,
  type SamplingDefaults,
  type ThinkingMode,
  USUAL_CACHE,
} from '../core/models.ts';
import type { CatalogueEntry, CatalogueSnapshot } from './schema.ts';
import { type OfferedModel, REGIONS_OF_SCOPE, termsOf } from './terms.ts';

const THINKING_MODES: { readonly [mode: string]: ThinkingMode } = {
  none: 'none',
  // One snapshot says only "hybrid"; the safe reading is that nothing changes for a caller who says nothing.
  hybrid: 'hybrid-default-off',
  hybrid_default_off: 'hybrid-default-off',
  hybrid_default_on: 'hybrid-default-on',
  always: 'always',
};

/**
 * The catalogue. An id is an entry, a snapshot, or a snapshot's short alias (`qwen-plus-0728`); `list` leaves the short
 * aliases out, as they are second spellings of what it lists.
 */
export function loadCatalogue(): ModelCatalogue {
  const entries = JSON.parse(readFileSync(new URL('./models.json', import.meta.url), 'utf8')) as CatalogueEntry[];
  const listed: ModelCard[] = [];
  const byId = new Map<string, ModelCard>();
  for (const entry of entries) {
    const model = { ...entry, hasOwnPrices: false, hasOwnLimits: false };
    listed.push(cardOf(model, entry.id, entry.released_at));
    for (const snapshot of entry.snapshots) {
      const card = cardOf(snapshotOf(entry, snapshot), snapshot.id, dateIn(snapshot.id) ?? entry.released_at);
      listed.push(card);
      if (snapshot.short_alias !== null) byId.set(snapshot.short_alias, { ...card, id: snapshot.short_alias });
    }
  }
  for (const card of listed) byId.set(card.id, card);
  return { find: (id) => byId.get(id), list: () => listed };
}

/**
 * A snapshot inherits everything but caches, batches and places (models reference §2). Keys of `vision` among its
 * overrides land beside it, where nothing reads them.
 */
function snapshotOf(entry: CatalogueEntry, snapshot: CatalogueSnapshot): OfferedModel {
  const { free_quota_tokens: freeTokens, ...changes } = snapshot.overrides;
  const scopes = snapshot.deployment_scopes;
  return {
    ...entry,
    ...(changes as Partial<CatalogueEntry>),
    cache_explicit: snapshot.cache_explicit,
    cache_implicit: snapshot.cache_implicit,
    batch_discount: snapshot.batch_file ? entry.batch_discount : 0,
    ...(scopes && { deployment_scopes: scopes, regions: scopes.flatMap((scope) => REGIONS_OF_SCOPE[scope]) }),
    ...(entry.free_quota && freeTokens !== undefined && { free_quota: { ...entry.free_quota, tokens: freeTokens } }),
    hasOwnPrices: changes.price_tiers !== undefined,
    hasOwnLimits: changes.rate_limits !== undefined,
  };
}

function cardOf(entry: OfferedModel, id: string, releasedAt: string | null): ModelCard {
  const thinking = THINKING_MODES[entry.thinking_mode] ?? 'none';
  return {
    id,
    entryId: entry.id,
    name: entry.name,
    family: entry.family,
    owner: entry.owner,
    kinds: entry.kinds,
    status: entry.status,
    isOpenWeights: entry.open_weights,
    releasedAtSeconds: releasedAt === null ? 0 : Date.parse(`${releasedAt}T00:00:00Z`) / 1000,
    inputModalities: entry.input_modalities ?? ['text'],
    thinking,
    thinkingBudgetMax: thinking === 'none' ? 0 : budgetMaxOf(entry),
    isThinkingBudgetSettable: entry.thinking_budget_settable ?? thinking !== 'none',
    reasoningEfforts: entry.reasoning_effort,
    preservesThinking: entry.preserve_thinking ?? thinking !== 'none',
    streamRequired: entry.stream_required,
    contextWindow: entry.context_window,
    maxInput: longestInput(entry.max_input, entry),
    // 0 in the file: the mode does not exist.
    maxInputThinking: longestInput(entry.max_input_thinking || null, entry),
    maxOutput: entry.max_output,
    maxOutputIncludesReasoning: entry.max_output_includes_reasoning ?? false,
    abilities: abilitiesOf(entry),
    hasContextCache: hasCache(entry),
    cache: cacheOf(entry),
    defaultSampling: samplingOf(entry.default_sampling ?? {}),
    terms: termsOf(entry),
    surfaces: {
      chat: entry.api_chat,
      responses: entry.api_responses ?? true,
      messages: entry.api_anthropic ?? true,
      native: entry.api_dashscope === false ? 'none' : entry.api_dashscope,
    },
  };
}

/** Some snapshots have a smaller window than their entry and say nothing of their input. */
function longestInput(input: number | null, { context_window: window }: CatalogueEntry): number | null {
  return input === null || window === null ? input : Math.min(input, window);
}

/** Where the longest chain of thought is unknown, only the context window bounds it. */
function budgetMaxOf(entry: CatalogueEntry): number {
  return entry.thinking_budget_max || (entry.context_window ?? Number.MAX_SAFE_INTEGER);
}

function abilitiesOf(entry: CatalogueEntry): ModelAbilities {
  return {
    tools: entry.tools ?? true,
    parallelTools: entry.parallel_tools ?? true,
    jsonObject: entry.json_object ?? true,
    jsonSchema: entry.json_schema ?? true,
    partialMode: entry.partial_mode ?? true,
    logprobs: entry.logprobs ?? true,
    fim: entry.fim_completions,
    webSearch: entry.web_search ?? true,
    codeInterpreter: entry.code_interpreter ?? true,
    vision: entry.vision === null || (entry.vision !== false && entry.vision.images),
    video: entry.vision === null || (entry.vision !== false && entry.vision.video),
  };
}

/** Undefined where the file knows of none and does not know of both. */
function hasCache({ cache_explicit: explicit, cache_implicit: implicit }: CatalogueEntry): boolean | undefined {
  if (explicit || implicit) return true;
  return explicit === null || implicit === null ? undefined : false;
}

/** A snapshot without marks has no session of its entry's either: both keep blocks. */
function cacheOf(entry: CatalogueEntry): ModelCache {
  const explicit = entry.cache_explicit ?? true;
  return {
    explicit,
    implicit: entry.cache_implicit ?? true,
    session: explicit && (entry.cache_session ?? true),
    explicitMinTokens: entry.cache_min_tokens?.explicit ?? USUAL_CACHE.explicitMinTokens,
    implicitMinTokens: entry.cache_min_tokens?.implicit ?? USUAL_CACHE.implicitMinTokens,
  };
}

function samplingOf(defaults: { readonly [key: string]: number | null }): SamplingDefaults {
  return {
    temperature: defaults.temperature ?? null,
    temperatureThinking: defaults.temperature_thinking ?? null,
    topP: defaults.top_p ?? null,
    topPThinking: defaults.top_p_thinking ?? null,
    topK: defaults.top_k ?? null,
    repetitionPenalty: defaults.repetition_penalty ?? null,
    presencePenalty: defaults.presence_penalty ?? null,
  };
}

/** The date a snapshot's id ends in. */
function dateIn(id: string): string | undefined {
  return /\d{4}-\d{2}-\d{2}/.exec(id)?.[0];
}
