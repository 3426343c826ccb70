/**
 * Words that are not a part of the value, though they stand beside it: the name of the argument itself ("Rosewood finish", for
 * `finish`, or "human cell", for `cell_type`), and what another argument is told ("C sharp major", where the `scale_type` may be
 * "major"; "women's tennis" beside a `gender`, "La Liga 2020" beside a `season`).
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { choicesOf } from './asked-arguments.ts';
import { isOpenText, withoutTexts } from './described-values.ts';
import { isForAnyText } from './places.ts';
import { isSameWord, literalPattern, placesOf, wordsOf } from './words.ts';

/** What something is like. Of a place, a league or a museum such a word is a part of the name: "Santa Clara County". */
const QUALITIES = new Set(
  'color colour condition criterion cuisine diet finish format gene genotype genre material recipe size style'.split(
    ' ',
  ),
);
/** What is of some type says of which by the words before: `cell_type`. */
const KINDS = new Set(['kind', 'type']);
const SEXES = ['boys', 'female', 'girls', 'male', 'men', 'woman', 'women'];
const OF_SEX = new Set(['gender', 'sex']);
const OF_YEAR = new Set(['season', 'seasons', 'year', 'years']);
/** Not the number of a house: "1600 Pennsylvania Avenue". */
const YEAR_SAID =
  /(?<![\d.,])(?:1[5-9]|20)\d\d(?!\d|[.,]\d|\s+(?:\p{Lu}\S*\s+){1,3}(?:Ave|Avenue|Blvd|Boulevard|Drive|Lane|Rd|Road|St|Street|Way)\b)/u;
/** Any: a model that may not write the one that is said writes the next. */
const YEAR = '(1[5-9]|20)[0-9][0-9]';
/** An argument of one of these may be told a year itself. */
const TIMES = new Set(
  'century date day decade end era from month period quarter range season seasons start time to year years'.split(' '),
);
/** Shorter ones are parts of other words. */
const MIN_CHOICE = 4;
const MIN_START = 2;

/** `parameters` whose texts are without such words. */
export function withoutNeedlessWords(
  parameters: JsonSchema,
  { values, request }: Pick<Grounding, 'values' | 'request'>,
): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  // "The Royal Albert Hall" is no hall to be chosen.
  const isInName = (start: number, end: number): boolean =>
    values.some(
      (name) => !name.isNumber && name.start <= start && end <= name.end && name.end - name.start > end - start,
    );
  const isSaid = (word: string): boolean => placesOf(word, request).some(({ start, end }) => !isInName(start, end));
  const saysYear = YEAR_SAID.test(request);
  const held = Object.entries(properties).map(([name, schema]): readonly [string, Json] => {
    if (!isJsonObject(schema) || !isOpenText(schema) || isForAnyText(name)) return [name, schema];
    const words = wordsOf(name);
    const last = words.at(-1) ?? '';
    const own = (QUALITIES.has(last) ? [last] : KINDS.has(last) ? words.slice(0, -1) : []).filter(
      (word) => placesOf(word, request).length > 0,
    );
    const others = Object.entries(properties).flatMap(([other, told]) =>
      other === name ? [] : choicesIn(told).filter(isSaid),
    );
    const needless = [...new Set([...own, ...others])].flatMap((word) => [
      `. ?${anyCase(word)}`,
      beginning(word, request),
    ]);
    const isBeside = (kinds: ReadonlySet<string>): boolean =>
      Object.keys(properties).some((other) => other !== name && kinds.has(wordsOf(other).at(-1) ?? ''));
    const sexes = isBeside(OF_SEX) ? SEXES.filter(isSaid).map(anyCase) : [];
    const years = saysYear && isBeside(OF_YEAR) && !words.some((word) => TIMES.has(word)) ? [YEAR] : [];
    return [name, withoutTexts(schema, [...needless, ...sexes, ...years])];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}

/** What an argument is told where nobody says more, or one of a few texts. */
function choicesIn(schema: Json): readonly string[] {
  if (!isJsonObject(schema) || schema.type !== 'string') return [];
  const choices = typeof schema.default === 'string' ? [schema.default, ...choicesOf(schema)] : choicesOf(schema);
  return [...new Set(choices)].filter((choice) => choice.length >= MIN_CHOICE);
}

/**
 * "C# maj", "C# majour", "C# majior": a model that may not write the word spells it in another way. So what is kept out is all that
 * begins as it does, as far as no other word of the request does.
 */
function beginning(word: string, request: string): string {
  const others = wordsOf(request).filter((other) => !isSameWord(other, word.toLowerCase()));
  const lengths = Array.from({ length: word.length }, (_, index) => index + 1).filter((length) => length >= MIN_START);
  const length = lengths.find((each) => !others.some((other) => other.startsWith(word.slice(0, each).toLowerCase())));
  return `. ${anyCase(word.slice(0, length))}`;
}

/** As it is, or with a capital. */
function anyCase(word: string): string {
  const [first = '', ...rest] = word;
  if (!/\p{L}/u.test(first)) return literalPattern(word);
  return `[${first.toLowerCase()}${first.toUpperCase()}]${literalPattern(rest.join(''))}`;
}
