/**
 * Flags that a request asks for by name ("a direct flight", for `direct_flight`): small weights give the default that the
 * description tells of. Only where one call is made: of several one may be without.
 */
import type { JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { areSpoken } from './asked-arguments.ts';
import { wordsOf } from './words.ts';

/** Then it may be asked for that it is not so. */
const NEGATION =
  /\b(?:avoid|don'?t|doesn'?t|except|excluding|few|hardly|instead|isn'?t|less|little|low|neither|never|no|non|nor|not|rather than|unless|what if|without)\b|[不没无别]/iu;

/** `parameters` whose flags are true that `request` has all words of: whatever it allows, the schema itself allows. */
export function withSpokenFlags(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties) || NEGATION.test(request)) return parameters;
  const spoken = wordsOf(request);
  const held = Object.entries(properties).map(([name, schema]) => {
    const isFlag = isJsonObject(schema) && schema.type === 'boolean' && !('enum' in schema) && !('const' in schema);
    return [name, isFlag && areSpoken(name, spoken) ? { ...schema, const: true } : schema] as const;
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}
