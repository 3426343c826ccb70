/**
 * The request body of `POST …/responses` as zod schemas (responses-and-tools reference §2, §10).
 *
 * The vendor's rule is that parameters it does not list are ignored without an error; a `null` member counts as absent.
 * The first issue's message is what the client reads, so the order of the keys is the order of the checks. Members
 * without an effect here that clients read back are in `echoSchema`.
 */
import { z } from 'zod';
import type { JsonSchema } from '../../core/generation.ts';
import { kindOf, shown } from '../openai-items.ts';
import { isObject } from '../parameters.ts';
import * as texts from './texts.ts';

/** "Create a response" of the vendor's API reference. */
const MIN_OUTPUT_TOKENS = 16;
/** OpenAI's range; what the models here give is checked in the pipeline. */
const MAX_TOP_LOGPROBS = 20;
export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;

const typed = (name: string, what: string) => ({
  error: ({ input }: { input?: unknown }) => `Invalid '${name}': expected ${what}, but got ${kindOf(input)} instead.`,
});
const number = (name: string) => z.number(typed(name, 'a number'));
const text = (name: string) => z.string(typed(name, 'a string')).nullish();
const boolean = (name: string) => z.boolean({ error: ({ input }) => texts.notBoolean(name, input) }).nullish();

// ---- Parameters ----

export const parametersSchema = z.object({
  stream: boolean('stream'),
  store: boolean('store'),
  background: boolean('background'),
  parallel_tool_calls: boolean('parallel_tool_calls'),
  enable_thinking: boolean('enable_thinking'),
  instructions: text('instructions'),
  previous_response_id: text('previous_response_id'),
  conversation: z
    .union([z.string(), z.object({ id: z.string() })], typed('conversation', 'a string or an object with an id'))
    .nullish(),
  temperature: number('temperature')
    .refine((value) => value >= 0 && value < 2, {
      error: ({ input }) => texts.outOfRange('temperature', Number(input), '[0,2)'),
    })
    .nullish(),
  top_p: number('top_p')
    .refine((value) => value > 0 && value <= 1, {
      error: ({ input }) => texts.outOfRange('top_p', Number(input), '(0,1]'),
    })
    .nullish(),
  presence_penalty: number('presence_penalty').nullish(),
  frequency_penalty: number('frequency_penalty').nullish(),
  max_output_tokens: z
    .int(typed('max_output_tokens', 'an integer'))
    .min(MIN_OUTPUT_TOKENS, { error: ({ input }) => texts.tooFewOutputTokens(Number(input)) })
    .nullish(),
  top_logprobs: z
    .int(typed('top_logprobs', 'an integer'))
    .refine((value) => value >= 0 && value <= MAX_TOP_LOGPROBS, {
      error: ({ input }) => texts.outOfRange('top_logprobs', Number(input), `[0,${MAX_TOP_LOGPROBS}]`),
    })
    .nullish(),
  reasoning: z
    .object(
      {
        effort: z.enum(EFFORTS, { error: ({ input }) => texts.badEffort(input) }).nullish(),
        summary: z.string().nullish().catch(undefined),
      },
      typed('reasoning', 'an object'),
    )
    .nullish(),
  include: z.array(z.string(), typed('include', 'an array of strings')).nullish(),
  truncation: z
    .enum(['auto', 'disabled'], {
      error: ({ input }) => `Invalid 'truncation': ${shown(input)}. Supported values are: 'auto' and 'disabled'.`,
    })
    .nullish(),
  ocr_options: z.custom<{ readonly [key: string]: never }>(isObject, typed('ocr_options', 'an object')).nullish(),
});

export type ResponseParameters = z.infer<typeof parametersSchema>;

// ---- The form of the answer ----

const FORMAT_NAME = /^[A-Za-z0-9_-]{1,64}$/;

const format = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      name: z
        .string(typed('text.format.name', 'a string'))
        .regex(FORMAT_NAME, "Invalid 'text.format.name': expected 1 to 64 characters out of A-Z, a-z, 0-9, _ and -."),
      schema: z.custom<JsonSchema>(isObject, typed('text.format.schema', 'an object')),
      strict: boolean('text.format.strict'),
      description: text('text.format.description'),
    }),
  ],
  {
    error: ({ input }) =>
      isObject(input)
        ? `Invalid 'text.format.type': ${shown(input.type)}. Supported values are: 'text', 'json_object', and 'json_schema'.`
        : `Invalid 'text.format': expected an object, but got ${kindOf(input)} instead.`,
  },
);

export const textSchema = z
  .object({ format: format.nullish(), verbosity: z.string().nullish().catch(undefined) }, typed('text', 'an object'))
  .nullish();

export type TextSettings = z.infer<typeof textSchema>;

// ---- Echoed only ----

/** Never refused: nothing depends on them. */
export const echoSchema = z.object({
  max_tool_calls: z.int().nullish().catch(undefined),
  prompt_cache_key: z.string().nullish().catch(undefined),
  safety_identifier: z.string().nullish().catch(undefined),
  user: z.string().nullish().catch(undefined),
});
