/**
 * Reads arguments that stand one by one between tags (`TaggedSpelling`) as they stream, and gives them as the text of a
 * JSON object: texts are escaped as they come, objects and lists pass as they come, other values once they are whole.
 *
 * White space around tags is free: models and servers differ in it. One line break after a tag that the family writes
 * before a value, and one before the tag that closes it, are no part of the value.
 */
import type { Json } from '../../core/generation.ts';
import { createStreamedJson, type StreamedJson } from '../../core/streamed-json.ts';
import type { ParameterKind, TaggedSpelling } from './tool-formats.ts';

export interface TaggedRead {
  /** What the JSON text goes on with. */
  readonly json: string;
  /** The arguments are over; their JSON text is whole. */
  readonly isComplete: boolean;
  /** What follows them: from the first character that is no argument. */
  readonly rest: string;
}

type State = 'between' | 'key' | 'separator' | 'value';

export class TaggedInput {
  readonly #kindOf: (key: string) => ParameterKind;
  readonly #beforeKey: string;
  readonly #keyEnd: string;
  /** Between the end of the key and the value, where the family has more than one tag there. */
  readonly #separator: string;
  readonly #valueEnd: string;
  readonly #trimsLineStart: boolean;
  readonly #trimsLineEnd: boolean;
  #state: State = 'between';
  /** Characters that are not settled yet. */
  #held = '';
  #key = '';
  #count = 0;
  #value: ValueWriter | undefined;
  #isValueStart = false;

  constructor(spelling: TaggedSpelling, kindOf: (key: string) => ParameterKind) {
    this.#kindOf = kindOf;
    this.#beforeKey = spelling.beforeKey;
    const [keyEnd = '', separator = ''] = spelling.afterKey.split('\n');
    this.#keyEnd = keyEnd;
    this.#separator = separator;
    this.#valueEnd = spelling.afterValue.trim();
    this.#trimsLineStart = spelling.afterKey.endsWith('\n');
    this.#trimsLineEnd = spelling.afterValue.startsWith('\n');
  }

  push(text: string): TaggedRead {
    let json = '';
    this.#held += text;
    for (;;) {
      const before = this.#held.length;
      const state = this.#state;
      switch (state) {
        case 'between': {
          this.#held = this.#held.trimStart();
          if (this.#held.startsWith(this.#beforeKey)) {
            this.#held = this.#held.slice(this.#beforeKey.length);
            this.#state = 'key';
            break;
          }
          if (this.#beforeKey.startsWith(this.#held)) return { json, isComplete: false, rest: '' };
          json += this.#count === 0 ? '{}' : '}';
          return { json, isComplete: true, rest: this.#take() };
        }
        case 'key': {
          const end = this.#held.indexOf(this.#keyEnd);
          if (end < 0) return { json, isComplete: false, rest: '' };
          this.#key = this.#held.slice(0, end).trim();
          this.#held = this.#held.slice(end + this.#keyEnd.length);
          this.#state = this.#separator === '' ? 'value' : 'separator';
          json += `${this.#count++ === 0 ? '{' : ', '}${JSON.stringify(this.#key)}: `;
          this.#beginValue();
          break;
        }
        case 'separator': {
          const held = this.#held.trimStart();
          if (held.startsWith(this.#separator)) {
            this.#held = held.slice(this.#separator.length);
            this.#state = 'value';
            break;
          }
          if (this.#separator.startsWith(held)) return { json, isComplete: false, rest: '' };
          // The tag was forgotten.
          this.#state = 'value';
          break;
        }
        case 'value':
          json += this.#readValue();
          break;
      }
      if (this.#held.length === before && this.#state === state) return { json, isComplete: false, rest: '' };
    }
  }

  /** The text is over: what is open is closed, unless a limit cut it. */
  end(wasCut: boolean): string {
    let json = '';
    if (this.#state === 'value' || this.#state === 'separator') {
      if (!wasCut) {
        json += this.#value?.add(withoutTagStart(this.#held, this.#valueEnd)) ?? '';
        json += this.#value?.end() ?? '';
      } else json += this.#value?.add(this.#held) ?? '';
    }
    this.#held = '';
    if (wasCut) return json;
    return json + (this.#count === 0 ? '{}' : '}');
  }

  #beginValue(): void {
    this.#value = new ValueWriter(this.#kindOf(this.#key));
    this.#isValueStart = true;
  }

  /** Passes on what can be no end of the value any more, or all of it when its end is there. */
  #readValue(): string {
    if (this.#isValueStart && this.#trimsLineStart) {
      if (this.#held === '' || this.#held === '\r') return '';
      this.#held = this.#held.replace(/^\r?\n/, '');
    }
    this.#isValueStart = false;
    const end = this.#held.indexOf(this.#valueEnd);
    if (end < 0) {
      const safe = this.#held.length - this.#heldBack();
      const passed = this.#held.slice(0, safe);
      this.#held = this.#held.slice(safe);
      return this.#value?.add(passed) ?? '';
    }
    let last = this.#held.slice(0, end);
    if (this.#trimsLineEnd) last = last.replace(/\r?\n$/, '');
    this.#held = this.#held.slice(end + this.#valueEnd.length);
    this.#state = 'between';
    return (this.#value?.add(last) ?? '') + (this.#value?.end() ?? '');
  }

  /** How much at the end may still become the tag that ends the value, with the line break before it. */
  #heldBack(): number {
    for (let length = Math.min(this.#held.length, this.#valueEnd.length - 1); length > 0; length--) {
      if (this.#held.endsWith(this.#valueEnd.slice(0, length))) return length + this.#lineEndBefore(length);
    }
    return this.#lineEndBefore(0);
  }

  #lineEndBefore(length: number): number {
    if (!this.#trimsLineEnd) return 0;
    return /\r?\n?$/.exec(this.#held.slice(0, this.#held.length - length))?.[0].length ?? 0;
  }

  #take(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

/** Without what may be the beginning of `tag`. */
function withoutTagStart(text: string, tag: string): string {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length--) {
    if (text.endsWith(tag.slice(0, length))) return text.slice(0, -length).replace(/\r?\n$/, '');
  }
  return text.replace(/\r?\n$/, '');
}

/** One value on its way into the JSON text. */
class ValueWriter {
  readonly #kind: ParameterKind;
  #text = '';
  #hasBegun = false;
  #json: StreamedJson | undefined;
  /** The first half of a character that two pieces share. */
  #half = '';

  constructor(kind: ParameterKind) {
    this.#kind = kind;
  }

  add(text: string): string {
    if (text === '') return '';
    if (this.#kind === 'text') return this.#begin() + this.#escaped(text);
    this.#text += text;
    if (this.#json) return this.#json.push(text).passed;
    const visible = this.#text.trimStart();
    // Only where JSON is due: a text may begin with a bracket, too.
    if (this.#kind !== 'json' || !/^[{[]/.test(visible)) return '';
    this.#json = createStreamedJson();
    return this.#json.push(visible).passed;
  }

  end(): string {
    if (this.#kind === 'text') return `${this.#begin()}${this.#escaped('', true)}"`;
    if (this.#json) return this.#json.end(false);
    return jsonOf(this.#text);
  }

  #begin(): string {
    if (this.#hasBegun) return '';
    this.#hasBegun = true;
    return '"';
  }

  #escaped(text: string, isLast = false): string {
    const all = this.#half + text;
    const code = all.charCodeAt(all.length - 1);
    const isHalf = !isLast && code >= 0xd800 && code <= 0xdbff;
    this.#half = isHalf ? all.slice(-1) : '';
    return JSON.stringify(isHalf ? all.slice(0, -1) : all).slice(1, -1);
  }
}

const PYTHON_LITERALS: ReadonlyMap<string, string> = new Map([
  ['True', 'true'],
  ['False', 'false'],
  ['None', 'null'],
]);

/** JSON where it is, the literals of Python, or a text. */
function jsonOf(text: string): string {
  const visible = text.trim();
  const literal = PYTHON_LITERALS.get(visible);
  if (literal !== undefined) return literal;
  try {
    const value = JSON.parse(visible) as Json;
    return typeof value === 'string' ? JSON.stringify(value) : visible;
  } catch {
    return JSON.stringify(text);
  }
}
