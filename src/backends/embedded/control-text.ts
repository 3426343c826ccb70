/**
 * Control tokens that a caller spells out are text.
 *
 * A chat template mixes its own control tokens (`<|im_start|>`) with what callers wrote, and a tokenizer cannot tell
 * them apart in the rendered prompt. So, before rendering, every spelling of a control token in a caller's text is cut
 * in two by a sentinel character; after rendering the prompt is cut at the sentinels and its pieces are tokenised
 * apart. No piece then holds a spelling that came from a caller, and a prompt without such spellings stays one piece,
 * tokenised exactly as the template's author meant it.
 *
 * Spellings can also arise at the seams: a text that ends with `<|im_` followed by one that starts with `end|>`, or
 * a property called `think` in a template that writes `'<' ~ key ~ '>'`. Those texts are cut at their edges.
 *
 * The sentinel is a character that occurs nowhere in the caller's texts nor in the template: a Unicode noncharacter,
 * which is no white space (templates trim), has no case, and passes through JSON as itself or, with `ensure_ascii`, as
 * a `\u` escape, which is looked for as well.
 */
import type { Json } from '../../core/generation.ts';
import type { PromptSegment } from './engine-protocol.ts';

/** U+FDD0…U+FDEF are noncharacters; should a caller use all of them, private use characters follow. */
const SENTINEL_RANGES = [
  [0xfdd0, 0xfdef],
  [0xe000, 0xf8ff],
] as const;

/** Cuts the spellings of one model's control tokens. Made once a model. */
export class ControlTextCutter {
  readonly #spellings: readonly string[];
  /** The first two characters of the spellings: a quick look tells that a text has none. */
  readonly #heads: readonly string[];
  /** Proper beginnings and endings of spellings. */
  readonly #beginnings = new Set<string>();
  readonly #endings = new Set<string>();
  readonly #longest: number;
  /** What the template's own texts leave open at their ends, each the beginning of a spelling. */
  readonly #openings: readonly string[];

  /** `templateTexts` are the literal texts of the template. */
  constructor(spellings: readonly string[], templateTexts: readonly string[]) {
    // A spelling of one character cannot be cut in two; no vocabulary has one.
    this.#spellings = spellings.filter((spelling) => spelling.length > 1);
    this.#longest = Math.max(0, ...this.#spellings.map((spelling) => spelling.length));
    for (const spelling of this.#spellings) {
      for (let length = 1; length < spelling.length; length++) {
        this.#beginnings.add(spelling.slice(0, length));
        this.#endings.add(spelling.slice(length));
      }
    }
    this.#heads = [...new Set(this.#spellings.map((spelling) => spelling.slice(0, 2)))];
    this.#openings = [...this.#beginnings].filter((beginning) =>
      templateTexts.some((text) => text.endsWith(beginning)),
    );
  }

  /** Where a text has to be cut, ascending; 0 and its length are cuts at the edges. */
  cutsOf(text: string): readonly number[] {
    const cuts = new Set<number>();
    if (this.#heads.some((head) => text.includes(head))) for (const cut of this.#cutsInside(text)) cuts.add(cut);
    // Templates trim, so the edges are those of the visible text.
    const start = text.length - text.trimStart().length;
    const end = text.trimEnd().length;
    if (start < end) {
      const visible = text.slice(start, end);
      if (this.#isOpenAtStart(visible)) cuts.add(start);
      if (this.#isOpenAtEnd(visible)) cuts.add(end);
    }
    return [...cuts].sort((a, b) => a - b);
  }

  /** The text in pieces of which none holds a spelling, for text that stands apart from any other. */
  pieces(text: string): readonly string[] {
    const pieces: string[] = [];
    let from = 0;
    for (const cut of this.#cutsInside(text)) {
      pieces.push(text.slice(from, cut));
      from = cut;
    }
    return [...pieces, text.slice(from)].filter((piece) => piece !== '');
  }

  /** One cut inside every occurrence of every spelling; overlapping ones share a cut where they can. */
  #cutsInside(text: string): number[] {
    const occurrences: { start: number; end: number }[] = [];
    for (const spelling of this.#spellings) {
      for (let at = text.indexOf(spelling); at >= 0; at = text.indexOf(spelling, at + 1)) {
        occurrences.push({ start: at, end: at + spelling.length });
      }
    }
    occurrences.sort((a, b) => a.end - b.end);
    const cuts: number[] = [];
    for (const { start, end } of occurrences) {
      const last = cuts.at(-1) ?? -1;
      if (last <= start) cuts.push(end - 1);
    }
    return cuts;
  }

  #isOpenAtStart(visible: string): boolean {
    for (let length = 1; length < this.#longest && length <= visible.length; length++) {
      if (this.#endings.has(visible.slice(0, length))) return true;
    }
    return this.#openings.some((opening) => this.#beginnings.has(opening + visible));
  }

  #isOpenAtEnd(visible: string): boolean {
    for (let length = 1; length < this.#longest && length <= visible.length; length++) {
      if (this.#beginnings.has(visible.slice(-length))) return true;
    }
    return false;
  }
}

/** Carries the cuts of one prompt through its template. */
export class CallerTexts {
  readonly #cutter: ControlTextCutter;
  readonly #sentinel: string;

  /** `everything` is all text that can reach the prompt, so that the sentinel occurs in none of it. */
  constructor(cutter: ControlTextCutter, everything: readonly string[]) {
    this.#cutter = cutter;
    this.#sentinel = unusedCharacter(everything);
  }

  /** A caller's text as it may enter the template. */
  protect(text: string): string {
    const cuts = this.#cutter.cutsOf(text);
    if (cuts.length === 0) return text;
    let cutText = '';
    let from = 0;
    for (const cut of cuts) {
      cutText += text.slice(from, cut) + this.#sentinel;
      from = cut;
    }
    return cutText + text.slice(from);
  }

  /** A caller's JSON value, keys included. */
  protectJson(value: Json): Json {
    if (typeof value === 'string') return this.protect(value);
    if (value === null || typeof value !== 'object') return value;
    if (isJsonArray(value)) return value.map((item) => this.protectJson(item));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.protect(key), this.protectJson(item)]));
  }

  /** The rendered prompt, cut at the sentinels. */
  split(rendered: string): PromptSegment[] {
    const escaped = escapeOf(this.#sentinel);
    const pieces = rendered.split(this.#sentinel).flatMap((piece) => piece.split(escaped));
    return pieces.filter((text) => text !== '').map((text) => ({ kind: 'control', text }));
  }
}

function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** A character that is in none of the texts, spelt out or as JSON may escape it. */
export function unusedCharacter(texts: readonly string[]): string {
  for (const [first, last] of SENTINEL_RANGES) {
    for (let code = first; code <= last; code++) {
      const character = String.fromCharCode(code);
      const escaped = escapeOf(character);
      if (!texts.some((text) => text.includes(character) || text.toLowerCase().includes(escaped))) return character;
    }
  }
  throw new Error('the texts use every private character there is');
}

/** How JSON may write it. */
export function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
