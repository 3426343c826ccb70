/**
 * Canonical events → message events, and an assembled answer → one message (anthropic-messages reference §8, §9, §17).
 *
 * One block is open at a time and indices have no gaps, as in the canonical stream, of which only choice 0 shows: this
 * wire knows no other. Text and thinking open with their first delta, so that an empty one is no block.
 */
import type { AssembledBlock, AssembledToolResult, GenerationResult } from '../../core/assemble.ts';
import type {
  ChoiceEndEvent,
  ChoiceEndReason,
  GenerationEvent,
  ReasoningEndEvent,
  SourceEvent,
  StartEvent,
  ToolInputStartEvent,
  ToolResultEvent,
} from '../../core/events.ts';
import type { Usage } from '../../core/usage.ts';
import type { Encoder } from '../protocol.ts';
import { eventFrame, lineJson } from '../sse.ts';
import { messagesErrorFrame } from './errors.ts';
import { ToolInput, toolInputOf } from './tool-input.ts';
import { encodeUsage } from './usage.ts';

/** Clients give a stream up that says nothing for long; this one says nothing too, but says it. */
export const PING_FRAME = eventFrame('ping', '{"type":"ping"}');

const STOP_FRAME = eventFrame('message_stop', '{"type":"message_stop"}');

// ---- State ----

type OpenBlock =
  | { readonly type: 'text' | 'thinking'; isShown: boolean }
  | { readonly type: 'tool-input'; readonly input: ToolInput }
  /** A call of a kind this wire has no block for. */
  | { readonly type: 'hidden' };

/** One per streamed reply. */
export class MessagesEncoder implements Encoder {
  #start: StartEvent | undefined;
  #hasMessageStart = false;
  #blocks = 0;
  #open: OpenBlock | undefined;
  /** Everything in front of the delta in the frames of the open block. */
  #deltaHead = '';
  #hasCall = false;
  #end: ChoiceEndEvent | undefined;
  /** Calls of hosted tools that were shown and have no result yet. */
  readonly #hostedCalls = new Set<string>();
  #sources: SourceEvent[] = [];
  /** Results that came while a block was open. */
  #heldResults: object[] = [];

  push(event: GenerationEvent): string {
    if ('choice' in event && event.choice !== 0) return '';
    switch (event.type) {
      case 'start':
        this.#start = event;
        return '';
      case 'usage':
        return this.#onUsage(event.usage);
      case 'text-start':
        this.#open = { type: 'text', isShown: false };
        return '';
      case 'text-delta':
        return this.#textDelta(`{"type":"text_delta","text":${lineJson(event.text)}}`);
      case 'reasoning-start':
        this.#open = { type: 'thinking', isShown: false };
        return '';
      case 'reasoning-delta':
        return this.#textDelta(`{"type":"thinking_delta","thinking":${lineJson(event.text)}}`);
      case 'reasoning-end':
        return this.#onReasoningEnd(event);
      case 'tool-input-start':
        return this.#onToolInputStart(event);
      case 'tool-input-delta':
        return this.#onToolInputDelta(event.text);
      case 'text-end':
      case 'tool-input-end':
        return this.#close();
      case 'source':
        this.#sources.push(event);
        return '';
      case 'tool-result':
        return this.#onToolResult(event);
      case 'choice-end':
        this.#end = event;
        return '';
      case 'finish':
        return this.#onFinish(event.usage);
      case 'error':
        return messagesErrorFrame(event.error, this.#start?.generationId ?? '');
      case 'citation':
      case 'progress':
        return '';
      default:
        return event satisfies never;
    }
  }

  // ---- Handlers, in stream order ----

  /** The message begins with the first counts: clients show the input tokens from here on. */
  #onUsage(usage: Usage): string {
    if (this.#hasMessageStart || !this.#start) return '';
    this.#hasMessageStart = true;
    const message = messageOf(this.#start, [], undefined, usage);
    return eventFrame('message_start', lineJson({ type: 'message_start', message }));
  }

  #textDelta(delta: string): string {
    const open = this.#open;
    if (open?.type !== 'text' && open?.type !== 'thinking') return '';
    const start = open.isShown ? '' : this.#startBlock(emptyBlock(open.type));
    open.isShown = true;
    return start + this.#delta(delta);
  }

  /** The signature is the last delta, once. A block that has nothing else still has that. */
  #onReasoningEnd({ signature }: ReasoningEndEvent): string {
    const isShown = this.#open?.type === 'thinking' && this.#open.isShown;
    if (!isShown && signature === undefined) return this.#close();
    return this.#textDelta(`{"type":"signature_delta","signature":${lineJson(signature ?? '')}}`) + this.#close();
  }

  #onToolInputStart(event: ToolInputStartEvent): string {
    const block = callBlock(event, {});
    if (!block) {
      this.#open = { type: 'hidden' };
      return '';
    }
    if (event.executedBy === 'client') this.#hasCall = true;
    else this.#hostedCalls.add(event.callId);
    this.#open = { type: 'tool-input', input: new ToolInput() };
    return this.#startBlock(block) + this.#inputDelta('');
  }

  #onToolInputDelta(text: string): string {
    if (this.#open?.type !== 'tool-input') return '';
    const shown = this.#open.input.push(text);
    return shown === '' ? '' : this.#inputDelta(shown);
  }

  #onToolResult(event: ToolResultEvent): string {
    const sources = this.#sources;
    this.#sources = [];
    if (!this.#hostedCalls.delete(event.callId)) return '';
    this.#heldResults.push(searchResultBlock(event, sources));
    return this.#open ? '' : this.#releaseResults();
  }

  // ---- Terminal frames ----

  #onFinish(usage: Usage): string {
    let frames = this.#onUsage(usage) + this.#close();
    if (this.#blocks === 0) frames += this.#startBlock(emptyBlock('text')) + this.#stopBlock();
    const data = { type: 'message_delta', delta: endingOf(this.#end, this.#hasCall), usage: encodeUsage(usage) };
    return frames + eventFrame('message_delta', lineJson(data)) + STOP_FRAME;
  }

  // ---- Blocks ----

  #startBlock(block: object): string {
    const index = this.#blocks++;
    this.#deltaHead = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":`;
    return eventFrame('content_block_start', lineJson({ type: 'content_block_start', index, content_block: block }));
  }

  #delta(delta: string): string {
    return `${this.#deltaHead}${delta}}\n\n`;
  }

  #inputDelta(text: string): string {
    return this.#delta(`{"type":"input_json_delta","partial_json":${lineJson(text)}}`);
  }

  #stopBlock(): string {
    return eventFrame('content_block_stop', `{"type":"content_block_stop","index":${this.#blocks - 1}}`);
  }

  #close(): string {
    const frames = this.#lastFramesOf(this.#open);
    this.#open = undefined;
    return frames + this.#releaseResults();
  }

  #lastFramesOf(open: OpenBlock | undefined): string {
    switch (open?.type) {
      case 'text':
      case 'thinking':
        return open.isShown ? this.#stopBlock() : '';
      case 'tool-input': {
        const rest = open.input.end();
        return (rest === '' ? '' : this.#inputDelta(rest)) + this.#stopBlock();
      }
      case 'hidden':
      case undefined:
        return '';
      default:
        return open satisfies never;
    }
  }

  /** A result has no deltas: it stands in the start of its block. */
  #releaseResults(): string {
    const results = this.#heldResults;
    this.#heldResults = [];
    return results.map((block) => this.#startBlock(block) + this.#stopBlock()).join('');
  }
}

// ---- Whole body ----

/** The message of a plain reply: the same events, assembled. */
export function encodeMessagesResult(result: GenerationResult): object {
  const choice = result.choices.find(({ index }) => index === 0);
  const blocks = choice?.blocks ?? [];
  const content: object[] = [];
  for (const [position, block] of blocks.entries()) {
    content.push(...resultBlocks(result, blocks, position));
    const encoded = encodeBlock(block);
    if (encoded) content.push(encoded);
  }
  content.push(...resultBlocks(result, blocks, blocks.length));
  const hasCall = blocks.some((block) => block.type === 'tool-call' && block.executedBy === 'client');
  return messageOf(
    result.start,
    content.length > 0 ? content : [emptyBlock('text')],
    endingOf(choice, hasCall),
    result.usage,
  );
}

function encodeBlock(block: AssembledBlock): object | undefined {
  switch (block.type) {
    case 'text':
      return block.text === '' ? undefined : { ...emptyBlock('text'), text: block.text };
    case 'reasoning':
      if (block.text === '' && block.signature === undefined) return undefined;
      return { type: 'thinking', thinking: block.text, signature: block.signature ?? '' };
    case 'tool-call':
      return callBlock(block, toolInputOf(block.inputText));
    default:
      return block satisfies never;
  }
}

/** The results that came when so many blocks had opened. */
function resultBlocks(
  { toolResults }: GenerationResult,
  blocks: readonly AssembledBlock[],
  position: number,
): object[] {
  return toolResults
    .filter((each) => each.position === position)
    .filter(({ callId }) =>
      blocks.some(
        (block) => block.type === 'tool-call' && block.callId === callId && callBlock(block, {}) !== undefined,
      ),
    )
    .map((each) => searchResultBlock(each, each.sources));
}

// ---- Shared by both forms ----

/** Every key is there from the beginning: clients take the first message of a stream as the object they go on with. */
function messageOf(
  { generationId, model }: StartEvent,
  content: readonly object[],
  ending: Ending | undefined,
  usage: Usage,
): object {
  return {
    id: `msg_${generationId}`,
    type: 'message',
    role: 'assistant',
    model,
    content,
    stop_reason: ending?.stop_reason ?? null,
    stop_sequence: ending?.stop_sequence ?? null,
    usage: encodeUsage(usage),
  };
}

function emptyBlock(type: 'text' | 'thinking'): object {
  return type === 'text' ? { type, text: '' } : { type, thinking: '', signature: '' };
}

/** The one hosted tool that has blocks on this wire so far. */
const SEARCH = 'web_search';

type Call = Pick<ToolInputStartEvent, 'callId' | 'name' | 'executedBy'>;

/** The block of a call; undefined for one that the server runs and this wire has no block for. */
function callBlock({ callId, name, executedBy }: Call, input: unknown): object | undefined {
  if (executedBy === 'client') return { type: 'tool_use', id: callIdOf(callId, 'toolu_'), name, input };
  if (name !== SEARCH) return undefined;
  return { type: 'server_tool_use', id: callIdOf(callId, 'srvtoolu_'), name, input };
}

/** Our ids wear this wire's prefix; those of an upstream stay as they are, as some models read them. */
function callIdOf(callId: string, prefix: string): string {
  return callId.replace(/^call_/, prefix);
}

function searchResultBlock(
  { callId, isError }: Pick<AssembledToolResult, 'callId' | 'isError'>,
  sources: readonly SourceEvent[],
): object {
  return {
    type: 'web_search_tool_result',
    tool_use_id: callIdOf(callId, 'srvtoolu_'),
    content: isError
      ? { type: 'web_search_tool_result_error', error_code: 'unavailable' }
      : sources.map(({ url, title }) => ({
          type: 'web_search_result',
          url,
          title,
          encrypted_content: '',
          page_age: null,
        })),
  };
}

interface Ending {
  readonly stop_reason: string;
  readonly stop_sequence: string | null;
}

/** `choice` is undefined when the call was cut off before its choice had ended. */
function endingOf(
  choice: { readonly reason?: ChoiceEndReason | undefined; readonly stopText?: string | undefined } | undefined,
  hasCall: boolean,
): Ending {
  const reason = stopReason(choice?.reason, hasCall);
  return { stop_reason: reason, stop_sequence: reason === 'stop_sequence' ? (choice?.stopText ?? null) : null };
}

/** Clients run tools by this word, so calls outweigh how the text ended; but not that they were cut off. */
function stopReason(reason: ChoiceEndReason | undefined, hasCall: boolean): string {
  switch (reason) {
    case 'stop':
    case 'tool-calls':
      return hasCall ? 'tool_use' : 'end_turn';
    case 'stop-text':
      return hasCall ? 'tool_use' : 'stop_sequence';
    case 'length':
    case undefined:
      return 'max_tokens';
    case 'context-full':
      return 'model_context_window_exceeded';
    case 'content-filter':
      return 'refusal';
    default:
      return reason satisfies never;
  }
}
