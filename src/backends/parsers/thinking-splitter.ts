/**
 * Splits reasoning out of model text as it streams, by the marks of all families (`thinking-marks.ts`).
 *
 * - A mark counts wherever it stands, except where somebody writes *about* it: in quotes, in a fenced block.
 * - A closing mark with nothing open is dropped: prompts that open the reasoning themselves leave one behind, and so
 *   do models that stray. No other mark reaches the text either.
 * - White space after a mark is dropped, and so is white space before the first one.
 *
 * Held back is only what may still be a mark, and white space at the very start.
 */
import { ALL_MARKS, MarkScanner, type ScannedPart } from './thinking-marks.ts';

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

type State =
  /** Only white space so far: held, because before a mark it is not part of the answer. */
  | 'leading'
  | 'text'
  | 'reasoning'
  /** Behind a mark, where white space is dropped. */
  | 'reasoning-start'
  | 'text-start';

class StreamingThinkingSplitter implements ThinkingSplitter {
  readonly #scanner: MarkScanner;
  #state: State;
  #leadingSpace = '';

  constructor(opensInside: boolean) {
    this.#scanner = new MarkScanner(ALL_MARKS, opensInside);
    this.#state = opensInside ? 'reasoning-start' : 'leading';
  }

  push(text: string): ThinkingPart[] {
    return this.#split(this.#scanner.push(text));
  }

  end(): ThinkingPart[] {
    const parts = this.#split(this.#scanner.end());
    if (this.#state === 'leading') this.#release(this.#leadingSpace, parts);
    this.#leadingSpace = '';
    return parts;
  }

  #split(scanned: readonly ScannedPart[]): ThinkingPart[] {
    const parts: ThinkingPart[] = [];
    for (const { type, text } of scanned) {
      if (type === 'text') this.#read(text, parts);
      else this.#pass(type);
    }
    return parts;
  }

  #read(text: string, parts: ThinkingPart[]): void {
    switch (this.#state) {
      case 'leading': {
        const all = this.#leadingSpace + text;
        const isBlank = all.replace(LEADING_SPACE, '') === '';
        this.#leadingSpace = isBlank ? all : '';
        if (!isBlank) this.#release(all, parts);
        return;
      }
      case 'reasoning-start':
      case 'text-start':
        this.#release(text.replace(LEADING_SPACE, ''), parts);
        return;
      case 'text':
      case 'reasoning':
        this.#release(text, parts);
        return;
      default:
        this.#state satisfies never;
    }
  }

  #release(text: string, parts: ThinkingPart[]): void {
    if (text === '') return;
    if (this.#state === 'leading' || this.#state === 'text-start') this.#state = 'text';
    if (this.#state === 'reasoning-start') this.#state = 'reasoning';
    const last = parts.at(-1);
    if (last?.type === this.#state) parts[parts.length - 1] = { type: last.type, text: last.text + text };
    else parts.push({ type: this.#state === 'reasoning' ? 'reasoning' : 'text', text });
  }

  #pass(mark: 'open' | 'close'): void {
    const isOpen = this.#state === 'reasoning' || this.#state === 'reasoning-start';
    if (mark === 'open') this.#state = isOpen ? this.#state : 'reasoning-start';
    else if (isOpen || this.#state === 'leading') this.#state = 'text-start';
    this.#leadingSpace = '';
  }
}

const LEADING_SPACE = /^[ \n\r\t]+/;
