/**
 * `unevaluatedProperties` and `unevaluatedItems` speak of what no other schema for the same value has spoken of: those
 * beside them and those that these bring in by `$ref` and `allOf`, but none that stands around them ("JSON Schema Core",
 * 11). Where nothing beside them makes a choice, that is known beforehand, and they become the ordinary keywords for the rest.
 * Where something does, members are held all the same as long as no other schema speaks of the value: those that nobody
 * declared are then simply not written.
 */
import { tupleKeyword } from './evaluate.ts';
import { COMBINATORS, isAssertion } from './keywords.ts';
import type { SchemaDocument } from './schema-document.ts';
import {
  type Conjunction,
  type JsonObject,
  keywordOf,
  listOf,
  madePart,
  objectOf,
  type SchemaPart,
  without,
} from './schema-part.ts';

const UNEVALUATED = ['unevaluatedItems', 'unevaluatedProperties'] as const;

type Unevaluated = (typeof UNEVALUATED)[number];

/** Such a keyword of `part` that has not been looked at. */
export function unsettledKeyword(part: SchemaPart): Unevaluated | undefined {
  if (isClosedMark(part)) return undefined;
  return UNEVALUATED.find((keyword) => keywordOf(part, keyword) !== undefined && !part.key.includes(markOf(keyword)));
}

/**
 * The same schema, of which it is known that this keyword depends on the value: it stays so when a choice has been made
 * and taken out of the schema.
 */
export function unsettlable(part: SchemaPart, keyword: Unevaluated): SchemaPart {
  return { ...part, key: `${part.key}${markOf(keyword)}` };
}

const markOf = (keyword: Unevaluated): string => `!open-${keyword}`;

/** In whose branches schemas may speak of members and items; whatever stands under `not` says nothing. */
const CHOOSING = ['dependentSchemas', 'dependencies', ...COMBINATORS.filter((keyword) => keyword !== 'not')];

/** What stands for `keyword` of `part`, given the joined parts it can see; undefined where that depends on the value. */
export function settledUnevaluated(
  part: SchemaPart,
  keyword: Unevaluated,
  beside: Conjunction,
): readonly SchemaPart[] | undefined {
  const isOfItems = keyword === 'unevaluatedItems';
  const rest = keywordOf(part, keyword) ?? true;
  // Forbids nothing, but whoever stands around it then finds everything spoken of.
  if (rest === true) return [madePart({ [isOfItems ? 'items' : 'additionalProperties']: true }, part, keyword)];
  const isChoosing = beside.some((each) => CHOOSING.some((choosing) => keywordOf(each, choosing) !== undefined));
  if (isChoosing) return undefined;
  const made = isOfItems ? restOfItems(beside, rest) : restOfMembers(beside, rest);
  if (made === undefined) return undefined;
  return made === true ? [] : [madePart(made, part, keyword)];
}

/** `true` where every item has been spoken of. */
function restOfItems(beside: Conjunction, rest: JsonObject[string]): JsonObject | true | undefined {
  const isSpokenOf = (part: SchemaPart) => {
    const tuple = tupleKeyword(part);
    return keywordOf(part, tuple === 'items' ? 'additionalItems' : 'items') !== undefined;
  };
  if (beside.some(isSpokenOf)) return true;
  // Which items match is up to the value.
  if (beside.some((part) => keywordOf(part, 'contains') !== undefined)) return undefined;
  const lengths = beside.map((part) => listOf(part, tupleKeyword(part) ?? 'prefixItems')?.length ?? 0);
  return { prefixItems: Array.from({ length: Math.max(0, ...lengths) }, () => true), items: rest };
}

function restOfMembers(beside: Conjunction, rest: JsonObject[string]): JsonObject | true {
  if (beside.some((part) => keywordOf(part, 'additionalProperties') !== undefined)) return true;
  const allowed = (keyword: string) =>
    Object.fromEntries(
      beside.flatMap((part) => Object.keys(objectOf(part, keyword) ?? {})).map((name) => [name, true]),
    );
  return {
    properties: allowed('properties'),
    patternProperties: allowed('patternProperties'),
    additionalProperties: rest,
  };
}

const MAX_REFERENCES = 50;

/**
 * The conjunction with its members closed where `unevaluatedProperties` of its only schema depends on the value. `joined`
 * gives what is left of a schema when all that is known beforehand has been settled.
 */
export function closedMembers(
  conjunction: Conjunction,
  document: SchemaDocument,
  joined: (part: SchemaPart) => Conjunction | undefined,
): Conjunction {
  const own = conjunction.filter((part) => !part.isMade);
  const [origin] = own;
  if (origin === undefined || own.length > 1) return conjunction;
  let part = origin;
  for (let count = 0; count < MAX_REFERENCES && isOnlyReference(part); count += 1)
    part = document.resolve(part, '$ref');
  if (keywordOf(part, 'unevaluatedProperties') === undefined) return conjunction;
  const isLeft = joined(part)?.some(
    (each) => each.pointer === part.pointer && keywordOf(each, 'unevaluatedProperties') !== undefined,
  );
  if (isLeft !== true) return conjunction;
  const closed = madePart({ unevaluatedProperties: false, properties: {} }, part, CLOSED);
  return [...conjunction.map((each) => (each === origin ? without(part, 'unevaluatedProperties') : each)), closed];
}

function isOnlyReference(part: SchemaPart): boolean {
  return keywordOf(part, '$ref') !== undefined && Object.keys(part.schema).filter(isAssertion).length === 1;
}

const CLOSED = 'closed';

/** Our own mark that no member may be there of which no schema of the document speaks. */
export function isClosedMark(part: SchemaPart): boolean {
  return part.isMade && part.key.endsWith(`!${CLOSED}`);
}
