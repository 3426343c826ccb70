/**
 * A body of `POST …/completions` → canonical request and reply plan (openai-chat reference §19).
 *
 * The order of the checks is Chat Completions': body, `model`, `prompt`, types, structures. Ranges and what depends on
 * the model are checked in the pipeline.
 */
import type { z } from 'zod';
import { type ErrorCode, StudioError } from '../../core/errors.ts';
import { FIM_SUFFIX, formOf } from '../../core/fim.ts';
import { type GenerationRequest, plainRequest, type RawPrompt, type Sampling } from '../../core/generation.ts';
import { badType, decodeStop, stopSchema, TOP_K_OFF } from '../parameters.ts';
import type { Decoded, ReplyPlan } from '../protocol.ts';
import {
  badLogprobs,
  type CompletionParameters,
  ECHO_WITH_LOGPROBS,
  MAX_LOGPROBS,
  MISSING_MODEL,
  MISSING_PROMPT,
  MODEL_NOT_A_NAME,
  ONLY_SUFFIX,
  parametersSchema,
  SEVERAL_PROMPTS,
} from './schema.ts';

/** The form of a reply on this wire. */
export interface CompletionReplyPlan extends ReplyPlan {
  /** A last chunk with the usage and no choices (`stream_options.include_usage`). */
  readonly includesUsage: boolean;
  /** Stands in front of every choice's text (`echo`); '' for nothing. */
  readonly echoedText: string;
}

/** Throws a StudioError for what the wire's front validator refuses. */
export function decodeCompletionRequest(body: unknown): Decoded<CompletionReplyPlan> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new StudioError('malformed-body');
  const { model, prompt, stop } = body as { readonly [member: string]: unknown };
  checkModel(model);
  const text = decodePrompt(prompt);
  const parameters = parse(parametersSchema, body, 'invalid-value');
  const rawPrompt: RawPrompt = { text, suffix: parameters.suffix ?? undefined };
  checkGap(rawPrompt);
  const request: GenerationRequest = {
    ...plainRequest(model, []),
    rawPrompt,
    sampling: decodeSampling(parameters, parse(stopSchema, stop, 'invalid-parameter')),
    limits: { maxOutputTokens: parameters.max_tokens ?? undefined },
    storage: { user: parameters.user },
  };
  return { request, plan: decodePlan(parameters, text) };
}

function checkModel(model: unknown): asserts model is string {
  if (model === undefined || model === null || model === '') {
    throw new StudioError('missing-parameter', MISSING_MODEL, { param: 'model' });
  }
  if (typeof model !== 'string') throw new StudioError('invalid-parameter', MODEL_NOT_A_NAME);
}

/** A string; the SDKs also send it as a list of one. Token ids mean another tokeniser than ours. */
function decodePrompt(prompt: unknown): string {
  const given = Array.isArray(prompt) && prompt.length <= 1 ? prompt[0] : prompt;
  if (given === undefined || given === null) throw missingPrompt();
  if (Array.isArray(given) && given.every((each) => typeof each === 'string'))
    throw new StudioError('invalid-parameter', SEVERAL_PROMPTS, { param: 'prompt' });
  if (typeof given !== 'string') throw new StudioError('invalid-value', badType('prompt', 'String'));
  return given;
}

function missingPrompt(): StudioError {
  return new StudioError('missing-parameter', MISSING_PROMPT, { param: 'prompt' });
}

/** There has to be something in front of the gap, whichever way the gap is spelt. */
function checkGap(rawPrompt: RawPrompt): void {
  const form = formOf(rawPrompt);
  if (form.kind === 'continuation') {
    if (form.text === '') throw missingPrompt();
    if (!form.text.startsWith(FIM_SUFFIX)) return;
  } else if (form.before !== '' || (form.kind === 'spelt' && form.context !== '')) return;
  throw new StudioError('invalid-parameter', ONLY_SUFFIX, { param: 'prompt' });
}

/** The first issue's words are the client's; the schema holds them. */
function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, code: ErrorCode): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new StudioError(code, parsed.error.issues[0]?.message);
}

function decodePlan(parameters: CompletionParameters, text: string): CompletionReplyPlan {
  const isStreaming = parameters.stream ?? false;
  const echoes = parameters.echo ?? false;
  if (echoes && typeof parameters.logprobs === 'number')
    throw new StudioError('invalid-parameter', ECHO_WITH_LOGPROBS, { param: 'echo' });
  return {
    isStreaming,
    includesUsage: isStreaming && (parameters.stream_options?.include_usage ?? false),
    echoedText: echoes ? text : '',
  };
}

function decodeSampling(parameters: CompletionParameters, stop: z.infer<typeof stopSchema>): Sampling {
  return {
    temperature: parameters.temperature ?? undefined,
    topP: parameters.top_p ?? undefined,
    topK: parameters.top_k === null ? TOP_K_OFF : parameters.top_k,
    presencePenalty: parameters.presence_penalty ?? undefined,
    repetitionPenalty: parameters.repetition_penalty ?? undefined,
    seed: parameters.seed ?? undefined,
    logitBias: parameters.logit_bias ?? undefined,
    ...decodeStop(stop),
    choices: parameters.n ?? undefined,
    logprobs: decodeLogprobs(parameters),
  };
}

/** The pipeline knows the range too, but by Chat Completions' name. */
function decodeLogprobs({ logprobs }: CompletionParameters): Sampling['logprobs'] {
  if (logprobs === undefined || logprobs === null) return undefined;
  if (logprobs < 0 || logprobs > MAX_LOGPROBS) throw new StudioError('invalid-parameter', badLogprobs(logprobs));
  return { top: logprobs };
}
