/**
 * The smallest client of each wire: what a program reads from a stream and from a plain body. One entry a generation
 * protocol, by its first path; `wires.property.test.ts` holds every registered one to the same promises through them.
 */
import type { StreamLimits } from './event-streams.ts';
import { type ResponseObject, readResponseStream, TERMINAL_TYPES, textOfItem } from './response-stream.ts';

/** What a program has read, in words that all wires share. */
export interface ReadAnswer {
  readonly choices: readonly ReadChoice[];
  /** As the wire tells it. */
  readonly usage: unknown;
  /** The words of the error that ended it. */
  readonly error?: string | undefined;
}

export interface ReadChoice {
  readonly index: number;
  readonly text: string;
  readonly reasoning: string;
  /** Calls the client is to run. */
  readonly calls: readonly ReadCall[];
  /** As the wire tells it; null while the choice has not ended. */
  readonly reason: string | null;
  /** Everything it tells, in its own form, where that is more. */
  readonly own?: unknown;
}

export interface ReadCall {
  readonly id: string;
  readonly name: string;
  readonly input: string;
}

export interface WireRequest {
  readonly headers?: { readonly [name: string]: string };
  readonly body: object;
}

/** One way to be answered; a wire may have several. All tell the usage. */
export interface WireForm {
  readonly streaming: WireRequest;
  readonly plain: WireRequest;
  /** What can be asked for in this form. */
  readonly limits: StreamLimits;
}

/** The counts that a wire tells; those it does not tell are absent. */
export interface ReadCounts {
  readonly input: number;
  readonly output: number;
  readonly cachedRead?: number;
  readonly cacheWritten?: number;
  readonly reasoning?: number;
}

export interface WireReader {
  readonly forms: { readonly [form: string]: WireForm };
  /** What was read until the error, where there is one. */
  readStream(frames: readonly Frame[], form: WireForm): ReadAnswer;
  /** `body` is a body of status 200. */
  readBody(body: unknown): ReadAnswer;
  countsOf(usage: unknown): ReadCounts;
  /** The words of an error body. */
  readError(body: unknown): string;
  /** The frame after which a client listens no more. */
  isTerminal(frame: Frame): boolean;
  /** A choice that was cancelled has no last frame: the stream ends, and its usage is what the last frame told. */
  readonly hasNoCancelledEnd?: boolean;
}

/** One frame of an SSE stream, its lines by field. */
export interface Frame {
  readonly id?: string;
  readonly event?: string;
  readonly data: string;
}

/** Whole frames only: text after the last blank line, a second data line or an unknown field is an error. */
export function framesOf(text: string): Frame[] {
  const frames = text.split('\n\n');
  if (frames.pop() !== '') throw new Error('the last frame is half');
  return frames.flatMap((frame) => {
    const fields: { id?: string; event?: string; status?: string; data?: string } = {};
    for (const line of frame.split('\n')) {
      const [, field, value] = /^(id|event|data|status|): ?(.*)$/s.exec(line) ?? [];
      if (field === undefined || (field !== '' && field in fields)) throw new Error(`not a line of a frame: ${line}`);
      if (field !== '') fields[field as keyof typeof fields] = value ?? '';
    }
    return fields.data === undefined ? [] : [{ ...fields, data: fields.data }];
  });
}

const ALL_BLOCKS = ['text', 'reasoning', 'call'] as const;

const ONE_MESSAGE: StreamLimits = { choices: 1, blocks: ALL_BLOCKS, hasServerCalls: true };
const ONE_TEXT: StreamLimits = { choices: 1, blocks: ['text'], hasServerCalls: false };
const SEVERAL: StreamLimits = { choices: 3, blocks: ['text', 'call'], hasServerCalls: false };

const TEXT_FORMS = dashScopeForms('hi', {
  'messages, what is new': [{ result_format: 'message', incremental_output: true }, ONE_MESSAGE],
  'messages, all so far': [{ result_format: 'message', incremental_output: false }, ONE_MESSAGE],
  'a text, what is new': [{ result_format: 'text', incremental_output: true }, ONE_TEXT],
  'a text, all so far': [{ result_format: 'text', incremental_output: false }, ONE_TEXT],
  'several choices, what is new': [{ result_format: 'message', incremental_output: true, n: 3 }, SEVERAL],
  'several choices, all so far': [{ result_format: 'message', incremental_output: false, n: 3 }, SEVERAL],
});
const MULTIMODAL_FORMS = dashScopeForms([{ text: 'hi' }], {
  'messages, what is new': [{ incremental_output: true }, ONE_MESSAGE],
  'messages, all so far': [{ incremental_output: false }, ONE_MESSAGE],
});

/** By the first path of the protocol. */
export const WIRE_READERS: { readonly [path: string]: WireReader } = {
  '/compatible-mode/v1/chat/completions': chatReader(),
  '/compatible-mode/v1/completions': completionReader(),
  '/apps/anthropic/v1/messages': messagesReader(),
  '/compatible-mode/v1/responses': responsesReader(),
  '/v1/responses': { ...responsesReader(), isTerminal: isEndOfOpenAiResponse },
  '/compatible-mode/v1/responses/compact': compactionReader(),
  '/v1/responses/compact': compactionReader(),
  '/api/v1/services/aigc/text-generation/generation': dashScopeReader(TEXT_FORMS),
  '/api/v1/services/aigc/multimodal-generation/generation': dashScopeReader(MULTIMODAL_FORMS),
};

// ---- Chat Completions ----

interface ChatMessage {
  readonly content?: string | null;
  readonly reasoning_content?: string | null;
  readonly tool_calls?: readonly { index: number; id: string; function: { name?: string; arguments: string } }[];
}

interface ChatBody<Choice> {
  readonly choices: readonly (Choice & { readonly index: number; readonly finish_reason?: string | null })[];
  readonly usage: object | null;
  readonly error?: { readonly message: string };
}

interface ChatUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number; readonly cache_creation_input_tokens?: number };
  readonly completion_tokens_details?: { readonly reasoning_tokens: number };
}

function chatReader(): WireReader {
  const body = { model: 'qwen-plus', messages: [{ role: 'user', content: 'hi' }] };
  return {
    forms: {
      chunks: {
        streaming: { body: { ...body, stream: true, stream_options: { include_usage: true } } },
        plain: { body },
        limits: { choices: 3, blocks: ALL_BLOCKS, hasServerCalls: true },
      },
    },
    readStream: (frames) => readChunks(frames, (choice: { readonly delta: ChatMessage }) => choice.delta),
    readBody: (whole) => {
      const { choices, usage } = whole as ChatBody<{ readonly message: ChatMessage }>;
      const sum = new ChoiceSum();
      for (const { index, message, finish_reason } of choices) sum.add(index, message, finish_reason);
      return { choices: sum.choices(), usage };
    },
    countsOf: (usage) => {
      const { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details } = usage as ChatUsage;
      return {
        input: prompt_tokens,
        output: completion_tokens,
        cachedRead: prompt_tokens_details.cached_tokens,
        cacheWritten: prompt_tokens_details.cache_creation_input_tokens ?? 0,
        reasoning: completion_tokens_details?.reasoning_tokens ?? 0,
      };
    },
    readError: (whole) => (whole as { error: { message: string } }).error.message,
    isTerminal: isOpenAiTerminal,
  };
}

function completionReader(): WireReader {
  const body = { model: 'qwen-coder-turbo', prompt: 'hi' };
  return {
    ...chatReader(),
    forms: {
      chunks: {
        streaming: { body: { ...body, stream: true, stream_options: { include_usage: true } } },
        plain: { body },
        limits: { choices: 3, blocks: ['text'], hasServerCalls: false },
      },
    },
    readStream: (frames) => readChunks(frames, ({ text }: { readonly text: string }) => ({ content: text })),
    countsOf: (usage) => {
      const { prompt_tokens, completion_tokens } = usage as ChatUsage;
      return { input: prompt_tokens, output: completion_tokens };
    },
    readBody: (whole) => {
      const { choices, usage } = whole as ChatBody<{ readonly text: string }>;
      const sum = new ChoiceSum();
      for (const { index, text, finish_reason } of choices) sum.add(index, { content: text }, finish_reason);
      return { choices: sum.choices(), usage };
    },
  };
}

function isOpenAiTerminal({ data }: Frame): boolean {
  return data === '[DONE]' || 'error' in JSON.parse(data);
}

function readChunks<Choice>(frames: readonly Frame[], messageOf: (choice: Choice) => ChatMessage): ReadAnswer {
  const sum = new ChoiceSum();
  let usage: unknown;
  let error: string | undefined;
  for (const { data } of frames) {
    if (data === '[DONE]') break;
    const chunk = JSON.parse(data) as ChatBody<Choice>;
    error = chunk.error?.message;
    for (const choice of chunk.choices ?? []) sum.add(choice.index, messageOf(choice), choice.finish_reason);
    usage = chunk.usage ?? usage;
  }
  return { choices: sum.choices(), usage, error };
}

/** Puts the pieces of choices together; a whole message is one piece. */
class ChoiceSum {
  readonly #choices = new Map<number, { text: string; reasoning: string; calls: ReadCall[]; reason: string | null }>();

  add(index: number, message: ChatMessage, reason: string | null | undefined): void {
    const choice = this.#choices.get(index) ?? { text: '', reasoning: '', calls: [], reason: null };
    this.#choices.set(index, choice);
    choice.text += message.content ?? '';
    choice.reasoning += message.reasoning_content ?? '';
    for (const call of message.tool_calls ?? []) {
      const { id, name, input } = choice.calls[call.index] ?? { id: '', name: '', input: '' };
      choice.calls[call.index] = {
        id: id + call.id,
        name: name + (call.function.name ?? ''),
        input: input + call.function.arguments,
      };
    }
    choice.reason = reason ?? choice.reason;
  }

  choices(): ReadChoice[] {
    return [...this.#choices].map(([index, choice]) => ({ index, ...choice })).sort((a, b) => a.index - b.index);
  }
}

// ---- Messages ----

type MessageBlock = { readonly type: string } & { [member: string]: unknown };

interface Message {
  readonly content: MessageBlock[];
  readonly stop_reason: string | null;
  readonly stop_sequence: string | null;
  readonly usage: object;
}

type MessageEvent = { readonly type: string; readonly index: number } & {
  readonly message: Message;
  readonly content_block: MessageBlock;
  readonly delta: { readonly type: string } & { readonly [member: string]: string };
  readonly usage: object;
  readonly error: { readonly message: string };
};

interface MessageUsage {
  /** What no cache has read or written. */
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly output_tokens_details?: { readonly thinking_tokens: number };
}

function messagesReader(): WireReader {
  const body = { model: 'qwen-plus', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
  return {
    forms: {
      events: {
        streaming: { body: { ...body, stream: true } },
        plain: { body },
        limits: { choices: 1, blocks: ALL_BLOCKS, hasServerCalls: true },
      },
    },
    readStream: readMessageEvents,
    readBody: (whole) => readMessage(whole as Message),
    countsOf: (usage) => {
      const counts = usage as MessageUsage;
      const { cache_read_input_tokens: cachedRead, cache_creation_input_tokens: cacheWritten } = counts;
      return {
        input: counts.input_tokens + cachedRead + cacheWritten,
        output: counts.output_tokens,
        cachedRead,
        cacheWritten,
        reasoning: counts.output_tokens_details?.thinking_tokens ?? 0,
      };
    },
    readError: (whole) => (whole as { error: { message: string } }).error.message,
    isTerminal: ({ event }) => event === 'message_stop' || event === 'error',
  };
}

/** As strict as the reference: an event has the name of its data, one block is open at a time, indices have no gaps. */
function readMessageEvents(frames: readonly Frame[]): ReadAnswer {
  let message: Message | undefined;
  let open: { readonly block: MessageBlock; json: string } | undefined;
  for (const { event: name, data } of frames) {
    const event = JSON.parse(data) as MessageEvent;
    if (event.type !== name) throw new Error(`${event.type} came as ${name}`);
    if (event.type === 'error') return { choices: [], usage: undefined, error: event.error.message };
    if (event.type === 'message_start') {
      message = event.message;
      continue;
    }
    if (!message) throw new Error(`${event.type} before the message`);
    if (event.type === 'content_block_start') {
      if (open || event.index !== message.content.length) throw new Error(`block ${event.index} out of turn`);
      open = { block: event.content_block, json: '' };
      message.content.push(open.block);
    } else if (event.type === 'content_block_delta') {
      if (!open || event.index !== message.content.length - 1) throw new Error(`a delta of ${event.index}`);
      const { type, ...pieces } = event.delta;
      if (type === 'input_json_delta') open.json += pieces.partial_json;
      else for (const [member, piece] of Object.entries(pieces)) open.block[member] = `${open.block[member]}${piece}`;
    } else if (event.type === 'content_block_stop') {
      if (!open || event.index !== message.content.length - 1) throw new Error(`the end of ${event.index}`);
      if (open.json !== '') open.block.input = JSON.parse(open.json);
      open = undefined;
    } else if (event.type === 'message_delta') {
      if (open) throw new Error('a block is open at the end');
      message = { ...message, ...event.delta, usage: { ...message.usage, ...event.usage } };
    }
  }
  if (!message) throw new Error('no message');
  return readMessage(message);
}

function readMessage({ content, stop_reason: reason, stop_sequence, usage }: Message): ReadAnswer {
  const joined = (type: string, member: string) =>
    content.flatMap((block) => (block.type === type ? [String(block[member])] : [])).join('');
  const calls = content.filter(({ type }) => type === 'tool_use');
  const choice: ReadChoice = {
    index: 0,
    text: joined('text', 'text'),
    reasoning: joined('thinking', 'thinking'),
    calls: calls.map(({ id, name, input }) => ({ id: String(id), name: String(name), input: JSON.stringify(input) })),
    reason,
    own: { content, stop_sequence },
  };
  return { choices: [choice], usage };
}

// ---- Responses ----

interface ResponseUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly input_tokens_details: { readonly cached_tokens: number };
  readonly output_tokens_details: { readonly reasoning_tokens: number };
}

function responsesReader(): WireReader {
  const body = { model: 'qwen-plus', input: 'hi', include: ['reasoning.encrypted_content'] };
  return {
    forms: {
      events: {
        streaming: { body: { ...body, stream: true } },
        plain: { body },
        limits: ONE_MESSAGE,
      },
    },
    readStream: (frames) => readResponse(readResponseStream(frames)),
    readBody: (whole) => readResponse(whole as ResponseObject),
    countsOf: (usage) => {
      const { input_tokens, output_tokens, input_tokens_details, output_tokens_details } = usage as ResponseUsage;
      return {
        input: input_tokens,
        output: output_tokens,
        cachedRead: input_tokens_details.cached_tokens,
        reasoning: output_tokens_details.reasoning_tokens,
      };
    },
    readError: (whole) => (whole as { error: { message: string } }).error.message,
    isTerminal: ({ event }) => TERMINAL_TYPES.has(event ?? ''),
  };
}

/** `[DONE]` follows whatever did not fail. */
function isEndOfOpenAiResponse({ data, event }: Frame): boolean {
  return data === '[DONE]' || event === 'response.failed';
}

function readResponse({ output, usage, status, incomplete_details: details, error }: ResponseObject): ReadAnswer {
  if (error) return { choices: [], usage: undefined, error: error.message };
  const textOf = (type: string) => output.flatMap((item) => (item.type === type ? [textOfItem(item)] : [])).join('');
  const calls = output.filter(({ type }) => type === 'function_call');
  const choice: ReadChoice = {
    index: 0,
    text: textOf('message'),
    reasoning: textOf('reasoning'),
    calls: calls.map((item) => ({ id: String(item.call_id), name: String(item.name), input: textOfItem(item) })),
    reason: details?.reason ?? status,
    own: output,
  };
  return { choices: [choice], usage };
}

/** Never streamed, and made of what the model says rather than saying it: nothing of this holds for it. */
function compactionReader(): WireReader {
  return { ...responsesReader(), forms: {} };
}

// ---- DashScope ----

type Parameters = { readonly [name: string]: string | number | boolean };

interface DashScopeChoice {
  readonly index?: number;
  readonly finish_reason: string;
  readonly message: Omit<ChatMessage, 'content'> & { readonly content: string | readonly { readonly text: string }[] };
}

interface DashScopeUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number; readonly cache_creation_input_tokens?: number };
  readonly output_tokens_details?: { readonly reasoning_tokens?: number };
}

interface DashScopeBody {
  readonly output:
    | { readonly choices: readonly DashScopeChoice[] }
    | { readonly text: string; readonly finish_reason: string };
  readonly usage: DashScopeUsage;
  readonly message?: string;
}

function dashScopeForms(content: unknown, forms: { [name: string]: [Parameters, StreamLimits] }) {
  const input = { messages: [{ role: 'user', content }] };
  const entries = Object.entries(forms).map(([name, [parameters, limits]]): [string, WireForm] => {
    const plain = { body: { model: 'qwen-plus', input, parameters } };
    return [name, { plain, streaming: { ...plain, headers: { 'x-dashscope-sse': 'enable' } }, limits }];
  });
  return Object.fromEntries(entries);
}

function dashScopeReader(forms: { readonly [form: string]: WireForm }): WireReader {
  return {
    forms,
    readStream: readDashScopeEvents,
    readBody: (whole) => {
      const { usage } = whole as DashScopeBody;
      const sum = new ChoiceSum();
      for (const { index = 0, message, reason } of dashScopeChoices(whole as DashScopeBody))
        sum.add(index, message, reason);
      return { choices: sum.choices(), usage };
    },
    countsOf: (usage) => {
      const { input_tokens, output_tokens, prompt_tokens_details, output_tokens_details } = usage as DashScopeUsage;
      return {
        input: input_tokens,
        output: output_tokens,
        cachedRead: prompt_tokens_details.cached_tokens,
        cacheWritten: prompt_tokens_details.cache_creation_input_tokens ?? 0,
        reasoning: output_tokens_details?.reasoning_tokens ?? 0,
      };
    },
    readError: (whole) => (whole as { message: string }).message,
    isTerminal: ({ event, data }) =>
      event === 'error' || dashScopeChoices(JSON.parse(data)).some(({ reason }) => reason !== null),
    hasNoCancelledEnd: true,
  };
}

/** An event holds what is new or all so far, as was asked. The usage of several choices is theirs, to be added up. */
function readDashScopeEvents(frames: readonly Frame[], form: WireForm): ReadAnswer {
  const { parameters } = form.streaming.body as { readonly parameters: Parameters };
  let sum = new ChoiceSum();
  const newest = new Map<number, ReturnType<typeof dashScopeChoices>[number]>();
  const outputs = new Map<number, number>();
  let usage: DashScopeUsage | undefined;
  for (const [position, { id, event, data }] of frames.entries()) {
    if (id !== String(position + 1)) throw new Error(`event ${position + 1} has the id ${id}`);
    const body = JSON.parse(data) as DashScopeBody;
    if (event === 'error') return { choices: [], usage: undefined, error: body.message };
    for (const choice of dashScopeChoices(body)) {
      if (parameters.incremental_output) sum.add(choice.index, choice.message, choice.reason);
      newest.set(choice.index, choice);
      outputs.set(choice.index, body.usage.output_tokens);
    }
    usage = body.usage;
  }
  if (!parameters.incremental_output) {
    sum = new ChoiceSum();
    for (const { index, message, reason } of newest.values()) sum.add(index, message, reason);
  }
  return { choices: sum.choices(), usage: usage && addUp(usage, [...outputs.values()]) };
}

function addUp(usage: DashScopeUsage, outputs: readonly number[]): object {
  const output = outputs.reduce((total, each) => total + each, 0);
  return { ...usage, output_tokens: output, total_tokens: usage.input_tokens + output };
}

function dashScopeChoices({ output }: DashScopeBody) {
  const reasonOf = (reason: string) => (reason === 'null' ? null : reason);
  if ('text' in output)
    return [{ index: 0, message: { content: output.text }, reason: reasonOf(output.finish_reason) }];
  return output.choices.map(({ index = 0, message, finish_reason }) => {
    const { content } = message;
    const text = typeof content === 'string' ? content : content.map((part) => part.text).join('');
    return { index, message: { ...message, content: text }, reason: reasonOf(finish_reason) };
  });
}
