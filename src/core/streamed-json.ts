/**
 * Reads one JSON value as it streams, spelt strictly or loosely (bare keys, single quotes, trailing commas, comments of
 * a small model's making). It finds where the value ends, and passes on at once what is strict JSON whatever comes;
 * from the first loose character on it waits for the end, where the whole is repaired.
 */

import { jsonrepair } from 'jsonrepair';
import { isJson } from './json.ts';

export interface StreamedJsonRead {
  /** Strict JSON to pass on now. */
  readonly passed: string;
  readonly isComplete: boolean;
  /** What follows the value; '' until it is complete. */
  readonly rest: string;
}

export interface StreamedJson {
  push(text: string): StreamedJsonRead;
  /** What has not been passed on: repaired when that is needed and possible, raw when the text was cut off. */
  end(wasCut: boolean): string;
}

/** A reader whose first character is the value's first. */
export function createStreamedJson(): StreamedJson {
  return new StreamedJsonReader();
}

type Expected =
  | 'value'
  | 'value-or-end'
  | 'key-or-end'
  | 'key'
  | 'colon'
  | 'comma-or-end'
  | 'string'
  | 'literal'
  | 'nothing';

const LITERAL = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const ESCAPE = /^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})$/;
const ESCAPE_SO_FAR = /^\\(?:u[0-9a-fA-F]{0,3})?$/;

class StreamedJsonReader implements StreamedJson {
  /** The whole value as it was spelt. */
  #raw = '';
  #passedLength = 0;
  /** Where the strict part ends that may be passed on whatever follows. */
  #safeLength = 0;
  readonly #end = new ValueEnd();
  #isStrict = true;
  #expected: Expected = 'value';
  #closers: string[] = [];
  #isKey = false;
  #escape = '';
  #literal = '';

  push(text: string): StreamedJsonRead {
    for (let index = 0; index < text.length; index++) {
      const character = text.charAt(index);
      const where = this.#end.step(character);
      if (where !== 'before') {
        this.#raw += character;
        if (this.#isStrict) this.#step(character);
      }
      if (where !== 'inside') {
        const rest = text.slice(where === 'before' ? index : index + 1);
        return { passed: this.#pass(), isComplete: true, rest };
      }
    }
    return { passed: this.#pass(), isComplete: false, rest: '' };
  }

  end(wasCut: boolean): string {
    const passed = this.#raw.slice(0, this.#passedLength);
    const remainder = this.#raw.slice(this.#passedLength);
    if (wasCut || isJson(this.#raw)) return remainder;
    try {
      const repaired = jsonrepair(this.#raw);
      // What has been passed on cannot be taken back.
      return repaired.startsWith(passed) ? repaired.slice(passed.length) : remainder;
    } catch {
      return remainder;
    }
  }

  #pass(): string {
    const passed = this.#raw.slice(this.#passedLength, this.#safeLength);
    this.#passedLength = this.#safeLength;
    return passed;
  }

  /**
   * One character of strict JSON, or the end of strictness. White space and commas become safe only with what follows
   * them: before a loose piece a repair may put something else there.
   */
  #step(character: string): void {
    if (this.#expected === 'string') this.#stepString(character);
    else if (this.#expected === 'literal' && !endsLiteral(character)) this.#literal += character;
    else {
      if (this.#expected === 'literal') this.#endLiteral();
      if (this.#isStrict && !isSpace(character)) this.#stepStructure(character);
    }
  }

  #endLiteral(): void {
    if (!LITERAL.test(this.#literal)) {
      this.#isStrict = false;
      return;
    }
    this.#safeLength = this.#raw.length - 1;
    this.#endValue();
  }

  #stepString(character: string): void {
    if (this.#escape !== '') {
      this.#escape += character;
      if (ESCAPE.test(this.#escape)) this.#escape = '';
      else if (!ESCAPE_SO_FAR.test(this.#escape)) this.#isStrict = false;
    } else if (character === '\\') this.#escape = character;
    else if (character < ' ') this.#isStrict = false;
    else if (character === '"') {
      if (this.#isKey) this.#expected = 'colon';
      else this.#endValue();
    }
    if (this.#isStrict && this.#escape === '') this.#safeLength = this.#raw.length;
  }

  #stepStructure(character: string): void {
    const expected = this.#expected;
    const takesValue = expected === 'value' || expected === 'value-or-end';
    const takesKey = expected === 'key' || expected === 'key-or-end';
    const takesEnd = expected === 'value-or-end' || expected === 'key-or-end' || expected === 'comma-or-end';
    if (character === ',' && expected === 'comma-or-end') {
      this.#expected = this.#closers.at(-1) === '}' ? 'key' : 'value';
      return;
    }
    if (character === '"' && (takesValue || takesKey)) {
      this.#isKey = takesKey;
      this.#expected = 'string';
    } else if (character === '{' && takesValue) this.#open('}', 'key-or-end');
    else if (character === '[' && takesValue) this.#open(']', 'value-or-end');
    else if (character === ':' && expected === 'colon') this.#expected = 'value';
    else if (takesEnd && character === this.#closers.at(-1)) {
      this.#closers.pop();
      this.#endValue();
    } else if (takesValue && /[-\dtfn]/.test(character)) {
      this.#literal = character;
      this.#expected = 'literal';
      return;
    } else {
      this.#isStrict = false;
      return;
    }
    this.#safeLength = this.#raw.length;
  }

  #open(closer: string, expected: Expected): void {
    this.#closers.push(closer);
    this.#expected = expected;
  }

  #endValue(): void {
    this.#expected = this.#closers.length === 0 ? 'nothing' : 'comma-or-end';
  }
}

/** Finds the end of a value, whatever its spelling: the matching bracket outside of strings. */
class ValueEnd {
  #depth = 0;
  #quote = '';
  #isEscaped = false;
  #hasBegun = false;
  /** The last character that is not white space; a single quote opens a string only where a key or value may begin. */
  #last = '';

  /** Whether the value ended before this character, with it, or not yet. */
  step(character: string): 'before' | 'with' | 'inside' {
    const isFirst = !this.#hasBegun;
    this.#hasBegun = true;
    if (this.#quote !== '') {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === '\\') this.#isEscaped = true;
      else if (character === this.#quote) {
        this.#quote = '';
        if (this.#depth === 0) return 'with';
      }
      return 'inside';
    }
    if (this.#depth === 0 && !isFirst && endsLiteral(character)) return 'before';
    if (character === '"' || (character === "'" && (isFirst || '{[,:'.includes(this.#last)))) this.#quote = character;
    else if (character === '{' || character === '[') this.#depth++;
    else if (character === '}' || character === ']') this.#depth--;
    if (!isSpace(character)) this.#last = character;
    return this.#depth === 0 && (character === '}' || character === ']') ? 'with' : 'inside';
  }
}

function endsLiteral(character: string): boolean {
  return character === ',' || character === '}' || character === ']' || isSpace(character);
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t';
}
