/** `tools` and `tool_choice` → canonical tools (anthropic-messages reference §6). */
import type { FunctionTool, Json, JsonSchema, Tool, ToolChoice } from '../../core/generation.ts';
import { isObject } from '../parameters.ts';
import { cacheMarkOf } from './blocks.ts';
import { FIELD_REQUIRED, type Message, type MessagesBody, type MessagesTool, refuseAt } from './schema.ts';

/**
 * Tools that the vendor's models know by their type, and that the caller runs: any other model has to be told what
 * they take ("Bash tool", "Text editor tool", "Memory tool").
 */
const CLIENT_TOOLS: readonly {
  readonly type: RegExp;
  readonly description: string;
  readonly inputSchema: JsonSchema;
}[] = [
  {
    type: /^bash_\d+$/,
    description: 'Runs a command in a bash session that lives on between calls.',
    inputSchema: {
      type: 'object',
      properties: {
        command: { type: 'string', description: 'The command to run.' },
        restart: { type: 'boolean', description: 'True starts a new session instead of running a command.' },
      },
    },
  },
  {
    type: /^text_editor_\d+$/,
    description: 'Views, creates and edits text files.',
    inputSchema: {
      type: 'object',
      properties: {
        command: { type: 'string', enum: ['view', 'create', 'str_replace', 'insert'] },
        path: { type: 'string', description: 'The file, or for view a folder.' },
        view_range: {
          type: 'array',
          items: { type: 'integer' },
          description: 'For view: the first and the last line, counted from 1; -1 is the end of the file.',
        },
        file_text: { type: 'string', description: 'For create: the whole text of the file.' },
        old_str: { type: 'string', description: 'For str_replace: the text to replace; it must be in the file once.' },
        new_str: { type: 'string', description: 'For str_replace: the text that takes its place.' },
        insert_line: {
          type: 'integer',
          description: 'For insert: the line after which to insert; 0 is the beginning.',
        },
        insert_text: { type: 'string', description: 'For insert: the text to insert.' },
      },
      required: ['command', 'path'],
    },
  },
  {
    type: /^memory_\d+$/,
    description: 'Reads and writes the files of a memory that outlives this conversation, below /memories.',
    inputSchema: {
      type: 'object',
      properties: {
        command: { type: 'string', enum: ['view', 'create', 'str_replace', 'insert', 'delete', 'rename'] },
        path: { type: 'string', description: 'The file or folder; for rename see old_path and new_path.' },
        view_range: {
          type: 'array',
          items: { type: 'integer' },
          description: 'For view: the first and the last line.',
        },
        file_text: { type: 'string', description: 'For create: the whole text of the file.' },
        old_str: { type: 'string', description: 'For str_replace: the text to replace.' },
        new_str: { type: 'string', description: 'For str_replace: the text that takes its place.' },
        insert_line: { type: 'integer', description: 'For insert: the line after which to insert.' },
        insert_text: { type: 'string', description: 'For insert: the text to insert.' },
        old_path: { type: 'string', description: 'For rename: the path as it is.' },
        new_path: { type: 'string', description: 'For rename: the path as it is to be.' },
      },
      required: ['command'],
    },
  },
];

/** Tools that the server would run, by the kind the rest of the program knows them by. */
const HOSTED_KINDS: readonly (readonly [RegExp, string])[] = [
  [/^web_search_\d+$/, 'web_search'],
  [/^web_fetch_\d+$/, 'web_fetch'],
  [/^code_execution_\d+$/, 'code_interpreter'],
];

/** The tools on offer in the last message; `strict`, marks and schemas as they came. */
export function decodeTools({ tools, messages, tool_choice: choice }: MessagesBody): Tool[] {
  const named = choice?.type === 'tool' ? choice.name : undefined;
  const isOffered = offersOf(messages);
  const names = new Set<string>();
  return (tools ?? []).flatMap((tool, index) => {
    const decoded = decodeTool(tool, index);
    const name = tool.name ?? '';
    if (names.has(name)) refuseAt(['tools'], 'Tool names must be unique.');
    names.add(name);
    return name === named || isOffered(name, tool.defer_loading ?? false) ? [decoded] : [];
  });
}

function decodeTool(tool: MessagesTool, index: number): Tool {
  const type = tool.type ?? 'custom';
  if (type === 'custom')
    return functionTool(tool, index, tool.description ?? undefined, tool.input_schema ?? undefined);
  const known = CLIENT_TOOLS.find((each) => each.type.test(type));
  if (known) return functionTool(tool, index, known.description, known.inputSchema);
  const kind = HOSTED_KINDS.find(([pattern]) => pattern.test(type))?.[1];
  if (kind === undefined)
    return refuseAt(['tools', index], `The tool type '${type.slice(0, 64)}' is not supported here.`);
  return { type: 'hosted', kind, options: optionsOf(tool) };
}

function functionTool(
  tool: MessagesTool,
  index: number,
  description: string | undefined,
  inputSchema: JsonSchema | undefined,
): FunctionTool {
  if (!tool.name) refuseAt(['tools', index, 'name'], FIELD_REQUIRED);
  if (!inputSchema) refuseAt(['tools', index, 'input_schema'], FIELD_REQUIRED);
  return {
    type: 'function',
    name: tool.name,
    description,
    inputSchema,
    isStrict: tool.strict,
    cacheMark: cacheMarkOf(tool.cache_control),
  };
}

/** What a hosted tool was told, but for what says which one it is. */
function optionsOf({ type: _type, name: _name, cache_control: _mark, ...options }: MessagesTool): {
  [key: string]: Json;
} {
  return options as { [key: string]: Json };
}

/**
 * Whether a tool is on offer. One whose loading is deferred is hidden until something refers to it ("Tool search");
 * newer agents also add and withdraw tools in the middle of a conversation.
 */
function offersOf(messages: readonly Message[]): (name: string, isDeferred: boolean) => boolean {
  const said = new Map<string, boolean>();
  const note = (block: unknown): void => {
    if (!isObject(block)) return;
    const { type, tool_name: referred, tool, content } = block;
    if (type === 'tool_reference' && typeof referred === 'string') said.set(referred, true);
    if ((type === 'tool_addition' || type === 'tool_removal') && isObject(tool) && typeof tool.name === 'string')
      said.set(tool.name, type === 'tool_addition');
    if (type === 'tool_result' && Array.isArray(content)) content.forEach(note);
  };
  for (const { content } of messages) content.forEach(note);
  return (name, isDeferred) => said.get(name) ?? !isDeferred;
}

/** Without tools there is nothing to choose. */
export function decodeToolChoice({ tools, tool_choice: choice }: MessagesBody): ToolChoice {
  if (!choice || !tools || tools.length === 0) return 'auto';
  switch (choice.type) {
    case 'auto':
    case 'none':
      return choice.type;
    case 'any':
      return 'required';
    case 'tool':
      return { name: choice.name };
    default:
      return choice satisfies never;
  }
}

/** Several calls at once are the default on this wire. */
export function allowsParallelCalls({ tool_choice: choice }: MessagesBody): boolean {
  return !(choice && 'disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use);
}
