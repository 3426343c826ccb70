/** An argument named `type` stands in its schema as `{"type": {"type": "string"}}`, which makes small weights write "string". */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { isPlainText } from './described-values.ts';
import { areAmong, wordsOf } from './words.ts';

const TYPE_NAMES = ['string', 'integer', 'boolean'];

/** `parameters` whose types are none of the names of JSON types that `request` does not say. */
export function withoutTypeNames(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const spoken = wordsOf(request);
  const unsaid = TYPE_NAMES.filter((name) => !areAmong([name], spoken));
  if (unsaid.length === 0) return parameters;
  const held = Object.entries(properties).map(([name, schema]): readonly [string, Json] => {
    const isOpen = isJsonObject(schema) && isPlainText(schema) && wordsOf(name).at(-1) === 'type';
    return [name, isOpen ? { ...schema, not: { pattern: `^(${unsaid.join('|')})` } } : schema];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}
