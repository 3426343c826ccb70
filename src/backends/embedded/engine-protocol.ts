/**
 * What the server and the engine child say to each other, as JSON over the child's IPC channel.
 *
 * The child is a decoder: it holds the weights, tokenises, keeps sequences warm, batches, samples, holds decoding to
 * grammars, splits its text into answer text and calls. It knows nothing of HTTP, wires or templates: the parent renders
 * prompts, compiles schemas to GBNF and says in a `DecodePlan` how the text is to be made. Only where one more call goes on
 * with a list of the request does the child narrow its arguments, since what is left of the list depends on the call before.
 *
 *   parent → child   generate, cancel, count, tokenise, cache-report, cache-clear, share, shutdown
 *   child → parent   loading, ready, load-failed, accepted | refused, step*, (choice-end)*, done | failed, counted,
 *                    tokenised, cache-reported, cache-cleared
 *
 * Every job ends with exactly one of `refused`, `done`, `failed`. After `cancel` the child answers `done` with ending
 * `cancelled`, at once: it does not wait for the batch that is being computed.
 */
import type { CacheTotals, PromptCacheReport } from '../../core/context-cache.ts';
import type { TokenLogprob } from '../../core/events.ts';
import type { JsonSchema } from '../../core/generation.ts';
import type { TextToken } from '../../core/ports.ts';
import type { ToolFormatId } from '../parsers/tool-formats.ts';
import type { NamedValue } from './grounding/named-values.ts';

/**
 * A piece of a prompt. `control` text may hold control tokens (`<|im_start|>`); in `plain` text their spelling is just
 * text. The pieces are tokenised apart and joined. An `image` is its data URL, for engines that say they see.
 */
export interface PromptSegment {
  readonly kind: 'control' | 'plain' | 'image';
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
  /** Several calls in one answer are allowed. */
  readonly isParallel: boolean;
  /** The model's own spelling of an opening up to the name, e.g. '```json\n{"name": "'. */
  readonly opening: string;
  /** The family whose spelling that is (`parsers/tool-formats.ts`); `fenced-json` when absent. */
  readonly format?: ToolFormatId | undefined;
  /** What calls are held against (`grounding/`); absent where weights were trained to make them. */
  readonly grounding?: Grounding | undefined;
}

/** What the caller said, where it was said at once. */
export interface Grounding {
  /** The message to answer, and the values it names. */
  readonly request: string;
  readonly values: readonly NamedValue[];
  /** All texts of the conversation; absent where they are so many that one of them may hold anything. */
  readonly conversation?: string | undefined;
}

export interface CallableFunction {
  readonly name: string;
  /** Arguments that are left out again where nothing in the conversation stands for their value. */
  readonly optional?: readonly string[] | undefined;
  /** Of those the ones that are left out again whatever their value: nothing in the conversation is about them. */
  readonly unspoken?: readonly string[] | undefined;
  /** What one more call is narrowed by that goes on with what the request lists; absent where only one call may be made. */
  readonly listed?: ListedArguments | undefined;
  /** GBNF whose root is the arguments object, from `{` to its `}`. */
  readonly argumentsGrammar: string;
  /** For families that spell arguments one by one between tags. */
  readonly tagged?: TaggedArguments | undefined;
}

/** Arguments that may hold any value that a request lists. */
export interface ListedArguments {
  /** JSON Schema of all arguments, as calls are held to it. */
  readonly parameters: JsonSchema;
  /** Names of those that are any number, and any text. */
  readonly numbers: readonly string[];
  readonly texts: readonly string[];
  /** And of those that are lists of which a call holds one part. */
  readonly lists: readonly string[];
  /** It does something, rather than tell something: once too often is too often. */
  readonly isDeed: boolean;
}

export interface TaggedArguments {
  /** GBNF whose root is all arguments and the beginning of what ends them. */
  readonly grammar: string;
  /** Arguments whose value stands as a text, without quotes; all others are JSON. */
  readonly texts: readonly string[];
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
  /** GBNF the whole stage is held to from its first token; an object or array ends it with its last bracket. */
  readonly grammar?: string | undefined;
  /** The grammar holds prose, not JSON: nothing is steered to a close when a limit nears. */
  readonly isProse?: boolean | undefined;
  readonly calls?: CallPlan | undefined;
  /** Spellings of tokens that end an answer as the end of text does; not reported. Ignored where they are no tokens. */
  readonly endTexts?: readonly string[] | undefined;
  /** How the model marks reasoning: such marks are no part of what is said. */
  readonly marks?: StageMarks | undefined;
}

export interface StageMarks {
  readonly opens: readonly string[];
  readonly closes: readonly string[];
  /** Fed where an answer opens reasoning again: that is over before it begins. */
  readonly closing: string;
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
  /** Nobody asked for this seed, so nobody compares what it gives: rounding may differ with what is warm. */
  readonly isSeedOurs?: boolean | undefined;
  readonly logitBias: readonly (readonly [token: number, bias: number])[];
}

/** How a prompt may be kept and found again. */
export interface CachePlan {
  /**
   * `implicit`: whatever was computed is kept and found. `explicit`: that too, and the prefixes up to marks are blocks,
   * with books of their own. `off`: nothing is put on disk or fetched from there.
   */
  readonly mode: 'implicit' | 'explicit' | 'off';
  /** Opaque, and written to disk. What was computed under one name is never used under another, warm or stored. */
  readonly namespace: string;
  /** Many requests bring a prompt that begins so: what is warm of it outlives callers' own prompts for a while. */
  readonly isRecurring?: boolean | undefined;
  /** Explicit: the marks that count, in the order of the prompt. */
  readonly marks?: readonly CacheMarkPlan[] | undefined;
  /** Explicit: a shorter prefix becomes no block. */
  readonly minTokens?: number | undefined;
  /** Explicit: how long a block lives; a hit begins its life anew. */
  readonly lifetimeMs?: number | undefined;
}

/** Places in a prompt are numbers of its segments, counted from the beginning. */
export interface CacheMarkPlan {
  /** The block is what these first segments say. */
  readonly segments: number;
  /** Where older blocks may end that this mark finds, besides its own place. */
  readonly lookBack: readonly number[];
}

/** What became of the marks of an explicit plan, one entry for each, in their order. */
export interface CacheReport {
  readonly marks: readonly MarkReport[];
}

export interface MarkReport {
  /** Of the prefix up to the mark. */
  readonly tokens: number;
  /** The longest living block that the mark found and whose cells were really there; 0: none. */
  readonly hitTokens: number;
  /** What the mark adds to what was found, or added by a mark before it. Counts once the answer is complete. */
  readonly createdTokens: number;
}

export interface DecodePlan {
  readonly prompt: readonly PromptSegment[];
  /** Absent: nothing is kept on disk or fetched from there. */
  readonly cache?: CachePlan | undefined;
  /** The model that was asked for takes no longer one, whatever the weights could. */
  readonly maxPromptTokens?: number | undefined;
  readonly stages: readonly Stage[];
  /**
   * All that is wanted is how likely this text is behind the prompt, in its own tokens: they come with their log probabilities in one
   * piece, nothing is sampled, and the stages are of no matter. Plain, whatever it spells.
   */
  readonly onlyText?: string | undefined;
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
  | { readonly type: 'cache-report'; readonly askId: string }
  | { readonly type: 'cache-clear'; readonly askId: string }
  /** So many engines compute on this machine at the moment, this one among them. */
  | { readonly type: 'share'; readonly engines: number }
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
  /** The engine can be shown pictures. */
  readonly seesImages?: boolean | undefined;
}

/** A piece of what a choice said, in order. Pieces of one step are joined where they can be. */
export type Piece =
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'text'; readonly text: string; readonly logprobs?: readonly TokenLogprob[] | undefined }
  /** `first`: the answer's first token, of a call that opened in free text, where log probabilities were asked for. */
  | { readonly type: 'call-start'; readonly name: string; readonly first?: TokenLogprob | undefined }
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
  /** Before the first step of the job. `cachedTokens` need not be computed: a sequence or a file has them. */
  | {
      readonly type: 'accepted';
      readonly jobId: string;
      readonly promptTokens: number;
      readonly cachedTokens: number;
      /** Of an explicit plan; `createdTokens` are what a complete answer will add. */
      readonly cache?: CacheReport | undefined;
    }
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
      /** Of an explicit plan whose answer is complete: what was really added. */
      readonly cache?: CacheReport | undefined;
    }
  | { readonly type: 'failed'; readonly jobId: string; readonly message: string }
  | { readonly type: 'counted'; readonly askId: string; readonly tokens: number }
  | { readonly type: 'tokenised'; readonly askId: string; readonly tokens: readonly TextToken[] }
  | { readonly type: 'cache-reported'; readonly askId: string; readonly report: PromptCacheReport }
  | { readonly type: 'cache-cleared'; readonly askId: string; readonly entries: number; readonly bytes: number }
  /** For /metrics and the leak tests: about once a second while busy, and after every change to idle. */
  | {
      readonly type: 'state';
      readonly busySequences: number;
      readonly waitingJobs: number;
      readonly warmTokens: number;
      /** Of the prefixes on disk; absent where none are kept. */
      readonly cache?: CacheTotals | undefined;
    };

/** A llama-server to do the decoding, in place of the library in the child's own process. */
export interface LlamaServerOptions {
  readonly binary: string;
  /** The projector of weights that see (`mmproj`). */
  readonly projectorFile?: string | undefined;
}

/** What the child is started with, as JSON in its first argument. */
export interface EngineOptions {
  readonly weightsFile: string;
  readonly sequences: number;
  /** Tokens a sequence; 'auto' fits memory and is at least 8,192 where the model allows. */
  readonly contextTokens: number | 'auto';
  readonly threads: number | 'auto';
  /** Decides which child is started. */
  readonly llamaServer?: LlamaServerOptions | undefined;
  /** Where computed prefixes are kept; absent: nowhere. */
  readonly cache?: EngineCacheOptions | undefined;
}

export interface EngineCacheOptions {
  /** Each kind of state has a folder of its own in it, so that several engines share it, and its cap. */
  readonly folder: string;
  /** All files of the folder together; 'auto': 4 GiB or a tenth of what the disk has free, whichever is less. */
  readonly maxBytes: number | 'auto';
  /** A prefix that was not used for so long is deleted. */
  readonly maxAgeMs: number;
  /** Tokens below which a prefix is not worth a file; trials with small weights set it. */
  readonly minTokens?: number | undefined;
  /** Digest of a chat template in place of that of the weights. States are kept apart by it. */
  readonly template?: string | undefined;
}
