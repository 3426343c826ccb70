/** What a plain conjunction (no combining keywords) says about the kind of its values, and its finite sets of values. */
import type { Json } from '../../../core/generation.ts';
import { ALL_KINDS, type Kind, kindOfKeyword } from './keywords.ts';
import { type Conjunction, keywordOf, listOf, refuseMalformed, type SchemaPart } from './schema-part.ts';
import { isSameJson } from './values.ts';

const TYPE_KINDS: ReadonlyMap<string, Kind> = new Map([
  ...ALL_KINDS.map((kind): [string, Kind] => [kind, kind]),
  ['integer', 'number'],
]);

export interface KindFacts {
  /** The kinds that `type` allows, in the order in which they are declared. */
  readonly kinds: readonly Kind[];
  /** Numbers have to be whole. */
  readonly isIntegerOnly: boolean;
  /** No `type` anywhere: other kinds than the keywords speak of are allowed as well. */
  readonly isTypeless: boolean;
}

export function kindFacts(parts: Conjunction): KindFacts {
  let kinds: readonly Kind[] = ALL_KINDS;
  let isIntegerOnly = false;
  let isTypeless = true;
  for (const part of parts) {
    const types = typesOf(part);
    if (types === undefined) continue;
    const allowed = new Set(types.map((type) => kindOfType(type, part)));
    kinds = isTypeless ? [...allowed] : kinds.filter((kind) => allowed.has(kind));
    isTypeless = false;
    if (types.includes('integer') && !types.includes('number')) isIntegerOnly = true;
  }
  return { kinds, isIntegerOnly, isTypeless };
}

function typesOf(part: SchemaPart): readonly Json[] | undefined {
  const type = keywordOf(part, 'type');
  if (type === undefined) return undefined;
  if (typeof type === 'string') return [type];
  if (Array.isArray(type) && type.length > 0) return type;
  return refuseMalformed('type', part.pointer, 'a type name or a list of them');
}

function kindOfType(type: Json, part: SchemaPart): Kind {
  const kind = typeof type === 'string' ? TYPE_KINDS.get(type) : undefined;
  return kind ?? refuseMalformed('type', part.pointer, 'one of null, boolean, integer, number, string, array, object');
}

/** The kinds that the keywords of a schema without `type` speak of: what its author had in mind. */
export function impliedKinds(parts: Conjunction): readonly Kind[] {
  const implied = new Set<Kind>();
  for (const part of parts) {
    for (const keyword of Object.keys(part.schema)) {
      const kind = kindOfKeyword(keyword);
      if (kind !== undefined) implied.add(kind);
    }
  }
  return ALL_KINDS.filter((kind) => implied.has(kind));
}

/** The values that every `const` and `enum` allows, or undefined when there is none of them. */
export function listedValues(parts: Conjunction): readonly Json[] | undefined {
  let values: readonly Json[] | undefined;
  for (const part of parts) {
    for (const allowed of [constantOf(part), listOf(part, 'enum')]) {
      if (allowed === undefined) continue;
      const before = values;
      values =
        before === undefined ? allowed : before.filter((value) => allowed.some((other) => isSameJson(value, other)));
    }
  }
  return values;
}

function constantOf(part: SchemaPart): readonly Json[] | undefined {
  const value = keywordOf(part, 'const');
  return value === undefined ? undefined : [value];
}
