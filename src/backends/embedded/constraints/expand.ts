/** Takes conjunctions apart: references and `allOf` are joined in, `anyOf` and `oneOf` become branches. */
import { isAssertion } from './keywords.ts';
import type { SchemaDocument } from './schema-document.ts';
import {
  type Conjunction,
  keywordOf,
  listOf,
  refuse,
  refuseMalformed,
  type SchemaPart,
  subschema,
  without,
} from './schema-part.ts';

/** A choice between conjunctions, out of one `anyOf` or `oneOf`. */
export interface Branches {
  readonly keyword: 'anyOf' | 'oneOf';
  readonly at: SchemaPart;
  /** What holds whichever branch is taken; each branch holds beside it. */
  readonly rest: Conjunction;
  readonly branches: readonly SchemaPart[];
}

/** The first choice that is open among joined parts, if there is one. */
export function branchesOf(parts: Conjunction): Branches | undefined {
  for (const part of parts) {
    for (const keyword of ['anyOf', 'oneOf'] as const) {
      if (keywordOf(part, keyword) === undefined) continue;
      const rest = parts.map((other) => (other === part ? without(part, keyword) : other));
      return { keyword, at: part, rest, branches: schemasOf(part, keyword) };
    }
  }
  return undefined;
}

/**
 * All parts with references followed and `allOf` opened, each once and none that says nothing; undefined when one of
 * them is `false`.
 */
export function joined(conjunction: Conjunction, document: SchemaDocument): Conjunction | undefined {
  const parts = new Map<string, SchemaPart>();
  let isPossible = true;
  const add = (part: SchemaPart, path: readonly string[]): void => {
    if (part.schema === false) isPossible = false;
    if (typeof part.schema === 'boolean' || !Object.keys(part.schema).some(isAssertion)) return;
    if (path.includes(part.key)) refuse('$ref', part.pointer, 'it refers to itself and says nothing on the way');
    if (parts.has(part.key)) return;
    const inner = [...path, part.key];
    if (keywordOf(part, '$ref') !== undefined) {
      add(document.resolve(part), inner);
      add(without(part, '$ref'), inner);
    } else if (keywordOf(part, 'allOf') !== undefined) {
      for (const each of schemasOf(part, 'allOf')) add(each, inner);
      add(without(part, 'allOf'), inner);
    } else {
      parts.set(part.key, part);
    }
  };
  for (const part of conjunction) add(part, []);
  return isPossible ? [...parts.values()] : undefined;
}

function schemasOf(part: SchemaPart, keyword: string): readonly SchemaPart[] {
  const list = listOf(part, keyword) ?? [];
  if (list.length === 0) return refuseMalformed(keyword, part.pointer, 'a list of at least one schema');
  return list.map((_, index) => subschema(part, keyword, index));
}
