/**
 * Whether anything in a conversation stands for the value of an argument. Small weights fill optional arguments with values
 * that nobody gave: a meal time, a year, the permittivity of water.
 *
 * Only what can be looked up is judged. Flags, codes, dates, longer texts and texts in another script than the conversation's
 * may follow from it in ways that words do not show, and are taken as given.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { digitsIn, type Numbers, numbersIn } from './numbers.ts';
import { sharedStart, wordsOf } from './words.ts';

/** Longer texts are composed, not looked up. */
const MAX_TEXT = 40;
const CODE = /^\p{Lu}{1,4}$/u;
/** A date, or a time of the day: it may follow from "tomorrow", or from "6 pm". */
const TIME = /\p{N}[-/:.]\p{N}/u;
const OF_TIME =
  /\b(?:now|ago|today|to?night|tomorrow|yesterday|current|currently|latest|recent|recently|this|next|last|past|upcoming|coming|day|days|week|weeks|weekend|month|months|year|years|morning|noon|afternoon|evening|midnight|am|pm|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:jan|febr)uary|march|april|may|june|july|august|(?:septem|octo|novem|decem)ber)\b|\d\s?(?:am|pm)\b|[今明昨前后上下本][天日周年月晚早]|现在|最近|[点号]|星期|周[一二三四五六日末]/iu;
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

  /** `supports`, of most items of a list, and of a number in a text. */
  says(value: Json): boolean {
    if (Array.isArray(value)) {
      const said = value.filter((item: Json) => this.says(item));
      return value.length === 0 || said.length * 2 > value.length;
    }
    if (typeof value === 'string' && value.length <= MAX_TEXT && /\p{N}/u.test(value)) {
      const isTime = TIME.test(value) && OF_TIME.test(this.#text);
      return isTime || digitsIn(value).some((number) => this.#numbers.has(number));
    }
    return this.supports(value);
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
 * Whether all arguments that must be given are said, those that can be looked up. Stricter than what may be left out: of a list
 * most items are said, and a text with numbers holds one that is.
 */
export function isAllSaid(parameters: JsonSchema, input: Json, conversation: string): boolean {
  const { required } = parameters;
  if (!isJsonObject(input) || !Array.isArray(required)) return true;
  const said = new Conversation(conversation);
  return Object.entries(input).every(([name, value]) => !required.includes(name) || said.says(value));
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
