/** A strict reader of a Messages stream: fails at the first breach of the wire's grammar, and gives the message. */
import { isDeepStrictEqual } from 'node:util';

type Wire = { readonly [member: string]: unknown };
type Block = { [member: string]: unknown };

export interface ReadMessage {
  readonly message: Block | undefined;
  /** The data of an `error` event, which ends a stream instead of `message_stop`. */
  readonly error: Wire | undefined;
  readonly events: readonly string[];
}

const DELTA_OF_BLOCK: { readonly [block: string]: readonly string[] } = {
  text: ['text_delta'],
  thinking: ['thinking_delta', 'signature_delta'],
  tool_use: ['input_json_delta'],
  server_tool_use: ['input_json_delta'],
  web_search_tool_result: [],
};

/** Reads all frames of a stream. */
export function readMessageStream(text: string): ReadMessage {
  const frames = text.split('\n\n');
  if (frames.pop() !== '') throw new Error('the last frame has no blank line');
  const reader = new Reader();
  for (const frame of frames) reader.push(frame);
  return reader.end();
}

class Reader {
  readonly #events: string[] = [];
  #message: Block | undefined;
  #blocks: Block[] = [];
  #open: Block | undefined;
  #json = '';
  #signatures = 0;
  #hasDelta = false;
  #isOver = false;
  #error: Wire | undefined;

  push(frame: string): void {
    const found = /^event: ([a-z_]+)\ndata: (.+)$/.exec(frame);
    if (!found) throw new Error(`not a frame: ${frame}`);
    const [, event = '', json = ''] = found;
    const data = JSON.parse(json) as Wire;
    if (data.type !== event) throw new Error(`event ${event} carries ${String(data.type)}`);
    if (event === 'ping') return;
    if (this.#isOver) throw new Error(`${event} after the end`);
    this.#events.push(event);
    if (event === 'error') {
      this.#error = data;
      this.#isOver = true;
      return;
    }
    if (event !== 'message_start' && !this.#message) throw new Error(`${event} before message_start`);
    if (this.#hasDelta && event !== 'message_stop') throw new Error(`${event} after message_delta`);
    switch (event) {
      case 'message_start':
        if (this.#message) throw new Error('a second message_start');
        this.#message = { ...(data.message as Block) };
        if (!isDeepStrictEqual(this.#message.content, []) || this.#message.stop_reason !== null)
          throw new Error('message_start is not empty');
        return;
      case 'content_block_start':
        this.#start(data);
        return;
      case 'content_block_delta':
        this.#delta(this.#opened(data), data.delta as Wire);
        return;
      case 'content_block_stop':
        this.#stop(this.#opened(data));
        return;
      case 'message_delta':
        if (this.#open) throw new Error('message_delta inside a block');
        this.#hasDelta = true;
        Object.assign(this.#message as Block, data.delta as Block, { usage: data.usage });
        return;
      case 'message_stop':
        if (!this.#hasDelta) throw new Error('message_stop without message_delta');
        this.#isOver = true;
        return;
      default:
        throw new Error(`unknown event ${event}`);
    }
  }

  end(): ReadMessage {
    if (!this.#isOver) throw new Error('the stream has no end');
    if (!this.#error && this.#blocks.length === 0) throw new Error('a message without blocks');
    const message = this.#message && { ...this.#message, content: this.#blocks };
    return { message, error: this.#error, events: this.#events };
  }

  #start({ index, content_block: block }: Wire): void {
    if (this.#open) throw new Error('a block inside a block');
    if (index !== this.#blocks.length) throw new Error(`index ${String(index)} instead of ${this.#blocks.length}`);
    this.#open = { ...(block as Block) };
    this.#json = '';
    this.#signatures = 0;
  }

  #opened({ index }: Wire): Block {
    if (!this.#open || index !== this.#blocks.length) throw new Error(`block ${String(index)} is not open`);
    return this.#open;
  }

  #delta(block: Block, delta: Wire): void {
    const type = String(delta.type);
    if (!DELTA_OF_BLOCK[String(block.type)]?.includes(type))
      throw new Error(`${type} in a ${String(block.type)} block`);
    if (this.#signatures > 0) throw new Error('a delta after the signature');
    if (type === 'text_delta') block.text = `${block.text}${delta.text}`;
    if (type === 'thinking_delta') block.thinking = `${block.thinking}${delta.thinking}`;
    if (type === 'input_json_delta') this.#json += delta.partial_json;
    if (type === 'signature_delta') {
      block.signature = delta.signature;
      this.#signatures++;
    }
  }

  #stop(block: Block): void {
    if (block.type === 'thinking' && this.#signatures !== 1) throw new Error('a thinking block without its signature');
    if ('input' in block) block.input = JSON.parse(this.#json);
    this.#blocks.push(block);
    this.#open = undefined;
  }
}
