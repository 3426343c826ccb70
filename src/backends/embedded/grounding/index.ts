/**
 * What a request and the descriptions of functions say of arguments, held where weights were not trained to make calls:
 *
 *     described-values   the form of a value            → the grammar of the arguments
 *     spoken-items       which items a list may have    → the grammar of the arguments
 *     spread-lists       which items one call is about  → the grammar of the arguments
 *     asked-arguments    which optional ones are due    → the grammar of the arguments
 *     places             which place or code, only one  → the grammar of the arguments
 *     coordinates        which sign they have           → the grammar of the arguments
 *     languages          which name they have           → the grammar of the arguments
 *     durations          how many of which unit         → the grammar of the arguments
 *     spoken-flags       which are asked for by name     → the grammar of the arguments
 *     unspoken-flags     which nobody asked about       → left out again (`child/optional-arguments.ts`)
 *     supported-values   which were made up             → left out again (`child/optional-arguments.ts`)
 *     measures           which unit was measured in     → the grammar of the arguments
 *     type-names         what no type is                → the grammar of the arguments
 *     told-dates         which nobody told              → the grammar of the arguments
 *     named-values       what no call holds yet         → another call (`child/asked-calls.ts`)
 *     ordinals           how many things are counted    → another call
 *     next-values        where the next call goes on    → the grammar of its arguments
 *
 * Nothing is written for the model: it is kept from what cannot be meant, and chooses the rest (docs/decisions/0023).
 */
import type { JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { choicesOf, withAskedRequired } from './asked-arguments.ts';
import { withCoordinates } from './coordinates.ts';
import { asDescribed } from './described-values.ts';
import { withDuration } from './durations.ts';
import { withLanguages } from './languages.ts';
import { withPlaces } from './places.ts';
import { withSpokenFlags } from './spoken-flags.ts';
import { withSpokenItems } from './spoken-items.ts';
import { withSpreadLists } from './spread-lists.ts';
import { withoutUntoldDates } from './told-dates.ts';
import { withoutTypeNames } from './type-names.ts';

/** The parameters that calls for a request are held to. What they allow, `parameters` allows. */
export function groundedParameters(parameters: JsonSchema, grounding: Grounding, isParallel: boolean): JsonSchema {
  const { request, conversation } = grounding;
  const described = withSpokenItems(
    withCoordinates(asDescribed(withDuration(parameters, request), request), request),
    request,
  );
  const spoken = withLanguages(described, request);
  const asked = withAskedRequired(spoken, request, isParallel);
  const dated = conversation === undefined ? asked : withoutUntoldDates(asked, request, conversation);
  const held = withoutTypeNames(withPlaces(dated, grounding, isParallel), request);
  return isParallel ? withSpreadLists(held, grounding) : withSpokenFlags(held, request);
}

/** All texts that some argument is one of. */
export function choicesIn(parameters: JsonSchema, request: string): readonly string[] {
  const { properties } = asDescribed(parameters, request);
  return isJsonObject(properties) ? Object.values(properties).flatMap(choicesOf) : [];
}
