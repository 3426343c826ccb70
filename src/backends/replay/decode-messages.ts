/** A Messages reply, its events or its one body → events ("Messages", response and streaming). */
import type { ChoiceEndReason } from '../../core/events.ts';
import { NO_USAGE, type Usage } from '../../core/usage.ts';
import { type AnswerEvents, AnswerWriter } from './answer-writer.ts';
import { errorOfBody } from './decode-error.ts';
import { isObject, type Loose } from './recording.ts';

const REASONS: ReadonlyMap<string, ChoiceEndReason> = new Map([
  ['end_turn', 'stop'],
  ['pause_turn', 'stop'],
  ['stop_sequence', 'stop-text'],
  ['max_tokens', 'length'],
  ['tool_use', 'tool-calls'],
  ['refusal', 'content-filter'],
  ['model_context_window_exceeded', 'context-full'],
]);

/** The only choice of this wire. */
const CHOICE = 0;

/** `chunks` are the events of a stream, or one message. */
export function decodeMessages(chunks: readonly Loose[]): AnswerEvents {
  const decoder = new MessagesDecoder();
  for (const chunk of chunks) decoder.push(chunk);
  return decoder.finish();
}

class MessagesDecoder {
  readonly #writer = new AnswerWriter();
  #usage: Loose = {};
  #signature: string | undefined;
  /** Calls of server-run tools whose results are still to come. */
  readonly #serverCalls = new Map<string, { name: string; input: string }>();
  #openServerCall: string | undefined;

  push(chunk: Loose): void {
    switch (chunk.type) {
      case 'message':
        this.#addUsage(chunk.usage);
        if (Array.isArray(chunk.content))
          for (const block of chunk.content) if (isObject(block)) this.#wholeBlock(block);
        this.#end(chunk);
        return;
      case 'message_start':
        if (isObject(chunk.message)) this.#addUsage(chunk.message.usage);
        return;
      case 'content_block_start':
        if (isObject(chunk.content_block)) this.#startBlock(chunk.content_block);
        return;
      case 'content_block_delta':
        if (isObject(chunk.delta)) this.#delta(chunk.delta);
        return;
      case 'content_block_stop':
        this.#stopBlock();
        return;
      case 'message_delta':
        this.#addUsage(chunk.usage);
        if (isObject(chunk.delta)) this.#end(chunk.delta);
        return;
      case 'error':
        this.#writer.fail(errorOfBody(chunk, undefined));
        return;
      default:
    }
  }

  finish(): AnswerEvents {
    return this.#writer.finish();
  }

  /** A whole block is its start, one delta and its stop. */
  #wholeBlock(block: Loose): void {
    this.#startBlock(block);
    if (block.type === 'tool_use' || block.type === 'server_tool_use')
      this.#delta({ type: 'input_json_delta', partial_json: JSON.stringify(block.input ?? {}) });
    if (typeof block.signature === 'string') this.#signature = block.signature;
    this.#stopBlock();
  }

  #startBlock(block: Loose): void {
    switch (block.type) {
      case 'text':
        this.#writer.text(CHOICE, textOr(block.text));
        return;
      case 'thinking':
        this.#writer.reasoning(CHOICE, textOr(block.thinking));
        return;
      case 'tool_use':
        this.#writer.openCall(CHOICE, { callId: textOr(block.id), name: textOr(block.name), executedBy: 'client' });
        return;
      case 'server_tool_use':
        this.#openServerCall = textOr(block.id);
        this.#serverCalls.set(this.#openServerCall, { name: textOr(block.name), input: '' });
        return;
      default:
        if (typeof block.tool_use_id === 'string') this.#serverResult(block.tool_use_id, block.content);
    }
  }

  #delta(delta: Loose): void {
    switch (delta.type) {
      case 'text_delta':
        this.#writer.text(CHOICE, textOr(delta.text));
        return;
      case 'thinking_delta':
        this.#writer.reasoning(CHOICE, textOr(delta.thinking));
        return;
      case 'signature_delta':
        this.#signature = textOr(delta.signature);
        return;
      case 'input_json_delta': {
        const input = textOr(delta.partial_json);
        const serverCall = this.#openServerCall && this.#serverCalls.get(this.#openServerCall);
        if (serverCall) serverCall.input += input;
        else this.#writer.callInput(CHOICE, input);
        return;
      }
      default:
    }
  }

  #stopBlock(): void {
    if (this.#openServerCall === undefined) this.#writer.closeBlock(CHOICE, this.#signature);
    this.#openServerCall = undefined;
    this.#signature = undefined;
  }

  #serverResult(callId: string, content: unknown): void {
    const call = this.#serverCalls.get(callId);
    if (!call) return;
    this.#serverCalls.delete(callId);
    this.#writer.serverCall(CHOICE, { callId, ...call }, content === undefined ? undefined : JSON.stringify(content));
  }

  #end({ stop_reason: reason, stop_sequence: stopText }: Loose): void {
    if (typeof reason !== 'string') return;
    const told = REASONS.get(reason) ?? 'stop';
    const matched = typeof stopText === 'string' ? stopText : undefined;
    this.#writer.endChoice(CHOICE, told === 'stop-text' && matched === undefined ? 'stop' : told, matched);
  }

  /** Counts of later events replace those of earlier ones. */
  #addUsage(usage: unknown): void {
    if (!isObject(usage)) return;
    this.#usage = { ...this.#usage, ...usage };
    this.#writer.usage(decodeUsage(this.#usage));
  }
}

/** `input_tokens` is what no cache held. */
function decodeUsage(usage: Loose): Usage {
  const cachedRead = count(usage.cache_read_input_tokens);
  const cacheWritten = count(usage.cache_creation_input_tokens);
  const output = count(usage.output_tokens);
  const details = isObject(usage.output_tokens_details) ? usage.output_tokens_details : {};
  return {
    input: {
      ...NO_USAGE.input,
      total: count(usage.input_tokens) + cachedRead + cacheWritten,
      cachedRead,
      // Told by the explicit cache only.
      ...(isObject(usage.cache_creation) ? { markedRead: cachedRead } : {}),
      cacheWritten,
    },
    output: { total: output, reasoning: Math.min(count(details.thinking_tokens), output), audio: 0 },
  };
}

function textOr(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
