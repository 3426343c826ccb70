/**
 * Places, and other names, as the request has them. Where several calls may be made, each of a list is one of its own: "in
 * Egypt and Turkey" is no region, though small weights copy both into one call; nor is "AAPL,MSFT" a symbol, nor "Queen, Abba" an
 * artist. And where a place is to be told with what it lies in, and the request tells that, it is that: "Los Angeles, CA" is not
 * in LA.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { isOpenText, isPlainText, PLACE_PATTERN, withoutTexts } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { EACH_ITS_OWN } from './named-values.ts';
import { literalPattern, wordsOf } from './words.ts';

/** Arguments that hold one place, by the last word of their names. */
const PLACES = new Set(
  'city country county destination district location origin place province region state town'.split(' '),
);

/** Arguments that hold one code. */
const CODES = new Set(['code', 'currency', 'symbol', 'ticker']);
const BETWEEN_CODES = '[ ,;/]';
/** Arguments that hold whatever is said, by the last word of their names. */
const TEXTS = new Set(
  (
    'body caption code command comment content description expression formula function input instruction message note prompt query question ' +
    'reason search sql subject summary text title topic'
  ).split(' '),
);
/** "San Francisco" is no "San Francisco, CA" where nobody says so, and the description does not ask for it. */
const STATE = ', ?[A-Z]{2,3}$';
const STATE_SAID = /(?<![\p{L}\p{N}])\p{Lu}{2,3}(?![\p{L}\p{N}])/u;
const OF_STATE = /,|\b(?:country|format|region|state)\b/i;
const OF_SEVERAL = /\b(?:comma|list|multiple|pair|several)/i;

/** `parameters` whose places are those that the request names as `values`. */
export function withPlaces(
  parameters: JsonSchema,
  { values, request }: Pick<Grounding, 'values' | 'request'>,
  isParallel: boolean,
): JsonSchema {
  const { properties } = parameters;
  const names = values.filter(({ isNumber }) => !isNumber);
  const pairs = values.flatMap((value, index) => {
    const last = values[index - 1];
    return isParallel && value.isBesideLast && !value.isNumber && last !== undefined
      ? [[last.text, value.text] as const]
      : [];
  });
  const wholes = names.map(({ start, end }) => request.slice(start, end));
  if (names.length === 0 || !isJsonObject(properties)) return parameters;
  const saysState = STATE_SAID.test(request);
  const hold = (name: string, schema: Json): Json => {
    if (!isJsonObject(schema)) return schema;
    if (pairs.length > 0 && isCode(name, schema)) return withoutTexts(schema, [BETWEEN_CODES]);
    if (isPlace(name, schema)) {
      const held = asNamed(schema, pairs, wholes);
      return saysState || !isOpenText(held) || OF_STATE.test(descriptionOf(schema))
        ? held
        : withoutTexts(held, [STATE]);
    }
    return pairs.length > 0 && isOneName(name, schema) ? withoutTexts(schema, [inList(pairs, request)]) : schema;
  };
  const held = Object.entries(properties).map(([name, schema]) => [name, hold(name, schema)] as const);
  return { ...parameters, properties: Object.fromEntries(held) };
}

function isPlace(name: string, schema: JsonSchema): boolean {
  if (!PLACES.has(wordsOf(name).at(-1) ?? '')) return false;
  const { pattern, ...rest } = schema;
  return isPlainText(pattern === PLACE_PATTERN ? rest : schema);
}

function isCode(name: string, schema: JsonSchema): boolean {
  if (!CODES.has(wordsOf(name).at(-1) ?? '')) return false;
  return isPlainText(schema) && !OF_SEVERAL.test(descriptionOf(schema));
}

/** By its name, it holds whatever is said. */
export function isForAnyText(name: string): boolean {
  return TEXTS.has(wordsOf(name).at(-1) ?? '');
}

/** By its own name, it holds the name of one thing. */
function isOneName(name: string, schema: JsonSchema): boolean {
  if (isForAnyText(name) || /(?<!s)s$/i.test(name)) return false;
  return isPlainText(schema) && !OF_SEVERAL.test(descriptionOf(schema));
}

/** "Simon and Garfunkel" may be one, unless each has its own. What leads on is kept out, whatever follows. */
function inList(pairs: readonly (readonly [string, string])[], request: string): string {
  const and = EACH_ITS_OWN.test(request) ? '|,? and' : '';
  return pairs.map(([one]) => `^${literalPattern(one)}( ?[,/;]${and})`).join('|');
}

function asNamed(
  schema: JsonSchema,
  pairs: readonly (readonly [string, string])[],
  wholes: readonly string[],
): JsonSchema {
  const isWithin = schema.pattern === PLACE_PATTERN;
  const patterns = [
    ...pairs.map(([one, other]) => leadingOn(one, other, isWithin)),
    ...wholes.flatMap((whole) => (isWithin ? elsewhere(whole) : [])),
  ];
  return withoutTexts(schema, patterns);
}

/** What leads on to the other is kept out: a model that may not write the other would only spell it in another way. */
function leadingOn(one: string, other: string, isWithin: boolean): string {
  // Of a place with what it lies in the comma is a part.
  const comma = isWithin ? `, ?${literalPattern(other)}` : ' ?,';
  return `${literalPattern(one)}(${comma}| ?[&/;]|,? (and|or))`;
}

/** "Los Angeles, " with another letter than in "Los Angeles, CA". */
function elsewhere(whole: string): readonly string[] {
  const [, place, letter] = /^([^,]+),\s*(\p{Lu})/u.exec(whole) ?? [];
  return place === undefined || letter === undefined ? [] : [`${literalPattern(place)}, [^${letter}]`];
}
