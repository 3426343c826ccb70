/** An argument named `type` stands in its schema as `{"type": {"type": "string"}}`, which makes small weights write "string". */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { isOpenText, withoutTexts } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { areAmong, wordsOf } from './words.ts';

const TYPE_NAMES = ['string', 'integer', 'boolean'];
/** These are words, too: an "object" of art, an "objective" of a lens. */
const WORDS = ['object', 'array'];

/** `parameters` whose types are none of the names of JSON types that `request` does not say. */
export function withoutTypeNames(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const spoken = wordsOf(request);
  const unsaid = TYPE_NAMES.filter((name) => !areAmong([name], spoken));
  const held = Object.entries(properties).map(([name, schema]): readonly [string, Json] => {
    if (!isJsonObject(schema) || !isOpenText(schema) || wordsOf(name).at(-1) !== 'type') return [name, schema];
    const told = [...spoken, ...wordsOf(descriptionOf(schema))];
    const untold = WORDS.filter((word) => !areAmong([word], told)).map((word) => `${word}$`);
    const names = [...unsaid, ...untold];
    return [name, withoutTexts(schema, names.length === 0 ? [] : [`^(${names.join('|')})`])];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}
