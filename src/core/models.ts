/** What the catalogue knows of a model, as the program uses it. Source: the vendor's model list; see src/catalogue. */
import type { FreeQuota, ModelPrices } from './prices.ts';
import { REGIONS, type Region } from './regions.ts';

/** What happens when the caller says nothing about thinking. */
export type ThinkingMode = 'none' | 'hybrid-default-off' | 'hybrid-default-on' | 'always';

export interface ModelAbilities {
  readonly tools: boolean;
  readonly parallelTools: boolean;
  readonly jsonObject: boolean;
  readonly jsonSchema: boolean;
  readonly partialMode: boolean;
  readonly logprobs: boolean;
  readonly fim: boolean;
  readonly webSearch: boolean;
  readonly codeInterpreter: boolean;
  readonly vision: boolean;
  readonly video: boolean;
}

/** Which context caches a model has, and the smallest prefix each keeps ("Context cache"). */
export interface ModelCache {
  /** `cache_control` marks. */
  readonly explicit: boolean;
  /** Found without being asked for. */
  readonly implicit: boolean;
  /** Of the Responses API. */
  readonly session: boolean;
  /** Also of a session. */
  readonly explicitMinTokens: number;
  readonly implicitMinTokens: number;
}

/** What the page says of most models, so what is taken where nobody knows. */
export const USUAL_CACHE: ModelCache = {
  explicit: true,
  implicit: true,
  session: true,
  explicitMinTokens: 1024,
  implicitMinTokens: 256,
};

/** The services of the vendor's native API that generate text. */
export type NativeService = 'text-generation' | 'multimodal-generation';

/** Sampling the vendor's service uses when the caller says nothing; null where unknown. */
export interface SamplingDefaults {
  readonly temperature: number | null;
  readonly temperatureThinking: number | null;
  readonly topP: number | null;
  readonly topPThinking: number | null;
  readonly topK: number | null;
  readonly repetitionPenalty: number | null;
  readonly presencePenalty: number | null;
}

/** What holds for a model in one region. */
export interface ModelTerms {
  /** Absent where the catalogue knows none: calls are free then. */
  readonly prices?: ModelPrices | undefined;
  readonly freeQuota?: FreeQuota | undefined;
  readonly limits?: ModelLimits | undefined;
}

/** Calls and tokens (input and output) an account may make of a model; a window is how long the allowance is gathered for. */
export interface ModelLimits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  /** So many calls or tokens in so many seconds (`rate_window`); null: those a minute in a minute. */
  readonly requestWindow: { readonly count: number; readonly seconds: number } | null;
  readonly tokenWindow: { readonly count: number; readonly seconds: number } | null;
}

export interface ModelCard {
  /** The id a caller asked with (alias, snapshot or short alias). */
  readonly id: string;
  /** The catalogue entry it belongs to. */
  readonly entryId: string;
  readonly name: string;
  readonly family: string;
  readonly owner: string;
  readonly kinds: readonly string[];
  readonly status: string;
  readonly isOpenWeights: boolean;
  readonly releasedAtSeconds: number;
  readonly inputModalities: readonly string[];
  readonly thinking: ThinkingMode;
  readonly thinkingBudgetMax: number;
  readonly isThinkingBudgetSettable: boolean;
  readonly reasoningEfforts: readonly string[];
  readonly preservesThinking: boolean;
  readonly streamRequired: 'no' | 'thinking' | 'always';
  /** Tokens; null where the catalogue does not know. */
  readonly contextWindow: number | null;
  readonly maxInput: number | null;
  readonly maxInputThinking: number | null;
  readonly maxOutput: number | null;
  readonly maxOutputIncludesReasoning: boolean;
  readonly abilities: ModelAbilities;
  /** Prompts are kept for later calls, asked or not. Absent: nobody knows. */
  readonly hasContextCache?: boolean | undefined;
  /** Absent: nobody knows, so the usual ones. */
  readonly cache?: ModelCache | undefined;
  readonly defaultSampling: SamplingDefaults;
  /** Regions a caller may ask for it in, and on what terms. A model that is not in a region is unknown there. */
  readonly terms: { readonly [region in Region]?: ModelTerms };
  readonly surfaces: {
    readonly chat: boolean;
    readonly responses: boolean;
    readonly messages: boolean;
    /** The one native service that takes the model; `none` takes it. Absent: nobody knows, so each may. */
    readonly native?: NativeService | 'none' | undefined;
  };
}

/** What the configuration says of a model; what it leaves out is the catalogue's, or unbounded. */
export interface OwnModel {
  readonly id: string;
  readonly name?: string | undefined;
  readonly contextWindow?: number | undefined;
  readonly maxInput?: number | undefined;
  readonly maxOutput?: number | undefined;
  readonly thinking?: { readonly mode: ThinkingMode; readonly budgetMax?: number | undefined } | undefined;
  /** All that it can do. */
  readonly abilities?: ModelAbilities | undefined;
  /** All that have it; absent: every one. */
  readonly regions?: readonly Region[] | undefined;
  /** In every region, over what the catalogue has. No member is undefined. */
  readonly terms?: ModelTerms | undefined;
}

/** Looks models up. */
export interface ModelCatalogue {
  /** The card of an id, alias, snapshot or short alias; undefined when unknown. Case-sensitive. */
  find(id: string): ModelCard | undefined;
  /** Every id a caller may ask for, entries before their snapshots. */
  list(): readonly ModelCard[];
}

/** The same terms in every region. */
export function termsEverywhere(terms: ModelTerms = {}): ModelCard['terms'] {
  return Object.fromEntries(REGIONS.map((region) => [region, terms]));
}

/** Made once: a call of a model nobody described asks for it. */
const NO_TERMS = termsEverywhere();

/** The longest prompt the model takes while it thinks, or while it does not; null where nobody knows. */
export function maxInputOf(card: Pick<ModelCard, 'maxInput' | 'maxInputThinking'>, isThinking: boolean): number | null {
  return (isThinking ? card.maxInputThinking : null) ?? card.maxInput;
}

/**
 * A card for a model nobody described: everything is allowed, nothing is bounded, thinking is off until asked for. The
 * backend that answers knows its own limits.
 */
export function permissiveCard(id: string): ModelCard {
  return {
    id,
    entryId: id,
    name: id,
    family: 'own',
    owner: 'own',
    kinds: ['chat'],
    status: 'current',
    isOpenWeights: false,
    releasedAtSeconds: 0,
    inputModalities: ['text', 'image', 'video', 'audio'],
    thinking: 'hybrid-default-off',
    thinkingBudgetMax: Number.MAX_SAFE_INTEGER,
    isThinkingBudgetSettable: true,
    reasoningEfforts: ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'],
    preservesThinking: true,
    streamRequired: 'no',
    contextWindow: null,
    maxInput: null,
    maxInputThinking: null,
    maxOutput: null,
    maxOutputIncludesReasoning: false,
    abilities: {
      tools: true,
      parallelTools: true,
      jsonObject: true,
      jsonSchema: true,
      partialMode: true,
      logprobs: true,
      fim: true,
      webSearch: true,
      codeInterpreter: true,
      vision: true,
      video: true,
    },
    defaultSampling: {
      temperature: null,
      temperatureThinking: null,
      topP: null,
      topPThinking: null,
      topK: null,
      repetitionPenalty: null,
      presencePenalty: null,
    },
    terms: NO_TERMS,
    surfaces: { chat: true, responses: true, messages: true },
  };
}
