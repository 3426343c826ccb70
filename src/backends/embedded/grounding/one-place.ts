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
    return value.isBesideLast && !value.isNumber && last !== undefined ? [pairPattern(last.text, value.text)] : [];
  });
  if (pairs.length === 0 || !isJsonObject(properties)) return parameters;
  const pattern = pairs.join('|');
  const held = Object.entries(properties).map(([name, schema]) => [
    name,
    isPlace(name, schema) ? { ...schema, not: { pattern } } : schema,
  ]);
  return { ...parameters, properties: Object.fromEntries(held) };
}

function isPlace(name: string, schema: Json): schema is JsonSchema {
  return (
    isJsonObject(schema) && schema.type === 'string' && !('not' in schema) && PLACES.has(wordsOf(name).at(-1) ?? '')
  );
}

function pairPattern(one: string, other: string): string {
  const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  return `${escaped(one)}(,? and |,? or | & |, )${escaped(other)}`;
}
