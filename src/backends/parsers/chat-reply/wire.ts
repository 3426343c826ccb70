/**
 * What an upstream may send, read loosely: every member may be missing, null or of another type than promised, and is
 * checked where it is used. Never validated as a whole: one parse a chunk is all the hot path affords.
 */

export interface LooseChunk {
  readonly choices?: readonly LooseChoice[] | null;
  readonly usage?: LooseUsage | null;
  readonly error?: unknown;
  /** `error` on servers that put the error's members beside it. */
  readonly object?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
}

export interface LooseChoice {
  readonly index?: number | null;
  readonly delta?: LooseDelta | null;
  /** In whole bodies, and in the chunks of servers that do not know the difference. */
  readonly message?: LooseDelta | null;
  readonly finish_reason?: string | null;
  /** vLLM: the stop text, or the id of the stop token. */
  readonly stop_reason?: unknown;
  /** SGLang: the same. */
  readonly matched_stop?: unknown;
  readonly logprobs?: LooseLogprobs | null;
}

export interface LooseDelta {
  readonly content?: string | readonly LooseContentPart[] | null;
  readonly reasoning_content?: string | null;
  readonly reasoning?: unknown;
  readonly refusal?: string | null;
  readonly tool_calls?: readonly LooseToolCall[] | null;
  /** The form before `tool_calls`. */
  readonly function_call?: LooseFunction | null;
}

export interface LooseContentPart {
  readonly type?: string;
  readonly text?: unknown;
}

export interface LooseToolCall {
  readonly index?: number | null;
  readonly id?: string | null;
  readonly function?: LooseFunction | null;
}

export interface LooseFunction {
  readonly name?: string | null;
  /** Text; an object on servers that forget to spell it out. */
  readonly arguments?: unknown;
}

export interface LooseLogprobs {
  readonly content?: readonly LooseTokenLogprob[] | null;
}

export interface LooseTokenLogprob {
  readonly token?: string;
  readonly bytes?: readonly number[] | null;
  readonly logprob?: number | null;
  readonly top_logprobs?: readonly LooseTokenLogprob[] | null;
}

export interface LooseUsage {
  readonly prompt_tokens?: unknown;
  readonly completion_tokens?: unknown;
  readonly prompt_tokens_details?: LooseInputDetails | null;
  readonly completion_tokens_details?: LooseOutputDetails | null;
  /** SGLang: reasoning tokens beside the totals. */
  readonly reasoning_tokens?: unknown;
  /** DeepSeek: cached tokens beside the totals. */
  readonly prompt_cache_hit_tokens?: unknown;
}

export interface LooseInputDetails {
  readonly cached_tokens?: unknown;
  readonly cache_creation_input_tokens?: unknown;
  /** Model Studio: `ephemeral` where marks were used. */
  readonly cache_type?: unknown;
  readonly image_tokens?: unknown;
  readonly video_tokens?: unknown;
  readonly audio_tokens?: unknown;
}

export interface LooseOutputDetails {
  readonly reasoning_tokens?: unknown;
  readonly audio_tokens?: unknown;
}
