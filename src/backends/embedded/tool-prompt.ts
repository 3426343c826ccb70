/** How a model is told of its tools, and how it writes a call. */
import type { FunctionTool, JsonSchema } from '../../core/generation.ts';
import { type ToolFormatId, toolFormat, type WrittenCall, writeCalls } from '../parsers/tool-formats.ts';
import type { WeightsFacts } from './engine-protocol.ts';
import type { TemplateTool, TemplateTraits } from './template.ts';

/** The family whose spelling of a call comes most natural to a model. */
export type ToolSpelling = ToolFormatId;

const QWEN_CODER = /qwen[\s._-]*2\.5[\s._-]*coder/i;

/**
 * The model's own spelling. The template is not always right about it: that of Qwen2.5-Coder asks for `<tool_call>`,
 * and the model answers with a fenced block in 118 of 120 calls.
 */
export function spellingOf(facts: WeightsFacts, displayName: string, traits: TemplateTraits): ToolSpelling {
  if (QWEN_CODER.test(facts.name) || QWEN_CODER.test(displayName)) return 'fenced-json';
  return traits.toolFormat ?? 'fenced-json';
}

/** The weights were trained on this spelling: their template writes it by itself. */
export function isTrained(spelling: ToolSpelling, traits: TemplateTraits): boolean {
  return spelling === traits.toolFormat;
}

/** Calls of an earlier turn as text, for templates that cannot render them in this spelling. */
export function spellCalls(spelling: ToolSpelling, calls: readonly WrittenCall[]): string {
  return writeCalls(toolFormat(spelling), calls);
}

/** A tool as chat templates know it. */
export function templateToolOf(tool: FunctionTool): TemplateTool {
  const described = tool.description === undefined ? {} : { description: tool.description };
  return { type: 'function', function: { name: tool.name, ...described, parameters: parametersOf(tool) } };
}

/** A function without parameters takes an empty object. */
export function parametersOf(tool: FunctionTool): JsonSchema {
  return Object.keys(tool.inputSchema).length === 0 ? { type: 'object', properties: {} } : tool.inputSchema;
}

/**
 * The template tells of the tools itself. Only where the model's own spelling is the template's: a text that asks for
 * `<tool_call>` as its last word makes Qwen2.5-Coder call for everything, be there a function for it or not.
 */
export function templateTellsTools(traits: TemplateTraits, spelling: ToolSpelling): boolean {
  return traits.rendersTools && isTrained(spelling, traits);
}

/** What the system text says about the tools. */
export function toolText(
  tools: readonly FunctionTool[],
  isParallel: boolean,
  traits: TemplateTraits,
  spelling: ToolSpelling,
): string {
  const [first] = tools;
  if (!first) return '';
  if (templateTellsTools(traits, spelling)) return isParallel ? severalInTemplateText(spelling) : '';
  return [
    definitionText(tools),
    ruleText(spelling),
    ...(isParallel ? [severalText(spelling)] : []),
    exampleText(first, spelling),
  ].join('\n\n');
}

function definitionText(tools: readonly FunctionTool[]): string {
  const lines = tools.map((tool) => JSON.stringify(templateToolOf(tool)));
  return `You have functions for these purposes:\n${lines.join('\n')}`;
}

function ruleText(spelling: ToolSpelling): string {
  const form = spellCalls(spelling, [placeholderCall(spelling)]);
  return (
    `If the user's message asks for what a function does, reply only with the call:\n${form}\n` +
    'All other messages you answer yourself, in plain text.'
  );
}

function placeholderCall(spelling: ToolSpelling): WrittenCall {
  return { name: '<function name>', inputText: placeholders(spelling) };
}

function placeholders(spelling: ToolSpelling): string {
  return toolFormat(spelling).input === 'json' ? '{<arguments>}' : '{"<argument>": "<value>"}';
}

/**
 * Examples, because rules alone do not teach a small model when not to call. Measured on Qwen2.5-Coder 1.5B, 9 requests
 * that need a call and 16 that do not: with the template's text 9 and 3 were right, with the rule alone 9 and 7, with
 * the rule and these examples 9 and 16; without the example of a call no call was made at all.
 *
 * The call of the caller's own function shows no arguments: small models copy what stands there, be it `1` or `…`.
 */
function exampleText(tool: FunctionTool, spelling: ToolSpelling): string {
  const inputText = toolFormat(spelling).input === 'json' ? '{...}' : placeholders(spelling);
  return [
    'Examples:',
    'User: Hello!',
    'You: Hello! How can I help you today?',
    'User: How many days has a week?',
    'You: A week has seven days.',
    `User: ${exampleRequest(tool)}`,
    `You: ${spellCalls(spelling, [{ name: tool.name, inputText }])}`,
  ].join('\n');
}

/** Longer descriptions are manuals, not requests. */
const MAX_REQUEST_CHARACTERS = 120;

function exampleRequest({ name, description = '' }: FunctionTool): string {
  const sentence = description.split(/[.\n]/, 1)[0]?.trim() ?? '';
  return sentence === '' || sentence.length > MAX_REQUEST_CHARACTERS ? `Please use ${name}.` : `${sentence}.`;
}

/** With two calls shown and without the last sentence, the 0.5B had one case in sixteen less right (docs/decisions/0019). */
function severalText(spelling: ToolSpelling): string {
  const call = placeholderCall(spelling);
  const form = spellCalls(spelling, [call, call, call]);
  return `If several calls are needed, write one after the other:\n${form}\nMake one call for each thing that is asked for.`;
}

/** For weights whose template tells of a single call only. */
function severalInTemplateText(spelling: ToolSpelling): string {
  if (spelling === 'hermes') {
    return 'If several calls are needed, write one <tool_call> block for each, one after the other.';
  }
  // Where the family has marks around all of its calls, its template tells of them.
  return toolFormat(spelling).opening === '' ? 'If several calls are needed, write them one after the other.' : '';
}
