/**
 * What we choose to generate where a schema leaves it open. The grammar and the proof that branches exclude each other
 * have to agree on it, so it is said here once.
 */
import type { Kind } from './keywords.ts';
import { impliedKinds, kindFacts } from './plain-facts.ts';
import { type Conjunction, isJsonObject, keywordOf, objectOf, type SchemaPart, textListOf } from './schema-part.ts';

/** The kinds of value written for a plain conjunction: without any `type`, those that its keywords speak of. */
export function generatedKinds(parts: Conjunction): readonly Kind[] {
  const { kinds, isTypeless } = kindFacts(parts);
  const implied = isTypeless ? impliedKinds(parts) : [];
  return implied.length === 0 ? kinds : implied;
}

/**
 * Whether members that nobody declared are written: where there is a schema or a pattern for them, and in objects of
 * which nothing at all is said. An object with an empty list of properties, the usual form of "no arguments", has none.
 */
export function hasFreeMembers(parts: Conjunction): boolean {
  return (
    isOpenObject(parts) ||
    parts.some((part) => hasSchemaForRest(part) || Object.keys(objectOf(part, 'patternProperties') ?? {}).length > 0)
  );
}

/** No name is declared and the rest is not closed: any name will do. */
export function isOpenObject(parts: Conjunction): boolean {
  const isDeclared = (part: SchemaPart) =>
    Object.keys(objectOf(part, 'properties') ?? {}).length > 0 || (textListOf(part, 'required') ?? []).length > 0;
  if (parts.some(isDeclared)) return false;
  const isExplicit = parts.some((part) => keywordOf(part, 'additionalProperties') !== undefined);
  return isExplicit || !parts.some((part) => keywordOf(part, 'properties') !== undefined);
}

/** `additionalProperties` says more than yes or no. */
export function hasSchemaForRest(part: SchemaPart): boolean {
  const rest = keywordOf(part, 'additionalProperties');
  return isJsonObject(rest) && Object.keys(rest).length > 0;
}
