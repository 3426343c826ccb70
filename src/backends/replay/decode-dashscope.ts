/**
 * A native generation reply, its frames or its one body → events ("DashScope API reference", response object and streaming;
 * "Deep Research"). Counts that a reply leaves out are told as left out.
 */
import type { ChoiceEndReason, TokenLogprob } from '../../core/events.ts';
import { NO_USAGE, type Usage, type UsageCount } from '../../core/usage.ts';
import { decodeLogprob } from '../parsers/chat-reply/choice.ts';
import type { LooseTokenLogprob } from '../parsers/chat-reply/wire.ts';
import { type AnswerEvents, AnswerWriter } from './answer-writer.ts';
import { errorOfBody } from './decode-error.ts';
import { isObject, type Loose } from './recording.ts';

export interface DashScopeReply {
  /** The data of each frame, or the one body. */
  readonly chunks: readonly Loose[];
  readonly isStream: boolean;
  /** The request asked for deltas; otherwise the texts themselves show whether they grow. */
  readonly isIncremental: boolean;
}

export function decodeDashScope(reply: DashScopeReply): AnswerEvents {
  return new DashScopeDecoder(reply).decode();
}

const FINISH_REASONS: ReadonlyMap<unknown, ChoiceEndReason> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool-calls'],
  ['content_filter', 'content-filter'],
]);

/** Our name for the vertical tools of a search (weather, stocks…), whose results stand beside what it found. */
const SEARCH_EXTENSION = 'search_extension';

class DashScopeDecoder {
  readonly #reply: DashScopeReply;
  readonly #writer = new AnswerWriter();
  readonly #texts: GrowingTexts;
  /** The tools the server ran, as the last frame that names them knows them. */
  readonly #toolInfo: readonly Loose[];
  #toolsTold = 0;
  #extras = 0;
  /** The member for reasoning is there, and there was none. */
  readonly #isSilent: boolean;
  /** The call of each choice that fragments go on with. */
  readonly #calls = new Map<number, number>();

  constructor(reply: DashScopeReply) {
    this.#reply = reply;
    this.#texts = new GrowingTexts(reply.isStream && !reply.isIncremental && isCumulative(reply.chunks));
    this.#isSilent = hasSilentReasoning(reply.chunks);
    this.#toolInfo =
      reply.chunks.map((chunk) => listOf(outputOf(chunk).tool_info)).findLast((info) => info.length > 0) ?? [];
  }

  decode(): AnswerEvents {
    for (const chunk of this.#reply.chunks) {
      if (typeof chunk.code === 'string' && !('output' in chunk)) {
        this.#writer.fail(errorOfBody(chunk, undefined));
        break;
      }
      this.#chunk(chunk);
    }
    return this.#writer.finish();
  }

  #chunk(chunk: Loose): void {
    const output = outputOf(chunk);
    if (isObject(chunk.usage)) this.#writer.usage(decodeDashScopeUsage(chunk.usage));
    this.#searchInfo(output.search_info);
    this.#serverTools(listOf(output.tool_info).length);
    if (isObject(output.message)) this.#research(output.message, output);
    else if (Array.isArray(output.choices)) {
      for (const [at, choice] of listOf(output.choices).entries())
        this.#choice(typeof choice.index === 'number' ? choice.index : at, choice);
    } else if (typeof output.text === 'string') {
      this.#piece(0, { content: output.text }, undefined, output.finish_reason);
    }
  }

  #choice(index: number, choice: Loose): void {
    if (!isObject(choice.message)) return;
    this.#piece(index, choice.message, logprobsOf(choice), choice.finish_reason);
  }

  /** What one frame adds to a choice: reasoning, text, calls, its end. */
  #piece(choice: number, message: Loose, logprobs: TokenLogprob[] | undefined, finish: unknown): void {
    const reason = FINISH_REASONS.get(finish);
    const reasoning = this.#texts.next(`${choice} reasoning`, textOr(message.reasoning_content));
    const text = this.#texts.next(`${choice} text`, textOfContent(message.content));
    const calls = listOf(message.tool_calls);
    const goesOn = calls.length > 0 || reason !== undefined;
    if (this.#isSilent) this.#writer.silentReasoning(choice);
    this.#writer.reasoning(choice, reasoning);
    if (reasoning !== '' && (text !== '' || goesOn)) this.#join(choice);
    const ocrResult = ocrResultOf(message.content);
    if (ocrResult !== undefined) this.#writer.ocrResult(choice, ocrResult);
    this.#writer.text(choice, text, logprobs);
    if (text !== '' && goesOn) this.#join(choice);
    for (const call of calls) this.#call(choice, call);
    if (calls.length > 0 && reason !== undefined) this.#join(choice);
    if (reason !== undefined) this.#writer.endChoice(choice, reason);
  }

  #join(choice: number): void {
    if (this.#reply.isStream) this.#writer.joinLastDelta(choice);
  }

  /** A fragment with another index begins another call. */
  #call(choice: number, call: Loose): void {
    const called = isObject(call.function) ? call.function : {};
    const index = typeof call.index === 'number' ? call.index : (this.#calls.get(choice) ?? -1) + 1;
    const input = this.#texts.next(`${choice} call ${index}`, textOr(called.arguments));
    const current = this.#calls.get(choice);
    // A frame that tells all so far tells the calls before the last again.
    if (this.#texts.isCumulative && current !== undefined && index < current) return;
    if (current !== index) {
      const name = textOr(called.name);
      if (name === '') return;
      this.#calls.set(choice, index);
      this.#writer.openCall(choice, { callId: textOr(call.id) || `call_${index}`, name, executedBy: 'client' });
    }
    this.#writer.callInput(choice, input);
  }

  #searchInfo(info: unknown): void {
    if (!isObject(info)) return;
    for (const [at, source] of listOf(info.search_results).entries()) {
      this.#writer.add({
        type: 'source',
        // Ours count from 0.
        index: typeof source.index === 'number' && source.index > 0 ? source.index - 1 : at,
        url: textOr(source.url),
        title: textOr(source.title),
        ...(typeof source.icon === 'string' ? { iconUrl: source.icon } : {}),
        ...(typeof source.site_name === 'string' ? { siteName: source.site_name } : {}),
      });
    }
    for (const extra of listOf(info.extra_tool_info)) {
      const callId = `call_replay_extra_${this.#extras++}`;
      const input = JSON.stringify({ tool: extra.tool });
      const result = typeof extra.result === 'string' ? extra.result : JSON.stringify(extra.result ?? null);
      this.#writer.serverCall(0, { callId, name: SEARCH_EXTENSION, input }, result);
    }
  }

  /** Tools are told again on every frame after they ran. */
  #serverTools(count: number): void {
    for (; this.#toolsTold < count; this.#toolsTold++) {
      const tool = this.#toolInfo[this.#toolsTold] ?? {};
      const name = textOr(tool.type);
      if (name === '') continue;
      const input = JSON.stringify(tool[name] ?? {});
      this.#writer.serverCall(0, { callId: `call_replay_${this.#toolsTold}`, name, input });
    }
  }

  /** Phases of a research are progress; what they say is text. */
  #research(message: Loose, output: Loose): void {
    const extra = isObject(message.extra) ? message.extra : {};
    const isLast = FINISH_REASONS.has(output.fininshed_reason);
    this.#writer.add({
      type: 'progress',
      of: 'research',
      phase: textOr(message.phase),
      status: textOr(message.status),
      data: extra.deep_research,
      ...(isLast || textOfContent(message.content) !== '' ? { joinsNext: true } : {}),
    });
    this.#piece(0, message, undefined, output.fininshed_reason);
  }
}

/** Texts as they come: pieces, or ever longer states of the same text. */
class GrowingTexts {
  readonly isCumulative: boolean;
  readonly #shown = new Map<string, string>();

  constructor(isCumulative: boolean) {
    this.isCumulative = isCumulative;
  }

  /** What is new of a text. */
  next(name: string, text: string): string {
    if (!this.isCumulative) return text;
    const shown = this.#shown.get(name) ?? '';
    if (!text.startsWith(shown)) return '';
    this.#shown.set(name, text);
    return text.slice(shown.length);
  }
}

function hasSilentReasoning(chunks: readonly Loose[]): boolean {
  const messages = chunks.flatMap((chunk) => listOf(outputOf(chunk).choices).map(({ message }) => message));
  return messages.length > 0 && messages.every((message) => isObject(message) && message.reasoning_content === '');
}

/** Every text of the first choice, its reasoning too, begins with the one before it. */
function isCumulative(chunks: readonly Loose[]): boolean {
  const states = chunks.map((chunk) => {
    const output = outputOf(chunk);
    const message = listOf(output.choices)[0]?.message;
    if (!isObject(message)) return { text: textOr(output.text), reasoning: '' };
    return { text: textOfContent(message.content), reasoning: textOr(message.reasoning_content) };
  });
  return states.every(({ text, reasoning }, at) => {
    const before = states[at - 1];
    return !before || (text.startsWith(before.text) && reasoning.startsWith(before.reasoning));
  });
}

/** Counts that stand in the reply; the others are left out where they are told again. */
export function decodeDashScopeUsage(usage: Loose): Usage {
  const cache = isObject(usage.prompt_tokens_details) ? usage.prompt_tokens_details : undefined;
  const kinds = isObject(usage.input_tokens_details) ? usage.input_tokens_details : undefined;
  const details = isObject(usage.output_tokens_details) ? usage.output_tokens_details : undefined;
  const input = count(usage.input_tokens) ?? 0;
  const output = count(usage.output_tokens) ?? 0;
  const media = (kind: string): number | undefined =>
    count(usage[`${kind}_tokens`]) ?? count(kinds?.[`${kind}_tokens`]);
  const cachedRead = count(cache?.cached_tokens) ?? count(usage.cached_tokens);
  const reasoning = count(details?.reasoning_tokens);
  const text = count(details?.text_tokens);
  const told: readonly (readonly [UsageCount, boolean])[] = [
    ['input', count(usage.input_tokens) !== undefined],
    ['output', count(usage.output_tokens) !== undefined],
    ['total', count(usage.total_tokens) !== undefined],
    ['cache', cache !== undefined],
    ['cached-read', cachedRead !== undefined],
    ['input-kinds', kinds !== undefined],
    ['media', ['image', 'video', 'audio'].some((kind) => count(usage[`${kind}_tokens`]) !== undefined)],
    ['reasoning', reasoning !== undefined],
    ['output-text', text !== undefined],
  ];
  const hostedTools = decodePlugins(usage.plugins);
  return {
    input: {
      ...NO_USAGE.input,
      total: input,
      cachedRead: Math.min(cachedRead ?? 0, input),
      ...(cache?.cache_type === 'ephemeral' ? { markedRead: Math.min(cachedRead ?? 0, input) } : {}),
      cacheWritten: Math.min(count(cache?.cache_creation_input_tokens) ?? 0, input - Math.min(cachedRead ?? 0, input)),
      image: media('image') ?? 0,
      video: media('video') ?? 0,
      audio: media('audio') ?? 0,
    },
    output: {
      total: output,
      reasoning: Math.min(reasoning ?? 0, output),
      audio: count(details?.audio_tokens) ?? 0,
      ...(text === undefined ? {} : { text }),
    },
    ...(hostedTools ? { hostedTools } : {}),
    told: told.filter(([, isTold]) => isTold).map(([name]) => name),
  };
}

/** Our names of hosted tools, where the wire's differ. */
const HOSTED_TOOLS: { readonly [plugin: string]: string } = { search: 'web_search' };

function decodePlugins(plugins: unknown): { [kind: string]: number } | undefined {
  if (!isObject(plugins)) return undefined;
  const counted = Object.entries(plugins).map(([plugin, told]): [string, number] => [
    HOSTED_TOOLS[plugin] ?? plugin,
    (isObject(told) ? count(told.count) : undefined) ?? 0,
  ]);
  return Object.fromEntries(counted);
}

function outputOf(chunk: Loose): Loose {
  return isObject(chunk.output) ? chunk.output : {};
}

/** A string, or the texts of a list of parts. */
function textOfContent(content: unknown): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => textOr(part.text))
    .join('');
}

function ocrResultOf(content: unknown): unknown {
  return listOf(content).find((part) => part.ocr_result !== undefined)?.ocr_result;
}

function logprobsOf(choice: Loose): TokenLogprob[] | undefined {
  if (!isObject(choice.logprobs) || !Array.isArray(choice.logprobs.content)) return undefined;
  return (choice.logprobs.content as LooseTokenLogprob[]).map(decodeLogprob);
}

function listOf(value: unknown): Loose[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function textOr(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
