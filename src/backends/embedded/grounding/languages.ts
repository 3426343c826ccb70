/**
 * Languages as the request names them: small weights write `en` for "from English to French", whatever the description asks
 * for. Where it asks for a code, or shows one, they are left alone.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { isPlainText } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { literalPattern, wordsOf } from './words.ts';

const NAMES = new RegExp(
  `\\b(?:${(
    'Arabic Bengali Bulgarian Cantonese Chinese Croatian Czech Danish Dutch English Estonian Finnish French German Greek Hebrew Hindi Hungarian Indonesian Irish Italian ' +
      'Japanese Korean Latin Latvian Lithuanian Malay Mandarin Norwegian Persian Polish Portuguese Romanian Russian Serbian Slovak Slovenian Spanish Swahili Swedish Tagalog Tamil ' +
      'Thai Turkish Ukrainian Urdu Vietnamese'
  ).replaceAll(' ', '|')})\\b`,
  'g',
);
const LANGUAGES = new Set(['lang', 'language', 'languages']);
/** A code, or an example that may be one. */
const OF_CODE = /\b(?:abbreviat\p{L}*|codes?|iso|locale|bcp)\b|['"“‘(][a-z]{2}(?:[-_][a-z]{2})?['"”’),]/iu;

/** `parameters` whose languages are those that `request` says: whatever it allows, the schema itself allows. */
export function withLanguages(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  const said = [...new Set(request.match(NAMES) ?? [])];
  if (!isJsonObject(properties) || said.length === 0) return parameters;
  const held = Object.entries(properties).map(([name, schema]): readonly [string, Json] => {
    const isLanguage = isJsonObject(schema) && isPlainText(schema) && LANGUAGES.has(wordsOf(name).at(-1) ?? '');
    if (!isLanguage || OF_CODE.test(descriptionOf(schema))) return [name, schema];
    return [name, { ...schema, pattern: `^(${said.map(literalPattern).join('|')})` }];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}
