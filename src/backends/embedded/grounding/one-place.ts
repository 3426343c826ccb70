/**
 * Where several calls may be made, one for each place that is listed: "in Egypt and Turkey" is no region. Small weights copy
 * both into one call.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { NamedValue } from './named-values.ts';
import { wordsOf } from './words.ts';

/** Arguments that hold one place, by the last word of their names. */
const PLACES = new Set(
  'city country county destination district location origin place province region state town'.split(' '),
);

/** `parameters` whose places are none of `values` together with its neighbour in a list. */
export function withSinglePlaces(parameters: JsonSchema, values: readonly NamedValue[]): JsonSchema {
  const { properties } = parameters;
  const pairs = values.flatMap((value, index) => {
    const last = values[index - 1];
    return value.isBesideLast && !value.isNumber && last !== undefined ? [[last.text, value.text] as const] : [];
  });
  if (pairs.length === 0 || !isJsonObject(properties)) return parameters;
  const held = Object.entries(properties).map(([name, schema]) => [
    name,
    isPlace(name, schema) ? single(schema, pairs) : schema,
  ]);
  return { ...parameters, properties: Object.fromEntries(held) };
}

function isPlace(name: string, schema: Json): schema is JsonSchema {
  return (
    isJsonObject(schema) && schema.type === 'string' && !('not' in schema) && PLACES.has(wordsOf(name).at(-1) ?? '')
  );
}

/** What leads on to the other is kept out: a model that may not write the other would only spell it in another way. */
function single(schema: JsonSchema, pairs: readonly (readonly [string, string])[]): JsonSchema {
  const patterns = pairs.map(([one, other]) => {
    // Of a place with what it lies in the comma is a part.
    const comma = 'pattern' in schema ? `, ?${escaped(other)}` : ' ?,';
    return `${escaped(one)}(${comma}| ?[&/;]|,? (and|or))`;
  });
  return { ...schema, not: { pattern: patterns.join('|') } };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
