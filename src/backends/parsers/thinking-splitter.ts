/**
 * Splits `<think>…</think>` (and `<thinking>`) out of model text as it streams.
 *
 * - A tag counts wherever it stands, except right after a quote or a backtick: there somebody writes *about* the tag.
 * - A closing tag with nothing open is dropped: prompts that open the reasoning themselves leave one behind, and so
 *   do models that stray. No other tag reaches the text either.
 * - White space after a tag is dropped, and so is white space before the first one.
 *
 * Held back is only what may still be a tag, and white space at the very start.
 */
export type ThinkingPart = { readonly type: 'reasoning' | 'text'; readonly text: string };

export interface ThinkingSplitter {
  push(text: string): ThinkingPart[];
  /** What was held, when the stream is over. */
  end(): ThinkingPart[];
}

export interface ThinkingSplitterOptions {
  /** The prompt already opened the reasoning: the text begins inside it. */
  readonly opensInside?: boolean | undefined;
}

/** A splitter for one answer. */
export function createThinkingSplitter(options: ThinkingSplitterOptions = {}): ThinkingSplitter {
  return new StreamingThinkingSplitter(options.opensInside ?? false);
}

const TAGS = ['<think>', '</think>', '<thinking>', '</thinking>'];
const LONGEST_TAG = Math.max(...TAGS.map((tag) => tag.length));
const QUOTES = new Set(['`', '"', "'"]);

type State =
  /** Only white space so far: held, because before a tag it is not part of the answer. */
  | 'leading'
  | 'text'
  | 'reasoning'
  /** Behind a tag, where white space is dropped. */
  | 'reasoning-start'
  | 'text-start';

class StreamingThinkingSplitter implements ThinkingSplitter {
  #state: State;
  #held = '';
  /** The character before the held text. */
  #before = '';

  constructor(opensInside: boolean) {
    this.#state = opensInside ? 'reasoning-start' : 'leading';
  }

  push(text: string): ThinkingPart[] {
    const parts: ThinkingPart[] = [];
    const input = this.#held + text;
    this.#held = '';
    let position = 0;
    while (position < input.length) {
      position = this.#skipSpace(input, position);
      if (position === input.length) break;
      const at = this.#findTag(input, position);
      if (at > position) this.#release(input.slice(position, at), parts);
      if (at === input.length) break;
      const tag = wholeTagAt(input, at);
      if (tag === undefined) {
        this.#before = input.charAt(at - 1) || this.#before;
        this.#held = input.slice(at);
        return parts;
      }
      this.#enter(tag);
      position = at + tag.length;
    }
    this.#before = input.at(-1) ?? this.#before;
    return parts;
  }

  end(): ThinkingPart[] {
    const parts: ThinkingPart[] = [];
    if (this.#held !== '') this.#release(this.#held, parts);
    this.#held = '';
    return parts;
  }

  /** Where what is to be kept begins; leading white space is held instead of skipped. */
  #skipSpace(input: string, from: number): number {
    if (this.#state === 'text' || this.#state === 'reasoning') return from;
    let position = from;
    while (position < input.length && isSpace(input.charAt(position))) position++;
    if (this.#state !== 'leading') return position;
    if (position === input.length) {
      this.#held = input.slice(from);
      return position;
    }
    return input.charAt(position) === '<' && mayBeTagAt(input, position)
      ? this.#holdLeading(input, from, position)
      : from;
  }

  /** Leading white space goes once a whole tag follows it; while the tag may still fail, both are held. */
  #holdLeading(input: string, from: number, tagAt: number): number {
    if (wholeTagAt(input, tagAt) !== undefined) return tagAt;
    this.#held = input.slice(from);
    return input.length;
  }

  /** The next tag, whole or perhaps still coming; the end of the input when there is none. */
  #findTag(input: string, from: number): number {
    let at = input.indexOf('<', from);
    while (at >= 0) {
      const before = at > 0 ? input.charAt(at - 1) : this.#before;
      if (!QUOTES.has(before) && mayBeTagAt(input, at)) return at;
      at = input.indexOf('<', at + 1);
    }
    return input.length;
  }

  #release(text: string, parts: ThinkingPart[]): void {
    if (this.#state === 'leading' || this.#state === 'text-start') this.#state = 'text';
    if (this.#state === 'reasoning-start') this.#state = 'reasoning';
    const last = parts.at(-1);
    if (last?.type === this.#state) parts[parts.length - 1] = { type: last.type, text: last.text + text };
    else parts.push({ type: this.#state === 'reasoning' ? 'reasoning' : 'text', text });
  }

  #enter(tag: string): void {
    const isOpen = this.#state === 'reasoning' || this.#state === 'reasoning-start';
    if (!tag.startsWith('</')) this.#state = isOpen ? this.#state : 'reasoning-start';
    else if (isOpen || this.#state === 'leading') this.#state = 'text-start';
  }
}

function wholeTagAt(input: string, at: number): string | undefined {
  return TAGS.find((tag) => input.startsWith(tag, at));
}

function mayBeTagAt(input: string, at: number): boolean {
  const rest = input.slice(at, at + LONGEST_TAG);
  return TAGS.some((tag) => rest.startsWith(tag) || tag.startsWith(rest));
}

function isSpace(character: string): boolean {
  return character === '\n' || character === ' ' || character === '\r' || character === '\t';
}
