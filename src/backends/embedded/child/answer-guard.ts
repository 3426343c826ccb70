/**
 * Keeps the marks of reasoning out of an answer. A closing mark with nothing open is dropped. At an opening one the answer
 * stops: whoever feeds the model closes the thought before it begins, so that no reasoning gets into the answer and none
 * beyond its budget is made.
 */
import { MarkScanner, type MarkTexts } from '../../parsers/thinking-marks.ts';

export interface GuardedText {
  /** What is answer. */
  readonly text: string;
  /** Characters that are not: marks, and what stands behind an opening one. */
  readonly dropped: number;
  /** Set where a thought was reopened: characters that were said behind its mark. */
  readonly excess: number | undefined;
}

export class AnswerGuard {
  readonly #marks: MarkTexts;
  #scanner: MarkScanner;

  constructor(marks: MarkTexts) {
    this.#marks = marks;
    this.#scanner = new MarkScanner(marks);
  }

  /** Characters that may still become a mark. */
  get heldLength(): number {
    return this.#scanner.heldLength;
  }

  push(text: string): GuardedText {
    const parts = this.#scanner.push(text);
    const opened = parts.findIndex(({ type }) => type === 'open');
    const before = opened < 0 ? parts : parts.slice(0, opened);
    const shown = lengthOf(before.filter(({ type }) => type === 'text'));
    const answer = before.map((part) => (part.type === 'text' ? part.text : '')).join('');
    if (opened < 0) return { text: answer, dropped: lengthOf(parts) - shown, excess: undefined };
    const excess = lengthOf(parts.slice(opened + 1)) + this.#scanner.heldLength;
    this.#scanner = new MarkScanner(this.#marks);
    return { text: answer, dropped: lengthOf(parts.slice(0, opened + 1)) - shown + excess, excess };
  }

  /** What was held and is answer after all. */
  flush(): string {
    return this.#scanner
      .end()
      .map((part) => (part.type === 'text' ? part.text : ''))
      .join('');
  }
}

function lengthOf(parts: readonly { readonly text: string }[]): number {
  return parts.reduce((sum, { text }) => sum + text.length, 0);
}
