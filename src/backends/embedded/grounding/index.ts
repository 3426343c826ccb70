/**
 * What a request and the descriptions of functions say of arguments, held where weights were not trained to make calls:
 *
 *     described-values   the form of a value            → the grammar of the arguments
 *     spoken-items       which items a list may have    → the grammar of the arguments
 *     asked-arguments    which optional ones are due    → the grammar of the arguments
 *     places             which place or code, only one  → the grammar of the arguments
 *     coordinates        which sign they have           → the grammar of the arguments
 *     durations          how many of which unit         → the grammar of the arguments
 *     unspoken-flags     which nobody asked about       → left out again (`child/optional-arguments.ts`)
 *     supported-values   which were made up             → left out again (`child/optional-arguments.ts`)
 *     named-values       what no call holds yet         → another call (`child/call-decoder.ts`)
 *
 * Nothing is written for the model: it is kept from what cannot be meant, and chooses the rest (docs/decisions/0023).
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { choicesOf, withAskedRequired } from './asked-arguments.ts';
import { withCoordinates } from './coordinates.ts';
import { asDescribed, isPlainText } from './described-values.ts';
import { withDuration } from './durations.ts';
import { withPlaces } from './places.ts';
import { withSpokenItems } from './spoken-items.ts';
import { areAmong, wordsOf } from './words.ts';

/** The parameters that calls for a request are held to. What they allow, `parameters` allows. */
export function groundedParameters(parameters: JsonSchema, grounding: Grounding, isParallel: boolean): JsonSchema {
  const { request } = grounding;
  const described = withSpokenItems(
    withCoordinates(asDescribed(withDuration(parameters, request), request), request),
    request,
  );
  return asValues(withPlaces(withAskedRequired(described, request, isParallel), grounding, isParallel), request);
}

const TYPE_NAMES = ['string', 'integer', 'boolean'];

/** A `type` is not what the schema says of it: `{"type": {"type": "string"}}` makes small weights write "string". */
function asValues(parameters: JsonSchema, request: string): JsonSchema {
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

/** All texts that some argument is one of. */
export function choicesIn(parameters: JsonSchema, request: string): readonly string[] {
  const { properties } = asDescribed(parameters, request);
  return isJsonObject(properties) ? Object.values(properties).flatMap(choicesOf) : [];
}
