/**
 * The catalogue of models, from `models.json`, as `ModelCard`s.
 *
 * The file's shape is held by a test, not at each start. Where the file says `null` (nobody knows), an ability counts as
 * there: refusing what may well be allowed would break programs that work elsewhere.
 */
import { readFileSync } from 'node:fs';
import type {
  ModelAbilities,
  ModelCard,
  ModelCatalogue,
  NativeService,
  SamplingDefaults,
  ThinkingMode,
} from '../core/models.ts';
import type { ModelPrices } from '../core/prices.ts';

/** What this program reads of an entry of `models.json`; the keys are described in the catalogue's own reference. */
interface CatalogueEntry {
  readonly id: string;
  readonly name: string;
  readonly family: string;
  readonly owner: string;
  readonly status: string;
  readonly released_at: string | null;
  readonly kinds: readonly string[];
  readonly open_weights: boolean;
  readonly input_modalities: readonly string[] | null;
  readonly thinking_mode: string;
  readonly thinking_budget_max: number | null;
  readonly thinking_budget_settable: boolean | null;
  readonly reasoning_effort: readonly string[];
  readonly preserve_thinking: boolean | null;
  readonly stream_required: 'no' | 'thinking' | 'always';
  readonly context_window: number | null;
  readonly max_input: number | null;
  readonly max_input_thinking: number | null;
  readonly max_output: number | null;
  readonly max_output_includes_reasoning: boolean | null;
  readonly tools: boolean | null;
  readonly parallel_tools: boolean | null;
  readonly json_object: boolean | null;
  readonly json_schema: boolean | null;
  readonly partial_mode: boolean | null;
  readonly fim_completions: boolean;
  readonly logprobs: boolean | null;
  readonly vision: { readonly images: boolean; readonly video: boolean } | false | null;
  readonly web_search: boolean | null;
  readonly code_interpreter: boolean | null;
  readonly cache_explicit: boolean | null;
  readonly cache_implicit: boolean | null;
  readonly api_chat: boolean;
  readonly api_responses: boolean | null;
  readonly api_anthropic: boolean | null;
  readonly api_dashscope: NativeService | false;
  /** The prices that hold, a million tokens in yuan; where vendor and founding document differ, the latter's. */
  readonly price_effective: readonly CataloguePriceTier[] | null;
  readonly cache_price_multipliers: {
    readonly implicit_hit: number | null;
    readonly explicit_create: number | null;
  } | null;
  /** The share that lines of a batch are cheaper by; 0: as dear as any call. */
  readonly batch_discount: number | null;
  readonly default_sampling: { readonly [key: string]: number | null } | null;
  readonly snapshots: readonly CatalogueSnapshot[];
}

interface CataloguePriceTier {
  readonly over: number;
  readonly up_to: number | null;
  readonly input: number;
  /** One of the two may be null: the model only thinks, or never does. */
  readonly output: number | null;
  readonly output_thinking: number | null;
}

interface CatalogueSnapshot {
  readonly id: string;
  readonly short_alias: string | null;
  /** Keys of the entry that differ. Prices, rates and pixel limits among them are not this program's concern yet. */
  readonly overrides: Partial<CatalogueEntry>;
}

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
    listed.push(cardOf(entry, entry.id, entry.released_at));
    for (const snapshot of entry.snapshots) {
      const merged = { ...entry, ...snapshot.overrides };
      const releasedAt = dateIn(snapshot.id) ?? entry.released_at;
      listed.push(cardOf(merged, snapshot.id, releasedAt));
      if (snapshot.short_alias !== null)
        byId.set(snapshot.short_alias, cardOf(merged, snapshot.short_alias, releasedAt));
    }
  }
  for (const card of listed) byId.set(card.id, card);
  return { find: (id) => byId.get(id), list: () => listed };
}

function cardOf(entry: CatalogueEntry, id: string, releasedAt: string | null): ModelCard {
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
    maxInput: entry.max_input,
    // 0 in the file: the mode does not exist.
    maxInputThinking: entry.max_input_thinking === 0 ? null : entry.max_input_thinking,
    maxOutput: entry.max_output,
    maxOutputIncludesReasoning: entry.max_output_includes_reasoning ?? false,
    abilities: abilitiesOf(entry),
    hasContextCache: hasCache(entry),
    defaultSampling: samplingOf(entry.default_sampling ?? {}),
    prices: pricesOf(entry),
    surfaces: {
      chat: entry.api_chat,
      responses: entry.api_responses ?? true,
      messages: entry.api_anthropic ?? true,
      native: entry.api_dashscope === false ? 'none' : entry.api_dashscope,
    },
  };
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

/** "Context cache": what a hit costs where nothing else is said. A model without a batch price has the full one. */
const IMPLICIT_HIT = 0.2;
const EXPLICIT_CREATE = 1.25;

function pricesOf(entry: CatalogueEntry): ModelPrices | undefined {
  const tiers = entry.price_effective ?? [];
  if (tiers.length === 0) return undefined;
  return {
    tiers: tiers.map(({ over, up_to, input, output, output_thinking }) => ({
      overTokens: over,
      upToTokens: up_to,
      inputPico: picoOf(input),
      outputPico: picoOf(output ?? output_thinking ?? 0),
      outputThinkingPico: picoOf(output_thinking ?? output ?? 0),
    })),
    cacheReadPermille: permilleOf(entry.cache_price_multipliers?.implicit_hit ?? IMPLICIT_HIT),
    cacheWritePermille: permilleOf(entry.cache_price_multipliers?.explicit_create ?? EXPLICIT_CREATE),
    batchPermille: permilleOf(1 - (entry.batch_discount ?? 0)),
  };
}

/** Yuan a million tokens → pico-yuan a token. */
function picoOf(yuan: number): number {
  return Math.round(yuan * 1_000_000);
}

function permilleOf(factor: number): number {
  return Math.round(factor * 1000);
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
