/** Reads the regular part of ECMA-262 patterns into a tree. */
import { ANY_CHARACTER } from './automaton.ts';
import type { CodePointRanges } from './grammar-expression.ts';

export type PatternNode =
  | { readonly type: 'set'; readonly ranges: CodePointRanges }
  | { readonly type: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly type: 'either'; readonly options: readonly PatternNode[] }
  | { readonly type: 'repeat'; readonly part: PatternNode; readonly minimum: number; readonly maximum: number }
  | { readonly type: 'start' }
  | { readonly type: 'end' };

export interface Lookahead {
  readonly isNegative: boolean;
  readonly node: PatternNode;
}

/** Why a pattern cannot be held, to be put after "it cannot be enforced: ". */
export class PatternError extends Error {}

const DIGITS: CodePointRanges = [[0x30, 0x39]];
const WORD: CodePointRanges = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
/** ECMA-262, WhiteSpace and LineTerminator. */
const SPACE: CodePointRanges = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: CodePointRanges = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const CONTROL_ESCAPES: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

/** More repetitions than this are more states than an automaton may have. */
const MAX_REPETITIONS = 2_000;
const MAX_GROUPS_DEEP = 100;

export class PatternReader {
  readonly #characters: readonly string[];
  readonly #lookaheads: Lookahead[] = [];
  readonly #isUnicode: boolean;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#isUnicode = isExpression(pattern, 'u');
    // Many patterns escape more than the u flag allows (`[\\w-.]`, `\\_`); they mean the same without it.
    if (!this.#isUnicode && !isExpression(pattern, ''))
      throw new PatternError('it is not a regular expression of ECMA-262');
    this.#characters = [...pattern];
  }

  pattern(): { readonly node: PatternNode; readonly lookaheads: readonly Lookahead[] } {
    const node = this.#either(true);
    if (this.#lookaheads.length > 0 && node.type === 'either') {
      throw new PatternError('it looks ahead in one of several alternatives');
    }
    return { node, lookaheads: this.#lookaheads };
  }

  get #next(): string | undefined {
    return this.#characters[this.#at];
  }

  #isNext(text: string): boolean {
    for (const [index, character] of [...text].entries())
      if (this.#characters[this.#at + index] !== character) return false;
    this.#at += text.length;
    return true;
  }

  #either(isTop: boolean): PatternNode {
    const options = [this.#sequence(isTop)];
    while (this.#isNext('|')) options.push(this.#sequence(isTop));
    const [first] = options;
    return options.length === 1 && first !== undefined ? first : { type: 'either', options };
  }

  #sequence(isTop: boolean): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#next !== undefined && this.#next !== '|' && this.#next !== ')') {
      const isAtStart = isTop && parts.length === 1 && parts[0]?.type === 'start';
      if (isAtStart && this.#lookahead()) continue;
      parts.push(this.#quantified(this.#atom()));
    }
    return { type: 'sequence', parts };
  }

  #lookahead(): boolean {
    const isNegative = this.#isNext('(?!');
    if (!isNegative && !this.#isNext('(?=')) return false;
    this.#lookaheads.push({ isNegative, node: this.#group() });
    return true;
  }

  /** What stands between the opening of a group, already read, and its `)`. */
  #group(): PatternNode {
    this.#depth += 1;
    if (this.#depth > MAX_GROUPS_DEEP) throw new PatternError('its groups are nested too deeply');
    const node = this.#either(false);
    this.#isNext(')');
    this.#depth -= 1;
    return node;
  }

  #atom(): PatternNode {
    if (this.#isNext('(')) return this.#opened();
    if (this.#isNext('[')) return { type: 'set', ranges: this.#characterClass() };
    if (this.#isNext('.')) return { type: 'set', ranges: complement(LINE_ENDS) };
    if (this.#isNext('^')) return { type: 'start' };
    if (this.#isNext('$')) return { type: 'end' };
    return { type: 'set', ranges: this.#isNext('\\') ? this.#escape(false) : single(this.#take()) };
  }

  #opened(): PatternNode {
    if (!this.#isNext('?')) return this.#group();
    if (this.#isNext(':')) return this.#group();
    if (this.#isNext('<') && this.#next !== '=' && this.#next !== '!') {
      while (this.#take() !== 0x3e);
      return this.#group();
    }
    throw new PatternError('it looks ahead or behind in the middle of a text, or changes flags');
  }

  #take(): number {
    const character = this.#characters[this.#at];
    this.#at += 1;
    return character?.codePointAt(0) ?? 0x3e;
  }

  #quantified(part: PatternNode): PatternNode {
    const [minimum, maximum] = this.#quantifier() ?? [];
    if (minimum === undefined || maximum === undefined) return part;
    // A lazy quantifier finds the same texts.
    this.#isNext('?');
    const largest = maximum === Number.POSITIVE_INFINITY ? minimum : maximum;
    if (largest > MAX_REPETITIONS) throw new PatternError(`it repeats something more than ${MAX_REPETITIONS} times`);
    return { type: 'repeat', part, minimum, maximum };
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.#isNext('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#isNext('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#isNext('?')) return [0, 1];
    const isCounted = /^\{[0-9]+(,[0-9]*)?\}/.test(this.#characters.slice(this.#at, this.#at + 24).join(''));
    if (!isCounted || !this.#isNext('{')) return undefined;
    const minimum = this.#number();
    const hasComma = this.#isNext(',');
    const isOpen = hasComma && this.#next === '}';
    const maximum = hasComma ? this.#number() : minimum;
    this.#isNext('}');
    return [minimum, isOpen ? Number.POSITIVE_INFINITY : maximum];
  }

  #number(): number {
    let digits = '';
    while (/^[0-9]$/.test(this.#next ?? '')) digits += String.fromCodePoint(this.#take());
    return Number(digits);
  }

  #characterClass(): CodePointRanges {
    const isNegated = this.#isNext('^');
    const ranges: (readonly [number, number])[] = [];
    while (!this.#isNext(']')) {
      const member = this.#classMember();
      const [only] = member;
      const isRange =
        this.#next === '-' && this.#characters[this.#at + 1] !== ']' && only !== undefined && isSingle(member);
      if (!isRange) {
        ranges.push(...member);
        continue;
      }
      this.#isNext('-');
      const end = this.#classMember();
      if (isSingle(end)) ranges.push([only[0], end[0]?.[0] ?? only[0]]);
      else ranges.push(only, [0x2d, 0x2d], ...end);
    }
    return isNegated ? complement(ranges) : normalized(ranges);
  }

  #classMember(): CodePointRanges {
    return this.#isNext('\\') ? this.#escape(true) : single(this.#take());
  }

  /** After a backslash. */
  #escape(isInClass: boolean): CodePointRanges {
    const letter = String.fromCodePoint(this.#take());
    if (!this.#isUnicode && /[A-Za-z]/.test(letter) && !/[dDwWsStnvfrb]/.test(letter)) {
      throw new PatternError(`it escapes "${letter}", which means nothing with the u flag`);
    }
    const control = CONTROL_ESCAPES[letter];
    if (control !== undefined) return single(control);
    switch (letter) {
      case 'd':
        return DIGITS;
      case 'D':
        return complement(DIGITS);
      case 'w':
        return WORD;
      case 'W':
        return complement(WORD);
      case 's':
        return SPACE;
      case 'S':
        return complement(SPACE);
      case '0':
        return single(0);
      case 'c':
        return single(this.#take() % 32);
      case 'x':
        return single(this.#hexadecimal(2));
      case 'u':
        return single(this.#unicode());
      case 'p':
      case 'P':
        return this.#property(letter);
      case 'b':
        if (isInClass) return single(8);
        throw new PatternError('it asks for the edge of a word');
      case 'B':
      case 'k':
        throw new PatternError('it looks back or asks for the edge of a word');
    }
    if (/^[1-9]$/.test(letter)) throw new PatternError('it refers back to a group');
    return single(letter.codePointAt(0) ?? 0);
  }

  #hexadecimal(digits: number): number {
    const text = this.#characters.slice(this.#at, this.#at + digits).join('');
    this.#at += digits;
    return Number.parseInt(text, 16);
  }

  #unicode(): number {
    if (this.#isNext('{')) {
      const end = this.#characters.indexOf('}', this.#at);
      const value = this.#hexadecimal(end - this.#at);
      this.#at += 1;
      return value;
    }
    const high = this.#hexadecimal(4);
    if (high < 0xd800 || high > 0xdbff || !this.#isNext('\\u')) return high;
    return 0x10000 + (high - 0xd800) * 0x400 + (this.#hexadecimal(4) - 0xdc00);
  }

  #property(letter: string): CodePointRanges {
    const end = this.#characters.indexOf('}', this.#at);
    const name = this.#characters.slice(this.#at, end + 1).join('');
    this.#at = end + 1;
    return unicodeProperty(`\\${letter}${name}`);
  }
}

function isExpression(pattern: string, flags: string): boolean {
  try {
    new RegExp(pattern, flags);
    return true;
  } catch {
    return false;
  }
}

const properties = new Map<string, CodePointRanges>();
let everyCharacter: string | undefined;

/** The characters of a Unicode property, asked of the engine that would check them: runs in a text of all characters. */
function unicodeProperty(source: string): CodePointRanges {
  const known = properties.get(source);
  if (known !== undefined) return known;
  everyCharacter ??= textOfEveryCharacter();
  const ranges: (readonly [number, number])[] = [];
  for (const { 0: run, index } of everyCharacter.matchAll(new RegExp(`${source}+`, 'gu'))) {
    const end = index + run.length;
    const isAstral = /[\udc00-\udfff]/.test(everyCharacter[end - 1] ?? '');
    ranges.push([everyCharacter.codePointAt(index) ?? 0, everyCharacter.codePointAt(end - (isAstral ? 2 : 1)) ?? 0]);
  }
  const characters = normalized(ranges);
  properties.set(source, characters);
  return characters;
}

function textOfEveryCharacter(): string {
  const pieces: string[] = [];
  for (const [low, high] of ANY_CHARACTER) {
    for (let from = low; from <= high; from += 0x1000) {
      const count = Math.min(0x1000, high - from + 1);
      pieces.push(String.fromCodePoint(...Array.from({ length: count }, (_, index) => from + index)));
    }
  }
  return pieces.join('');
}

function single(codePoint: number): CodePointRanges {
  return [[codePoint, codePoint]];
}

function isSingle(ranges: CodePointRanges): boolean {
  return ranges.length === 1 && ranges[0]?.[0] === ranges[0]?.[1];
}

/** Sorted, joined, and without surrogates. */
function normalized(ranges: CodePointRanges): CodePointRanges {
  return complement(complement(ranges));
}

function complement(ranges: CodePointRanges): CodePointRanges {
  const sorted = [...ranges].sort(([a], [b]) => a - b);
  const rest: (readonly [number, number])[] = [];
  for (const [low, high] of ANY_CHARACTER) {
    let from = low;
    for (const [start, end] of sorted) {
      if (end < from || start > high) continue;
      if (start > from) rest.push([from, start - 1]);
      from = end + 1;
    }
    if (from <= high) rest.push([from, high]);
  }
  return rest;
}
