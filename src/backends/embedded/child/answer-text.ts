/**
 * The visible text of an answer on its way out: holds back what may still become a stop text or a stop token row, cuts
 * at one, and keeps each token's log probability beside the text it belongs to.
 */
import type { TokenLogprob } from '../../../core/events.ts';
import { StopTexts, StopTokens } from './stop-texts.ts';

/** What can be shown now; `stop` is set when the answer ends here. */
export interface ShownText {
  readonly text: string;
  readonly logprobs: readonly TokenLogprob[];
  readonly stop: string | undefined;
}

interface TokenMark {
  /** Where the token's text lies, counted from the beginning of the answer. */
  readonly start: number;
  readonly end: number;
  readonly logprob: TokenLogprob | undefined;
}

export interface AnswerTextOptions {
  readonly stopTexts: readonly string[];
  readonly stopTokens: readonly (readonly number[])[];
  /** White space at the end waits for what follows: before a call it is no part of the answer. */
  readonly holdsWhiteSpace: boolean;
}

export class AnswerText {
  readonly #stopTexts: StopTexts;
  readonly #stopTokens: StopTokens;
  readonly #longestRow: number;
  readonly #holdsWhiteSpace: boolean;
  /** Text that has been added and not shown. */
  #unshown = '';
  #shown = 0;
  /** Characters the tokens have given; the opening detector may not have let all of them through yet. */
  #received = 0;
  #waiting: TokenMark[] = [];
  #recentStarts: number[] = [];
  #heldFrom = Number.POSITIVE_INFINITY;
  #stopFrom = Number.POSITIVE_INFINITY;

  constructor(options: AnswerTextOptions) {
    this.#stopTexts = new StopTexts(options.stopTexts);
    this.#stopTokens = new StopTokens(options.stopTokens);
    this.#longestRow = Math.max(1, ...options.stopTokens.map((row) => row.length));
    this.#holdsWhiteSpace = options.holdsWhiteSpace;
  }

  /** Notes a sampled token and the length of its text. The text itself comes by `add`, then or later. */
  note(token: number, characters: number, logprob: TokenLogprob | undefined): void {
    const start = this.#received;
    this.#received += characters;
    if (logprob !== undefined) this.#waiting.push({ start, end: this.#received, logprob });
    this.#recentStarts.push(start);
    if (this.#recentStarts.length > this.#longestRow) this.#recentStarts.shift();
    const { matched, held } = this.#stopTokens.push(token);
    if (matched > 0) this.#stopFrom = this.#recentStarts.at(-matched) ?? start;
    this.#heldFrom = held > 0 ? (this.#recentStarts.at(-held) ?? start) : Number.POSITIVE_INFINITY;
  }

  add(text: string): void {
    this.#unshown += text;
  }

  /** Characters of the last tokens will never be added: their log probabilities go with what follows. */
  drop(characters: number): void {
    this.#received -= characters;
    this.#waiting = this.#waiting.map((mark) => ({
      ...mark,
      start: Math.min(mark.start, this.#received),
      end: Math.min(mark.end, this.#received),
    }));
  }

  /** What of the text so far can be shown. */
  show(): ShownText {
    const { match, held } = this.#stopTexts.scan(this.#unshown);
    const stopAt = Math.min(match?.index ?? Number.POSITIVE_INFINITY, this.#stopFrom - this.#shown);
    if (stopAt !== Number.POSITIVE_INFINITY) return this.#stop(stopAt, match);
    let length = Math.min(this.#unshown.length - held, this.#heldFrom - this.#shown);
    if (this.#holdsWhiteSpace) length = this.#unshown.slice(0, length).trimEnd().length;
    return this.#take(length);
  }

  /** Shows what was held: the answer is over and it was no stop text. */
  finish(): ShownText {
    const last = this.show();
    if (last.stop !== undefined) return last;
    const rest = this.#take(this.#unshown.length);
    return { text: last.text + rest.text, logprobs: [...last.logprobs, ...rest.logprobs], stop: undefined };
  }

  /** Shows what was held but for the white space at its end: a call begins. */
  finishBeforeCall(): ShownText {
    this.#unshown = this.#unshown.trimEnd();
    return this.finish();
  }

  #stop(at: number, match: { readonly index: number; readonly text: string } | undefined): ShownText {
    const stop = match?.index === at ? match.text : this.#unshown.slice(at);
    const end = this.#shown + at;
    const text = this.#unshown.slice(0, at);
    const logprobs = this.#waiting.flatMap((mark) => (mark.start < end && mark.logprob ? [mark.logprob] : []));
    this.#unshown = '';
    this.#waiting = [];
    return { text, logprobs, stop };
  }

  #take(length: number): ShownText {
    const text = this.#unshown.slice(0, length);
    if (text === '') return { text, logprobs: [], stop: undefined };
    this.#unshown = this.#unshown.slice(text.length);
    this.#shown += text.length;
    const ready = this.#waiting.filter((mark) => mark.end <= this.#shown);
    this.#waiting = this.#waiting.slice(ready.length);
    return { text, logprobs: ready.flatMap((mark) => mark.logprob ?? []), stop: undefined };
  }
}
