/** The service's own words for what this wire refuses (responses-and-tools reference §5), and ours shaped like them. */
import { shown } from '../openai-items.ts';

export function missingParameter(name: string): string {
  return `[400] missing_required_parameter: Missing required parameter: '${name}'.`;
}

export function unsupportedModel(model: string): string {
  return `Unsupported model: ${shown(model)}`;
}

export function tooFewOutputTokens(value: number): string {
  return `Invalid 'max_output_tokens': must be greater than or equal to 16, got ${value}.`;
}

export function outOfRange(name: string, value: number, range: string): string {
  return `Invalid '${name}': ${value}. Expected a value between ${range}, but got ${value} instead.`;
}

export function badEffort(value: unknown): string {
  const text = String(value).slice(0, 64);
  return `Invalid 'reasoning.effort': ${text}. Supported values are: ('none','minimal','low','medium','high','xhigh','max').`;
}

export function notBoolean(name: string, value: unknown): string {
  return `Invalid '${name}': ${typeof value === 'object' ? JSON.stringify(value).slice(0, 64) : String(value).slice(0, 64)}. Must be a boolean.`;
}

export const BOTH_STATES =
  'Mutually exclusive parameters: Ensure you are only providing one of: previous_response_id or conversation.';

export function previousNotFound(id: string): string {
  return `Not found previous_response_id: ${id.slice(0, 128)}`;
}

/** Known up to "…JSON"; the end is ours. */
export const NESTED_TOOL =
  '<400> InternalError.Algo.InvalidParameter: The parameters, when provided as a dict, must confirm to a valid openai-compatible JSON schema: a function tool has its name, description and parameters beside its type.';

/** Ours: the built-in tools are not there yet. */
export function toolNotAvailable(type: string): string {
  return `The built-in tool '${type}' is not available on this server yet. Not yet available: ${NOT_YET_AVAILABLE.join(', ')}. Function and custom tools work.`;
}

/** The vendor's built-in tools (reference §7). */
export const NOT_YET_AVAILABLE = [
  'web_search',
  'web_extractor',
  'code_interpreter',
  'web_search_image',
  'image_search',
  'file_search',
  'mcp',
] as const;

/** OpenAI's words: clients have been seen to look for the id in them. */
export function outputWithoutCall(callId: string): string {
  return `No tool call found for function call output with call_id ${callId.slice(0, 128)}.`;
}

export function previousUnfinished(id: string): string {
  return `Response with id '${id.slice(0, 128)}' has not ended yet and cannot be continued.`;
}

/** OpenAI's words. */
export function itemNotFound(id: string): string {
  return `Item with id '${id.slice(0, 128)}' not found. Items are not persisted when \`store\` is set to false. Try again with \`store\` set to true, or remove this item from your input.`;
}

export function foreignCompaction(id: string): string {
  return `the compaction item '${id.slice(0, 128)}' was not made by this server for this workspace`;
}

export function responseNotFound(id: string): string {
  return `Response with id '${id.slice(0, 128)}' not found.`;
}

export function conversationNotFound(id: string): string {
  return `Conversation with id '${id.slice(0, 128)}' not found.`;
}

export const CANNOT_CANCEL = "Cannot cancel a response that was not created with 'background' set to true.";
export const CANNOT_STREAM =
  "Only a response that was created with 'background' and 'stream' set to true can be streamed again.";
export const BACKGROUND_NEEDS_STORE =
  "Invalid 'background': a background response cannot be used with 'store' set to false.";
export const INTERRUPTED = 'The response was interrupted by a restart of the server.';
