/**
 * How model families mark their reasoning, as data; and a scanner that finds the marks in text that streams.
 *
 * What the marks are is known of each family; what stands around them (line breaks, who opens, who closes) is the
 * business of whoever renders the template.
 */

export interface ThinkingMarks {
  /** Begins reasoning. */
  readonly open: string;
  /** Ends it. */
  readonly close: string;
  /** A template that contains one of these knows the marks. Some only open reasoning, some only cut old reasoning away. */
  readonly signs: readonly string[];
  /** What has to follow the end for an answer to begin, where that is more than white space. */
  readonly answer?: string | undefined;
  /** What begins an answer without any reasoning, where that is not an empty one. */
  readonly skip?: string | undefined;
  /** Tokens that end an answer beside the end of text. */
  readonly answerEnds?: readonly string[] | undefined;
}

/** Qwen3, QwQ, DeepSeek, GLM, Kimi K2, MiniMax; and whoever is only asked to think. */
export const THINK_MARKS: ThinkingMarks = tags('<think>', '</think>');

const HARMONY_FINAL = '<|channel|>final<|message|>';
const HARMONY_ANSWER = `<|start|>assistant${HARMONY_FINAL}`;

export const THINKING_FAMILIES: readonly ThinkingMarks[] = [
  // gpt-oss: channels of one turn instead of tags.
  {
    open: '<|channel|>analysis<|message|>',
    close: '<|end|>',
    signs: ['<|channel|>analysis<|message|>'],
    answer: HARMONY_ANSWER,
    skip: HARMONY_FINAL,
    answerEnds: ['<|end|>', '<|return|>', '<|call|>', '<|start|>', '<|channel|>'],
  },
  // Kimi-VL Thinking.
  tags('◁think▷', '◁/think▷'),
  // Magistral.
  tags('[THINK]', '[/THINK]'),
  // Seed-OSS.
  tags('<seed:think>', '</seed:think>'),
  THINK_MARKS,
  // Models that were asked to think, and chose the tag by themselves; no template is made for it.
  { ...tags('<thinking>', '</thinking>'), signs: [] },
];

function tags(open: string, close: string): ThinkingMarks {
  return { open, close, signs: [open, close] };
}

/** The family of a template, if it is one of thinking models. */
export function marksOfTemplate(template: string): ThinkingMarks | undefined {
  return THINKING_FAMILIES.find(({ signs }) => signs.some((sign) => template.includes(sign)));
}

export interface MarkTexts {
  readonly opens: readonly string[];
  readonly closes: readonly string[];
}

/** The marks of all families in one text. A bare `<|end|>` says too little: more than reasoning ends with it. */
export const ALL_MARKS: MarkTexts = {
  opens: THINKING_FAMILIES.map(({ open }) => open),
  closes: THINKING_FAMILIES.flatMap(({ close, answer, skip }) =>
    answer === undefined || skip === undefined ? [close] : [close + answer, answer, skip],
  ),
};

interface Mark {
  readonly type: 'open' | 'close';
  readonly text: string;
}

/** A stretch of text without marks, or a mark. */
export type ScannedPart = Mark | { readonly type: 'text'; readonly text: string };

const QUOTES = new Set(['`', '"', "'"]);
const FENCES = new Set(['```', '~~~']);

/**
 * Finds marks, whatever the cuts. A mark is text where somebody writes *about* it: an opening one right after a quote or
 * a backtick, a closing one between two of them, either in a fenced block of an answer. A mark takes with it a piece of
 * another that stands right before it. Held back is only what may still be a mark.
 */
export class MarkScanner {
  readonly #marks: readonly Mark[];
  readonly #starts: ReadonlySet<string>;
  readonly #longest: number;
  #isInside: boolean;
  #held = '';
  /** The character before the held text. */
  #before = '';
  /** The first characters of the line, white space aside, as far as they may be a fence. */
  #lineHead = '';
  #isInFence = false;

  constructor({ opens, closes }: MarkTexts, isInside = false) {
    const marks: readonly Mark[] = [
      ...opens.map((text) => ({ type: 'open' as const, text })),
      ...closes.map((text) => ({ type: 'close' as const, text })),
    ];
    // The longest first: one may begin as another does.
    this.#marks = marks.toSorted((a, b) => b.text.length - a.text.length);
    this.#starts = new Set(marks.map(({ text }) => text.charAt(0)));
    this.#longest = Math.max(0, ...marks.map(({ text }) => text.length));
    this.#isInside = isInside;
  }

  /** Characters that have been pushed and not given back. */
  get heldLength(): number {
    return this.#held.length;
  }

  push(text: string): ScannedPart[] {
    return this.#scan(text, false);
  }

  /** What was held, when the stream is over. */
  end(): ScannedPart[] {
    return this.#scan('', true);
  }

  #scan(text: string, isEnd: boolean): ScannedPart[] {
    const input = this.#held + text;
    const before = this.#before;
    this.#held = '';
    const parts: ScannedPart[] = [];
    let start = 0;
    const release = (end: number): void => {
      if (end > start) parts.push({ type: 'text', text: input.slice(start, end) });
    };
    for (let at = 0; at < input.length; ) {
      const mark = this.#starts.has(input.charAt(at)) ? this.#markAt(input, at, isEnd) : undefined;
      if (mark === undefined) {
        this.#note(input.charAt(at));
        at += 1;
        continue;
      }
      const seam = this.#seamBefore(input, start, at, before);
      release(seam);
      if (mark === 'waiting') {
        this.#held = input.slice(seam);
        this.#before = input[seam - 1] ?? before;
        return parts;
      }
      parts.push({ type: mark.type, text: input.slice(seam, at + mark.text.length) });
      at += mark.text.length;
      start = at;
      this.#pass(mark.type);
    }
    release(input.length);
    return parts;
  }

  /** Where pieces of marks begin that stand before one: joined to what follows it they might be a mark themselves. */
  #seamBefore(input: string, start: number, at: number, before: string): number {
    let seam = at;
    for (let from = at - 1; from >= start && seam - from < this.#longest; from -= 1) {
      if (this.#starts.has(input.charAt(from)) && this.#isPiece(input.slice(from, seam), input[from - 1] ?? before))
        seam = from;
    }
    return seam;
  }

  #isPiece(piece: string, before: string): boolean {
    return this.#marks.some(
      ({ type, text }) =>
        text.length > piece.length && text.startsWith(piece) && (type === 'close' || !QUOTES.has(before)),
    );
  }

  #markAt(input: string, at: number, isEnd: boolean): Mark | 'waiting' | undefined {
    const isQuoted = QUOTES.has(this.#before);
    const isFenced = this.#isInFence && !this.#isInside;
    for (const mark of this.#marks) {
      if (isFenced || (isQuoted && mark.type === 'open')) continue;
      const end = at + mark.text.length;
      if (input.length < end) {
        if (!isEnd && mark.text.startsWith(input.slice(at))) return 'waiting';
        continue;
      }
      if (!input.startsWith(mark.text, at)) continue;
      if (!isQuoted) return mark;
      if (input.length === end && !isEnd) return 'waiting';
      if (input.charAt(end) !== this.#before) return mark;
    }
    return undefined;
  }

  #pass(type: Mark['type']): void {
    this.#isInside = type === 'open';
    this.#before = '>';
    this.#lineHead = '';
    this.#isInFence = false;
  }

  #note(character: string): void {
    this.#before = character;
    if (this.#isInside) return;
    if (character === '\n') {
      this.#lineHead = '';
    } else if (this.#lineHead.length < 3 && (this.#lineHead !== '' || !isSpace(character))) {
      this.#lineHead += character;
      if (FENCES.has(this.#lineHead)) this.#isInFence = !this.#isInFence;
    }
  }
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\r';
}
