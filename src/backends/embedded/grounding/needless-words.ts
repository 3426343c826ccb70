/**
 * Words that are not a part of the value, though they stand beside it: the name of the argument itself ("Rosewood finish", for
 * `finish`), and what another argument is told ("C sharp major", where the `scale_type` may be "major").
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { choicesOf } from './asked-arguments.ts';
import { isPlainText } from './described-values.ts';
import { isForAnyText } from './places.ts';
import { literalPattern, placesOf, wordsOf } from './words.ts';

/** What something is like. Of a place, a league or a museum such a word is a part of the name: "Santa Clara County". */
const QUALITIES = new Set(
  'color colour condition criterion cuisine diet finish format gene genotype genre material size style'.split(' '),
);
/** Shorter ones are parts of other words. */
const MIN_CHOICE = 4;
const MIN_CUT = 3;

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
  const held = Object.entries(properties).map(([name, schema]): readonly [string, Json] => {
    if (!isJsonObject(schema) || !isPlainText(schema) || isForAnyText(name)) return [name, schema];
    const last = wordsOf(name).at(-1) ?? '';
    const own = QUALITIES.has(last) && placesOf(last, request).length > 0 ? [last] : [];
    const others = Object.entries(properties).flatMap(([other, told]) =>
      other === name ? [] : choicesIn(told).filter(isSaid),
    );
    const needless = [...new Set([...own, ...others])].flatMap((word) => [`. ?${anyCase(word)}`, cutShort(word)]);
    return [name, needless.length === 0 ? schema : { ...schema, not: { pattern: needless.join('|') } }];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}

/** What an argument is told where nobody says more, or one of a few texts. */
function choicesIn(schema: Json): readonly string[] {
  if (!isJsonObject(schema) || schema.type !== 'string') return [];
  const choices = typeof schema.default === 'string' ? [schema.default, ...choicesOf(schema)] : choicesOf(schema);
  return [...new Set(choices)].filter((choice) => choice.length >= MIN_CHOICE);
}

/** "C# maj": a model that may not write the word cuts it. */
function cutShort(word: string): string {
  return `. ${anyCase(word.slice(0, MIN_CUT))}\\.?$`;
}

/** As it is, or with a capital. */
function anyCase(word: string): string {
  const [first = '', ...rest] = word;
  if (!/\p{L}/u.test(first)) return literalPattern(word);
  return `[${first.toLowerCase()}${first.toUpperCase()}]${literalPattern(rest.join(''))}`;
}
