/**
 * Flags that a request asks for by name ("a direct flight", for `direct_flight`), or denies so ("few artistic interests", for
 * `artistic_interests`): small weights give the default that the description tells of, or say yes to whatever is named. Only where
 * one call is made: of several one may be without.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { areSpoken, ownWordsOf } from './asked-arguments.ts';
import { placesOf, wordsOf } from './words.ts';

/** Then it may be asked for that it is not so. */
const NEGATION =
  /\b(?:avoid|don'?t|doesn'?t|except|excluding|few|hardly|instead|isn'?t|less|little|low|neither|never|no|non|nor|not|rather than|unless|what if|without)\b|[不没无别]/iu;

/** Right before what is not so. */
const DENIED =
  /\b(?:(?:do|does|is|are|has|have|need)(?:n'?t| not)|few|hardly any|little|neither|never|no|nor|not|without)(?: (?:a|an|any|many|much|very))?[ -]$/i;

/**
 * `parameters` whose flags are true that `request` has all words of, and false where they are denied: whatever it allows, the
 * schema itself allows.
 */
export function withSpokenFlags(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const spoken = wordsOf(request);
  const mayBeDenied = NEGATION.test(request);
  const held = Object.entries(properties).map(([name, schema]): readonly [string, Json] => {
    const isFlag = isJsonObject(schema) && schema.type === 'boolean' && !('enum' in schema) && !('const' in schema);
    if (!isFlag || !areSpoken(name, spoken)) return [name, schema];
    if (!mayBeDenied) return [name, { ...schema, const: true }];
    const places = placesOf(ownWordsOf(name).join(' '), request);
    const isDenied = places.length > 0 && places.every(({ start }) => DENIED.test(request.slice(0, start)));
    return [name, isDenied ? { ...schema, const: false } : schema];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}
