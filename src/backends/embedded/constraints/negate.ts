/**
 * The opposite of a schema, for `not`, `if` and the branches of `oneOf`. Exactly that: wider, and values would be written
 * that satisfy the schema; narrower, and branches that overlap would be taken for apart.
 */
import type { Json } from '../../../core/generation.ts';
import { ALL_KINDS, isAssertion, type Kind } from './keywords.ts';
import type { SchemaDocument } from './schema-document.ts';
import {
  type Conjunction,
  countOf,
  derived,
  type JsonObject,
  keywordOf,
  listOf,
  madePart,
  numberOf,
  objectOf,
  type SchemaPart,
  subschema,
  textListOf,
} from './schema-part.ts';

/** There is no schema for the opposite; whoever asked for it refuses the keyword that needed it. */
export class NoOpposite extends Error {
  readonly keyword: string;
  readonly pointer: string;

  constructor(keyword: string, pointer: string) {
    super(`the opposite of "${keyword}" at ${pointer} is not known`);
    this.keyword = keyword;
    this.pointer = pointer;
  }
}

/** Conjunctions of which at least one holds for whatever does not satisfy `part`; none if everything satisfies it. */
export function oppositeOf(part: SchemaPart, document: SchemaDocument, depth = 0): readonly Conjunction[] {
  if (part.schema === true) return [];
  if (part.schema === false) return [[]];
  if (depth > 20) throw new NoOpposite('$ref', part.pointer);
  return Object.keys(part.schema)
    .filter(isAssertion)
    .flatMap((keyword) => oppositeOfKeyword(keyword, part, document, depth));
}

function oppositeOfKeyword(
  keyword: string,
  part: SchemaPart,
  document: SchemaDocument,
  depth: number,
): readonly Conjunction[] {
  const made = (schema: JsonObject, label = ''): Conjunction => [madePart(schema, part, `not-${keyword}${label}`)];
  const deeper = (inner: SchemaPart) => oppositeOf(inner, document, depth + 1);
  const each = () => (listOf(part, keyword) ?? []).map((_, index) => subschema(part, keyword, index));
  switch (keyword) {
    case 'type':
      return oppositeOfType(part).map((opposite) => made({ ...opposite }, `-${opposite.type}`));
    case 'const':
      return [made({ not: { const: keywordOf(part, 'const') ?? null } })];
    case 'enum':
      return [made({ not: { enum: listOf(part, 'enum') ?? [] } })];
    case 'pattern':
      return [made({ type: 'string', not: { pattern: keywordOf(part, 'pattern') ?? '' } })];
    case 'required':
      return (textListOf(part, 'required') ?? []).map((name) =>
        made({ type: 'object', properties: { [name]: false } }, `-${name}`),
      );
    case 'properties':
      return Object.entries(objectOf(part, 'properties') ?? {}).map(([name, schema]) =>
        made({ type: 'object', required: [name], properties: { [name]: { not: schema } } }, `-${name}`),
      );
    case '$ref':
    case '$dynamicRef':
    case '$recursiveRef':
      return deeper(document.resolve(part, keyword));
    case 'allOf':
      return each().flatMap(deeper);
    case 'anyOf':
      return noneOf(each(), deeper);
    case 'oneOf':
      // None of them, or any two.
      return [...noneOf(each(), deeper), ...pairsOf(part, each())];
    case 'if':
      return oppositeOfCondition(part, deeper);
    case 'then':
    case 'else':
      return [];
    case 'items':
    case 'prefixItems':
    case 'contains':
      return oppositeOfItems(keyword, part, made);
    case 'dependentRequired':
      return Object.entries(objectOf(part, keyword) ?? {}).flatMap(([name, others]) =>
        (Array.isArray(others) ? others : []).map((other) =>
          made({ type: 'object', required: [name], properties: { [String(other)]: false } }, `-${name}-${other}`),
        ),
      );
    case 'not':
      return [[derived(subschema(part, 'not'))]];
    default: {
      const schema = oppositeOfBound(keyword, part);
      return schema === undefined ? [] : [made(schema)];
    }
  }
}

type Deeper = (inner: SchemaPart) => readonly Conjunction[];

/** Every one of the schemas fails. */
function noneOf(schemas: readonly SchemaPart[], deeper: Deeper): readonly Conjunction[] {
  return schemas.reduce<readonly Conjunction[]>(
    (all, inner) => all.flatMap((conjunction) => deeper(inner).map((opposite) => [...conjunction, ...opposite])),
    [[]],
  );
}

/** Of more branches there would be too many pairs. */
const MAX_PAIRED = 16;

function pairsOf(part: SchemaPart, schemas: readonly SchemaPart[]): readonly Conjunction[] {
  if (schemas.length > MAX_PAIRED) throw new NoOpposite('oneOf', part.pointer);
  return schemas.flatMap((first, index) => schemas.slice(index + 1).map((second) => [derived(first), derived(second)]));
}

/** The condition holds and what follows from it does not, or neither does what follows from its failing. */
function oppositeOfCondition(part: SchemaPart, deeper: Deeper): readonly Conjunction[] {
  const condition = subschema(part, 'if');
  const failing = (keyword: string) => (keywordOf(part, keyword) === undefined ? [] : deeper(subschema(part, keyword)));
  return [
    ...failing('then').map((opposite) => [derived(condition), ...opposite]),
    ...failing('else').flatMap((opposite) => deeper(condition).map((failed) => [...failed, ...opposite])),
  ];
}

/** An item that should match does not, or none does that should. */
function oppositeOfItems(
  keyword: string,
  part: SchemaPart,
  made: (schema: JsonObject, label?: string) => Conjunction,
): readonly Conjunction[] {
  const value = keywordOf(part, keyword) ?? true;
  if (Array.isArray(value)) {
    // Which of the two an array form means depends on the draft; both say the same of the positions that they list.
    return value.map((item, index) =>
      made(
        { type: 'array', minItems: index + 1, prefixItems: [...value.slice(0, index).map(() => true), { not: item }] },
        `-${index}`,
      ),
    );
  }
  const hasCounts = ['minContains', 'maxContains'].some((count) => keywordOf(part, count) !== undefined);
  if (keyword === 'contains' && hasCounts) throw new NoOpposite(keyword, part.pointer);
  if (keyword === 'contains') return [made({ type: 'array', items: { not: value } })];
  // Beside listed positions it speaks of the others only.
  if (keywordOf(part, 'prefixItems') !== undefined) throw new NoOpposite(keyword, part.pointer);
  return [made({ type: 'array', contains: { not: value } })];
}

function oppositeOfType(part: SchemaPart): readonly { readonly type: Kind; readonly not?: Json }[] {
  const type = keywordOf(part, 'type');
  const types = Array.isArray(type) ? type : [type];
  return ALL_KINDS.filter((kind) => !types.includes(kind)).map((kind) =>
    kind === 'number' && types.includes('integer') ? { type: kind, not: { type: 'integer' } } : { type: kind },
  );
}

/** The opposite of a single bound, undefined when nothing is beyond it. */
function oppositeOfBound(keyword: string, part: SchemaPart): JsonObject | undefined {
  const number = (opposite: string): JsonObject => ({ type: 'number', [opposite]: numberOf(part, keyword) ?? 0 });
  const fewer = (type: string, opposite: string): JsonObject | undefined => {
    const limit = countOf(part, keyword) ?? 0;
    return limit === 0 ? undefined : { type, [opposite]: limit - 1 };
  };
  const more = (type: string, opposite: string): JsonObject => ({
    type,
    [opposite]: (countOf(part, keyword) ?? 0) + 1,
  });
  switch (keyword) {
    case 'minimum':
      return number('exclusiveMaximum');
    case 'maximum':
      return number('exclusiveMinimum');
    case 'exclusiveMinimum':
      return number('maximum');
    case 'exclusiveMaximum':
      return number('minimum');
    case 'minLength':
      return fewer('string', 'maxLength');
    case 'maxLength':
      return more('string', 'minLength');
    case 'minItems':
      return fewer('array', 'maxItems');
    case 'maxItems':
      return more('array', 'minItems');
    case 'minProperties':
      return fewer('object', 'maxProperties');
    case 'maxProperties':
      return more('object', 'minProperties');
    default:
      throw new NoOpposite(keyword, part.pointer);
  }
}

/** What a plain part excludes by itself: `not` over nothing but listed values, a pattern, or whole numbers. */
export interface Exclusion {
  readonly values: readonly Json[];
  readonly pattern: string | undefined;
  readonly isOfWhole: boolean;
}

const NOTHING: Exclusion = { values: [], pattern: undefined, isOfWhole: false };

/** The exclusion that `part` states in the one form that needs no taking apart, or undefined. */
export function exclusionOf(part: SchemaPart): Exclusion | undefined {
  const excluded = keywordOf(part, 'not');
  if (excluded === undefined) return undefined;
  const inner = subschema(part, 'not');
  const keywords = Object.keys(inner.schema).filter(isAssertion);
  const [keyword] = keywords;
  if (keywords.length !== 1 || keyword === undefined) return undefined;
  if (keyword === 'const') return { ...NOTHING, values: [keywordOf(inner, 'const') ?? null] };
  if (keyword === 'enum') return { ...NOTHING, values: listOf(inner, 'enum') ?? [] };
  if (keyword === 'type' && keywordOf(inner, 'type') === 'integer' && keywordOf(part, 'type') === 'number')
    return { ...NOTHING, isOfWhole: true };
  const pattern = keywordOf(inner, 'pattern');
  // Alone, `not pattern` also excludes whatever is no string; in our own form the type stands beside it.
  if (keyword === 'pattern' && typeof pattern === 'string' && keywordOf(part, 'type') === 'string')
    return { ...NOTHING, pattern };
  return undefined;
}
