/**
 * Whether anything in a conversation stands for the value of an argument. Small weights fill optional arguments with values
 * that nobody gave: a meal time, a year, the permittivity of water.
 *
 * Only what can be looked up is judged. Flags, codes, dates, longer texts and texts in another script than the conversation's
 * may follow from it in ways that words do not show, and are taken as given.
 */
import type { Json } from '../../../core/generation.ts';
import { type Numbers, numbersIn } from './numbers.ts';
import { sharedStart, wordsOf } from './words.ts';

/** Longer texts are composed, not looked up. */
const MAX_TEXT = 40;
const CODE = /^\p{Lu}{1,4}$/u;
const MIN_SHARED = 3;
const MAX_ENDING = 3;

export class Conversation {
  readonly #text: string;
  readonly #words: readonly string[];
  readonly #numbers: Numbers;

  constructor(text: string) {
    this.#text = text;
    this.#words = wordsOf(text);
    this.#numbers = numbersIn(text);
  }

  supports(value: Json): boolean {
    if (typeof value === 'number') return this.#numbers.has(value);
    if (typeof value === 'string') return this.#supportsText(value);
    if (typeof value !== 'object' || value === null) return true;
    return Object.values(value).some((each) => this.supports(each));
  }

  #supportsText(text: string): boolean {
    if (text.length > MAX_TEXT || CODE.test(text) || /\p{N}/u.test(text)) return true;
    const words = wordsOf(text);
    if (words.length === 0) return text !== '';
    if (!/\p{Script=Latin}/u.test(this.#text) || !/^\p{Script=Latin}/u.test(words[0] ?? '')) return true;
    const isWhole = words.length === 1;
    return words.some((word) => this.#words.some((other) => isNear(word, other, isWhole)));
  }
}

/**
 * Also where only the stems are alike (`woman`, `women`), or a value of one word is short for one that was said (`fr`, `french`;
 * but not the `wi` of `wi-fi` for `with`).
 */
function isNear(value: string, said: string, isWhole: boolean): boolean {
  const shared = sharedStart(value, said);
  const shorter = Math.min(value.length, said.length);
  const isShort = isWhole && shared === value.length && shared > 1;
  return value === said || isShort || shared >= Math.max(MIN_SHARED, shorter - MAX_ENDING);
}
