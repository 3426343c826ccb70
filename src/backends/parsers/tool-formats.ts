/**
 * How families of models spell their tool calls, as data. One record serves three readers of it:
 *
 *     writer     `writeCalls`: how earlier calls are shown in a prompt
 *     splitter   `tool-call-opening.ts`, `tool-call-reader.ts`: calls out of text
 *     grammar    `embedded/call-shape.ts` and the engine child: what decoding is held to once a call has begun
 *
 *     calls = opening ( before NAME afterName INPUT after ) ( between before NAME … )* ending
 *
 * The spellings are those of the chat templates that the families publish with their weights.
 */
import type { Json, JsonSchema } from '../../core/generation.ts';

export type ToolFormatId =
  | 'hermes'
  | 'qwen3-coder'
  | 'deepseek-v3'
  | 'deepseek-v3.1'
  | 'glm'
  | 'kimi'
  | 'minimax'
  | 'mistral'
  | 'mistral-args'
  | 'llama'
  | 'fenced-json'
  | 'json';

/** Arguments one by one between tags: a text as it is, every other value as JSON. */
export interface TaggedSpelling {
  readonly beforeKey: string;
  readonly afterKey: string;
  readonly afterValue: string;
}

export interface ToolFormat {
  readonly id: ToolFormatId;
  /** Texts that, all together, tell a chat template of this family from others; none: it is never found by them. */
  readonly signs: readonly string[];
  /** Around all calls of an answer. */
  readonly opening: string;
  readonly ending: string;
  readonly between: string;
  /** Around one call. `{index}` stands for its number in the answer, from 0. */
  readonly before: string;
  readonly afterName: string;
  readonly after: string;
  readonly input: 'json' | TaggedSpelling;
}

const FORMATS: readonly ToolFormat[] = [
  {
    id: 'minimax',
    signs: ['<minimax:tool_call>'],
    opening: '<minimax:tool_call>\n',
    ending: '\n</minimax:tool_call>',
    between: '\n',
    before: '<invoke name="',
    afterName: '">\n',
    after: '</invoke>',
    input: { beforeKey: '<parameter name="', afterKey: '">', afterValue: '</parameter>\n' },
  },
  {
    id: 'kimi',
    signs: ['<|tool_calls_section_begin|>'],
    opening: '<|tool_calls_section_begin|>',
    ending: '<|tool_calls_section_end|>',
    between: '',
    before: '<|tool_call_begin|>functions.',
    afterName: ':{index}<|tool_call_argument_begin|>',
    after: '<|tool_call_end|>',
    input: 'json',
  },
  {
    id: 'deepseek-v3',
    signs: ['<｜tool▁calls▁begin｜>', '```json'],
    opening: '<｜tool▁calls▁begin｜>',
    ending: '<｜tool▁calls▁end｜>',
    between: '\n',
    before: '<｜tool▁call▁begin｜>function<｜tool▁sep｜>',
    afterName: '\n```json\n',
    after: '\n```<｜tool▁call▁end｜>',
    input: 'json',
  },
  {
    id: 'deepseek-v3.1',
    signs: ['<｜tool▁calls▁begin｜>'],
    opening: '<｜tool▁calls▁begin｜>',
    ending: '<｜tool▁calls▁end｜>',
    between: '',
    before: '<｜tool▁call▁begin｜>',
    afterName: '<｜tool▁sep｜>',
    after: '<｜tool▁call▁end｜>',
    input: 'json',
  },
  {
    id: 'qwen3-coder',
    signs: ['<tool_call>', '<function=', '<parameter='],
    opening: '',
    ending: '',
    between: '\n',
    before: '<tool_call>\n<function=',
    afterName: '>\n',
    after: '</function>\n</tool_call>',
    input: { beforeKey: '<parameter=', afterKey: '>\n', afterValue: '\n</parameter>\n' },
  },
  {
    id: 'glm',
    signs: ['<tool_call>', '<arg_key>'],
    opening: '',
    ending: '',
    between: '\n',
    before: '<tool_call>',
    afterName: '\n',
    after: '</tool_call>',
    input: { beforeKey: '<arg_key>', afterKey: '</arg_key>\n<arg_value>', afterValue: '</arg_value>\n' },
  },
  {
    id: 'hermes',
    signs: ['<tool_call>'],
    opening: '',
    ending: '',
    between: '\n',
    before: '<tool_call>\n{"name": "',
    afterName: '", "arguments": ',
    after: '}\n</tool_call>',
    input: 'json',
  },
  {
    id: 'mistral-args',
    signs: ['[TOOL_CALLS]', '[ARGS]'],
    opening: '',
    ending: '',
    between: '',
    before: '[TOOL_CALLS]',
    afterName: '[ARGS]',
    after: '',
    input: 'json',
  },
  {
    id: 'mistral',
    signs: ['[TOOL_CALLS]'],
    opening: '[TOOL_CALLS] [',
    ending: ']',
    between: ', ',
    before: '{"name": "',
    afterName: '", "arguments": ',
    after: '}',
    input: 'json',
  },
  {
    id: 'llama',
    signs: ['<|python_tag|>'],
    opening: '',
    ending: '',
    between: '; ',
    before: '{"name": "',
    afterName: '", "parameters": ',
    after: '}',
    input: 'json',
  },
  {
    id: 'fenced-json',
    signs: [],
    opening: '```json\n',
    ending: '\n```',
    between: '\n',
    before: '{"name": "',
    afterName: '", "arguments": ',
    after: '}',
    input: 'json',
  },
  {
    id: 'json',
    signs: [],
    opening: '',
    ending: '',
    between: '\n',
    before: '{"name": "',
    afterName: '", "arguments": ',
    after: '}',
    input: 'json',
  },
];

/** All of them, those that are told apart by more signs first. */
export const TOOL_FORMATS: readonly ToolFormat[] = FORMATS;
export const TOOL_FORMAT_IDS: readonly ToolFormatId[] = FORMATS.map(({ id }) => id);

export function toolFormat(id: ToolFormatId): ToolFormat {
  const found = FORMATS.find((format) => format.id === id);
  if (found === undefined) throw new Error(`there is no tool format ${id}`);
  return found;
}

/** The family whose calls a chat template (its source) tells of. */
export function formatOfTemplate(template: string): ToolFormat | undefined {
  return FORMATS.find(({ signs }) => signs.length > 0 && signs.every((sign) => template.includes(sign)));
}

export interface WrittenCall {
  readonly name: string;
  readonly inputText: string;
}

/** Calls as the family writes them. Arguments that are no JSON object stay the text that they are. */
export function writeCalls(format: ToolFormat, calls: readonly WrittenCall[]): string {
  const written = calls.map(({ name, inputText }, index) => {
    const isQuoted = format.before.endsWith('"') && format.input === 'json';
    const spelt = isQuoted ? JSON.stringify(name).slice(1, -1) : name;
    return format.before + spelt + indexed(format.afterName, index) + writeInput(format, inputText) + format.after;
  });
  return format.opening + written.join(format.between) + format.ending;
}

/** A family's spelling as decoding goes along it. */
export interface CallShape {
  /** Up to the first name. */
  readonly opening: string;
  /** Ends a name; the model writes it itself, and by it tells a name from a longer one. */
  readonly nameEnd: string;
  /** Between the end of a name and the arguments. A blank before JSON is not in it: it belongs to the model's own token. */
  readonly beforeInput: string;
  readonly after: string;
  /** Between two calls, up to the next name. */
  readonly next: string;
  /** Behind the last call; '' where the model ends its turn there. */
  readonly ending: string;
}

/** How calls are decoded in a family's spelling. */
export function callShape(format: ToolFormat): CallShape {
  const nameEnd = /^(?:<[^>]*>|\[[^\]]*\]|[\s\S])/.exec(format.afterName)?.[0] ?? '';
  return {
    opening: format.opening + format.before,
    nameEnd,
    beforeInput: format.afterName.slice(nameEnd.length).replace(/ $/, ''),
    after: format.after,
    next: format.between + format.before,
    ending: format.ending,
  };
}

/** Whether a control token is part of how some family spells its calls, so that its spelling has to be read. */
export function isCallMark(controlText: string): boolean {
  return /^<\/?\w+>$/.test(controlText) || MARKS.includes(controlText);
}

const MARKS = [
  ...new Set(
    FORMATS.flatMap(({ opening, ending, before, afterName, after }) =>
      [opening, ending, before, afterName, after, '<|python_tag|>'].flatMap(
        (text) => text.match(/<[^<>]*>|\[[A-Z_]+\]/g) ?? [],
      ),
    ),
  ),
];

/** What stands after a name, with the number of the call. */
export function indexed(text: string, index: number): string {
  return text.replace('{index}', String(index));
}

function writeInput({ input }: ToolFormat, inputText: string): string {
  const text = inputText.trim() === '' ? '{}' : inputText;
  if (input === 'json') return text;
  const values = objectOf(text);
  if (values === undefined) return text;
  return Object.entries(values)
    .map(([key, value]) => input.beforeKey + key + input.afterKey + writeTaggedValue(value) + input.afterValue)
    .join('');
}

function writeTaggedValue(value: Json): string {
  return typeof value === 'string' ? value : spacedJson(value);
}

/** With the blanks that chat templates write, and that the grammars of arguments hold. */
function spacedJson(value: Json): string {
  if (isList(value)) return `[${value.map(spacedJson).join(', ')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${spacedJson(each)}`);
  return `{${members.join(', ')}}`;
}

/** What a tagged argument holds, by its schema: a text as it is, JSON, or whichever it turns out to be. */
export type ParameterKind = 'text' | 'json' | 'any';

/** The kind of each declared argument. */
export function parameterKinds(schema: JsonSchema): ReadonlyMap<string, ParameterKind> {
  const properties = isObject(schema.properties) ? schema.properties : {};
  return new Map(Object.entries(properties).map(([name, property]) => [name, kindOf(property, schema, 0)]));
}

/** References that lead to one another are followed this far. */
const MAX_REFERENCES = 8;

function kindOf(schema: Json, root: JsonSchema, depth: number): ParameterKind {
  if (!isObject(schema) || depth > MAX_REFERENCES) return 'any';
  if (typeof schema.$ref === 'string') return kindOf(atPointer(root, schema.$ref) ?? true, root, depth + 1);
  const values = Array.isArray(schema.enum) ? schema.enum : 'const' in schema ? [schema.const] : undefined;
  if (values !== undefined) return kindOfAll(values.map((value) => (typeof value === 'string' ? 'text' : 'json')));
  const { type } = schema;
  if (typeof type === 'string') return type === 'string' ? 'text' : 'json';
  if (Array.isArray(type)) return kindOfAll(type.map((each) => (each === 'string' ? 'text' : 'json')));
  const branches = [schema.anyOf, schema.oneOf].find((each) => Array.isArray(each));
  return Array.isArray(branches) ? kindOfAll(branches.map((each) => kindOf(each, root, depth + 1))) : 'any';
}

function kindOfAll(kinds: readonly ParameterKind[]): ParameterKind {
  const [first, ...others] = kinds;
  return first !== undefined && others.every((kind) => kind === first) ? first : 'any';
}

function atPointer(root: JsonSchema, reference: string): Json | undefined {
  if (!reference.startsWith('#/')) return undefined;
  let value: Json | undefined = root;
  for (const segment of reference.slice(2).split('/')) {
    const key = segment.replaceAll('~1', '/').replaceAll('~0', '~');
    value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

function objectOf(text: string): JsonSchema | undefined {
  try {
    const value = JSON.parse(text) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function isObject(value: Json | undefined): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
