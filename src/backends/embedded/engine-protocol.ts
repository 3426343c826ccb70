/**
 * What the server and the engine child say to each other, as JSON over the child's IPC channel.
 *
 * The child is a decoder: it holds the weights, tokenises, keeps sequences warm, batches, samples, holds decoding to
 * grammars, splits its text into answer text and calls. It knows nothing of HTTP, wires, schemas or templates: the
 * parent renders prompts, compiles schemas to GBNF and says in a `DecodePlan` how the text is to be made.
 *
 *   parent → child   generate, cancel, count, tokenise, shutdown
 *   child → parent   loading, ready, load-failed, accepted | refused, step*, (choice-end)*, done | failed, counted, tokenised
 *
 * Every job ends with exactly one of `refused`, `done`, `failed`. After `cancel` the child answers `done` with ending
 * `cancelled`, at once: it does not wait for the batch that is being computed.
 */
import type { TokenLogprob } from '../../core/events.ts';
import type { TextToken } from '../../core/ports.ts';

/**
 * A piece of a prompt. `control` text may hold control tokens (`<|im_start|>`); in `plain` text their spelling is just
 * text. The pieces are tokenised apart and joined.
 */
export interface PromptSegment {
  readonly kind: 'control' | 'plain';
  readonly text: string;
}

/** How the calls of one answer are to be decoded. */
export interface CallPlan {
  readonly functions: readonly CallableFunction[];
  /**
   * `auto`: text is free, a call begins when the model opens one in any known spelling *and* names a declared function.
   * `required`: the answer is a call from its first token; `opening` is forced.
   */
  readonly mode: 'auto' | 'required';
  /** Several calls in one answer are allowed; a required answer then uses the array form. */
  readonly isParallel: boolean;
  /** The model's own spelling of an opening up to and with the quote before the name, e.g. '```json\n{"name": "'. */
  readonly opening: string;
}

export interface CallableFunction {
  readonly name: string;
  /** GBNF whose root is the arguments object, from `{` to its `}`. */
  readonly argumentsGrammar: string;
}

/**
 * One stretch of a choice. Stages follow one another on the same sequence without a new prompt evaluation.
 * Reasoning by a budget is a reasoning stage and an answer stage.
 */
export interface Stage {
  readonly kind: 'reasoning' | 'answer';
  /** Fed before this stage's first sampled token; never reported, never counted as output. Control tokens allowed. */
  readonly opening: string;
  /** Fed instead of `opening` when the stage before ended by one of its `until` texts. */
  readonly openingAfterUntil?: string | undefined;
  /** Texts that end this stage; not reported. The next stage follows. Only for reasoning stages. */
  readonly until?: readonly string[] | undefined;
  /** Sampled tokens of this stage at most; at the limit the next stage follows, or the choice ends with `length`. */
  readonly maxTokens?: number | undefined;
  /** GBNF the whole stage is held to from its first token; the stage ends when the grammar can only end. */
  readonly grammar?: string | undefined;
  /** The grammar holds prose, not JSON: nothing is steered to a close when a limit nears. */
  readonly isProse?: boolean | undefined;
  readonly calls?: CallPlan | undefined;
  /** Spellings of tokens that end an answer as the end of text does; not reported. Ignored where they are no tokens. */
  readonly endTexts?: readonly string[] | undefined;
}

export interface EngineSampling {
  readonly temperature: number;
  readonly topP: number;
  /** 0 switches it off. */
  readonly topK: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  /** Choice i samples with seed + i. The parent always sets one, so a reply can be made again. */
  readonly seed: number;
  readonly logitBias: readonly (readonly [token: number, bias: number])[];
}

export interface DecodePlan {
  readonly prompt: readonly PromptSegment[];
  /** The model that was asked for takes no longer one, whatever the weights could. */
  readonly maxPromptTokens?: number | undefined;
  readonly stages: readonly Stage[];
  readonly choices: number;
  readonly sampling: EngineSampling;
  /** End an answer; never reported, also when cut across tokens. They do not look into reasoning or calls. */
  readonly stopTexts: readonly string[];
  readonly stopTokens: readonly (readonly number[])[];
  /** All stages together, sampled tokens of one choice. */
  readonly maxTotalTokens?: number | undefined;
  readonly logprobs?: { readonly top: number } | undefined;
}

export type ToEngine =
  | { readonly type: 'generate'; readonly jobId: string; readonly plan: DecodePlan }
  | { readonly type: 'cancel'; readonly jobId: string }
  | { readonly type: 'count'; readonly askId: string; readonly prompt: readonly PromptSegment[] }
  | { readonly type: 'tokenise'; readonly askId: string; readonly text: readonly PromptSegment[] }
  | { readonly type: 'shutdown' };

/** What the weights file says of itself. */
export interface WeightsFacts {
  readonly architecture: string;
  readonly name: string;
  readonly chatTemplate: string | undefined;
  readonly bosText: string;
  readonly eosText: string;
  /** Spellings that tokenise to a control token. */
  readonly controlTexts: readonly string[];
  readonly vocabularySize: number;
  readonly trainContextTokens: number;
  /** Tokens one sequence can hold. */
  readonly contextTokens: number;
  readonly sequences: number;
}

/** A piece of what a choice said, in order. Pieces of one step are joined where they can be. */
export type Piece =
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'text'; readonly text: string; readonly logprobs?: readonly TokenLogprob[] | undefined }
  | { readonly type: 'call-start'; readonly name: string }
  | { readonly type: 'call-input'; readonly text: string }
  /** `isValidJson` is false only when a limit cut the input. */
  | { readonly type: 'call-end'; readonly isValidJson: boolean };

/** Tokens sampled so far; forced tokens are not in it. `reasoning` is part of `output`. */
export interface ChoiceCounts {
  readonly output: number;
  readonly reasoning: number;
}

export interface StepItem {
  readonly jobId: string;
  readonly choice: number;
  /** May be empty: the counts moved although no text could be shown yet. */
  readonly pieces: readonly Piece[];
  readonly counts: ChoiceCounts;
}

export type EngineEndReason = 'stop' | 'stop-text' | 'length' | 'tool-calls' | 'context-full';

export interface JobTimings {
  readonly promptMs: number;
  readonly firstTokenMs: number;
  readonly totalMs: number;
}

export type FromEngine =
  | { readonly type: 'loading'; readonly share: number }
  | { readonly type: 'ready'; readonly facts: WeightsFacts }
  | { readonly type: 'load-failed'; readonly message: string }
  /** Before the first step of the job. `cachedTokens` were found in a warm sequence. */
  | { readonly type: 'accepted'; readonly jobId: string; readonly promptTokens: number; readonly cachedTokens: number }
  | {
      readonly type: 'refused';
      readonly jobId: string;
      readonly reason: 'context';
      readonly promptTokens: number;
      readonly maxPromptTokens: number;
    }
  | { readonly type: 'refused'; readonly jobId: string; readonly reason: 'grammar'; readonly message: string }
  | { readonly type: 'step'; readonly items: readonly StepItem[] }
  | {
      readonly type: 'choice-end';
      readonly jobId: string;
      readonly choice: number;
      readonly reason: EngineEndReason;
      readonly stopText?: string | undefined;
      readonly counts: ChoiceCounts;
    }
  | {
      readonly type: 'done';
      readonly jobId: string;
      readonly ending: 'completed' | 'cancelled';
      readonly timings: JobTimings;
      readonly counts: ChoiceCounts;
    }
  | { readonly type: 'failed'; readonly jobId: string; readonly message: string }
  | { readonly type: 'counted'; readonly askId: string; readonly tokens: number }
  | { readonly type: 'tokenised'; readonly askId: string; readonly tokens: readonly TextToken[] }
  /** For /metrics and the leak tests: about once a second while busy, and after every change to idle. */
  | {
      readonly type: 'state';
      readonly busySequences: number;
      readonly waitingJobs: number;
      readonly warmTokens: number;
    };

/** What the child is started with, as JSON in its first argument. */
export interface EngineOptions {
  readonly weightsFile: string;
  readonly sequences: number;
  /** Tokens a sequence; 'auto' fits memory and is at least 8,192 where the model allows. */
  readonly contextTokens: number | 'auto';
  readonly threads: number | 'auto';
}
