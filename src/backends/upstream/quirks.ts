/**
 * In what OpenAI-compatible servers differ, as data. Adding a server is a record; code only where data cannot say it.
 *
 * A field that a server has no word for is refused when a caller sets it, never dropped: the answer would be another
 * one. Sources: each server's own documentation of its endpoints, and for Model Studio the page "Chat Completions".
 */
import type { Sampling } from '../../core/generation.ts';

export type UpstreamKind = 'generic' | 'vllm' | 'sglang' | 'ollama' | 'llama-server' | 'dashscope' | 'openai';

/** What the server calls a sampling control; absent: it has none. */
export type SamplingFields = { readonly [Key in keyof Sampling]?: string };

export interface UpstreamQuirks {
  readonly sampling: SamplingFields;
  /** Where the output limit goes. `both`: the two mean different things there, as they do on our own wire. */
  readonly limit: 'max_tokens' | 'max_completion_tokens' | 'both';
  /** How thinking is switched: a field, an argument of the chat template, an effort of `none`, or not at all. */
  readonly thinkingSwitch: 'enable_thinking' | 'chat-template' | 'effort' | 'none';
  /** The field of the thinking budget. */
  readonly thinkingBudget: string | undefined;
  readonly reasoningEffort: 'field' | 'chat-template' | 'none';
  /** The member of an assistant message that holds replayed reasoning. */
  readonly reasoningHistory: 'reasoning_content' | 'reasoning' | 'none';
  /** How earlier reasoning is asked to stay in the prompt. */
  readonly keepsHistory: 'preserve_thinking' | 'chat-template' | 'none';
  /** How the last assistant message is marked as a prefix to be continued. `last-turn`: it always is one. */
  readonly prefix: 'partial' | 'continue_final_message' | 'last-turn' | 'none';
  /** `words`: strings only, so that one named function is asked for by offering no other. `none`: always `auto`. */
  readonly toolChoice: 'all' | 'words' | 'none';
  readonly takesParallelSwitch: boolean;
  readonly structuredOutput: boolean;
  /** Takes text as a list of parts; else they are joined. */
  readonly takesTextParts: boolean;
  readonly images: boolean;
  /** Explicit cache marks are its own idea; elsewhere they change nothing and are left out. */
  readonly takesCacheMarks: boolean;
  /** Tells the usage so far on every chunk when asked, so that a call that is cancelled is billed right. */
  readonly continuousUsage: boolean;
  /** Some of its models only answer as a stream, as their cards say. */
  readonly demandsStreamByCard: boolean;
  /** It may leave calls in the text as the model spelt them. */
  readonly readsCallsFromText: boolean;
  /** It may leave `<think>` in the text. */
  readonly readsThinkingFromText: boolean;
  readonly completions: CompletionQuirks;
  /** Whose way of telling the tokens of a text it has; absent: it tells none, or nobody knows. */
  readonly tokens?: 'vllm' | 'llama-server' | undefined;
}

/** In what they differ on the older endpoint, `/completions`. */
export interface CompletionQuirks {
  /** How a text with a gap is asked for: by a field, or spelt out in the prompt by the tokens of the model. */
  readonly gap: 'suffix' | 'spelt';
  /** A prompt goes to the model as it is. False: a chat template is put round all but a gap. */
  readonly isRaw: boolean;
  /** How an answer of any length is asked for. `card`: by the highest number there is, as saying nothing means 16. */
  readonly noLimit: 'absent' | 'null' | 'card';
}

/** What OpenAI's own API defines, and every server here takes. */
const COMMON_SAMPLING: SamplingFields = {
  temperature: 'temperature',
  topP: 'top_p',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  seed: 'seed',
  stopTexts: 'stop',
};

/** A server we know nothing of: it gets OpenAI's fields and the extra ones in their most common spelling. */
const GENERIC: UpstreamQuirks = {
  sampling: {
    ...COMMON_SAMPLING,
    topK: 'top_k', // vLLM's spelling, which most servers took over
    minP: 'min_p',
    repetitionPenalty: 'repetition_penalty',
    logitBias: 'logit_bias',
    choices: 'n',
    logprobs: 'logprobs',
  },
  limit: 'max_tokens', // the older name: servers that know the newer one still take it
  thinkingSwitch: 'chat-template', // servers of open weights hand it to the template, which ignores what it does not know
  thinkingBudget: undefined,
  reasoningEffort: 'field',
  reasoningHistory: 'reasoning_content',
  keepsHistory: 'chat-template',
  prefix: 'last-turn', // a server that answers it with a new turn says the prefix again, which the pipeline takes off
  toolChoice: 'all',
  takesParallelSwitch: true,
  structuredOutput: true,
  takesTextParts: true,
  images: true,
  takesCacheMarks: false,
  continuousUsage: false,
  demandsStreamByCard: false,
  readsCallsFromText: true,
  readsThinkingFromText: true,
  completions: { gap: 'spelt', isRaw: true, noLimit: 'card' },
};

export const QUIRKS: { readonly [Kind in UpstreamKind]: UpstreamQuirks } = {
  generic: GENERIC,
  vllm: {
    ...GENERIC,
    sampling: { ...GENERIC.sampling, stopTokens: 'stop_token_ids' }, // one flat list: single tokens only
    thinkingBudget: 'thinking_token_budget', // needs a reasoning parser at its start; it says so in a 400 if there is none
    reasoningHistory: 'reasoning', // renamed from reasoning_content in 0.12
    prefix: 'continue_final_message', // with add_generation_prompt false
    continuousUsage: true, // stream_options.continuous_usage_stats
    completions: { gap: 'spelt', isRaw: true, noLimit: 'null' }, // "suffix is not currently supported"
    tokens: 'vllm',
  },
  sglang: {
    ...GENERIC,
    sampling: { ...GENERIC.sampling, stopTokens: 'stop_token_ids' }, // one flat list: single tokens only
    prefix: 'continue_final_message',
    completions: { gap: 'spelt', isRaw: true, noLimit: 'card' }, // `suffix` is read only with --completion-template
  },
  ollama: {
    ...GENERIC,
    sampling: { ...COMMON_SAMPLING, logprobs: 'logprobs' }, // all that its compatible endpoint reads
    thinkingSwitch: 'effort', // `none` switches off, anything else on
    reasoningHistory: 'reasoning',
    keepsHistory: 'none', // always in the prompt where the template wants it
    toolChoice: 'none', // read and ignored
    takesParallelSwitch: false, // not read
    takesTextParts: false, // it makes a message of each
    completions: { gap: 'suffix', isRaw: false, noLimit: 'absent' }, // the prompt becomes a user's message
  },
  'llama-server': {
    ...GENERIC,
    sampling: {
      ...COMMON_SAMPLING,
      topK: 'top_k',
      minP: 'min_p',
      repetitionPenalty: 'repeat_penalty', // its own name
      logitBias: 'logit_bias',
      logprobs: 'logprobs', // and no `n`: older builds answer it with a 500
    },
    reasoningEffort: 'chat-template',
    toolChoice: 'words', // an object silently becomes `auto`
    completions: { gap: 'spelt', isRaw: true, noLimit: 'absent' }, // `suffix` is known to /infill only
    tokens: 'llama-server',
  },
  dashscope: {
    ...GENERIC,
    sampling: {
      ...COMMON_SAMPLING,
      topK: 'top_k',
      repetitionPenalty: 'repetition_penalty',
      logitBias: 'logit_bias', // Qwen-Character only; others ignore it, as they do for everybody
      choices: 'n',
      logprobs: 'logprobs',
      stopTokens: 'stop', // lists of token ids in the place of strings
    },
    limit: 'both',
    thinkingSwitch: 'enable_thinking',
    thinkingBudget: 'thinking_budget',
    keepsHistory: 'preserve_thinking',
    prefix: 'partial',
    takesCacheMarks: true,
    demandsStreamByCard: true, // "This model only support stream mode"
    readsCallsFromText: false, // parses them itself
    readsThinkingFromText: false, // separates it itself
    completions: { gap: 'spelt', isRaw: true, noLimit: 'absent' }, // the page has no `suffix`
  },
  openai: {
    ...GENERIC,
    sampling: { ...COMMON_SAMPLING, logitBias: 'logit_bias', choices: 'n', logprobs: 'logprobs' },
    limit: 'max_completion_tokens', // its newer models refuse max_tokens
    thinkingSwitch: 'none', // unknown fields are a 400 there
    reasoningHistory: 'none',
    keepsHistory: 'none',
    prefix: 'none', // a last assistant message is answered, not continued
    readsCallsFromText: false,
    readsThinkingFromText: false,
    completions: { gap: 'suffix', isRaw: true, noLimit: 'card' },
  },
};

/** The quirks of a configured kind; without one, those of a server we know nothing of. */
export function quirksOf(kind: string | undefined): UpstreamQuirks {
  if (kind === undefined) return GENERIC;
  if (!Object.hasOwn(QUIRKS, kind))
    throw new Error(
      `upstream quirks ${kind} are not known. Fix: use one of ${Object.keys(QUIRKS).join(', ')}, or none.`,
    );
  return QUIRKS[kind as UpstreamKind];
}
