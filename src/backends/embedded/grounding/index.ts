/**
 * What a request and the descriptions of functions say of arguments, held where weights were not trained to make calls:
 *
 *     described-values   the form of a value            → the grammar of the arguments
 *     spoken-items       which items a list may have    → the grammar of the arguments
 *     spread-lists       which items one call is about  → the grammar of the arguments
 *     asked-arguments    which optional ones are due    → the grammar of the arguments
 *     places             which place or name, only one  → the grammar of the arguments
 *     routes             where a way begins and ends    → the grammar of the arguments
 *     needless-words     which are no part of a value   → the grammar of the arguments
 *     whole-names        where a name is cut short      → the grammar of the arguments
 *     coordinates        which sign they have           → the grammar of the arguments
 *     languages          which name they have           → the grammar of the arguments
 *     currencies         which codes they have          → the grammar of the arguments
 *     durations          how many of which unit         → the grammar of the arguments
 *     worked-out-numbers what they come to              → the grammar of the arguments
 *     stays              when they end                  → the grammar of the arguments
 *     spoken-flags       which are asked for by name    → the grammar of the arguments
 *     unspoken-arguments which nobody asked about       → left out again (`child/optional-arguments.ts`)
 *     supported-values   which were made up             → left out again (`child/optional-arguments.ts`)
 *     measures           which unit was measured in     → the grammar of the arguments
 *     type-names         what no type is                → the grammar of the arguments
 *     told-dates         which days, and none untold    → the grammar of the arguments
 *     named-values       what no call holds yet         → another call (`child/asked-calls.ts`)
 *     ordinals           how many things are counted    → another call
 *     next-values        where the next call goes on    → the grammar of its arguments (`listed-arguments`)
 *     grids, other-way   what is asked both ways        → the grammar of its arguments
 *
 * Nothing is written for the model: it is kept from what cannot be meant, and chooses the rest (docs/decisions/0023).
 */
import type { JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { choicesOf, withAskedRequired } from './asked-arguments.ts';
import { withCoordinates } from './coordinates.ts';
import { withCurrencies } from './currencies.ts';
import { asDescribed } from './described-values.ts';
import { withDuration } from './durations.ts';
import { withLanguages } from './languages.ts';
import { withoutNeedlessWords } from './needless-words.ts';
import { withPlaces } from './places.ts';
import { withRoute } from './routes.ts';
import { withSpokenFlags } from './spoken-flags.ts';
import { withSpokenItems } from './spoken-items.ts';
import { withSpreadLists } from './spread-lists.ts';
import { withStay } from './stays.ts';
import { withoutUntoldDates, withSaidDays } from './told-dates.ts';
import { withoutTypeNames } from './type-names.ts';
import { withWholeNames } from './whole-names.ts';
import { withWorkedOutNumbers } from './worked-out-numbers.ts';

/** The parameters that calls for a request are held to. What they allow, `parameters` allows. */
export function groundedParameters(parameters: JsonSchema, grounding: Grounding, isParallel: boolean): JsonSchema {
  const { request, conversation } = grounding;
  // Each reads what the ones before it have left.
  const narrowings: readonly ((held: JsonSchema) => JsonSchema)[] = [
    (held) => withDuration(held, request),
    (held) => withWorkedOutNumbers(held, request),
    (held) => withSaidDays(held, request),
    (held) => asDescribed(held, request),
    (held) => withCurrencies(held, request),
    (held) => withStay(held, request),
    (held) => withCoordinates(held, request),
    (held) => withSpokenItems(held, request),
    (held) => withLanguages(held, request),
    (held) => withAskedRequired(held, request, isParallel),
    (held) => (conversation === undefined ? held : withoutUntoldDates(held, request, conversation)),
    (held) => withPlaces(held, grounding, isParallel),
    (held) => withRoute(held, grounding),
    (held) => withoutNeedlessWords(held, grounding),
    (held) => withWholeNames(held, grounding),
    (held) => withoutTypeNames(held, request),
    (held) => (isParallel ? withSpreadLists(held, grounding) : withSpokenFlags(held, request)),
  ];
  return narrowings.reduce((held, narrow) => narrow(held), parameters);
}

/** All texts that some argument is one of. */
export function choicesIn(parameters: JsonSchema, request: string): readonly string[] {
  const { properties } = asDescribed(parameters, request);
  return isJsonObject(properties) ? Object.values(properties).flatMap(choicesOf) : [];
}
