/**
 * The request body as zod schemas (anthropic-messages reference §2, §3, §5, §6).
 *
 * Types and structure only. Unknown members are ignored and a `null` member counts as absent: agents add members with
 * every release, and a refusal ends their turn. The first issue is what the client reads, its place in front of it
 * (`messages.1.content.0.type: …`) as on the vendor's own API. Not here because nothing depends on them: service_tier,
 * container, context_management, diagnostics, inference_geo, `thinking.display`.
 */
import { z } from 'zod';
import { StudioError } from '../../core/errors.ts';
import type { JsonSchema } from '../../core/generation.ts';
import { isObject, type JsonObject } from '../parameters.ts';

export const FIELD_REQUIRED = 'Field required';
export const AT_LEAST_ONE = 'Input should be greater than or equal to 1';

/** Refuses what stands at a place of the body. */
export function refuseAt(path: readonly PropertyKey[], words: string): never {
  const place = path.map(String).join('.');
  throw new StudioError('invalid-parameter', place === '' ? words : `${place}: ${words}`, {
    param: place === '' ? undefined : place,
  });
}

/** What a schema makes of a value, or a refusal in the words of its first issue. */
export function parseWire<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return refuseAt(issue?.path ?? [], issue?.message ?? 'Invalid request');
}

/** The words for a value of another form. */
const should = (form: string) => ({
  error: ({ input }: { readonly input?: unknown }) =>
    input === undefined ? FIELD_REQUIRED : `Input should be ${form}`,
});

/** Deeper values can be read, but not written again; nobody means them. */
const MAX_DEPTH = 256;

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((each) => isShallow(each, depth - 1));
}

function shallow(): [(value: unknown) => boolean, string] {
  return [(value) => isShallow(value, MAX_DEPTH), 'Input is nested too deeply'];
}

const text = z.string(should('a valid string'));
const boolean = z.boolean(should('a valid boolean'));
const float = z.number(should('a valid number'));
const integer = z.int(should('a valid integer'));
const dictionary = z.custom<JsonObject>(isObject, should('a valid dictionary')).refine(...shallow());
const jsonSchema = z.custom<JsonSchema>(isObject, should('a valid dictionary')).refine(...shallow());
const list = <Item extends z.ZodType>(item: Item) => z.array(item, should('a valid list'));
const object = <Shape extends z.ZodRawShape>(shape: Shape) => z.object(shape, should('a valid dictionary'));

/** A member of another type than expected is no reason to refuse: it counts as absent. */
const lenient = <Schema extends z.ZodType>(schema: Schema) => schema.optional().catch(undefined);

const unknownTag = {
  error: ({ input }: { readonly input?: unknown }) => {
    if (!isObject(input)) return 'Input should be a valid dictionary';
    if (input.type === undefined) return FIELD_REQUIRED;
    return `Input tag '${String(input.type).slice(0, 64)}' found using 'type' does not match any of the expected tags`;
  },
};

// ---- Content blocks ----

/** `scope` and whatever else newer clients add to a mark is ignored. */
const cacheControl = lenient(z.object({ type: z.literal('ephemeral'), ttl: lenient(z.string()) }));
export type CacheControl = z.infer<typeof cacheControl>;

const textBlock = z.object({ type: z.literal('text'), text, cache_control: cacheControl });

const mediaSource = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('base64'), media_type: text, data: text }),
    z.object({ type: z.literal('url'), url: text }),
  ],
  unknownTag,
);
const imageBlock = z.object({ type: z.literal('image'), source: mediaSource, cache_control: cacheControl });
/** Model Studio's own. */
const videoBlock = z.object({ type: z.literal('video'), source: mediaSource, cache_control: cacheControl });

/** Content is a string or a list of blocks; it leaves here as a list. */
function content<Block extends z.ZodType>(block: Block) {
  return z.preprocess((value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value), list(block));
}

const documentBlock = z.object({
  type: z.literal('document'),
  source: z.discriminatedUnion(
    'type',
    [
      z.object({ type: z.literal('text'), data: text }),
      z.object({
        type: z.literal('content'),
        content: content(z.discriminatedUnion('type', [textBlock, imageBlock], unknownTag)),
      }),
    ],
    { error: () => "`document` blocks are read from 'text' and 'content' sources; PDF files are not supported" },
  ),
  title: text.nullish(),
  context: text.nullish(),
  cache_control: cacheControl,
});

const searchResultBlock = z.object({
  type: z.literal('search_result'),
  source: text,
  title: text,
  content: list(textBlock),
  cache_control: cacheControl,
});

const toolReferenceBlock = z.object({
  type: z.literal('tool_reference'),
  tool_name: text,
  cache_control: cacheControl,
});

/** Blocks of tools that other servers ran, and of features that are not here: their text is kept, the rest dropped. */
const foreignBlock = z.looseObject({
  type: z.literal([
    'server_tool_use',
    'web_search_tool_result',
    'web_fetch_tool_result',
    'code_execution_tool_result',
    'bash_code_execution_tool_result',
    'text_editor_code_execution_tool_result',
    'tool_search_tool_result',
    'advisor_tool_result',
    'mcp_tool_use',
    'mcp_tool_result',
    'mcp_tool_listing',
    'container_upload',
    'compaction',
    'fallback',
    'browser_state',
    'tool_addition',
    'tool_removal',
  ]),
  cache_control: cacheControl,
});

const toolUseBlock = z.object({
  type: z.literal('tool_use'),
  id: text,
  name: text,
  input: dictionary,
  cache_control: cacheControl,
});

const resultBlock = z.discriminatedUnion(
  'type',
  [textBlock, imageBlock, documentBlock, searchResultBlock, toolReferenceBlock, foreignBlock],
  unknownTag,
);

const toolResultBlock = z.object({
  type: z.literal('tool_result'),
  tool_use_id: text,
  content: content(resultBlock).nullish(),
  is_error: boolean.nullish(),
  cache_control: cacheControl,
});

const thinkingBlock = z.object({ type: z.literal('thinking'), thinking: text, signature: lenient(z.string()) });
const redactedThinkingBlock = z.object({ type: z.literal('redacted_thinking') });

const messageBlock = z.discriminatedUnion(
  'type',
  [
    textBlock,
    imageBlock,
    videoBlock,
    toolUseBlock,
    toolResultBlock,
    thinkingBlock,
    redactedThinkingBlock,
    documentBlock,
    searchResultBlock,
    toolReferenceBlock,
    foreignBlock,
  ],
  unknownTag,
);

export type MessageBlock = z.infer<typeof messageBlock>;
export type ResultBlock = z.infer<typeof resultBlock>;
export type BlockOf<Type extends MessageBlock['type']> = Extract<MessageBlock, { type: Type }>;

const message = object({
  role: z.enum(['user', 'assistant', 'system'], should("'user', 'assistant' or 'system'")),
  content: content(messageBlock),
});
export type Message = z.infer<typeof message>;

// ---- Tools ----

/** Which members are needed depends on `type`; `tools.ts` says so. */
const tool = object({
  type: text.nullish(),
  name: text.nullish(),
  description: text.nullish(),
  input_schema: jsonSchema.nullish(),
  strict: lenient(z.boolean()),
  defer_loading: lenient(z.boolean()),
  cache_control: cacheControl,
})
  .loose()
  .refine(...shallow());
export type MessagesTool = z.infer<typeof tool>;

const parallel = { disable_parallel_tool_use: boolean.nullish() };
const toolChoice = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal(['auto', 'any']), ...parallel }),
    z.object({ type: z.literal('none') }),
    z.object({ type: z.literal('tool'), name: text, ...parallel }),
  ],
  unknownTag,
);

// ---- The body ----

const outputFormat = object({
  type: z.literal('json_schema', should("'json_schema'")),
  schema: jsonSchema,
});

const THINKING_TYPES = ['enabled', 'disabled', 'adaptive', 'between_tools'] as const;
const EFFORTS = ['low', 'medium', 'high', 'xhigh', 'max'] as const;

export const bodySchema = object({
  model: text.min(1, 'String should have at least 1 character'),
  max_tokens: integer.min(1, AT_LEAST_ONE).nullish(),
  messages: list(message).min(1, 'at least one message is required'),
  system: content(z.discriminatedUnion('type', [textBlock], unknownTag)).nullish(),
  stream: boolean.nullish(),
  temperature: float.nullish(),
  top_p: float.nullish(),
  top_k: integer.nullish(),
  stop_sequences: list(text).nullish(),
  thinking: object({
    type: z.enum(THINKING_TYPES, should("'enabled', 'disabled' or 'adaptive'")),
    budget_tokens: integer.nullish(),
  }).nullish(),
  output_config: object({
    effort: z.enum(EFFORTS, should("'low', 'medium', 'high', 'xhigh' or 'max'")).nullish(),
    format: outputFormat.nullish(),
  }).nullish(),
  /** The name of `output_config.format` in earlier betas. */
  output_format: outputFormat.nullish(),
  tools: list(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  cache_control: cacheControl,
  /** The conversation is to be kept by the server (beta). */
  thread: dictionary.nullish(),
  mcp_servers: z.array(z.unknown(), should('a valid list')).nullish(),
  metadata: lenient(z.object({ user_id: lenient(z.string()) })),
});
export type MessagesBody = z.infer<typeof bodySchema>;
