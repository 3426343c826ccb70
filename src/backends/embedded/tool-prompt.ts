/** How a model is told of its tools, and how it writes a call. */
import type { FunctionTool, GenerationRequest, JsonSchema } from '../../core/generation.ts';
import type { WeightsFacts } from './engine-protocol.ts';
import type { TemplateTool, TemplateTraits } from './template.ts';

/** The spelling of a call that comes most natural to a model. */
export type ToolSpelling = 'hermes' | 'fenced-json';

const QWEN_CODER = /qwen[\s._-]*2\.5[\s._-]*coder/i;

/**
 * The model's own spelling. The template is not always right about it: that of Qwen2.5-Coder asks for `<tool_call>`,
 * and the model answers with a fenced block in 118 of 120 calls.
 */
export function spellingOf(facts: WeightsFacts, displayName: string, traits: TemplateTraits): ToolSpelling {
  if (QWEN_CODER.test(facts.name) || QWEN_CODER.test(displayName)) return 'fenced-json';
  return traits.isHermes ? 'hermes' : 'fenced-json';
}

/** The opening of a call, up to the quote before the function's name. */
export function openingOf(spelling: ToolSpelling, isParallel: boolean): string {
  switch (spelling) {
    case 'hermes':
      // Several Hermes calls are several blocks, so the form is the same.
      return '<tool_call>\n{"name": "';
    case 'fenced-json':
      return isParallel ? '```json\n[{"name": "' : '```json\n{"name": "';
    default:
      return spelling satisfies never;
  }
}

/** A call of an earlier turn as text, for templates that cannot render one. */
export function spellCall(spelling: ToolSpelling, name: string, inputText: string): string {
  const body = `{"name": ${JSON.stringify(name)}, "arguments": ${inputText === '' ? '{}' : inputText}}`;
  switch (spelling) {
    case 'hermes':
      return `<tool_call>\n${body}\n</tool_call>`;
    case 'fenced-json':
      return `\`\`\`json\n${body}\n\`\`\``;
    default:
      return spelling satisfies never;
  }
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

/** What is said about tools in the system text, besides what the template says. */
export function toolText(
  request: GenerationRequest,
  tools: readonly FunctionTool[],
  traits: TemplateTraits,
  spelling: ToolSpelling,
): string {
  if (tools.length === 0) return '';
  const paragraphs: string[] = [];
  if (!traits.rendersTools) paragraphs.push(definitionText(tools));
  if (!traits.rendersTools || !traits.isHermes || spelling !== 'hermes') paragraphs.push(callText(spelling));
  if (request.allowsParallelCalls) paragraphs.push(parallelText(spelling));
  return paragraphs.join('\n\n');
}

function definitionText(tools: readonly FunctionTool[]): string {
  const lines = tools.map((tool) => JSON.stringify(templateToolOf(tool)));
  return `You may call functions to help with the user's request. These are the functions:\n${lines.join('\n')}`;
}

function callText(spelling: ToolSpelling): string {
  const example = spellCall(spelling, '<function name>', '<arguments as a JSON object>');
  return (
    `If the request needs a function, reply with the call only, in this form:\n${example}\n` +
    'If it does not need one, or the result of the call is already there, answer in plain words and do not call a function.'
  );
}

function parallelText(spelling: ToolSpelling): string {
  switch (spelling) {
    case 'hermes':
      return 'If several calls are needed, write one <tool_call> block for each, one after the other.';
    case 'fenced-json':
      return (
        'If several calls are needed, put them in one JSON array: ' +
        '[{"name": …, "arguments": {…}}, {"name": …, "arguments": {…}}]'
      );
    default:
      return spelling satisfies never;
  }
}
