/** A Responses reply, its events or its one body → events ("Responses", response object and streaming; "Built-in tools"). */
import { type InputUsage, NO_USAGE, type Usage } from '../../core/usage.ts';
import { type AnswerEvents, AnswerWriter } from './answer-writer.ts';
import { errorOfBody } from './decode-error.ts';
import { isObject, type Loose } from './recording.ts';

/** The only choice of this wire. */
const CHOICE = 0;

/** `chunks` are the events of a stream, or one response. */
export function decodeResponses(chunks: readonly Loose[]): AnswerEvents {
  const decoder = new ResponsesDecoder();
  for (const chunk of chunks) decoder.push(chunk);
  return decoder.finish();
}

class ResponsesDecoder {
  readonly #writer = new AnswerWriter();
  /** Items of which something was written piece by piece; the others are written whole when they are done. */
  readonly #begun = new Set<unknown>();
  readonly #sources = new Map<string, number>();
  #hasCalls = false;

  push(chunk: Loose): void {
    if (chunk.object === 'response') {
      this.#usage(chunk);
      for (const item of listOf(chunk.output)) this.#wholeItem(item);
      this.#end(chunk);
      return;
    }
    const item = isObject(chunk.item) ? chunk.item : undefined;
    switch (chunk.type) {
      case 'response.output_item.added':
        if (item?.type === 'function_call') this.#openCall(item);
        return;
      case 'response.output_text.delta':
      case 'response.refusal.delta':
        this.#begun.add(chunk.item_id);
        this.#writer.text(CHOICE, textOr(chunk.delta));
        return;
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        this.#begun.add(chunk.item_id);
        this.#writer.reasoning(CHOICE, textOr(chunk.delta));
        return;
      case 'response.function_call_arguments.delta':
        this.#begun.add(chunk.item_id);
        this.#writer.callInput(CHOICE, textOr(chunk.delta));
        return;
      case 'response.output_item.done':
        if (item) this.#doneItem(item);
        return;
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
        if (!isObject(chunk.response)) return;
        this.#usage(chunk.response);
        this.#end(chunk.response);
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

  #doneItem(item: Loose): void {
    if (!this.#begun.has(item.id)) {
      if (item.type === 'function_call') this.#writer.callInput(CHOICE, textOr(item.arguments));
      else this.#wholeItem(item);
    } else if (item.type === 'message') this.#citations(item);
    this.#writer.closeBlock(CHOICE);
  }

  #wholeItem(item: Loose): void {
    switch (item.type) {
      case 'reasoning':
        for (const part of [...listOf(item.summary), ...listOf(item.content)])
          this.#writer.reasoning(CHOICE, textOr(part.text));
        break;
      case 'message':
        for (const part of listOf(item.content)) this.#writer.text(CHOICE, textOr(part.text) || textOr(part.refusal));
        this.#citations(item);
        break;
      case 'function_call':
        this.#openCall(item);
        this.#writer.callInput(CHOICE, textOr(item.arguments));
        break;
      default:
        this.#serverCall(item);
    }
    this.#writer.closeBlock(CHOICE);
  }

  #openCall(item: Loose): void {
    this.#hasCalls = true;
    this.#writer.openCall(CHOICE, { callId: textOr(item.call_id), name: textOr(item.name), executedBy: 'client' });
  }

  /** `web_search_call`, `code_interpreter_call`…: each keeps its input and its result in members of its own. */
  #serverCall(item: Loose): void {
    const name = /^(\w+)_call$/.exec(textOr(item.type))?.[1];
    if (name === undefined) return;
    const { id, type: _type, status: _status, outputs, output, results, ...input } = item;
    const action = isObject(item.action) ? item.action : {};
    for (const source of listOf(action.sources)) this.#source(textOr(source.url), '');
    const result = outputs ?? output ?? results;
    this.#writer.serverCall(
      CHOICE,
      { callId: textOr(id), name, input: JSON.stringify(input) },
      result === undefined || result === null ? undefined : JSON.stringify(result),
    );
  }

  #citations(item: Loose): void {
    for (const part of listOf(item.content))
      for (const note of listOf(part.annotations)) {
        if (note.type !== 'url_citation') continue;
        const sourceIndex = this.#source(textOr(note.url), textOr(note.title));
        const blockId = this.#writer.textBlockId(CHOICE);
        const [start, end] = [count(note.start_index), count(note.end_index)];
        this.#writer.add({ type: 'citation', blockId, start, end, sourceIndex });
      }
  }

  #source(url: string, title: string): number {
    const known = this.#sources.get(url);
    if (known !== undefined) return known;
    const index = this.#sources.size;
    this.#sources.set(url, index);
    this.#writer.add({ type: 'source', index, url, title });
    return index;
  }

  #usage(response: Loose): void {
    if (isObject(response.usage)) this.#writer.usage(decodeUsage(response.usage));
  }

  #end(response: Loose): void {
    if (isObject(response.error)) {
      this.#writer.fail(errorOfBody(response, undefined));
      return;
    }
    const details = isObject(response.incomplete_details) ? response.incomplete_details : {};
    if (details.reason === 'content_filter') this.#writer.endChoice(CHOICE, 'content-filter');
    else if (response.status === 'incomplete') this.#writer.endChoice(CHOICE, 'length');
    else this.#writer.endChoice(CHOICE, this.#hasCalls ? 'tool-calls' : 'stop');
  }
}

function decodeUsage(usage: Loose): Usage {
  const input = isObject(usage.input_tokens_details) ? usage.input_tokens_details : {};
  const output = isObject(usage.output_tokens_details) ? usage.output_tokens_details : {};
  const inputTotal = count(usage.input_tokens);
  const outputTotal = count(usage.output_tokens);
  const tools = isObject(usage.x_tools) ? Object.entries(usage.x_tools) : [];
  const hostedTools = tools.map(([kind, told]): [string, number] => [kind, isObject(told) ? count(told.count) : 0]);
  const cachedRead = Math.min(count(input.cached_tokens), inputTotal);
  return {
    input: { ...NO_USAGE.input, total: inputTotal, cachedRead, ...sessionCountsOf(usage, cachedRead, inputTotal) },
    output: { total: outputTotal, reasoning: Math.min(count(output.reasoning_tokens), outputTotal), audio: 0 },
    ...(hostedTools.length > 0 ? { hostedTools: Object.fromEntries(hostedTools) } : {}),
  };
}

/** What the session cache wrote, and that it was used, stands only in the vendor's own detail. */
function sessionCountsOf({ x_details: details }: Loose, cachedRead: number, inputTotal: number): Partial<InputUsage> {
  const cache = listOf(details)[0]?.prompt_tokens_details;
  if (!isObject(cache) || cache.cache_type !== 'ephemeral') return {};
  const cacheWritten = Math.min(count(cache.cache_creation_input_tokens), inputTotal - cachedRead);
  return { markedRead: cachedRead, cacheWritten };
}

function listOf(value: unknown): Loose[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function textOr(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
