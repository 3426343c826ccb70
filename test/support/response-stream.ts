/**
 * A reader of streamed responses as strict as the reference (responses-and-tools §12): every event in its order and its
 * place, sequence numbers without gaps, whole resources, and an end that repeats what was shown.
 */
import type { Frame } from './wire-readers.ts';

export interface ResponseItem {
  readonly id: string;
  readonly type: string;
  readonly [member: string]: unknown;
}

export interface ResponseObject {
  readonly id: string;
  readonly status: string;
  readonly output: readonly ResponseItem[];
  readonly usage: unknown;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly incomplete_details: { readonly reason: string } | null;
  readonly [member: string]: unknown;
}

export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly response: ResponseObject;
  readonly item: ResponseItem;
  readonly part: { readonly type: string; readonly text: string };
  readonly output_index: number;
  readonly item_id: string;
  readonly delta: string;
  readonly [member: string]: unknown;
}

/** What the schema of Open Responses demands of every resource. */
const RESOURCE_MEMBERS =
  'id object created_at completed_at status incomplete_details model previous_response_id instructions output error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs temperature reasoning usage max_output_tokens max_tool_calls store background service_tier metadata safety_identifier prompt_cache_key'.split(
    ' ',
  );

export const TERMINAL_TYPES = new Set(['response.completed', 'response.incomplete', 'response.failed']);

/** Events of a kind of item between `output_item.added` and `output_item.done`, with `*` for any number. */
const INNER_EVENTS: { readonly [type: string]: readonly string[] } = {
  message: ['content_part.added', 'output_text.delta*', 'output_text.done', 'content_part.done'],
  reasoning: [
    'reasoning_summary_part.added',
    'reasoning_summary_text.delta*',
    'reasoning_summary_text.done',
    'reasoning_summary_part.done',
  ],
  function_call: ['function_call_arguments.delta*', 'function_call_arguments.done'],
  custom_tool_call: ['custom_tool_call_input.delta*', 'custom_tool_call_input.done'],
};

interface OpenItem {
  readonly added: ResponseItem;
  readonly index: number;
  readonly expected: string[];
  text: string;
}

/** The resource at the end of a stream; throws on the first event that is out of order. */
export function readResponseStream(frames: readonly Frame[]): ResponseObject {
  const events = frames.filter(({ data }) => data !== '[DONE]').map(eventOf);
  const [created, inProgress] = events;
  if (created?.type !== 'response.created') throw new Error(`the first event is ${created?.type}`);
  if (inProgress?.type !== 'response.in_progress') throw new Error(`the second event is ${inProgress?.type}`);
  for (const event of [created, inProgress]) checkResource(event.response);
  const done: ResponseItem[] = [];
  let open: OpenItem | undefined;
  for (const [position, event] of events.slice(2).entries()) {
    if (TERMINAL_TYPES.has(event.type)) {
      if (position !== events.length - 3) throw new Error(`${event.type} is not the last event`);
      return checkEnd(event, created.response.id, done, open);
    }
    if (event.type === 'response.output_item.added') {
      if (open) throw new Error(`${event.item.id} opens inside ${open.added.id}`);
      if (event.output_index !== done.length) throw new Error(`item ${event.output_index} after ${done.length}`);
      const expected = INNER_EVENTS[event.item.type];
      if (!expected) throw new Error(`an item of type ${event.item.type}`);
      open = { added: event.item, index: event.output_index, expected: [...expected], text: '' };
    } else if (event.type === 'response.output_item.done') {
      if (!open || open.expected.some((each) => !each.endsWith('*'))) throw new Error(`${event.item.id} is done early`);
      checkDone(event, open);
      done.push(event.item);
      open = undefined;
    } else if (open) checkInner(event, open);
    else throw new Error(`${event.type} outside an item`);
  }
  throw new Error('the stream has no end');
}

function eventOf({ event: name, data }: Frame, position: number): ResponseEvent {
  const event = JSON.parse(data) as ResponseEvent;
  if (event.type !== name) throw new Error(`${event.type} came as ${name}`);
  if (event.sequence_number !== position) throw new Error(`event ${position} has number ${event.sequence_number}`);
  return event;
}

function checkInner(event: ResponseEvent, open: OpenItem): void {
  if (event.output_index !== open.index || event.item_id !== open.added.id)
    throw new Error(`${event.type} names item ${event.output_index} ${event.item_id}, not ${open.added.id}`);
  const type = event.type.replace('response.', '');
  const isRepeated = `${type}*` === open.expected[0];
  if (!isRepeated) {
    if (open.expected[0]?.endsWith('*')) open.expected.shift();
    if (open.expected.shift() !== type) throw new Error(`${event.type} out of turn in ${open.added.type}`);
  }
  if (isRepeated) {
    if (event.delta === '') throw new Error('an empty delta');
    open.text += event.delta;
  }
  if (type === 'output_text.delta' && !Array.isArray(event.logprobs)) throw new Error('a delta without logprobs');
}

/** What came in pieces is what the item says in the end. */
function checkDone({ item }: ResponseEvent, { added, text }: OpenItem): void {
  if (item.id !== added.id || item.type !== added.type || item.call_id !== added.call_id)
    throw new Error(`${added.id} became ${item.id}`);
  const said = textOfItem(item);
  if (said !== text && !(text === '' && said === '{}')) throw new Error(`${item.id} says ${said}, its deltas ${text}`);
}

export function textOfItem(item: ResponseItem): string {
  switch (item.type) {
    case 'message':
      return (item.content as { text: string }[]).map((part) => part.text).join('');
    case 'reasoning':
      return (item.summary as { text: string }[]).map((part) => part.text).join('');
    case 'function_call':
      return String(item.arguments);
    default:
      return String(item.input);
  }
}

/** A response that broke off repeats what was done, and shows what was open as far as it came. */
function checkEnd(
  event: ResponseEvent,
  id: string,
  done: readonly ResponseItem[],
  open: OpenItem | undefined,
): ResponseObject {
  const { response, type } = event;
  checkResource(response);
  if (response.id !== id) throw new Error(`${id} became ${response.id}`);
  if (type === 'response.completed' && open) throw new Error(`${open.added.id} is open at the end`);
  if (JSON.stringify(response.output.slice(0, done.length)) !== JSON.stringify(done))
    throw new Error('the end does not repeat what was shown');
  if (response.output.length > done.length + (open ? 1 : 0)) throw new Error('the end tells of more than was shown');
  return response;
}

function checkResource(response: ResponseObject): void {
  const missing = RESOURCE_MEMBERS.filter((member) => response[member] === undefined);
  if (missing.length > 0) throw new Error(`the resource lacks ${missing.join(', ')}`);
}
