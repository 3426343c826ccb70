/**
 * Items, the pieces a conversation is made of on the Responses and Conversations wires (responses-and-tools reference
 * §2.1, §9, §11): what a client may send, and the one form in which they are kept and shown.
 *
 * Strict about what a model is to read, forgiving about the rest: items without `type` are messages, items of a kind
 * that nothing here reads (calls of built-in tools, kinds that do not exist yet) are kept and shown as they came.
 */
import { z } from 'zod';
import { StudioError } from '../core/errors.ts';
import type { Json } from '../core/generation.ts';
import type { IdSource } from '../core/ports.ts';
import type { StoredItem } from '../core/responses.ts';
import { isObject, type JsonObject } from './parameters.ts';

// ---- Kept items ----

export interface MessageItem extends StoredItem {
  readonly type: 'message';
  readonly role: 'user' | 'assistant' | 'system' | 'developer';
  readonly content: readonly MessagePart[];
}

export type MessagePart =
  | CallOutputPart
  | { readonly type: 'output_text'; readonly text: string; readonly annotations: readonly Json[] }
  | { readonly type: 'refusal'; readonly refusal: string }
  | FilePart;

/** What a call may give back besides a string. */
export type CallOutputPart = { readonly type: 'input_text'; readonly text: string } | ImagePart;

type ImagePart = { readonly type: 'input_image'; readonly image_url: string; readonly detail: 'auto' | 'low' | 'high' };
type FilePart = { readonly type: 'input_file'; readonly [member: string]: Json };

export interface FunctionCallItem extends StoredItem {
  readonly type: 'function_call';
  readonly call_id: string;
  readonly name: string;
  readonly arguments: string;
}

/** A call of a tool that takes plain text. */
export interface CustomToolCallItem extends StoredItem {
  readonly type: 'custom_tool_call';
  readonly call_id: string;
  readonly name: string;
  readonly input: string;
}

export interface CallOutputItem extends StoredItem {
  readonly type: 'function_call_output' | 'custom_tool_call_output';
  readonly call_id: string;
  readonly output: string | readonly CallOutputPart[];
}

export interface ReasoningItem extends StoredItem {
  readonly type: 'reasoning';
  readonly summary: readonly { readonly type: 'summary_text'; readonly text: string }[];
}

/** A conversation so far, put in few words by the model; sealed, as only this server reads it. */
export interface CompactionItem extends StoredItem {
  readonly type: 'compaction';
  readonly encrypted_content: string;
}

/** Stands for an item that was shown before. */
export interface ItemReference extends StoredItem {
  readonly type: 'item_reference';
}

/** The kinds that a model reads. */
export type KnownItem =
  | MessageItem
  | FunctionCallItem
  | CustomToolCallItem
  | CallOutputItem
  | ReasoningItem
  | CompactionItem
  | ItemReference;

/** The item as one of the kinds that a model reads; undefined for the others. Only for items that were decoded here. */
export function knownItem(item: StoredItem): KnownItem | undefined {
  return Object.hasOwn(DECODERS, item.type) ? (item as KnownItem) : undefined;
}

/** What the id of an item of a type begins with. */
export function itemIdPrefix(type: string): string {
  return ID_PREFIXES.get(type) ?? 'item';
}

const ID_PREFIXES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    message: 'msg',
    function_call: 'fc',
    function_call_output: 'fco',
    custom_tool_call: 'ctc',
    custom_tool_call_output: 'ctco',
    reasoning: 'rs',
    compaction: 'cmp',
    item_reference: 'ref',
    web_search_call: 'ws',
    file_search_call: 'fs',
    code_interpreter_call: 'ci',
    mcp_call: 'mcp',
  }),
);

// ---- What clients send ----

const expected = (what: string) => ({
  error: ({ input }: { input?: unknown }) =>
    input === undefined ? 'missing required parameter' : `expected ${what}, but got ${kindOf(input)} instead`,
});

const text = z.string(expected('a string'));
const optionalText = text.nullish();
/** A hint that nothing here depends on: of another form it counts as absent. */
const lenientText = z.string().optional().catch(undefined);

const image = z.union([text, z.object({ url: text })], expected('a URL or an object with one'));
const detail = z.enum(['auto', 'low', 'high']).catch('auto').default('auto');

/** `text` and `image_url` are the Chat spellings that the vendor's older pages show. */
const textPart = z.object({
  type: z.literal(['input_text', 'output_text', 'text', 'summary_text', 'reasoning_text']),
  text,
});
const imagePart = z.object({
  type: z.literal(['input_image', 'image_url']),
  image_url: image.nullish(),
  detail,
  file_id: optionalText,
});
const filePart = z.looseObject({
  type: z.literal('input_file'),
  file_id: optionalText,
  file_url: optionalText,
  file_data: optionalText,
  filename: optionalText,
});
const refusalPart = z.object({ type: z.literal('refusal'), refusal: text });

const unknownPart = {
  error: ({ input }: { input?: unknown }) =>
    isObject(input) ? `unknown type ${shown(input.type)}` : `expected an object, but got ${kindOf(input)} instead`,
};
const inputPart = z.discriminatedUnion('type', [textPart, imagePart, filePart], unknownPart);
const outputPart = z.discriminatedUnion('type', [textPart, imagePart], unknownPart);
const assistantPart = z.discriminatedUnion('type', [textPart, refusalPart], unknownPart);

/** A string or a list of parts. */
function content<Part extends z.ZodType>(part: Part) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value),
    z.array(part, expected('one of a string or array of objects')),
  );
}

const shared = { id: lenientText, status: lenientText };

const role = {
  error: ({ input }: { input?: unknown }) =>
    `unknown value ${shown(isObject(input) ? input.role : input)}. Supported values are: 'assistant', 'system', 'developer', and 'user'`,
};
const message = z.discriminatedUnion(
  'role',
  [
    z.object({ ...shared, role: z.literal(['user', 'system', 'developer']), content: content(inputPart) }),
    z.object({ ...shared, role: z.literal('assistant'), content: content(assistantPart), phase: lenientText }),
  ],
  role,
);

const functionCall = z.object({
  ...shared,
  call_id: text.min(1, 'must not be empty'),
  name: text.min(1, 'must not be empty'),
  arguments: text,
  namespace: lenientText,
});
const customToolCall = z.object({
  ...shared,
  call_id: text.min(1, 'must not be empty'),
  name: text.min(1, 'must not be empty'),
  input: text,
  namespace: lenientText,
});
const callOutput = z.object({
  ...shared,
  call_id: text.min(1, 'must not be empty'),
  output: z.union([text, z.array(outputPart)], expected('one of a string or array of objects')),
});
const reasoning = z.object({
  ...shared,
  summary: z.array(z.object({ text })).nullish(),
  content: z.array(z.object({ text })).nullish(),
  encrypted_content: optionalText,
});
const compaction = z.object({ ...shared, encrypted_content: text });
const reference = z.object({ id: text.min(1, 'must not be empty') });

// ---- Decoding ----

type Members = { readonly [member: string]: Json };
type Decoder = (value: JsonObject, path: string) => Members;

/** The kinds that a model reads, each in the form in which it is kept. */
const DECODERS: { readonly [type in KnownItem['type']]: Decoder } = {
  message: (value, path) => {
    const parsed = parse(message, value, path);
    const parts =
      parsed.role === 'assistant'
        ? parsed.content.map(
            (part): MessagePart =>
              part.type === 'refusal' ? part : { type: 'output_text', text: part.text, annotations: [] },
          )
        : parsed.content.map((part, index) => keptPart(part, `${path}.content[${index}]`));
    const phase = parsed.role === 'assistant' ? parsed.phase : undefined;
    return {
      status: parsed.status ?? 'completed',
      role: parsed.role,
      content: parts,
      ...(phase === undefined ? {} : { phase }),
    };
  },
  function_call: (value, path) => {
    const { status, call_id, name, arguments: inputText, namespace } = parse(functionCall, value, path);
    return {
      status: status ?? 'completed',
      call_id,
      ...(namespace === undefined ? {} : { namespace }),
      name,
      // A call without arguments comes back from clients as ''.
      arguments: inputText === '' ? '{}' : inputText,
    };
  },
  custom_tool_call: (value, path) => {
    const { status, call_id, name, input, namespace } = parse(customToolCall, value, path);
    return { status: status ?? 'completed', call_id, ...(namespace === undefined ? {} : { namespace }), name, input };
  },
  function_call_output: keptOutput,
  custom_tool_call_output: keptOutput,
  reasoning: (value, path) => {
    const { summary, content: thoughts, encrypted_content: sealed } = parse(reasoning, value, path);
    return {
      summary: (summary ?? []).map((part) => ({ type: 'summary_text', text: part.text })),
      ...(thoughts && thoughts.length > 0
        ? { content: thoughts.map((part) => ({ type: 'reasoning_text', text: part.text })) }
        : {}),
      ...(typeof sealed === 'string' ? { encrypted_content: sealed } : {}),
    };
  },
  compaction: (value, path) => ({ encrypted_content: parse(compaction, value, path).encrypted_content }),
  item_reference: (value, path) => ({ id: parse(reference, value, path).id }),
};

function keptOutput(value: JsonObject, path: string): Members {
  const { status, call_id, output } = parse(callOutput, value, path);
  return {
    status: status ?? 'completed',
    call_id,
    output:
      typeof output === 'string'
        ? output
        : output.map((part, index) => keptOutputPart(part, `${path}.output[${index}]`)),
  };
}

function keptPart(part: z.infer<typeof inputPart>, path: string): CallOutputPart | FilePart {
  return part.type === 'input_file' ? (part as FilePart) : keptOutputPart(part, path);
}

function keptOutputPart(part: z.infer<typeof outputPart>, path: string): CallOutputPart {
  switch (part.type) {
    case 'input_image':
    case 'image_url': {
      const { image_url: url } = part;
      if (url === undefined || url === null) throw refusal(`${path}.image_url`, 'missing required parameter');
      return { type: 'input_image', image_url: typeof url === 'string' ? url : url.url, detail: part.detail };
    }
    default:
      return { type: 'input_text', text: part.text };
  }
}

/** One item in the form in which it is kept. `path` is where it stands in the body, for the words of a refusal. */
export function decodeItem(value: unknown, path: string, ids: IdSource): StoredItem {
  if (!isObject(value)) throw refusal(path, `expected an object, but got ${kindOf(value)} instead`);
  const type = typeOf(value);
  if (type === undefined) throw refusal(`${path}.type`, 'missing required parameter');
  const { id: given } = value;
  const id = typeof given === 'string' && given !== '' ? given : newItemId(type, ids);
  const decode = Object.hasOwn(DECODERS, type) ? DECODERS[type as KnownItem['type']] : undefined;
  return decode ? { id, type, ...decode(value, path) } : { ...value, id, type };
}

/** Also `{"role", "content"}` and `{"id"}`, which say what they are without a `type`. */
function typeOf(value: JsonObject): string | undefined {
  if (typeof value.type === 'string' && value.type !== '') return value.type;
  if (value.role !== undefined) return 'message';
  return value.id !== undefined ? 'item_reference' : undefined;
}

/** An id for an item of ours that no answer gives one. */
export function newItemId(type: string, ids: IdSource): string {
  return `${itemIdPrefix(type)}_${ids.uuid().replaceAll('-', '')}`;
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, path: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refusal(path + pathText(issue?.path ?? []), issue?.message ?? '');
}

/** `[0].text`, as it would be written in a program. */
function pathText(path: readonly PropertyKey[]): string {
  return path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
}

/** A member that is refused; the words after its name are ours, in the vendor's form ("Invalid 'store': …"). */
export function refusal(path: string, problem: string): StudioError {
  return new StudioError('invalid-parameter', `Invalid '${path}': ${problem}.`, { param: path });
}

/** A caller's value in our words: never more than a word of it. */
export function shown(value: unknown): string {
  return (typeof value === 'string' ? `'${value}'` : String(value)).slice(0, 64);
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'object':
      return 'an object';
    case 'number':
      return Number.isInteger(value) ? 'an integer' : 'a number';
    default:
      return `a ${typeof value}`;
  }
}
