/**
 * Whether anything in a conversation stands for the value of an argument. Small weights fill optional arguments with values
 * that nobody gave: a meal time, a year, the permittivity of water.
 *
 * Only what can be looked up is judged. Flags, codes, dates, longer texts and texts in another script than the conversation's
 * may follow from it in ways that words do not show, and are taken as given.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { choicesOf } from './asked-arguments.ts';
import { asDescribed } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { digitsIn, type Numbers, numbersIn } from './numbers.ts';
import { sharedStart, wordsOf } from './words.ts';
import { withWorkedOutNumbers } from './worked-out-numbers.ts';

/** Longer texts are composed, not looked up. */
const MAX_TEXT = 40;
const CODE = /^\p{Lu}{1,4}$/u;
/** A date, or a time of the day: it may follow from "tomorrow", or from "6 pm". */
const TIME = /\p{N}[-/:.]\p{N}/u;
const OF_TIME =
  /\b(?:now|ago|today|to?night|tomorrow|yesterday|current|currently|latest|recent|recently|this|next|last|past|upcoming|coming|day|days|week|weeks|weekend|month|months|year|years|morning|noon|afternoon|evening|midnight|am|pm|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:jan|febr)uary|march|april|may|june|july|august|(?:septem|octo|novem|decem)ber)\b|\d\s?(?:am|pm)\b|[今明昨前后上下本][天日周年月晚早]|现在|最近|[点号]|星期|周[一二三四五六日末]/iu;
const ARTICLE = /\ban?\b/i;
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

  /** Not so where it can be looked up and nothing stands for it. */
  supports(value: Json): boolean {
    if (typeof value === 'object' && value !== null) return Object.values(value).some((each) => this.supports(each));
    return this.#isSaid(value) !== false;
  }

  /** Stricter: of a list half of the items are said, and of a text with numbers one. Undefined where it cannot be looked up. */
  says(value: Json): boolean | undefined {
    if (typeof value === 'object' && value !== null) {
      const said = Object.values(value).flatMap((each) => this.says(each) ?? []);
      return said.length === 0 ? undefined : said.filter(Boolean).length * 2 >= said.length;
    }
    // "A pizza" is one; as an argument that may be left out it is nothing to go by.
    if (value === 1 && ARTICLE.test(this.#text)) return true;
    if (typeof value !== 'string' || value.length > MAX_TEXT || !/\p{N}/u.test(value)) return this.#isSaid(value);
    if (TIME.test(value) && OF_TIME.test(this.#text)) return undefined;
    return digitsIn(value).some((number) => this.#numbers.has(number));
  }

  #isSaid(value: Json): boolean | undefined {
    if (typeof value === 'number') return this.#numbers.has(value);
    return typeof value === 'string' ? this.#isTextSaid(value) : undefined;
  }

  #isTextSaid(text: string): boolean | undefined {
    if (text.length > MAX_TEXT || CODE.test(text) || /\p{N}/u.test(text)) return undefined;
    const words = wordsOf(text);
    const [first] = words;
    if (first === undefined) return text === '' ? false : undefined;
    if (!/\p{Script=Latin}/u.test(this.#text) || !/^\p{Script=Latin}/u.test(first))
      return this.#text.includes(text) ? true : undefined;
    const isWhole = words.length === 1;
    return words.some((word) => this.#words.some((other) => isNear(word, other, isWhole)));
  }
}

/** What of the arguments that must be given, and can be looked up, is said: all, or all but some texts, or not even all numbers. */
export type SaidOf = 'all' | 'numbers' | 'some';

/**
 * How much of a call is said; undefined where nothing of it can be looked up. What is chosen from a few texts may be meant by
 * others (`delete` by "remove"), a number may be what the function tells itself ("Default is 52"), and a text may be what one
 * knows (`Paris`, of "the capital of France").
 */
export function saidOf(parameters: JsonSchema, input: Json, conversation: string): SaidOf | undefined {
  const { required } = parameters;
  const { properties } = withWorkedOutNumbers(asDescribed(parameters, conversation), conversation);
  if (!isJsonObject(input) || !isJsonObject(properties) || !Array.isArray(required)) return undefined;
  const all = new Conversation(conversation);
  // "At a point, from a wire" is no distance of 1 and a current of 1.
  const ones = Object.values(input).filter((value) => value === 1).length;
  const judged = Object.entries(input).flatMap(([name, value]) => {
    if (!required.includes(name)) return [];
    if (isWorkedOut(properties[name], value)) return [{ value, isSaid: true }];
    const isSaid = value === 1 && ones > 1 ? all.supports(value) : all.says(value);
    const isTold = isSaid === false && tells(properties[name], value);
    return isSaid === undefined || isTold ? [] : [{ value, isSaid }];
  });
  if (judged.length === 0) return undefined;
  const unsaid = judged.filter(({ isSaid }) => !isSaid);
  if (unsaid.length === 0) return 'all';
  return unsaid.every(({ value }) => typeof value === 'string' && !/\p{N}/u.test(value)) ? 'numbers' : 'some';
}

/** One of the numbers that the conversation comes to. */
function isWorkedOut(schema: Json | undefined, value: Json): boolean {
  return typeof value === 'number' && isJsonObject(schema) && Array.isArray(schema.enum) && schema.enum.includes(value);
}

/** Whether a schema tells of a value: as one of a few texts, or by its description ("Default is 52"). */
function tells(schema: Json | undefined, value: Json): boolean {
  if (!isJsonObject(schema)) return false;
  if (typeof value === 'number') return value === schema.default || digitsIn(descriptionOf(schema)).includes(value);
  return typeof value === 'string' && choicesOf(schema).length > 0;
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
