/**
 * The opposite of a schema, for `not`, `if` and the branches of `oneOf`. It may be narrower than the true opposite (the
 * opposite of "integer" leaves out numbers with a fraction) but never wider: what satisfies it does not satisfy the schema.
 */
import type { Json } from '../../../core/generation.ts';
import { ALL_KINDS, isAssertion } from './keywords.ts';
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
      return oppositeOfType(part).map((type) => made({ type }, `-${type}`));
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
      return deeper(document.resolve(part));
    case 'allOf':
      return each().flatMap(deeper);
    case 'anyOf':
      return each().reduce<readonly Conjunction[]>(
        (all, inner) => all.flatMap((conjunction) => deeper(inner).map((opposite) => [...conjunction, ...opposite])),
        [[]],
      );
    case 'not':
      return [[derived(subschema(part, 'not'))]];
    default: {
      const schema = oppositeOfBound(keyword, part);
      return schema === undefined ? [] : [made(schema)];
    }
  }
}

function oppositeOfType(part: SchemaPart): readonly string[] {
  const type = keywordOf(part, 'type');
  const types = Array.isArray(type) ? type : [type];
  return ALL_KINDS.filter((kind) => !types.includes(kind) && !(kind === 'number' && types.includes('integer')));
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

/** What a plain part excludes by itself: `not` over nothing but listed values or a pattern. */
export interface Exclusion {
  readonly values: readonly Json[];
  readonly pattern: string | undefined;
}

/** The exclusion that `part` states in the one form that needs no taking apart, or undefined. */
export function exclusionOf(part: SchemaPart): Exclusion | undefined {
  const excluded = keywordOf(part, 'not');
  if (excluded === undefined) return undefined;
  const inner = subschema(part, 'not');
  const keywords = Object.keys(inner.schema).filter(isAssertion);
  const [keyword] = keywords;
  if (keywords.length !== 1 || keyword === undefined) return undefined;
  if (keyword === 'const') return { values: [keywordOf(inner, 'const') ?? null], pattern: undefined };
  if (keyword === 'enum') return { values: listOf(inner, 'enum') ?? [], pattern: undefined };
  const pattern = keywordOf(inner, 'pattern');
  // Alone, `not pattern` also excludes whatever is no string; in our own form the type stands beside it.
  if (keyword === 'pattern' && typeof pattern === 'string' && keywordOf(part, 'type') === 'string')
    return { values: [], pattern };
  return undefined;
}
