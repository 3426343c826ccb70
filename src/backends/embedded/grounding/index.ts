/**
 * What a request and the descriptions of functions say of arguments, held where weights were not trained to make calls:
 *
 *     described-values   the form of a value            → the grammar of the arguments
 *     spoken-items       which items a list may have    → the grammar of the arguments
 *     asked-arguments    which optional ones are due    → the grammar of the arguments
 *     places             which place or code, only one  → the grammar of the arguments
 *     coordinates        which sign they have           → the grammar of the arguments
 *     unspoken-flags     which nobody asked about       → left out again (`child/optional-arguments.ts`)
 *     supported-values   which were made up             → left out again (`child/optional-arguments.ts`)
 *     named-values       what no call holds yet         → another call (`child/call-decoder.ts`)
 *
 * Nothing is written for the model: it is kept from what cannot be meant, and chooses the rest (docs/decisions/0023).
 */
import type { JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { choicesOf, withAskedRequired } from './asked-arguments.ts';
import { withCoordinates } from './coordinates.ts';
import { asDescribed } from './described-values.ts';
import { withPlaces } from './places.ts';
import { withSpokenItems } from './spoken-items.ts';

/** The parameters that calls for a request are held to. What they allow, `parameters` allows. */
export function groundedParameters(parameters: JsonSchema, grounding: Grounding, isParallel: boolean): JsonSchema {
  const { request } = grounding;
  const described = withSpokenItems(withCoordinates(asDescribed(parameters, request), request), request);
  return withPlaces(withAskedRequired(described, request, isParallel), grounding, isParallel);
}

/** All texts that some argument is one of. */
export function choicesIn(parameters: JsonSchema, request: string): readonly string[] {
  const { properties } = asDescribed(parameters, request);
  return isJsonObject(properties) ? Object.values(properties).flatMap(choicesOf) : [];
}
