/**
 * A flag that a request wants both ways: "fit it without scaling, then run it again, but with scaling". Small weights would make
 * the same call again.
 */
import type { Json } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { NextValues } from './listed-arguments.ts';
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

/** Of shorter words ("is", "by") nothing is to be said. */
const MIN_WORD = 5;

function timesOf(word: string, spoken: readonly string[]): number {
  return word.length < MIN_WORD ? 0 : spoken.filter((other) => isSameWord(word, other)).length;
}
