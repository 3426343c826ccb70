/**
 * Takes conjunctions apart: references and `allOf` are joined in; `anyOf`, `oneOf`, `not`, `if` and the dependency keywords
 * become choices between conjunctions.
 */
import type { Json } from '../../../core/generation.ts';
import { isAssertion, REFERENCES } from './keywords.ts';
import { exclusionOf, NoOpposite, oppositeOf } from './negate.ts';
import type { SchemaDocument } from './schema-document.ts';
import {
  type Conjunction,
  derived,
  keywordOf,
  listOf,
  madePart,
  objectOf,
  refuse,
  refuseMalformed,
  type SchemaPart,
  subschema,
  without,
} from './schema-part.ts';
import { settledUnevaluated, unsettlable, unsettledKeyword } from './unevaluated.ts';

/** References and `allOf` that lead to one another before anything else is said. */
const MAX_CHAIN = 200;

/** A choice between conjunctions, out of one keyword of one part. */
export interface Branches {
  readonly keyword: string;
  readonly at: SchemaPart;
  /** What holds whichever branch is taken; each branch holds beside it. */
  readonly rest: Conjunction;
  readonly branches: readonly Conjunction[];
}

/**
 * All parts with references followed and `allOf` opened, each once and none that says nothing; undefined when one of
 * them is `false`.
 */
export function joined(conjunction: Conjunction, document: SchemaDocument): Conjunction | undefined {
  return joinedBelow(conjunction, document, []);
}

/** `above` holds the keys of the schemas that lead here. */
function joinedBelow(
  conjunction: Conjunction,
  document: SchemaDocument,
  above: readonly string[],
): Conjunction | undefined {
  const parts = new Map<string, SchemaPart>();
  let isPossible = true;
  const add = (part: SchemaPart, path: readonly string[]): void => {
    if (part.schema === false) isPossible = false;
    if (typeof part.schema === 'boolean' || !Object.keys(part.schema).some(isAssertion)) return;
    if (path.includes(part.key)) refuse('$ref', part.pointer, 'it refers to itself and says nothing on the way');
    if (path.length > MAX_CHAIN) refuse('allOf', part.pointer, `it is nested more than ${MAX_CHAIN} levels deep`);
    if (parts.has(part.key)) return;
    const inner = [...path, part.key];
    const unevaluated = unsettledKeyword(part);
    if (unevaluated !== undefined) {
      const own = without(part, unevaluated);
      const beside = joinedBelow([own], document, inner);
      const settled = beside === undefined ? [] : settledUnevaluated(part, unevaluated, beside);
      for (const each of settled === undefined ? [unsettlable(part, unevaluated)] : [own, ...settled]) add(each, inner);
      return;
    }
    const reference = REFERENCES.find((keyword) => keywordOf(part, keyword) !== undefined);
    if (reference !== undefined) {
      const target = document.resolve(part, reference);
      add(part.isMade ? derived(target) : target, inner);
      add(without(part, reference), inner);
    } else if (keywordOf(part, 'allOf') !== undefined) {
      // Its own members come first in the objects we write, as they do in the schema.
      add(without(part, 'allOf'), inner);
      for (const each of schemasOf(part, 'allOf')) add(each, inner);
    } else {
      parts.set(part.key, part);
    }
  };
  for (const part of conjunction) add(part, above);
  return isPossible ? [...parts.values()] : undefined;
}

/** The first choice that is open among joined parts, if there is one. */
export function branchesOf(parts: Conjunction, document: SchemaDocument): Branches | undefined {
  for (const part of parts) {
    const found = branchesOfPart(part, document);
    if (found === undefined) continue;
    const rest = parts.map((other) => (other === part ? found.without : other));
    return { keyword: found.keyword, at: part, rest, branches: found.branches };
  }
  return undefined;
}

interface PartBranches {
  readonly keyword: string;
  readonly without: SchemaPart;
  readonly branches: readonly Conjunction[];
}

function branchesOfPart(part: SchemaPart, document: SchemaDocument): PartBranches | undefined {
  for (const keyword of ['anyOf', 'oneOf']) {
    if (keywordOf(part, keyword) === undefined) continue;
    return { keyword, without: without(part, keyword), branches: schemasOf(part, keyword).map((branch) => [branch]) };
  }
  if (keywordOf(part, 'not') !== undefined && exclusionOf(part) === undefined) {
    return { keyword: 'not', without: without(part, 'not'), branches: opposites(part, 'not', document) };
  }
  if (keywordOf(part, 'if') !== undefined) {
    return { keyword: 'if', without: without(part, 'if', 'then', 'else'), branches: conditionBranches(part, document) };
  }
  for (const keyword of ['dependentRequired', 'dependentSchemas', 'dependencies']) {
    const found = dependencyBranches(part, keyword);
    if (found !== undefined) return found;
  }
  return undefined;
}

function conditionBranches(part: SchemaPart, document: SchemaDocument): readonly Conjunction[] {
  const condition = subschema(part, 'if');
  const under = (keyword: string): Conjunction =>
    keywordOf(part, keyword) === undefined ? [] : [subschema(part, keyword)];
  if (under('then').length === 0 && under('else').length === 0) return [[]];
  return [
    [condition, ...under('then')],
    ...opposites(part, 'if', document).map((opposite) => [...opposite, ...under('else')]),
  ];
}

function opposites(part: SchemaPart, keyword: string, document: SchemaDocument): readonly Conjunction[] {
  try {
    return oppositeOf(subschema(part, keyword), document);
  } catch (thrown) {
    // In a part of our own making, the keyword to refuse is the one that made it.
    if (!(thrown instanceof NoOpposite) || part.isMade) throw thrown;
    return refuse(keyword, part.pointer, thrown.message);
  }
}

/** One dependency after the other: the member is absent, or it is there with what it asks for. */
function dependencyBranches(part: SchemaPart, keyword: string): PartBranches | undefined {
  const dependencies: [string, Json][] = Object.entries(objectOf(part, keyword) ?? {});
  const [first, ...others] = dependencies;
  if (first === undefined) return undefined;
  const [name, needed] = first;
  const absent = madePart({ properties: { [name]: false } }, part, `without-${name}`);
  const isList = Array.isArray(needed);
  const present = madePart({ required: isList ? [name, ...needed] : [name] }, part, `with-${keyword}-${name}`);
  const remaining: SchemaPart = {
    ...without(part, keyword),
    schema: { ...(without(part, keyword).schema as object), [keyword]: Object.fromEntries(others) },
    key: `${part.key}!-${keyword}-${name}`,
  };
  return {
    keyword,
    without: remaining,
    branches: [[absent], isList ? [present] : [present, subschema(part, keyword, name)]],
  };
}

function schemasOf(part: SchemaPart, keyword: string): readonly SchemaPart[] {
  const list = listOf(part, keyword) ?? [];
  if (list.length === 0) return refuseMalformed(keyword, part.pointer, 'a list of at least one schema');
  return list.map((_, index) => subschema(part, keyword, index));
}
