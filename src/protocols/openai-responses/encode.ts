/**
 * Canonical events → the events of a streamed response, and an assembled answer → one body (responses-and-tools
 * reference §12). Both build their items in `response.ts`, so that stream, body and what is stored say the same.
 *
 * Items are shown one after another. A message is known to be whole only by what follows it, so its last frame waits
 * for the next event. Deltas are joined from strings: a stream has hundreds of them.
 */
import type { AssembledBlock, AssembledChoice, GenerationResult } from '../../core/assemble.ts';
import { StudioError } from '../../core/errors.ts';
import type {
  ChoiceEndReason,
  ErrorEvent,
  FinishEvent,
  GenerationEvent,
  TextDeltaEvent,
  TokenLogprob,
  ToolInputEndEvent,
  ToolInputStartEvent,
} from '../../core/events.ts';
import type { Owner } from '../../core/ports.ts';
import type { ResponseBody, StoredItem } from '../../core/responses.ts';
import type { JsonObject } from '../parameters.ts';
import type { Encoder } from '../protocol.ts';
import { dataFrame, eventFrame, lineJson } from '../sse.ts';
import type { Dialect, ResponsePlan } from './plan.ts';
import {
  type CallStart,
  callInput,
  callItem,
  callType,
  encodeLogprobs,
  isCutShort,
  messageItem,
  outputItemId,
  reasoningItem,
  responseOf,
  statusOf,
  summaryPart,
  textPart,
} from './response.ts';

/** Seals reasoning for a client that keeps its conversation itself. */
export type Seal = (owner: Owner, text: string) => string;

/** This wire answers with one choice, whatever a backend gives. */
const ONLY_CHOICE = 0;

// ---- State ----

interface OpenItem {
  readonly id: string;
  readonly index: number;
  text: string;
  readonly logprobs: TokenLogprob[];
  /** Its members in every delta. */
  readonly place: string;
  readonly call?: CallStart | undefined;
  readonly kind: 'message' | 'reasoning' | 'call';
}

/** One per streamed reply. */
export class ResponseEncoder implements Encoder {
  readonly #plan: ResponsePlan;
  readonly #seal: Seal;
  /** Items that are done, in order. */
  readonly #output: StoredItem[] = [];
  #open: OpenItem | undefined;
  /** A message whose end was seen; what follows says whether it is whole. */
  #ended: OpenItem | undefined;
  #reason: ChoiceEndReason | undefined;
  #sequence = 0;

  constructor(plan: ResponsePlan, seal: Seal) {
    this.#plan = plan;
    this.#seal = seal;
  }

  push(event: GenerationEvent): string {
    if ('choice' in event && event.choice !== ONLY_CHOICE) return '';
    switch (event.type) {
      case 'usage':
        return this.#begin();
      case 'text-start':
        return this.#begin() + this.#endMessage(true) + this.#onTextStart();
      case 'text-delta':
        return this.#onTextDelta(event);
      case 'text-end':
        return this.#onTextEnd();
      case 'reasoning-start':
        return this.#begin() + this.#endMessage(true) + this.#onReasoningStart();
      case 'reasoning-delta':
        return this.#onDelta(event.text, 'response.reasoning_summary_text.delta');
      case 'reasoning-end':
        return this.#onReasoningEnd();
      case 'tool-input-start':
        return this.#begin() + this.#endMessage(true) + this.#onToolInputStart(event);
      case 'tool-input-delta':
        return this.#onToolInputDelta(event.text);
      case 'tool-input-end':
        return this.#onToolInputEnd(event);
      case 'choice-end':
        this.#reason = event.reason;
        return this.#begin() + this.#endMessage(!isCutShort(event.reason));
      case 'finish':
        return this.#onFinish(event);
      case 'error':
        return this.#onError(event);
      case 'start':
        // Whoever waits for a background response waits for no status.
        return this.#plan.isBackground ? this.#begin() : '';
      case 'tool-result':
      case 'source':
      case 'citation':
      case 'progress':
        return '';
      default:
        return event satisfies never;
    }
  }

  // ---- Handlers, in stream order ----

  /** Once the call has been taken up: what is refused before has a status of its own. */
  #begin(): string {
    if (this.#sequence > 0) return '';
    const { live } = this.#plan.state ?? {};
    if (live) live.hasBegun = true;
    // The service announces a response as queued, OpenAI as already in progress.
    const first = this.#plan.dialect === 'vendor' || this.#plan.isBackground ? 'queued' : 'in_progress';
    return (
      this.#frame('response.created', { response: responseOf(this.#plan, { status: first, output: [] }) }) +
      this.#frame('response.in_progress', { response: responseOf(this.#plan, { status: 'in_progress', output: [] }) })
    );
  }

  #onTextStart(): string {
    const item = this.#openItem('message', 'message');
    const shell = { id: item.id, type: 'message', status: 'in_progress', role: 'assistant', content: [] };
    return this.#added(item, shell) + this.#frame('response.content_part.added', this.#part(item, textPart('', [])));
  }

  #onTextDelta(event: TextDeltaEvent): string {
    const item = this.#open;
    if (item?.kind !== 'message') return '';
    item.text += event.text;
    if (event.logprobs && this.#plan.includesLogprobs) item.logprobs.push(...event.logprobs);
    const logprobs = event.logprobs && this.#plan.includesLogprobs ? lineJson(encodeLogprobs(event.logprobs)) : '[]';
    return this.#delta('response.output_text.delta', item, event.text, `,"logprobs":${logprobs}`);
  }

  #onTextEnd(): string {
    const item = this.#open;
    if (item?.kind !== 'message') return '';
    this.#open = undefined;
    this.#ended = item;
    const { text } = item;
    return (
      this.#frame('response.output_text.done', {
        item_id: item.id,
        output_index: item.index,
        content_index: 0,
        text,
        logprobs: encodeLogprobs(item.logprobs),
      }) + this.#frame('response.content_part.done', this.#part(item, textPart(text, item.logprobs)))
    );
  }

  #endMessage(isWhole: boolean): string {
    const item = this.#ended;
    if (!item) return '';
    this.#ended = undefined;
    return this.#done(item, messageItem(item.id, item.text, item.logprobs, isWhole));
  }

  #onReasoningStart(): string {
    const item = this.#openItem('reasoning', 'reasoning');
    return (
      this.#added(item, { id: item.id, type: 'reasoning', summary: [] }) +
      this.#frame('response.reasoning_summary_part.added', this.#summary(item, { part: summaryPart('') }))
    );
  }

  #onReasoningEnd(): string {
    const item = this.#open;
    if (item?.kind !== 'reasoning') return '';
    this.#open = undefined;
    const { text } = item;
    return (
      this.#frame('response.reasoning_summary_text.done', this.#summary(item, { text })) +
      this.#frame('response.reasoning_summary_part.done', this.#summary(item, { part: summaryPart(text) })) +
      this.#done(item, reasoningItem(item.id, text, sealed(this.#plan, text, this.#seal)))
    );
  }

  /** Calls the server runs show nothing yet: there is no tool of that kind. */
  #onToolInputStart({ callId, name, executedBy }: ToolInputStartEvent): string {
    if (executedBy === 'server') return '';
    const call = { callId, name };
    const item = this.#openItem('call', callType(name, this.#plan), call);
    return this.#added(item, callItem(this.#plan, item.id, call, '', 'in_progress'));
  }

  /** The text of a custom tool is inside the JSON, so it is shown when it is whole. */
  #onToolInputDelta(text: string): string {
    const { call } = this.#open ?? {};
    if (!call) return '';
    if (callType(call.name, this.#plan) === 'function_call')
      return this.#onDelta(text, 'response.function_call_arguments.delta');
    if (this.#open) this.#open.text += text;
    return '';
  }

  #onToolInputEnd({ isValidJson }: ToolInputEndEvent): string {
    const item = this.#open;
    if (!item?.call) return '';
    this.#open = undefined;
    const input = callInput(this.#plan, item.call.name, item.text);
    const place = { item_id: item.id, output_index: item.index };
    const done = callItem(this.#plan, item.id, item.call, input, isValidJson ? 'completed' : 'incomplete');
    if (callType(item.call.name, this.#plan) === 'function_call')
      return (
        this.#frame('response.function_call_arguments.done', { ...place, arguments: input }) + this.#done(item, done)
      );
    return (
      (input === '' ? '' : this.#delta('response.custom_tool_call_input.delta', item, input)) +
      this.#frame('response.custom_tool_call_input.done', { ...place, input }) +
      this.#done(item, done)
    );
  }

  /** Text of the open item. */
  #onDelta(text: string, type: string): string {
    const item = this.#open;
    if (!item) return '';
    item.text += text;
    return this.#delta(type, item, text);
  }

  // ---- Terminal frames ----

  #onFinish(event: FinishEvent): string {
    const begun = this.#begin();
    const body = finishedBody(this.#plan, event, this.#reason, [...this.#output, ...this.#broken()]);
    return begun + this.#terminal(body) + (this.#plan.dialect === 'openai' ? DONE_FRAME : '');
  }

  /** No `[DONE]` behind it: that is how a stream ends that did not fail. */
  #onError(event: ErrorEvent): string {
    const begun = this.#begin();
    return begun + this.#terminal(failedBody(this.#plan, event, [...this.#output, ...this.#broken()]));
  }

  #terminal(body: ResponseBody): string {
    return this.#frame(terminalType(body), { response: body });
  }

  /** What was not done when the answer broke off, as far as it came. */
  #broken(): StoredItem[] {
    const item = this.#open ?? this.#ended;
    if (!item) return [];
    if (item.call) {
      const input = callInput(this.#plan, item.call.name, item.text);
      return [callItem(this.#plan, item.id, item.call, input, 'incomplete')];
    }
    return item.kind === 'message'
      ? [messageItem(item.id, item.text, item.logprobs, false)]
      : [reasoningItem(item.id, item.text, sealed(this.#plan, item.text, this.#seal))];
  }

  // ---- Frames ----

  #openItem(kind: OpenItem['kind'], type: string, call?: CallStart): OpenItem {
    const index = this.#output.length;
    const id = outputItemId(this.#plan, type, index);
    const where = DELTA_PLACES[kind];
    const place = `"item_id":${JSON.stringify(id)},"output_index":${index},${where}"delta":`;
    const item = { id, index, text: '', logprobs: [], place, call, kind };
    this.#open = item;
    return item;
  }

  #added(item: OpenItem, shell: JsonObject): string {
    return this.#frame('response.output_item.added', { output_index: item.index, item: shell });
  }

  #done(item: OpenItem, done: StoredItem): string {
    this.#output.push(done);
    this.#plan.state?.live?.output.push(done);
    return this.#frame('response.output_item.done', { output_index: item.index, item: done });
  }

  #part(item: OpenItem, part: JsonObject): JsonObject {
    return { item_id: item.id, output_index: item.index, content_index: 0, part };
  }

  #summary(item: OpenItem, members: JsonObject): JsonObject {
    return { item_id: item.id, output_index: item.index, summary_index: 0, ...members };
  }

  #delta(type: string, item: OpenItem, text: string, rest = ''): string {
    return this.#send(
      type,
      `{"type":"${type}","sequence_number":${this.#sequence},${item.place}${lineJson(text)}${rest}}`,
    );
  }

  #frame(type: string, members: JsonObject): string {
    return this.#send(type, lineJson({ type, sequence_number: this.#sequence, ...members }));
  }

  #send(type: string, json: string): string {
    const sequence = this.#sequence++;
    this.#plan.state?.live?.push(json);
    return eventText(this.#plan.dialect, type, json, sequence);
  }
}

/** What else names the place of a delta, by the kind of its item. */
const DELTA_PLACES: { readonly [kind in OpenItem['kind']]: string } = {
  message: '"content_index":0,',
  reasoning: '"summary_index":0,',
  call: '',
};

export const DONE_FRAME = dataFrame('[DONE]');

/** One event as it is framed for whoever is spoken to: the service's own way, OpenAI's, or a frame of a socket. */
export function eventText(dialect: Dialect, type: string, json: string, sequence: number): string {
  switch (dialect) {
    case 'vendor':
      return `id:${sequence + 1}\nevent:${type}\n:HTTP_STATUS/200\ndata:${json}\n\n`;
    case 'openai':
      return eventFrame(type, json);
    case 'socket':
      return `${json}\n`;
    default:
      return dialect satisfies never;
  }
}

/** There is no event for a cancelled response: it is one that did not come to its end. */
export function terminalType({ status }: ResponseBody): string {
  if (status === 'completed' || status === 'failed') return `response.${status}`;
  return 'response.incomplete';
}

// ---- Whole body ----

/** The body of a plain reply, and what is stored: the same events, assembled. */
export function encodeResponse(result: GenerationResult, plan: ResponsePlan, seal: Seal): ResponseBody {
  const choice = result.choices.find(({ index }) => index === ONLY_CHOICE) ?? { index: ONLY_CHOICE, blocks: [] };
  const output = outputOf(choice, plan, seal);
  return result.error || result.ending === 'failed'
    ? failedBody(plan, result, output)
    : finishedBody(plan, { ...result, ending: result.ending }, choice.reason, output);
}

function outputOf({ blocks, reason }: AssembledChoice, plan: ResponsePlan, seal: Seal): StoredItem[] {
  const output: StoredItem[] = [];
  for (const [position, block] of blocks.entries()) {
    const isLast = position === blocks.length - 1;
    const item = itemOf(block, output.length, !(isLast && isCutShort(reason)), plan, seal);
    if (item) output.push(item);
  }
  return output;
}

function itemOf(
  block: AssembledBlock,
  index: number,
  isWhole: boolean,
  plan: ResponsePlan,
  seal: Seal,
): StoredItem | undefined {
  switch (block.type) {
    case 'text': {
      const logprobs = plan.includesLogprobs ? (block.logprobs ?? []) : [];
      return messageItem(outputItemId(plan, 'message', index), block.text, logprobs, isWhole);
    }
    case 'reasoning':
      return reasoningItem(outputItemId(plan, 'reasoning', index), block.text, sealed(plan, block.text, seal));
    case 'tool-call': {
      if (block.executedBy === 'server') return undefined;
      const id = outputItemId(plan, callType(block.name, plan), index);
      const input = callInput(plan, block.name, block.inputText);
      return callItem(plan, id, block, input, block.isValidJson ? 'completed' : 'incomplete');
    }
    default:
      return block satisfies never;
  }
}

// ---- Shared by both forms ----

function finishedBody(
  plan: ResponsePlan,
  { ending, usage, timings }: Pick<FinishEvent, 'ending' | 'usage' | 'timings'>,
  reason: ChoiceEndReason | undefined,
  output: readonly StoredItem[],
): ResponseBody {
  const status = statusOf(ending, reason);
  const completedAtMs = status === 'completed' ? plan.createdAtMs + (timings.totalMs ?? 0) : undefined;
  return responseOf(plan, { status, output, usage, reason, completedAtMs });
}

function failedBody(
  plan: ResponsePlan,
  { error, usage }: Pick<GenerationResult, 'error' | 'usage'>,
  output: readonly StoredItem[],
): ResponseBody {
  return responseOf(plan, { status: 'failed', output, usage, error: error ?? new StudioError('internal') });
}

function sealed(plan: ResponsePlan, text: string, seal: Seal): string | undefined {
  return plan.sealsReasoning && text !== '' ? seal(plan, text) : undefined;
}
