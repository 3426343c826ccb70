/**
 * Lists that are spread over several calls: small weights put all that a request says into the first one.
 *
 *     "one in Rome with a patio and another one in Oslo with wi-fi"     ["patio"], and ["wi-fi"]
 *     "Dune at 5 pm and Alien at 7 pm"                                  ["Dune"], and ["Alien"]
 *     "the first one prefers 'A', the second one 'T'"                   ["A"], and ["T"]
 *     "prices of Apple and Tesla over 1 and 2 weeks respectively"       one each
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding } from '../engine-protocol.ts';
import { choicesOf } from './asked-arguments.ts';
import { isPlainList } from './described-values.ts';
import { EACH_ITS_OWN, listsOf, type NamedValue } from './named-values.ts';
import { placesOf } from './words.ts';

type Request = Pick<Grounding, 'values' | 'request'>;

/** `parameters` whose lists hold what one call is about: whatever they allow, the schema itself allows. */
export function withSpreadLists(parameters: JsonSchema, { values, request }: Request): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const isZipped = EACH_ITS_OWN.test(request) && listsOf(values).some((list) => list.length > 1);
  const hasOneList = Object.values(properties).filter(isList).length === 1;
  const hasOthers = Object.keys(properties).length > 1;
  const spread = (schema: Json): Json => {
    if (!isList(schema)) return schema;
    if (isZipped && hasOneList && hasOthers) return { ...schema, maxItems: 1 };
    const groups = groupsOf(choicesOf(schema), { values, request });
    return groups === undefined ? schema : { anyOf: groups.map((group) => ofItems(schema, group)) };
  };
  const narrowed = Object.entries(properties).map(([name, schema]) => [name, spread(schema)] as const);
  const isOneEach = narrowed.some(([, schema]) => isInSingles(schema));
  const held = narrowed.map(([name, schema]): readonly [string, Json] => {
    // What goes with one item of a list is one item, too: `times` beside `movies`.
    const isBeside = isOneEach && isList(schema) && choicesOf(schema).length === 0;
    return [name, isBeside ? { ...schema, maxItems: 1 } : schema];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}

/** Whether a list, as it was narrowed here, holds what one call is about. */
export function isSpread(schema: JsonSchema): boolean {
  return partsOf(schema) !== undefined || (schema.type === 'array' && schema.maxItems === 1);
}

/** The lists that a list may be; undefined where it may be any of so many items. */
export function partsOf({ anyOf }: JsonSchema): readonly JsonSchema[] | undefined {
  return Array.isArray(anyOf) ? anyOf.filter(isJsonObject) : undefined;
}

function isList(schema: Json): schema is JsonSchema {
  return isJsonObject(schema) && isPlainList(schema) && !('maxItems' in schema);
}

function isInSingles(schema: Json): boolean {
  const parts = isJsonObject(schema) ? partsOf(schema) : undefined;
  return parts?.every((part) => part.maxItems === 1) === true;
}

function ofItems(schema: JsonSchema, items: readonly string[]): JsonSchema {
  return { ...schema, items: { ...(schema.items as JsonSchema), enum: items }, maxItems: items.length };
}

interface Place {
  readonly choice: string;
  readonly start: number;
  readonly end: number;
}

/** The choices that stand together in a request, where several calls are due; undefined where they are one list. */
function groupsOf(
  choices: readonly string[],
  { values, request }: Request,
): readonly (readonly string[])[] | undefined {
  const places: readonly Place[] = choices
    .flatMap((choice) => placesOf(choice, request).map((place) => ({ ...place, choice })))
    .toSorted((a, b) => a.start - b.start);
  const isChoice = ({ start, end }: NamedValue): boolean =>
    places.some((place) => start < place.end && end > place.start);
  const others = values.filter((value) => !isChoice(value));
  const groups: string[][] = [];
  for (const [index, place] of places.entries()) {
    const last = places[index - 1];
    const isApart = last !== undefined && areApart(last, place, { values: others, request });
    const group = groups.at(-1);
    if (group === undefined || isApart) groups.push([place.choice]);
    else if (!group.includes(place.choice)) group.push(place.choice);
  }
  const distinct = [...new Map(groups.map((group) => [[...group].sort().join('\n'), group])).values()];
  return distinct.length > 1 && distinct.length === groups.length ? distinct : undefined;
}

/** The next thing of several: "and another one", ", then find", "; the second". */
const NEXT_THING =
  /[,;.]?\s*\b(?:(?:and|then|also|finally|lastly)\b[^.;]{0,12}\b(?:an?|another|find|get|in|one|some|then)\b|as well as (?:an?|one)\b|the (?:second|third|fourth|fifth|sixth|other)\b)/iu;

/** A value of its own stands with each of them: before it, or, a number with the same unit, behind it. */
function areApart(one: Place, next: Place, { values, request }: Request): boolean {
  const between = request.slice(one.end, next.start);
  const thing = NEXT_THING.exec(between);
  if (thing !== null && /\bthe (?:second|third|fourth|fifth|sixth)\b/i.test(between)) return true;
  const inside = values.filter(({ start, end }) => start >= one.end && end <= next.start);
  const outside = values.filter(({ start, end }) => end <= one.start || start >= next.end);
  const isLikewise = (value: NamedValue, where: (other: NamedValue) => boolean): boolean =>
    outside.some((other) => other.isNumber === value.isNumber && where(other));
  if (thing !== null) {
    const behindThing = inside.filter(({ start }) => start >= one.end + thing.index);
    if (behindThing.some((value) => isLikewise(value, ({ end }) => end <= one.start))) return true;
  }
  if (!/\band\b/i.test(between)) return false;
  return inside.some(
    (value) =>
      value.isNumber &&
      isLikewise(value, (other) => other.start >= next.end && unitOf(other, request) === unitOf(value, request)),
  );
}

function unitOf({ end }: NamedValue, request: string): string | undefined {
  return /^\s?(\p{L}+)/u.exec(request.slice(end))?.[1]?.toLowerCase();
}
