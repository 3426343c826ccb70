/**
 * The request body as a zod schema (openai-chat reference §19).
 *
 * Types and structure only; ranges and whatever depends on the model belong to the pipeline. A `null` member counts as
 * absent, unknown members are ignored. The first issue's message is what the client reads, so the order of the keys is
 * the order of the checks. Not on the service's page, hence not here: best_of, frequency_penalty.
 */
import { z } from 'zod';
import { badType, boolean, float, integer, logitBias, text } from '../parameters.ts';

/** The service's own words on the page "Error messages", and, where it has none, ours in their form. */
export const MISSING_MODEL = 'you must provide a model parameter.';
export const MODEL_NOT_A_NAME = 'Model not exist.';
/** By analogy with "you must provide a messages parameter". */
export const MISSING_PROMPT = 'you must provide a prompt parameter';
/** The page says that a completion from a suffix alone is not supported, not how it is refused. */
export const ONLY_SUFFIX =
  'A completion from a suffix alone is not supported: the prompt must hold the text in front of the gap.';
export const SEVERAL_PROMPTS = 'Only one prompt a request is supported.';
export const ECHO_WITH_LOGPROBS = 'The parameters echo and logprobs cannot be used together.';

/** OpenAI's limit, and that of `top_logprobs` on Chat Completions, whose recorded words these are. */
export const MAX_LOGPROBS = 5;

export function badLogprobs(logprobs: number): string {
  return `Invalid 'logprobs': ${logprobs}. Expected an integer in range [0, ${MAX_LOGPROBS}]`;
}

export const parametersSchema = z.object({
  suffix: text('suffix'),
  echo: boolean('echo'),
  stream: boolean('stream'),
  stream_options: z
    .object({ include_usage: boolean('stream_options.include_usage') }, { error: badType('stream_options', 'Object') })
    .nullish(),
  temperature: float('temperature'),
  top_p: float('top_p'),
  top_k: integer('top_k'),
  presence_penalty: float('presence_penalty'),
  repetition_penalty: float('repetition_penalty'),
  max_tokens: integer('max_tokens'),
  n: integer('n'),
  seed: integer('seed'),
  /** How many alternatives a token; not the boolean of Chat Completions. */
  logprobs: integer('logprobs'),
  logit_bias: logitBias,
  user: z.string().optional().catch(undefined),
});

export type CompletionParameters = z.infer<typeof parametersSchema>;
