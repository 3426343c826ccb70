/**
 * What a request wants both ways: a flag ("fit it without scaling, then run it again, but with scaling"), or two texts of one argument
 * ("sort each in both ascending and descending order"). Small weights would make the same call again, or each with one of them.
 */
import type { Json } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { MAX_COMBINATIONS, type NextValues } from './listed-arguments.ts';
import { asksOnceMore } from './ordinals.ts';
import { isSameWord, wordsOf } from './words.ts';

/** The flag of the one call so far, the other way; undefined where none, or several, are said twice. */
export function otherWay(inputs: readonly Json[], request: string): NextValues | undefined {
  const [input, ...others] = inputs;
  if (!isJsonObject(input) || others.length > 0 || !asksOnceMore(request)) return undefined;
  const spoken = wordsOf(request);
  const flags = Object.entries(input).filter(
    ([name, value]) => typeof value === 'boolean' && wordsOf(name).some((word) => timesOf(word, spoken) > 1),
  );
  const [[name, value] = [], ...more] = flags;
  return name === undefined || more.length > 0 ? undefined : { [name]: { is: value !== true } };
}

const BOTH = /\bboth (?:the |in )?(\p{L}[\p{L}-]*) and (?:the |in )?(\p{L}[\p{L}-]*)/iu;

/**
 * The first call so far that has no other beside it with the other one of two texts, and all else alike: with that. Undefined where
 * no two are wanted, or each call has both.
 */
export function bothTexts(inputs: readonly Json[], request: string): NextValues | undefined {
  const [, one = '', other = ''] = BOTH.exec(request) ?? [];
  if (one === '' || inputs.length >= MAX_COMBINATIONS) return undefined;
  for (const input of inputs.filter(isJsonObject)) {
    for (const [name, value] of Object.entries(input)) {
      const wanted = isText(value, one) ? other : isText(value, other) ? one : undefined;
      if (wanted === undefined) continue;
      const isMade = inputs.some(
        (each) => isJsonObject(each) && isText(each[name], wanted) && isAlikeBut(name, each, input),
      );
      if (isMade) continue;
      const rest = Object.entries(input).map(([key, held]) => [key, { is: held }] as const);
      return { ...Object.fromEntries(rest), [name]: { is: asWritten(wanted, String(value)) } };
    }
  }
  return undefined;
}

function isText(value: Json | undefined, word: string): boolean {
  return typeof value === 'string' && value.toLowerCase() === word.toLowerCase();
}

/** With a capital where the other one has it. */
function asWritten(word: string, like: string): string {
  const [first = '', ...rest] = word.toLowerCase();
  return (/^\p{Lu}/u.test(like) ? first.toUpperCase() : first) + rest.join('');
}

function isAlikeBut(name: string, one: { readonly [key: string]: Json }, other: typeof one): boolean {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => key === name || JSON.stringify(one[key]) === JSON.stringify(other[key]));
}

/** Of shorter words ("is", "by") nothing is to be said. */
const MIN_WORD = 5;

function timesOf(word: string, spoken: readonly string[]): number {
  return word.length < MIN_WORD ? 0 : spoken.filter((other) => isSameWord(word, other)).length;
}
