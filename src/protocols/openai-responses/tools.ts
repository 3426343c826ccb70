/**
 * `tools` and `tool_choice` (responses-and-tools reference §2, §7, §10, §16.1).
 *
 * A model knows functions. What else a client can run is told to it as functions: a custom tool as one with a single
 * text, a tool in a namespace under a joined name; the plan remembers what they are called outside. Built-in tools are
 * not there yet, and a request that builds on one is refused. One that merely comes with it is not: see `isStandingOffer`.
 */
import { StudioError } from '../../core/errors.ts';
import type { FunctionTool, Json, JsonSchema, ToolChoice } from '../../core/generation.ts';
import { kindOf, refusal, shown } from '../openai-items.ts';
import { isObject, type JsonObject } from '../parameters.ts';
import * as texts from './texts.ts';

/** What a tool is called outside. */
export interface ToolIdentity {
  readonly kind: 'function' | 'custom';
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** By the name the model knows; only tools that are called otherwise outside or are no functions there. */
export type ToolNames = { readonly [innerName: string]: ToolIdentity };

export interface DecodedTools {
  readonly tools: readonly FunctionTool[];
  readonly choice: ToolChoice;
  readonly names: ToolNames;
  /** As the resource shows them: those that the model was told of. */
  readonly echo: readonly JsonObject[];
}

/** Throws a StudioError for what is malformed and for built-in tools that the request builds on. */
export function decodeTools(tools: unknown, choice: unknown): DecodedTools {
  if (tools !== undefined && tools !== null && !Array.isArray(tools))
    throw refusal('tools', `expected an array, but got ${kindOf(tools)} instead`);
  const collected = new ToolList();
  for (const [index, tool] of (tools ?? []).entries()) collected.add(tool, `tools[${index}]`);
  const decoded = decodeChoice(choice, collected);
  collected.refuseBuiltIns();
  return { ...decoded, names: collected.names, echo: collected.echo };
}

// ---- Tools ----

/** The service's limit is not known; this is OpenAI's. */
const TOOL_NAME = /^[A-Za-z0-9_-]{1,128}$/;

class ToolList {
  readonly tools: FunctionTool[] = [];
  readonly echo: JsonObject[] = [];
  /** Models make names up, also those of every object's members. */
  readonly names: { [innerName: string]: ToolIdentity } = Object.create(null);
  readonly #builtIns: JsonObject[] = [];

  add(tool: unknown, path: string): void {
    if (!isObject(tool)) throw refusal(path, `expected an object, but got ${kindOf(tool)} instead`);
    switch (tool.type) {
      case 'function':
      case 'custom':
        this.#addTool(tool, path, undefined);
        this.echo.push(tool.type === 'custom' ? tool : echoOf(tool));
        return;
      case 'namespace':
        this.#addNamespace(tool, path);
        return;
      default:
        if (typeof tool.type !== 'string') throw refusal(`${path}.type`, 'missing required parameter');
        // Kinds that only other services have are ignored, as the service does.
        if (isBuiltIn(tool.type)) this.#builtIns.push(tool);
    }
  }

  /** To be called last: it depends on what else there is. */
  refuseBuiltIns(): void {
    for (const tool of this.#builtIns)
      if (!(isStandingOffer(tool) && this.tools.length > 0))
        throw new StudioError('invalid-parameter', texts.toolNotAvailable(String(tool.type)), { param: 'tools' });
  }

  find(kind: ToolIdentity['kind'], name: string, namespace?: string): string | undefined {
    return this.tools.find(({ name: innerName }) => {
      const known = this.names[innerName] ?? { kind: 'function', name: innerName };
      return known.kind === kind && known.name === name && (namespace === undefined || known.namespace === namespace);
    })?.name;
  }

  #addNamespace(tool: JsonObject, path: string): void {
    const { name, tools } = tool;
    if (typeof name !== 'string' || !TOOL_NAME.test(name)) throw refusal(`${path}.name`, NAME_PROBLEM);
    if (!Array.isArray(tools)) throw refusal(`${path}.tools`, `expected an array, but got ${kindOf(tools)} instead`);
    for (const [index, each] of tools.entries()) {
      const at = `${path}.tools[${index}]`;
      if (!isObject(each)) throw refusal(at, `expected an object, but got ${kindOf(each)} instead`);
      if (each.type === 'function' || each.type === 'custom') this.#addTool(each, at, name);
    }
    this.echo.push(tool);
  }

  #addTool(tool: JsonObject, path: string, namespace: string | undefined): void {
    const decoded = tool.type === 'custom' ? decodeCustom(tool, path) : decodeFunction(tool, path);
    const innerName = innerNameOf(decoded.name, namespace);
    if (this.tools.some(({ name }) => name === innerName))
      throw refusal(`${path}.name`, `there are two tools with the name ${shown(innerName)}`);
    const kind = tool.type === 'custom' ? 'custom' : 'function';
    if (kind === 'custom' || namespace !== undefined) this.names[innerName] = { kind, name: decoded.name, namespace };
    this.tools.push({ ...decoded, name: innerName });
  }
}

const NAME_PROBLEM = 'expected 1 to 128 characters out of A-Z, a-z, 0-9, _ and -';

/** Namespaces of MCP servers end with the separator themselves. */
export function innerNameOf(name: string, namespace: string | undefined): string {
  if (namespace === undefined) return name;
  return namespace.endsWith('__') ? namespace + name : `${namespace}__${name}`;
}

function decodeFunction(tool: JsonObject, path: string): FunctionTool {
  if (tool.name === undefined && isObject(tool.function))
    throw new StudioError('invalid-parameter', texts.NESTED_TOOL, { param: path });
  const { parameters, strict } = tool;
  if (parameters !== undefined && parameters !== null && !isObject(parameters))
    throw refusal(`${path}.parameters`, `expected an object, but got ${kindOf(parameters)} instead`);
  return {
    type: 'function',
    ...decodeNamed(tool, path),
    inputSchema: (parameters ?? {}) as JsonSchema,
    isStrict: typeof strict === 'boolean' ? strict : undefined,
  };
}

/** What a custom tool takes, as a function: the text itself is not JSON, but a model writes calls as JSON. */
export const CUSTOM_INPUT = 'input';

function decodeCustom(tool: JsonObject, path: string): FunctionTool {
  const { description, ...named } = decodeNamed(tool, path);
  const grammar =
    isObject(tool.format) && tool.format.type === 'grammar' && typeof tool.format.definition === 'string'
      ? `The input keeps this ${String(tool.format.syntax)} grammar:\n${tool.format.definition}`
      : undefined;
  return {
    type: 'function',
    ...named,
    description: [description, grammar].filter((part) => part !== undefined).join('\n\n') || undefined,
    inputSchema: {
      type: 'object',
      properties: { [CUSTOM_INPUT]: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
      required: [CUSTOM_INPUT],
      additionalProperties: false,
    },
  };
}

function decodeNamed({ name, description }: JsonObject, path: string): Pick<FunctionTool, 'name' | 'description'> {
  if (typeof name !== 'string' || !TOOL_NAME.test(name)) throw refusal(`${path}.name`, NAME_PROBLEM);
  if (description !== undefined && description !== null && typeof description !== 'string')
    throw refusal(`${path}.description`, `expected a string, but got ${kindOf(description)} instead`);
  return { name, description: description ?? undefined };
}

/** A function as strict readers want it: every member there. */
function echoOf({ name, description, parameters, strict }: JsonObject): JsonObject {
  return {
    type: 'function',
    name: name as Json,
    description: description ?? null,
    parameters: parameters ?? null,
    strict: typeof strict === 'boolean' ? strict : null,
  };
}

// ---- Built-in tools ----

/** The vendor's, and OpenAI's dated and preview spellings of the same. */
function isBuiltIn(type: string): boolean {
  return texts.NOT_YET_AVAILABLE.some((each) => type === each) || type.startsWith('web_search_');
}

/**
 * Codex offers `web_search` with every request, always with `external_web_access`, a member that the vendor does not
 * have. Beside tools of the client's own it is an offer that the model does not take up; alone, or chosen, or in the
 * vendor's own form, it is what the request is about.
 */
function isStandingOffer(tool: JsonObject): boolean {
  return tool.type === 'web_search' && tool.external_web_access !== undefined;
}

// ---- Choice ----

function decodeChoice(choice: unknown, list: ToolList): Pick<DecodedTools, 'tools' | 'choice'> {
  const { tools } = list;
  if (choice === undefined || choice === null) return { tools, choice: 'auto' };
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { tools, choice };
  if (!isObject(choice) || typeof choice.type !== 'string')
    throw refusal('tool_choice', "supported values are: 'none', 'auto', 'required', or an object with a type");
  switch (choice.type) {
    case 'function':
    case 'custom':
      return { tools, choice: { name: chosenName(choice, choice.type, list, 'tool_choice') } };
    case 'allowed_tools':
      return allowedTools(choice, list);
    default:
      throw new StudioError('invalid-parameter', texts.toolNotAvailable(choice.type.slice(0, 64)), {
        param: 'tool_choice',
      });
  }
}

/** The model is told of these alone. */
function allowedTools({ mode, tools: allowed }: JsonObject, list: ToolList): Pick<DecodedTools, 'tools' | 'choice'> {
  if (mode !== 'auto' && mode !== 'required')
    throw refusal('tool_choice.mode', "supported values are: 'auto' and 'required'");
  if (!Array.isArray(allowed))
    throw refusal('tool_choice.tools', `expected an array, but got ${kindOf(allowed)} instead`);
  const names = new Set<string>();
  for (const [index, each] of allowed.entries()) {
    const path = `tool_choice.tools[${index}]`;
    if (!isObject(each)) throw refusal(path, `expected an object, but got ${kindOf(each)} instead`);
    if (each.type === 'function' || each.type === 'custom') names.add(chosenName(each, each.type, list, path));
    else if (typeof each.type === 'string' && isBuiltIn(each.type))
      throw new StudioError('invalid-parameter', texts.toolNotAvailable(each.type), { param: 'tool_choice' });
  }
  return { tools: list.tools.filter(({ name }) => names.has(name)), choice: mode };
}

function chosenName(choice: JsonObject, kind: ToolIdentity['kind'], list: ToolList, path: string): string {
  const { name, namespace } = choice;
  if (typeof name !== 'string') throw refusal(`${path}.name`, `expected a string, but got ${kindOf(name)} instead`);
  const innerName = list.find(kind, name, typeof namespace === 'string' ? namespace : undefined);
  if (innerName === undefined)
    throw refusal(`${path}.name`, `there is no ${kind} tool named ${shown(name)} in 'tools'`);
  return innerName;
}
