/**
 * The service's own words for what this wire refuses (dashscope-native reference §1, §8; "Error messages" page). Programs
 * match on them, so they are kept to the letter.
 */

export const EMPTY_MODEL = 'Required parameter "model" missing from request.';
export const EMPTY_INPUT = 'Required input parameter missing from request.';
export const ILLEGAL_INPUT = 'The input parameter requires json format.';
export const MODEL_NOT_A_NAME = 'Model not exist.';
/** The exclamation mark is a full-width one. */
export const WRONG_URL = 'url error, please check url！';
export const NO_ASYNCHRONOUS_CALLS = 'Current user api does not support asynchronous calls.';

export const PROMPT_OR_MESSAGES = 'Either "prompt" or "messages" must exist and cannot both be none';
/** Recorded for an empty list of messages. */
export const ROLE_OR_CONTENT = 'Role must be user or assistant and Content length must be greater than 0';
export const CONTENT_REQUIRED = 'The content field is a required field.';
export const NOT_A_MODAL = 'The item of content should be a message of a certain modal.';
export const BAD_URL = 'The provided URL does not appear to be valid. Ensure it is correctly formatted.';
export const DATA_URI_TOO_LARGE = 'Exceeded limit on max bytes per data-uri item : 10485760';

export const EMPTY_TOOL_CALLS = 'Empty tool_calls is not supported in message.';
export const ARGUMENTS_NOT_JSON = 'The "function.arguments" parameter of the code model must be in JSON format.';
export const TOOL_WITHOUT_CALL =
  'messages with role "tool" must be a response to a preceeding message with "tool_calls".';

export const SEED_RANGE = 'Range of seed should be [0, 9223372036854775807]';
export const TOOL_NAME_SEARCH = 'Tool names are not allowed to be [search]';
export const TOOL_CHOICE_FORMS = 'tool_choice is one of the strings that should be ["none", "auto"]';

export const INCREMENTAL_WHILE_THINKING =
  'The incremental_output parameter must be "true" when enable_thinking is true';
export const ALWAYS_INCREMENTAL = 'The incremental_output parameter of this model cannot be set to False.';

export function unansweredCalls(index: number): string {
  return `An assistant message with "tool_calls" must be followed by tool messages responding to each "tool_call_id". The following tool_call_ids did not have response messages: message[${index}].role`;
}

export function fieldRequired(field: string): string {
  return `Field required: ${field}`;
}

export function badResponseFormat(type: unknown): string {
  return `Unknown format of response_format, response_format should be a dict, includes 'type' and an optional key 'json_schema'. The response_format type from user is ${String(type).slice(0, 64)}.`;
}

/** The page's generic text. */
export function missingOrInvalid(parameter: string): string {
  return `Required parameter(${parameter}) missing or invalid, please check the request parameters.`;
}

/** As the compatible mode says it; natively unknown. */
export function tooShort(parameter: string): string {
  return `[] is too short - '${parameter}'`;
}

/** Our words: the service's are unknown. */
export function badToolName(index: number): string {
  return `Invalid 'tools.[${index}].function.name': expected 1 to 64 characters out of A-Z, a-z, 0-9, _ and -.`;
}

/** Printed with `enable_thinking is true`; with anything else that a text has no room for, own words. */
export function formWhile(what: string): string {
  return `The result_format parameter must be "message" when ${what}`;
}

/** Our words: the service's are unknown. */
export const RESULT_FORMATS = 'result_format should be one of ["text", "message"]';

/** Our words: the service's are unknown. */
export function badEncryption(problem: string): string {
  return `The X-DashScope-EncryptionKey header does not fit: ${problem}`;
}
