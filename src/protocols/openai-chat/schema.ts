/**
 * The request body as zod schemas (openai-chat reference §2, §3, §6, §7).
 *
 * Types and structure only; ranges and whatever depends on the model belong to the pipeline. A `null` member counts as
 * absent, unknown members are ignored. The first issue's message is what the client reads, so the order of the keys is
 * the order of the checks. Documented as ignored, hence not here: frequency_penalty, store, service_tier, prediction,
 * prompt_cache_key, verbosity.
 */
import { z } from 'zod';
import type { Json, JsonSchema } from '../../core/generation.ts';
import {
  badType,
  boolean,
  float,
  integer,
  isObject,
  type JsonObject,
  jsonObject,
  logitBias,
  stopSchema,
  text,
} from '../parameters.ts';
import * as texts from './texts.ts';

const required = (name: string) => z.string({ error: texts.missingOrInvalid(name) });

// ---- Messages ----

/** Lenient: a mark of another form is an unknown member. */
const cacheControl = z
  .object({ type: z.literal('ephemeral') })
  .optional()
  .catch(undefined);

const textPart = z.object({
  type: z.literal('text'),
  text: required('messages.content.text'),
  cache_control: cacheControl,
  /** In merged tool results each part names its call. */
  tool_call_id: text('tool_call_id'),
});

/** `min_pixels` and `max_pixels` stand beside the picture or, in the vendor's OCR guide, inside it. */
const imagePart = z.object({
  type: z.literal('image_url'),
  image_url: z.object(
    {
      url: z.string({ error: texts.BAD_URL }),
      detail: z.enum(['auto', 'low', 'high']).optional().catch(undefined),
      min_pixels: integer('min_pixels'),
      max_pixels: integer('max_pixels'),
    },
    { error: texts.BAD_URL },
  ),
  min_pixels: integer('min_pixels'),
  max_pixels: integer('max_pixels'),
  cache_control: cacheControl,
  tool_call_id: text('tool_call_id'),
});

const videoOptions = {
  fps: float('fps'),
  min_pixels: integer('min_pixels'),
  max_pixels: integer('max_pixels'),
  total_pixels: integer('total_pixels'),
  cache_control: cacheControl,
};

const framesPart = z.object({
  type: z.literal('video'),
  video: z.array(z.string({ error: texts.BAD_VIDEO }), { error: texts.BAD_VIDEO }).min(1, texts.BAD_VIDEO),
  ...videoOptions,
});

const videoPart = z.object({
  type: z.literal('video_url'),
  video_url: z.object({ url: z.string({ error: texts.BAD_URL }) }, { error: texts.BAD_URL }),
  ...videoOptions,
});

const audioPart = z.object({
  type: z.literal('input_audio'),
  input_audio: z.object(
    { data: z.string({ error: texts.BAD_AUDIO }), format: text('format') },
    { error: texts.BAD_AUDIO },
  ),
});

const unexpected = { error: texts.UNEXPECTED_ITEM };
const textOnly = z.discriminatedUnion('type', [textPart], unexpected);
const toolResultPart = z.discriminatedUnion('type', [textPart, imagePart], unexpected);
const anyPart = z.discriminatedUnion('type', [textPart, imagePart, framesPart, videoPart, audioPart], unexpected);

/** Content is a string or a list of parts; it leaves here as a list, an empty string as an empty list. */
function content<Part extends z.ZodType>(part: Part) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? (value === '' ? [] : [{ type: 'text', text: value }]) : value),
    z.array(part, {
      error: (issue) =>
        issue.input === undefined || issue.input === null
          ? texts.CONTENT_REQUIRED
          : texts.badContentType(Number(issue.path?.[0]), issue.input),
    }),
  );
}

const toolCall = z.object(
  {
    id: required('tool_calls.id'),
    function: z.object(
      {
        name: required('tool_calls.function.name'),
        arguments: z.string({ error: texts.ARGUMENTS_NOT_JSON }),
      },
      { error: texts.missingOrInvalid('tool_calls.function') },
    ),
  },
  { error: texts.missingOrInvalid('tool_calls') },
);

const systemMessage = z.object({
  role: z.literal(['system', 'developer']),
  content: content(textOnly),
  name: text('name'),
});

const userMessage = z.object({
  role: z.literal('user'),
  content: content(anyPart).refine((parts) => parts.length > 0, texts.ROLE_OR_CONTENT_EMPTY),
  name: text('name'),
});

const assistantMessage = z.object({
  role: z.literal('assistant'),
  content: content(textOnly).nullish(),
  reasoning_content: text('reasoning_content'),
  partial: boolean('partial'),
  tool_calls: z
    .array(toolCall, { error: texts.missingOrInvalid('tool_calls') })
    .min(1, texts.EMPTY_TOOL_CALLS)
    .nullish(),
  name: text('name'),
});

const toolMessage = z.object({
  role: z.literal('tool'),
  content: content(toolResultPart),
  tool_call_id: text('tool_call_id'),
  name: text('name'),
});

/** `messages`. */
export const messagesSchema = z.array(
  z.discriminatedUnion('role', [systemMessage, userMessage, assistantMessage, toolMessage], {
    error: ({ input, path }) => {
      if (!isObject(input)) return texts.NOT_A_MESSAGE;
      if (input.role === undefined || input.role === null || input.role === '') return texts.ROLE_OR_CONTENT_EMPTY;
      return input.role === 'function' ? texts.FUNCTION_ROLE : texts.unknownRole(input.role, Number(path?.[0]));
    },
  }),
);

export type ChatMessage = z.infer<typeof messagesSchema>[number];
export type ChatContentPart = z.infer<typeof anyPart>;
export type ChatAssistantMessage = z.infer<typeof assistantMessage>;
export type ChatToolMessage = z.infer<typeof toolMessage>;

// ---- Parameters of a plain type: the front validator's ----

export const parametersSchema = z.object({
  stream: boolean('stream'),
  stream_options: z
    .object({ include_usage: boolean('stream_options.include_usage') }, { error: badType('stream_options', 'Object') })
    .nullish(),
  temperature: float('temperature'),
  top_p: float('top_p'),
  top_k: integer('top_k'),
  min_p: float('min_p'),
  presence_penalty: float('presence_penalty'),
  repetition_penalty: float('repetition_penalty'),
  max_tokens: integer('max_tokens'),
  max_completion_tokens: integer('max_completion_tokens'),
  n: integer('n'),
  seed: integer('seed'),
  logprobs: boolean('logprobs'),
  top_logprobs: integer('top_logprobs'),
  logit_bias: logitBias,
  enable_thinking: boolean('enable_thinking'),
  thinking_budget: integer('thinking_budget'),
  reasoning_effort: text('reasoning_effort'),
  preserve_thinking: boolean('preserve_thinking'),
  clear_thinking: boolean('clear_thinking'),
  /** MiniMax-M3's switch; whatever else other vendors put here is an unknown member. */
  thinking: z
    .object({ type: z.enum(['adaptive', 'enabled', 'disabled']) })
    .optional()
    .catch(undefined),
  parallel_tool_calls: boolean('parallel_tool_calls'),
  enable_search: boolean('enable_search'),
  search_options: jsonObject('search_options'),
  enable_code_interpreter: boolean('enable_code_interpreter'),
  translation_options: jsonObject('translation_options'),
  character_options: jsonObject('character_options'),
  skill: z.custom<readonly Json[]>(Array.isArray, { error: badType('skill', 'Array') }).nullish(),
  modalities: z.array(z.string(), { error: badType('modalities', 'Array') }).nullish(),
  audio: jsonObject('audio'),
  /** Ignored by the service, so never refused; kept for whoever stores the call. */
  user: z.string().optional().catch(undefined),
  metadata: z.custom<JsonObject>(isObject).optional().catch(undefined),
});

export type ChatParameters = z.infer<typeof parametersSchema>;

// ---- Parameters with a structure: the model layer's ----

const badJsonSchema = { error: () => texts.badResponseFormat('json_schema') };
const responseFormat = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('text') }),
    z.object({ type: z.literal('json_object') }),
    z.object({
      type: z.literal('json_schema'),
      json_schema: z.object(
        {
          name: z.string(badJsonSchema).nullish(),
          schema: z.custom<JsonSchema>(isObject, badJsonSchema),
          strict: boolean('strict'),
        },
        badJsonSchema,
      ),
      /** One table of the docs puts it here, the examples inside. */
      strict: boolean('strict'),
    }),
  ],
  { error: ({ input }) => texts.badResponseFormat(isObject(input) ? (input.type ?? 'None') : input) },
);

const MAX_TOOL_NAME_LENGTH = 64;
const TOOL_NAME = new RegExp(`^[A-Za-z0-9_-]{1,${MAX_TOOL_NAME_LENGTH}}$`);
/** The service keeps this one for itself. */
const FORBIDDEN_TOOL_NAME = 'search';

const toolMember = (member: string) => ({
  error: ({ path }: { path?: readonly PropertyKey[] | undefined }) =>
    texts.missingOrInvalid(`tools.[${String(path?.[1])}].${member}`),
});

const functionTool = z.object({
  type: z.literal('function'),
  function: z.object(
    {
      name: z
        .string(toolMember('function.name'))
        .regex(TOOL_NAME, { error: ({ path }) => texts.badToolName(Number(path?.[1])) })
        .refine((name) => name !== FORBIDDEN_TOOL_NAME, texts.TOOL_NAME_SEARCH),
      description: z.string(toolMember('function.description')).nullish(),
      parameters: z.custom<JsonSchema>(isObject, toolMember('function.parameters')).nullish(),
      /** Sent by clients, undocumented here. */
      strict: z.boolean().optional().catch(undefined),
      cache_control: cacheControl,
    },
    toolMember('function'),
  ),
  cache_control: cacheControl,
});

export const structuresSchema = z.object({
  stop: stopSchema,
  response_format: responseFormat.nullish(),
  tools: z
    .array(z.discriminatedUnion('type', [functionTool], toolMember('type')), { error: badType('tools', 'Array') })
    .min(1, texts.tooShort('tools'))
    .nullish(),
  tool_choice: z
    .union(
      [
        z.enum(['auto', 'none', 'required']),
        z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
      ],
      { error: texts.TOOL_CHOICE_FORMS },
    )
    .nullish(),
});

export type ChatStructures = z.infer<typeof structuresSchema>;
