/**
 * The service's own words for what this wire refuses. Programs match on them, so they are kept to the letter, the odd
 * spellings included. Sources: "Error messages" page and recorded bodies, openai-chat reference §6, §7, §18.3; texts
 * that begin with the model layer's prefix were recorded with it.
 */
const MODEL_LAYER = '<400> InternalError.Algo.InvalidParameter: ';

export const MISSING_MODEL = 'you must provide a model parameter.';
export const MISSING_MESSAGES = 'you must provide a messages parameter';
export const MODEL_NOT_A_NAME = 'Model not exist.';

export const NOT_A_MESSAGE = 'Input should be a valid dictionary or instance of GPT3Message';
export const ROLE_OR_CONTENT_EMPTY = 'Role must be user or assistant and Content length must be greater than 0';
export const CONTENT_REQUIRED = `${MODEL_LAYER}The content field is a required field.`;
export const UNEXPECTED_ITEM = `${MODEL_LAYER}The provided messages input is invalid. The error info is [Unexpected item type in content.]`;
export const BAD_URL = `${MODEL_LAYER}The provided URL does not appear to be valid. Ensure it is correctly formatted.`;
export const BAD_VIDEO = `${MODEL_LAYER}Invalid video file.`;
export const BAD_AUDIO = `${MODEL_LAYER}The audio is empty`;

export const EMPTY_TOOL_CALLS = `${MODEL_LAYER}Empty tool_calls is not supported in message.`;
export const ARGUMENTS_NOT_JSON = `${MODEL_LAYER}The "function.arguments" parameter of the code model must be in JSON format.`;
export const TOOL_WITHOUT_CALL = `${MODEL_LAYER}messages with role "tool" must be a response to a preceeding message with "tool_calls".`;

export const TOOL_NAME_SEARCH = `${MODEL_LAYER}Tool names are not allowed to be [search]`;
export const TOOL_CHOICE_FORMS = `${MODEL_LAYER}tool_choice is one of the strings that should be ["none", "auto"]`;

/** Recorded as `[] is too short - 'tools'`. */
export function tooShort(parameter: string): string {
  return `[] is too short - '${parameter}'`;
}

/** Recorded with `messages.[0].role`. */
export function unknownRole(role: unknown, index: number): string {
  return `${shown(role)} is not one of ['system', 'assistant', 'user', 'tool', 'function'] - 'messages.[${index}].role'`;
}

/** Recorded with "but got an object instead". */
export function badContentType(index: number, content: unknown): string {
  return `Invalid type for 'messages.[${index}].content': expected one of a string or array of objects, but got ${typeWithArticle(content)} instead.`;
}

/** Recorded with `message[19].role`: the place where a tool message should have stood. */
export function unansweredCalls(index: number): string {
  return `${MODEL_LAYER}An assistant message with "tool_calls" must be followed by tool messages responding to each "tool_call_id". The following tool_call_ids did not have response messages: message[${index}].role`;
}

export function badResponseFormat(type: unknown): string {
  return `Unknown format of response_format, response_format should be a dict, includes 'type' and an optional key 'json_schema'. The response_format type from user is ${shown(type)}.`;
}

/** The page's generic text. */
export function missingOrInvalid(parameter: string): string {
  return `Required parameter(${parameter}) missing or invalid, please check the request parameters.`;
}

/** Our words: the service's are unknown. */
export function badToolName(index: number): string {
  return `Invalid 'tools.[${index}].function.name': expected 1 to 64 characters out of A-Z, a-z, 0-9, _ and -.`;
}

/** Our words: the service's are unknown. */
export const FUNCTION_ROLE =
  "Messages with role 'function' are not supported; send the result as role 'tool' with its 'tool_call_id'.";

/** A caller's value in our words: never more than a word of it. */
function shown(value: unknown): string {
  return String(value).slice(0, 64);
}

function typeWithArticle(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'number':
      return Number.isInteger(value) ? 'an integer' : 'a number';
    default:
      return `a ${typeof value}`;
  }
}
