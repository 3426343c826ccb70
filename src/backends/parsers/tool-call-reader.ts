/**
 * Reads calls that a model spelt as text: for servers that do not turn them into tool calls themselves.
 *
 * An opening (`tool-call-opening.ts`) names the call; then come its members, of which one holds the arguments, whatever
 * its key; then closers (brackets, tags, fences), which are swallowed; then perhaps another call: the next of an array,
 * another tag, another object. Arguments stream as they come; loose JSON is repaired once it is complete.
 */

import type { JsonSchema } from '../../core/generation.ts';
import { createStreamedJson, type StreamedJson } from '../../core/streamed-json.ts';
import { TaggedInput } from './tagged-input.ts';
import { createOpeningDetector, type OpeningDetector, type ToolCallOpening } from './tool-call-opening.ts';
import { parameterKinds, TOOL_FORMATS, type ToolFormat } from './tool-formats.ts';

export type CallPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'call-start'; readonly name: string }
  | { readonly type: 'call-input'; readonly text: string }
  | { readonly type: 'call-end' };

export interface ToolCallReader {
  push(text: string): CallPart[];
  /** The stream is over. A call that was cut off at a limit keeps its broken input: nobody may complete it. */
  end(wasCut: boolean): CallPart[];
}

/** A function that may be called; its schema tells how arguments are meant that a family spells without quotes. */
export interface Callable {
  readonly name: string;
  readonly schema?: JsonSchema | undefined;
}

/** A reader of calls to these functions. */
export function createToolCallReader(callables: readonly Callable[]): ToolCallReader {
  return new StreamingToolCallReader(callables);
}

const ARGUMENT_KEYS = new Set(['arguments', 'parameters', 'args', 'input', 'params', 'kwargs']);
/** Members that are about the call, never arguments of it. */
const OTHER_KEYS = new Set(['id', 'type', 'index', 'call_id', 'tool_call_id']);
const MAX_CLOSING_TAG_CHARACTERS = 24;
const FILE_ENDING = '.json';
/** Marks behind calls that look like no closing tag. */
const CLOSING_MARKS = [
  ...new Set(TOOL_FORMATS.flatMap(({ after, ending }) => (after + ending).match(/<[^/>][^>]*>/g) ?? [])),
];

type State =
  | 'text'
  | 'before-key'
  | 'quoted-key'
  | 'bare-key'
  | 'before-value'
  | 'value'
  /** A family's own marks opened the call: the arguments follow, as JSON or between tags. */
  | 'before-input'
  | 'tagged-input'
  | 'closers';

class StreamingToolCallReader implements ToolCallReader {
  readonly #detector: OpeningDetector;
  readonly #callables: readonly Callable[];
  #tagged: TaggedInput | undefined;
  #state: State = 'text';
  #parts: CallPart[] = [];
  #openObjects = 0;
  #isInFence = false;
  #key = '';
  #quote = '';
  #value: StreamedJson | undefined;
  /** The value streams out as the call's input; any other is collected. */
  #isInput = false;
  #collected = '';
  #hasInput = false;
  /** Members with keys of no known meaning: the arguments of a call that has none by name. */
  #members: string[] = [];
  /** What may be a closer. */
  #held = '';

  constructor(callables: readonly Callable[]) {
    this.#callables = callables;
    this.#detector = createOpeningDetector(callables.map(({ name }) => name));
  }

  push(text: string): CallPart[] {
    let rest = text;
    while (rest !== '') rest = this.#step(rest);
    return this.#takeParts();
  }

  end(wasCut: boolean): CallPart[] {
    switch (this.#state) {
      case 'text':
        this.#addText(this.#detector.flush());
        break;
      case 'closers':
        if (!isCloserSoFar(this.#held)) this.#addText(this.#held);
        break;
      case 'value':
        this.#endValue(wasCut);
        this.#endCall(wasCut);
        break;
      case 'tagged-input':
        this.#addInput(this.#tagged?.end(wasCut) ?? '');
        this.#endCall(wasCut);
        break;
      default:
        this.#endCall(wasCut);
    }
    this.#held = '';
    this.#state = 'text';
    return this.#takeParts();
  }

  /** Reads some of the text and gives back the rest. */
  #step(text: string): string {
    switch (this.#state) {
      case 'text':
        return this.#readText(text);
      case 'value':
        return this.#readValue(text);
      case 'before-input':
        return this.#readBeforeInput(text);
      case 'tagged-input':
        return this.#readTagged(text);
      case 'closers':
        return this.#readCloser(text);
      default:
        return this.#readMember(text.charAt(0)) ? text.slice(1) : text;
    }
  }

  #readText(text: string): string {
    const { text: released, opening, rest } = this.#detector.push(text);
    if (released.trim() !== '') this.#isInFence = false;
    this.#addText(released);
    if (opening) this.#startCall(opening);
    return rest;
  }

  #startCall(opening: ToolCallOpening): void {
    this.#parts.push({ type: 'call-start', name: opening.name });
    // Members may follow in every object around the name, as far as an array; beyond it lies the next call.
    const [objects = ''] = opening.closing.split(/[\]\n]/);
    this.#openObjects = objects.length;
    // An array that was opened in a fence goes on in it with its next call.
    this.#isInFence ||= opening.closing.includes('```');
    this.#hasInput = false;
    this.#members = [];
    if (opening.format) this.#startMarkedInput(opening.format, opening.name);
    else this.#state = 'before-key';
  }

  #startMarkedInput(format: ToolFormat, name: string): void {
    this.#isInFence ||= format.after.includes('```');
    this.#openObjects = 0;
    if (format.input === 'json') {
      this.#state = 'before-input';
      return;
    }
    const schema = this.#callables.find((callable) => callable.name === name)?.schema;
    const kinds = schema && parameterKinds(schema);
    this.#tagged = new TaggedInput(format.input, (key) => kinds?.get(key) ?? 'any');
    this.#state = 'tagged-input';
  }

  #readBeforeInput(text: string): string {
    const visible = text.trimStart();
    if (visible === '') return '';
    if (visible.startsWith('{')) this.#startValue('arguments', '{');
    else this.#endCall(false);
    return visible;
  }

  #readTagged(text: string): string {
    const read = this.#tagged?.push(text);
    this.#addInput(read?.json ?? '');
    if (!read?.isComplete) return '';
    this.#endCall(false);
    return read.rest;
  }

  /** Whether the character was consumed. */
  #readMember(character: string): boolean {
    switch (this.#state) {
      case 'before-key':
        return this.#readBeforeKey(character);
      case 'quoted-key':
        if (character === this.#quote) this.#state = 'before-value';
        else this.#key += character;
        return true;
      case 'bare-key':
        if (character === ':' || isSpace(character)) this.#state = 'before-value';
        else this.#key += character;
        return true;
      default:
        if (isSpace(character) || character === ':') return true;
        this.#startValue(this.#key, character);
        return false;
    }
  }

  #startValue(key: string, firstCharacter: string): void {
    this.#key = key;
    this.#value = createStreamedJson();
    this.#collected = '';
    this.#isInput = ARGUMENT_KEYS.has(key.toLowerCase()) && firstCharacter === '{' && !this.#hasInput;
    this.#state = 'value';
  }

  #readBeforeKey(character: string): boolean {
    if (isSpace(character) || character === ',') return true;
    if (character === '}') {
      this.#openObjects--;
      if (this.#openObjects <= 0) this.#endCall(false);
      return true;
    }
    const isQuoted = character === '"' || character === "'";
    // A closing brace was forgotten.
    if (']<`'.includes(character) || (this.#hasInput && !isQuoted)) {
      this.#endCall(false);
      return false;
    }
    // So was the key of the arguments.
    if (character === '{') {
      this.#startValue('arguments', character);
      return false;
    }
    this.#quote = character;
    this.#key = isQuoted ? '' : character;
    this.#state = isQuoted ? 'quoted-key' : 'bare-key';
    return true;
  }

  #readValue(text: string): string {
    if (!this.#value) return '';
    const { passed, isComplete, rest } = this.#value.push(text);
    if (this.#isInput) this.#addInput(passed);
    else this.#collected += passed;
    if (!isComplete) return '';
    this.#endValue(false);
    if (this.#openObjects > 0) this.#state = 'before-key';
    else this.#endCall(false);
    return rest;
  }

  #endValue(wasCut: boolean): void {
    const value = this.#value;
    if (!value) return;
    this.#value = undefined;
    const key = this.#key.toLowerCase();
    const remainder = value.end(wasCut);
    if (this.#isInput) this.#addInput(remainder);
    else if (ARGUMENT_KEYS.has(key)) {
      if (!this.#hasInput) this.#addInput(unwrapped(this.#collected + remainder));
    } else if (!OTHER_KEYS.has(key)) this.#members.push(`${JSON.stringify(this.#key)}: ${this.#collected + remainder}`);
    this.#isInput = false;
  }

  #endCall(wasCut: boolean): void {
    if (!this.#hasInput && !wasCut) this.#addInput(`{${this.#members.join(', ')}}`);
    this.#parts.push({ type: 'call-end' });
    this.#state = 'closers';
  }

  #readCloser(text: string): string {
    const character = text.charAt(0);
    if (this.#held === '' && (isSpace(character) || '}]),;'.includes(character))) return text.slice(1);
    const held = this.#held + character;
    switch (this.#closerOf(held)) {
      case 'closer':
        this.#held = '';
        return text.slice(1);
      case 'perhaps':
        this.#held = held;
        return text.slice(1);
      default:
        this.#state = 'text';
        this.#held = '';
        return held + text.slice(1);
    }
  }

  #closerOf(held: string): 'closer' | 'perhaps' | 'no' {
    if (this.#isInFence && '```'.startsWith(held)) {
      if (held.length < 3) return 'perhaps';
      this.#isInFence = false;
      return 'closer';
    }
    if (FILE_ENDING.startsWith(held)) return held === FILE_ENDING ? 'closer' : 'perhaps';
    if (/^<\/[\w|:]*>$/.test(held) || CLOSING_MARKS.includes(held)) return 'closer';
    if (CLOSING_MARKS.some((mark) => mark.startsWith(held))) return 'perhaps';
    return /^<(?:\/[\w|:]*)?$/.test(held) && held.length < MAX_CLOSING_TAG_CHARACTERS ? 'perhaps' : 'no';
  }

  #addText(text: string): void {
    if (text !== '') this.#parts.push({ type: 'text', text });
  }

  #addInput(text: string): void {
    if (text === '') return;
    this.#hasInput = true;
    const last = this.#parts.at(-1);
    if (last?.type === 'call-input')
      this.#parts[this.#parts.length - 1] = { type: 'call-input', text: last.text + text };
    else this.#parts.push({ type: 'call-input', text });
  }

  #takeParts(): CallPart[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}

/** The end of the text cut a closer. */
function isCloserSoFar(held: string): boolean {
  return /^(?:`|<\/)/.test(held) || (held.length > 1 && CLOSING_MARKS.some((mark) => mark.startsWith(held)));
}

/** Arguments that came as a string of JSON, or as nothing. */
function unwrapped(raw: string): string {
  if (raw === 'null') return '{}';
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === 'string' ? value : raw;
  } catch {
    return raw;
  }
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t';
}
