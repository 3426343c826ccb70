/** What the catalogue knows of a model, as the program uses it. Source: the vendor's model list; see src/catalogue. */
import type { ModelPrices } from './prices.ts';

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
  readonly defaultSampling: SamplingDefaults;
  /** Absent where the catalogue knows none: calls are free then. */
  readonly prices?: ModelPrices | undefined;
  readonly surfaces: {
    readonly chat: boolean;
    readonly responses: boolean;
    readonly messages: boolean;
    /** The one native service that takes the model; `none` takes it. Absent: nobody knows, so each may. */
    readonly native?: NativeService | 'none' | undefined;
  };
}

/** Looks models up. */
export interface ModelCatalogue {
  /** The card of an id, alias, snapshot or short alias; undefined when unknown. Case-sensitive. */
  find(id: string): ModelCard | undefined;
  /** Every id a caller may ask for, entries before their snapshots. */
  list(): readonly ModelCard[];
}
