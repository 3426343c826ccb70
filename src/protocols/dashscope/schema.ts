/**
 * The request body as zod schemas (dashscope-native reference §3).
 *
 * Types and structure only; ranges and whatever depends on the model belong to the pipeline. A `null` member counts as
 * absent, unknown members are ignored. The first issue's message is what the client reads, so the order of the keys is
 * the order of the checks. Not here, as nothing in this program does anything with them: `stream` (headers decide),
 * `tool_stream` (arguments always stream), `max_input_tokens`, `enable_text_image_mixed`, `vl_high_resolution_images`,
 * `vl_enable_image_hw_output`, `asr_options` (docs/wires/dashscope.md).
 */
import { z } from 'zod';
import type { Json, JsonSchema } from '../../core/generation.ts';
import { badType, boolean, float, integer, isObject, jsonObject, logitBias, stopSchema, text } from '../parameters.ts';
import * as texts from './texts.ts';

const required = (name: string) => z.string({ error: texts.fieldRequired(name) });

// ---- Content: each part is keyed by its own name (§3.1) ----

/** "Visual understanding", limits of inline data. */
const MAX_DATA_URI_BYTES = 10_485_760;

const mediaUrl = z
  .string({ error: texts.BAD_URL })
  .regex(/^(https?:\/\/.|oss:\/\/.|data:.)/i, texts.BAD_URL)
  .refine((url) => !(/^data:/i.test(url) && url.length > MAX_DATA_URI_BYTES), texts.DATA_URI_TOO_LARGE);

/** Lenient: a mark of another form is an unknown member. */
const cacheControl = z
  .object({ type: z.literal('ephemeral') })
  .optional()
  .catch(undefined);

const pixels = { min_pixels: integer('min_pixels'), max_pixels: integer('max_pixels') };
const videoOptions = { ...pixels, total_pixels: integer('total_pixels'), fps: float('fps') };

const textPart = z.object({
  modal: z.literal('text'),
  text: z.string({ error: texts.NOT_A_MODAL }),
  cache_control: cacheControl,
});
const imagePart = z.object({ modal: z.literal('image'), image: mediaUrl, ...pixels, cache_control: cacheControl });
const videoPart = z.object({
  modal: z.literal('video'),
  video: mediaUrl,
  ...videoOptions,
  cache_control: cacheControl,
});
const framesPart = z.object({
  modal: z.literal('frames'),
  video: z.array(mediaUrl).min(1, texts.BAD_URL),
  ...videoOptions,
  cache_control: cacheControl,
});
const audioPart = z.object({ modal: z.literal('audio'), audio: mediaUrl });
const filePart = z.object({ modal: z.literal('file'), file: mediaUrl, cache_control: cacheControl });
/** The list itself, or as the Java SDK sends it, below `url`. */
const documentsPart = z.object({
  modal: z.literal('doc_url'),
  doc_url: z.preprocess(
    (value) => {
      const urls = isObject(value) ? value.url : value;
      return typeof urls === 'string' ? [urls] : urls;
    },
    z.array(mediaUrl, { error: texts.BAD_URL }).min(1, texts.BAD_URL),
  ),
});

const MODALS = ['text', 'image', 'video', 'audio', 'file', 'doc_url'] as const;

/** A part says what it is by the one key it has of these; an OpenAI-like `type` beside it says nothing more. */
function withModal(part: unknown): unknown {
  if (!isObject(part)) return part;
  const [modal, ...others] = MODALS.filter((name) => part[name] !== undefined && part[name] !== null);
  if (modal === undefined || others.length > 0) return {};
  return { ...part, modal: modal === 'video' && Array.isArray(part.video) ? 'frames' : modal };
}

const notAModal = { error: texts.NOT_A_MODAL };
const textOnly = z.preprocess(withModal, z.discriminatedUnion('modal', [textPart], notAModal));
const toolResultPart = z.preprocess(withModal, z.discriminatedUnion('modal', [textPart, imagePart], notAModal));
const anyPart = z.preprocess(
  withModal,
  z.discriminatedUnion(
    'modal',
    [textPart, imagePart, videoPart, framesPart, audioPart, filePart, documentsPart],
    notAModal,
  ),
);

/** Content is a string or a list of parts; it leaves here as a list, an empty string as an empty list. */
function content<Part extends z.ZodType>(part: Part) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? (value === '' ? [] : [{ text: value }]) : value),
    z.array(part, {
      error: ({ input }) =>
        input === undefined || input === null ? texts.CONTENT_REQUIRED : texts.missingOrInvalid('content'),
    }),
  );
}

// ---- Input (§3) ----

const toolCall = z.object(
  {
    id: required('tool_calls.id'),
    function: z.object(
      { name: required('tool_calls.function.name'), arguments: z.string({ error: texts.ARGUMENTS_NOT_JSON }) },
      { error: texts.fieldRequired('tool_calls.function') },
    ),
  },
  { error: texts.missingOrInvalid('tool_calls') },
);

const systemMessage = z.object({ role: z.literal('system'), content: content(textOnly) });

const userMessage = z.object({
  role: z.literal('user'),
  content: content(anyPart).refine((parts) => parts.length > 0, texts.ROLE_OR_CONTENT),
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
});

const toolMessage = z.object({
  role: z.literal('tool'),
  content: content(toolResultPart),
  tool_call_id: required('tool_call_id'),
});

const message = z.discriminatedUnion('role', [systemMessage, userMessage, assistantMessage, toolMessage], {
  error: texts.ROLE_OR_CONTENT,
});

/** A turn of the oldest clients. */
const pastTurn = z.object(
  { user: required('history.user'), bot: required('history.bot') },
  { error: texts.missingOrInvalid('history') },
);

/** `input`. */
export const inputSchema = z.object({
  messages: z.array(message, { error: texts.missingOrInvalid('messages') }).nullish(),
  history: z.array(pastTurn, { error: texts.missingOrInvalid('history') }).nullish(),
  prompt: z.string({ error: badType('prompt', 'String') }).nullish(),
});

export type DashScopeInput = z.infer<typeof inputSchema>;
export type DashScopeMessage = z.infer<typeof message>;
export type DashScopePart = z.infer<typeof anyPart>;
export type DashScopeAssistantMessage = z.infer<typeof assistantMessage>;
export type DashScopeToolMessage = z.infer<typeof toolMessage>;

// ---- Parameters (§3.2) ----

/** The highest seed there is; what is above cannot be told from it in JSON. */
const MAX_SEED = 2 ** 63;

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
      strict: z.boolean().optional().catch(undefined),
    },
    toolMember('function'),
  ),
});

/** `parameters`. */
export const parametersSchema = z.object({
  result_format: z.enum(['text', 'message'], { error: texts.RESULT_FORMATS }).nullish(),
  incremental_output: boolean('incremental_output'),
  temperature: float('temperature'),
  top_p: float('top_p'),
  top_k: integer('top_k'),
  max_tokens: integer('max_tokens'),
  /** The Java SDK's former name of it. */
  max_length: integer('max_length'),
  max_completion_tokens: integer('max_completion_tokens'),
  seed: z
    .number({ error: badType('seed', 'Integer') })
    .refine((seed) => Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED, texts.SEED_RANGE)
    .nullish(),
  stop: stopSchema,
  repetition_penalty: float('repetition_penalty'),
  presence_penalty: float('presence_penalty'),
  n: integer('n'),
  logprobs: boolean('logprobs'),
  top_logprobs: integer('top_logprobs'),
  logit_bias: logitBias,
  tools: z
    .array(z.discriminatedUnion('type', [functionTool], toolMember('type')), { error: badType('tools', 'Array') })
    .min(1, texts.tooShort('tools'))
    .nullish(),
  tool_choice: z
    .union(
      [z.enum(['auto', 'none']), z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) })],
      { error: texts.TOOL_CHOICE_FORMS },
    )
    .nullish(),
  parallel_tool_calls: boolean('parallel_tool_calls'),
  response_format: responseFormat.nullish(),
  enable_thinking: boolean('enable_thinking'),
  thinking_budget: integer('thinking_budget'),
  reasoning_effort: text('reasoning_effort'),
  preserve_thinking: boolean('preserve_thinking'),
  clear_thinking: boolean('clear_thinking'),
  enable_search: boolean('enable_search'),
  search_options: jsonObject('search_options'),
  enable_code_interpreter: boolean('enable_code_interpreter'),
  skill: z.custom<readonly Json[]>(Array.isArray, { error: badType('skill', 'Array') }).nullish(),
  translation_options: jsonObject('translation_options'),
  character_options: jsonObject('character_options'),
  ocr_options: jsonObject('ocr_options'),
  modalities: z.array(z.string(), { error: badType('modalities', 'Array') }).nullish(),
  audio: jsonObject('audio'),
});

export type DashScopeParameters = z.infer<typeof parametersSchema>;
