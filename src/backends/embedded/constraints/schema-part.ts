/**
 * Schemas with the place they stand at, and how a schema is refused.
 *
 * The compiler works on *conjunctions*: lists of schema parts that must all hold for one value. `allOf`, `$ref` beside
 * siblings and a property declared twice all become conjunctions, so nothing is ever merged by rewriting a schema.
 */
import { StudioError } from '../../../core/errors.ts';
import type { Json } from '../../../core/generation.ts';

export type JsonObject = { readonly [key: string]: Json };

export interface SchemaPart {
  readonly schema: JsonObject | boolean;
  /** JSON pointer of the schema in the document, as a fragment: `#/properties/name`. */
  readonly pointer: string;
  /** Equal keys are equal schemas: the pointer, and whatever was taken from or put into the schema. */
  readonly key: string;
  /** What the keys of the schemas in it begin with. */
  readonly innerKey: string;
  /** Written by us; its inner schemas stand nowhere in the document, and are reported at `pointer`. */
  readonly isMade: boolean;
}

/** All of these hold at once; an empty list holds for any value. */
export type Conjunction = readonly SchemaPart[];

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A refusal names the keyword, where it stands, and why. */
export function refuse(keyword: string, pointer: string, reason: string): never {
  throw new StudioError(
    'invalid-parameter',
    `The JSON Schema keyword "${keyword}" at ${pointer} cannot be enforced: ${reason}.`,
  );
}

/** The schema itself is not one. */
export function refuseMalformed(keyword: string, pointer: string, expected: string): never {
  throw new StudioError('invalid-parameter', `Invalid JSON Schema: "${keyword}" at ${pointer} must be ${expected}.`);
}

export function pointerTo(base: string, ...segments: readonly (string | number)[]): string {
  return segments.reduce<string>(
    (pointer, segment) => `${pointer}/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`,
    base,
  );
}

/** The schema under a keyword of `part`, e.g. `subschema(part, 'properties', 'name')`. */
export function subschema(part: SchemaPart, keyword: string, ...segments: readonly (string | number)[]): SchemaPart {
  let value: Json | undefined = keywordOf(part, keyword);
  for (const segment of segments) value = (value as { readonly [key: string]: Json } | undefined)?.[segment];
  const pointer = part.isMade ? part.pointer : pointerTo(part.pointer, keyword, ...segments);
  return schemaPart(value, pointer, pointerTo(part.innerKey, keyword, ...segments), part.isMade);
}

/** A part out of any JSON value; what is no schema is refused. */
export function schemaPart(
  value: Json | undefined,
  pointer: string,
  key: string = pointer,
  isMade = false,
): SchemaPart {
  if (typeof value === 'boolean' || isJsonObject(value)) return { schema: value, pointer, key, innerKey: key, isMade };
  const keyword = pointer.slice(pointer.lastIndexOf('/') + 1);
  return refuseMalformed(keyword, pointer, 'a schema (an object, true or false)');
}

/** A schema of our own making, standing for something at `part`. */
export function madePart(schema: JsonObject | boolean, part: SchemaPart, label: string): SchemaPart {
  return schemaPart(schema, part.pointer, `${part.key}!${label}`, true);
}

/** A schema of the document that is asked for by our own making: it holds, but evaluates nothing beside it. */
export function derived(part: SchemaPart): SchemaPart {
  return part.isMade ? part : { ...part, key: `${part.key}!derived`, isMade: true };
}

/** The same schema without some of its keywords. */
export function without(part: SchemaPart, ...keywords: readonly string[]): SchemaPart {
  if (typeof part.schema === 'boolean') return part;
  const schema = Object.fromEntries(Object.entries(part.schema).filter(([keyword]) => !keywords.includes(keyword)));
  return { ...part, schema, key: `${part.key}!-${keywords.join('-')}` };
}

export function keywordOf(part: SchemaPart, keyword: string): Json | undefined {
  if (typeof part.schema === 'boolean') return undefined;
  return Object.hasOwn(part.schema, keyword) ? part.schema[keyword] : undefined;
}

/** Characters, items or members that an answer has at most, by far. */
export const LONGEST_ANSWER = 1_000_000;

/** A count such as `minItems`; draft 4 to 2020-12 all ask for a whole number that is not negative. */
export function countOf(part: SchemaPart, keyword: string): number | undefined {
  const value = keywordOf(part, keyword);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) {
    if (keyword.startsWith('min') && value > LONGEST_ANSWER)
      return refuse(keyword, part.pointer, 'no answer is that long');
    return value;
  }
  return refuseMalformed(keyword, part.pointer, 'a whole number that is not negative');
}

export function numberOf(part: SchemaPart, keyword: string): number | undefined {
  const value = keywordOf(part, keyword);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  return refuseMalformed(keyword, part.pointer, 'a number');
}

export function textOf(part: SchemaPart, keyword: string): string | undefined {
  const value = keywordOf(part, keyword);
  if (value === undefined || typeof value === 'string') return value;
  return refuseMalformed(keyword, part.pointer, 'a string');
}

export function textListOf(part: SchemaPart, keyword: string): readonly string[] | undefined {
  const value = keywordOf(part, keyword);
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  return refuseMalformed(keyword, part.pointer, 'a list of strings');
}

export function listOf(part: SchemaPart, keyword: string): readonly Json[] | undefined {
  const value = keywordOf(part, keyword);
  if (value === undefined || Array.isArray(value)) return value as readonly Json[] | undefined;
  return refuseMalformed(keyword, part.pointer, 'a list');
}

export function objectOf(part: SchemaPart, keyword: string): JsonObject | undefined {
  const value = keywordOf(part, keyword);
  if (value === undefined || isJsonObject(value)) return value;
  return refuseMalformed(keyword, part.pointer, 'an object');
}
