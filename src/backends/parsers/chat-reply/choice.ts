/** One choice of an upstream's answer → blocks: reasoning and text split, calls tracked, one block open at a time. */
import type { ChoiceEndReason, GenerationEvent, TokenLogprob } from '../../../core/events.ts';
import { isJson } from '../../../core/json.ts';
import type { IdSource } from '../../../core/ports.ts';
import { createThinkingSplitter, type ThinkingPart, type ThinkingSplitter } from '../thinking-splitter.ts';
import { type Callable, type CallPart, createToolCallReader, type ToolCallReader } from '../tool-call-reader.ts';
import { type CallSink, CallTracker } from './calls.ts';
import type { LooseChoice, LooseContentPart, LooseDelta, LooseTokenLogprob } from './wire.ts';

/** What the decoder of a stream lends its choices. */
export interface ChoiceHost {
  readonly emit: (event: GenerationEvent) => void;
  /** Unique over every call of this backend: features join streams. */
  readonly nextBlockId: () => string;
  readonly ids: IdSource;
  /** Functions whose calls may stand in the text; undefined: nobody looks for them. */
  readonly callables: readonly Callable[] | undefined;
  readonly splitsThinking: boolean;
  readonly stopTexts: readonly string[];
  /** What the reply says of its end stands as it is. */
  readonly isEvidence: boolean;
  /** Counts output that was seen. */
  readonly count: (characters: number, isReasoning: boolean) => void;
}

type BlockKind = 'text' | 'reasoning' | 'tool-input';

export class ChoiceDecoder implements CallSink {
  readonly #index: number;
  readonly #host: ChoiceHost;
  readonly #calls: CallTracker;
  readonly #splitter: ThinkingSplitter | undefined;
  readonly #reader: ToolCallReader | undefined;
  #open: BlockKind | undefined;
  #blockId = '';
  /** The server parts reasoning from the answer itself: a tag in its text is text. */
  #hasOwnReasoning = false;
  #hasCallsInText = false;
  /** The input of the call that is read from text, to tell whether it is JSON. */
  #inputFromText = '';
  /** What came while a call was open: it follows the calls. */
  #afterCalls: ThinkingPart[] = [];
  /** Log probabilities of text that is held back; they go out with the next delta. */
  #logprobs: TokenLogprob[] | undefined;
  /** The first half of a character that two deltas share. */
  #half = '';
  hasEnded = false;

  constructor(index: number, host: ChoiceHost) {
    this.#index = index;
    this.#host = host;
    this.#calls = new CallTracker(this, host.ids, host.isEvidence);
    if (host.splitsThinking) this.#splitter = createThinkingSplitter();
    if (host.callables) this.#reader = createToolCallReader(host.callables);
  }

  push(choice: LooseChoice): void {
    if (this.hasEnded) return;
    const delta = choice.delta ?? choice.message;
    if (delta) this.#pushDelta(delta, choice);
    const reason = choice.finish_reason;
    if (typeof reason === 'string' && reason !== '') this.end(reason, choice);
  }

  /** Ends the choice by the upstream's word; without one as a plain stop. */
  end(word: string, choice?: LooseChoice): void {
    if (this.hasEnded) return;
    const wasCut = word === 'length' || word === 'max_tokens';
    this.#flush(wasCut);
    this.hasEnded = true;
    const hasCalls = this.#host.isEvidence ? word === 'tool_calls' : this.#calls.hasCalls || this.#hasCallsInText;
    const stopText = this.#stopTextOf(choice);
    const reason = reasonOf(word, hasCalls, stopText !== undefined);
    this.#host.emit({
      type: 'choice-end',
      choice: this.#index,
      reason,
      ...(reason === 'stop-text' ? { stopText } : {}),
    });
  }

  startCall(callId: string, name: string): void {
    this.#openBlock('tool-input', callId, name);
  }

  addInput(input: string): void {
    const text = this.#wholeCharacters(input);
    if (text === '') return;
    this.#host.count(text.length, false);
    this.#host.emit({ type: 'tool-input-delta', choice: this.#index, blockId: this.#blockId, text });
  }

  endCall(isValidJson: boolean): void {
    this.#open = undefined;
    this.#host.emit({ type: 'tool-input-end', choice: this.#index, blockId: this.#blockId, isValidJson });
  }

  #pushDelta(delta: LooseDelta, choice: LooseChoice): void {
    const reasoning = reasoningOf(delta);
    if (reasoning !== '') {
      this.#hasOwnReasoning = true;
      this.#write('reasoning', reasoning);
    }
    const text = textOf(delta);
    if (text !== '') this.#pushText(text, choice);
    else if (choice.logprobs && reasoning === '') this.#keepLogprobs(choice);
    if (Array.isArray(delta.tool_calls)) {
      for (const fragment of delta.tool_calls) if (typeof fragment === 'object' && fragment) this.#addCall(fragment);
    }
    if (delta.function_call) this.#addCall({ index: 0, function: delta.function_call });
  }

  #addCall(fragment: object): void {
    if (this.#open !== 'tool-input') this.#releaseText();
    this.#calls.add(fragment);
  }

  #pushText(text: string, choice: LooseChoice): void {
    if (choice.logprobs) this.#keepLogprobs(choice);
    if (this.#splitter && !this.#hasOwnReasoning) this.#writeParts(this.#splitter.push(text));
    else this.#writeAnswer(text);
  }

  #writeParts(parts: readonly ThinkingPart[]): void {
    for (const { type, text } of parts) {
      if (type === 'text') this.#writeAnswer(text);
      else {
        this.#logprobs = undefined; // the service gives none for reasoning
        this.#write('reasoning', text);
      }
    }
  }

  #writeAnswer(text: string): void {
    if (this.#reader) this.#writeCallParts(this.#reader.push(text));
    else this.#write('text', text);
  }

  #writeCallParts(parts: readonly CallPart[]): void {
    for (const part of parts) {
      switch (part.type) {
        case 'text':
          this.#write('text', part.text);
          break;
        case 'call-start':
          this.#hasCallsInText = true;
          this.#inputFromText = '';
          this.startCall(this.#host.ids.callId(), part.name);
          break;
        case 'call-input':
          this.#inputFromText += part.text;
          this.addInput(part.text);
          break;
        case 'call-end':
          this.endCall(isJson(this.#inputFromText));
          break;
        default:
          part satisfies never;
      }
    }
  }

  #write(kind: 'text' | 'reasoning', piece: string): void {
    if (this.#open !== kind) {
      if (this.#open === 'tool-input' && this.#calls.settle()) {
        this.#afterCalls.push({ type: kind, text: piece });
        return;
      }
      this.#openBlock(kind);
    }
    const text = this.#wholeCharacters(piece);
    if (text === '') return;
    this.#host.count(text.length, kind === 'reasoning');
    if (kind === 'reasoning') {
      this.#host.emit({ type: 'reasoning-delta', choice: this.#index, blockId: this.#blockId, text });
      return;
    }
    const logprobs = this.#logprobs;
    this.#logprobs = undefined;
    this.#host.emit(
      logprobs
        ? { type: 'text-delta', choice: this.#index, blockId: this.#blockId, text, logprobs }
        : { type: 'text-delta', choice: this.#index, blockId: this.#blockId, text },
    );
  }

  /** The first half of a surrogate pair waits for the second; a second half alone is replaced. */
  #wholeCharacters(piece: string): string {
    const text = this.#half === '' ? piece : this.#half + piece;
    const last = text.charCodeAt(text.length - 1);
    this.#half = isFirstHalf(last) ? text.charAt(text.length - 1) : '';
    const whole = this.#half === '' ? text : text.slice(0, -1);
    return isSecondHalf(whole.charCodeAt(0)) ? whole.toWellFormed() : whole;
  }

  #openBlock(kind: 'text' | 'reasoning'): void;
  #openBlock(kind: 'tool-input', callId: string, name: string): void;
  #openBlock(kind: BlockKind, callId = '', name = ''): void {
    this.#closeBlock();
    this.#open = kind;
    this.#half = '';
    this.#blockId = this.#host.nextBlockId();
    const at = { choice: this.#index, blockId: this.#blockId };
    if (kind === 'text') this.#host.emit({ type: 'text-start', ...at });
    else if (kind === 'reasoning') this.#host.emit({ type: 'reasoning-start', ...at });
    else this.#host.emit({ type: 'tool-input-start', ...at, callId, name, executedBy: 'client' });
  }

  /** Text and reasoning only: calls are ended by whoever reads them. */
  #closeBlock(): void {
    if (this.#open === 'text') this.#host.emit({ type: 'text-end', choice: this.#index, blockId: this.#blockId });
    if (this.#open === 'reasoning')
      this.#host.emit({ type: 'reasoning-end', choice: this.#index, blockId: this.#blockId });
    this.#open = undefined;
  }

  /** What the splitters hold goes out before anything that is not text. */
  #releaseText(wasCut = false): void {
    if (this.#splitter) this.#writeParts(this.#splitter.end());
    if (this.#reader) this.#writeCallParts(this.#reader.end(wasCut));
  }

  #flush(wasCut: boolean): void {
    this.#releaseText(wasCut);
    this.#calls.endAll(wasCut);
    for (const part of this.#afterCalls) this.#write(part.type, part.text);
    this.#afterCalls = [];
    this.#closeBlock();
  }

  #keepLogprobs(choice: LooseChoice): void {
    const content = choice.logprobs?.content;
    if (!Array.isArray(content)) return;
    this.#logprobs ??= [];
    for (const each of content as readonly LooseTokenLogprob[]) this.#logprobs.push(decodeLogprob(each));
  }

  /** vLLM and SGLang tell which stop ended the answer; a number is a token's id. */
  #stopTextOf(choice: LooseChoice | undefined): string | undefined {
    const told = choice?.stop_reason ?? choice?.matched_stop;
    return typeof told === 'string' && this.#host.stopTexts.includes(told) ? told : undefined;
  }
}

/** The service says `tool_calls` whenever there are calls; some servers say `stop` then. */
function reasonOf(word: string, hasCalls: boolean, isStopText: boolean): ChoiceEndReason {
  switch (word) {
    case 'length':
    case 'max_tokens':
      return 'length';
    case 'content_filter':
      return 'content-filter';
    default:
      if (hasCalls) return 'tool-calls';
      return isStopText ? 'stop-text' : 'stop';
  }
}

function isFirstHalf(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function isSecondHalf(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

function reasoningOf(delta: LooseDelta): string {
  if (typeof delta.reasoning_content === 'string' && delta.reasoning_content !== '') return delta.reasoning_content;
  return typeof delta.reasoning === 'string' ? delta.reasoning : '';
}

function textOf(delta: LooseDelta): string {
  const { content } = delta;
  if (typeof content === 'string' && content !== '') return content;
  if (Array.isArray(content)) {
    const parts = content as readonly LooseContentPart[];
    return parts.map((part) => (typeof part?.text === 'string' ? part.text : '')).join('');
  }
  return typeof delta.refusal === 'string' ? delta.refusal : '';
}

/** A token as Chat and the native wire tell it. */
export function decodeLogprob(told: LooseTokenLogprob): TokenLogprob {
  const top = Array.isArray(told.top_logprobs) ? (told.top_logprobs as readonly LooseTokenLogprob[]) : [];
  return { ...decodeToken(told), top: top.map(decodeToken) };
}

function decodeToken(told: LooseTokenLogprob): Omit<TokenLogprob, 'top'> {
  const token = told.token ?? '';
  return { token, bytes: told.bytes ?? [...Buffer.from(token)], logprob: told.logprob ?? 0 };
}
