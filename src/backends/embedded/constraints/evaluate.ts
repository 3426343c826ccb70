/**
 * Whether one JSON value satisfies a schema. Needed for `enum` and `const` beside other keywords, and to show that the
 * branches of `oneOf` exclude each other. Answers are three-valued: where a keyword is not understood exactly the answer
 * is "unknown", and the asker has to be on the safe side.
 */
import { fullFormats } from 'ajv-formats/dist/formats.js';
import type { Json } from '../../../core/generation.ts';
import { AutomatonTooLarge, accepts } from './automaton.ts';
import { REFERENCES } from './keywords.ts';
import { numberBounds } from './numbers.ts';
import { automatonOfPattern } from './pattern.ts';
import { PatternError } from './pattern-reader.ts';
import { kindFacts, listedValues } from './plain-facts.ts';
import type { SchemaDocument } from './schema-document.ts';
import {
  type Conjunction,
  countOf,
  isJsonObject,
  keywordOf,
  listOf,
  numberOf,
  objectOf,
  type SchemaPart,
  subschema,
  textListOf,
} from './schema-part.ts';
import { canonicalText, isSameJson } from './values.ts';

/** `undefined`: cannot be told. */
export type Verdict = boolean | undefined;

/** Deeper than any sensible document: references that never consume anything end here. */
const MAX_DEPTH = 100;

export function evaluate(value: Json, conjunction: Conjunction, document: SchemaDocument, depth = 0): Verdict {
  if (depth > MAX_DEPTH) return undefined;
  return all(conjunction.map((part) => evaluatePart(value, part, document, depth + 1)));
}

function all(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes(false)) return false;
  return verdicts.includes(undefined) ? undefined : true;
}

function not(verdict: Verdict): Verdict {
  return verdict === undefined ? undefined : !verdict;
}

function any(verdicts: readonly Verdict[]): Verdict {
  return not(all(verdicts.map(not)));
}

/** How many of the verdicts are true lies between `minimum` and `maximum`. */
function counts(verdicts: readonly Verdict[], minimum: number, maximum: number): Verdict {
  const certain = verdicts.filter((verdict) => verdict === true).length;
  const possible = verdicts.filter((verdict) => verdict !== false).length;
  if (possible < minimum || certain > maximum) return false;
  return certain >= minimum && possible <= maximum ? true : undefined;
}

function evaluatePart(value: Json, part: SchemaPart, document: SchemaDocument, depth: number): Verdict {
  if (typeof part.schema === 'boolean') return part.schema;
  const check = (schema: SchemaPart, instance: Json = value) => evaluate(instance, [schema], document, depth);
  const listed = listedValues([part]);
  return all([
    hasKind(value, part),
    listed === undefined || listed.some((item) => isSameJson(item, value)),
    evaluateCombined(part, check, document),
    typeof value === 'number' ? evaluateNumber(value, part) : true,
    typeof value === 'string' ? evaluateString(value, part) : true,
    Array.isArray(value) ? evaluateArray(value, part, check) : true,
    isJsonObject(value) ? evaluateObject(value, part, check) : true,
  ]);
}

type Check = (schema: SchemaPart, instance?: Json) => Verdict;

function hasKind(value: Json, part: SchemaPart): boolean {
  const { kinds, isIntegerOnly } = kindFacts([part]);
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  if (!kinds.some((allowed) => allowed === kind)) return false;
  return typeof value !== 'number' || !isIntegerOnly || Number.isInteger(value);
}

function evaluateCombined(part: SchemaPart, check: Check, document: SchemaDocument): Verdict {
  const verdictsOf = (keyword: string) =>
    (listOf(part, keyword) ?? []).map((_, index) => check(subschema(part, keyword, index)));
  const has = (keyword: string) => keywordOf(part, keyword) !== undefined;
  const verdicts: Verdict[] = [];
  for (const keyword of REFERENCES) if (has(keyword)) verdicts.push(check(document.resolve(part, keyword)));
  if (has('allOf')) verdicts.push(all(verdictsOf('allOf')));
  if (has('anyOf')) verdicts.push(any(verdictsOf('anyOf')));
  if (has('oneOf')) verdicts.push(counts(verdictsOf('oneOf'), 1, 1));
  if (has('not')) verdicts.push(not(check(subschema(part, 'not'))));
  if (has('if')) {
    const condition = check(subschema(part, 'if'));
    const whenTrue = has('then') ? check(subschema(part, 'then')) : true;
    const whenFalse = has('else') ? check(subschema(part, 'else')) : true;
    verdicts.push(all([any([not(condition), whenTrue]), any([condition, whenFalse])]));
  }
  return all(verdicts);
}

function evaluateNumber(value: number, part: SchemaPart): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = numberBounds([part]);
  const step = numberOf(part, 'multipleOf');
  return (
    value >= (minimum ?? value) &&
    value <= (maximum ?? value) &&
    (exclusiveMinimum === undefined || value > exclusiveMinimum) &&
    (exclusiveMaximum === undefined || value < exclusiveMaximum) &&
    (step === undefined || Number.isInteger(value / step))
  );
}

/** By the definitions that the validator at the other end most likely uses. */
function isOfFormat(text: string, name: string): Verdict {
  const definition = Object.entries(fullFormats).find(([known]) => known === name)?.[1];
  const test = typeof definition === 'object' && 'validate' in definition ? definition.validate : definition;
  if (test instanceof RegExp) return test.test(text);
  // Formats of numbers say nothing of a string.
  return typeof test === 'function' ? (test as (text: string) => boolean)(text) : true;
}

function evaluateString(value: string, part: SchemaPart): Verdict {
  const length = [...value].length;
  const pattern = keywordOf(part, 'pattern');
  const format = keywordOf(part, 'format');
  return all([
    length >= (countOf(part, 'minLength') ?? 0),
    length <= (countOf(part, 'maxLength') ?? Number.POSITIVE_INFINITY),
    typeof pattern !== 'string' || matchesPattern(value, pattern),
    typeof format !== 'string' || isOfFormat(value, format),
  ]);
}

/**
 * By automaton, never by running the expression: patterns come from callers, and a backtracking matcher can be made to run
 * for years on forty characters.
 */
export function matchesPattern(text: string, pattern: string): Verdict {
  try {
    return accepts(automatonOfPattern(pattern), text);
  } catch (thrown) {
    if (thrown instanceof PatternError || thrown instanceof AutomatonTooLarge) return undefined;
    throw thrown;
  }
}

function evaluateArray(value: readonly Json[], part: SchemaPart, check: Check): Verdict {
  const isUnique = keywordOf(part, 'uniqueItems') !== true || new Set(value.map(canonicalText)).size === value.length;
  const contained =
    keywordOf(part, 'contains') === undefined ||
    counts(
      value.map((item) => check(subschema(part, 'contains'), item)),
      countOf(part, 'minContains') ?? 1,
      countOf(part, 'maxContains') ?? Number.POSITIVE_INFINITY,
    );
  return all([
    value.length >= (countOf(part, 'minItems') ?? 0),
    value.length <= (countOf(part, 'maxItems') ?? Number.POSITIVE_INFINITY),
    isUnique,
    contained,
    keywordOf(part, 'unevaluatedItems') === undefined ? true : undefined,
    ...value.map((item, index) => {
      const schema = itemSchema(part, index);
      return schema === undefined || check(schema, item);
    }),
  ]);
}

/** What `part` asks of the item at `index`: 2020-12's `prefixItems` and `items`, or the array form of `items` before it. */
export function itemSchema(part: SchemaPart, index: number): SchemaPart | undefined {
  const tuple = tupleKeyword(part);
  if (tuple !== undefined && index < (listOf(part, tuple)?.length ?? 0)) return subschema(part, tuple, index);
  const rest = tuple === 'items' ? 'additionalItems' : 'items';
  return keywordOf(part, rest) === undefined ? undefined : subschema(part, rest);
}

/** The keyword that lists schemas by position, if `part` has one. */
export function tupleKeyword(part: SchemaPart): 'prefixItems' | 'items' | undefined {
  if (keywordOf(part, 'prefixItems') !== undefined) return 'prefixItems';
  return Array.isArray(keywordOf(part, 'items')) ? 'items' : undefined;
}

function evaluateObject(value: { readonly [key: string]: Json }, part: SchemaPart, check: Check): Verdict {
  const names = Object.keys(value);
  return all([
    names.length >= (countOf(part, 'minProperties') ?? 0),
    names.length <= (countOf(part, 'maxProperties') ?? Number.POSITIVE_INFINITY),
    (textListOf(part, 'required') ?? []).every((name) => Object.hasOwn(value, name)),
    keywordOf(part, 'unevaluatedProperties') === undefined ? true : undefined,
    ...names.map((name) => evaluateMember(name, value[name] ?? null, part, check)),
    ...(keywordOf(part, 'propertyNames') === undefined
      ? []
      : names.map((name) => check(subschema(part, 'propertyNames'), name))),
    ...evaluateDependencies(value, part, check),
  ]);
}

function evaluateMember(name: string, value: Json, part: SchemaPart, check: Check): Verdict {
  const patterns = Object.keys(objectOf(part, 'patternProperties') ?? {});
  // Whether such a pattern matches is not known, and so is which schemas speak of the member.
  if (patterns.some((pattern) => matchesPattern(name, pattern) === undefined)) return undefined;
  return all(memberSchemas(part, name).map((schema) => check(schema, value)));
}

function evaluateDependencies(
  value: { readonly [key: string]: Json },
  part: SchemaPart,
  check: Check,
): readonly Verdict[] {
  return ['dependentRequired', 'dependentSchemas', 'dependencies'].flatMap((keyword) =>
    Object.entries(objectOf(part, keyword) ?? {})
      .filter(([name]) => Object.hasOwn(value, name))
      .map(([name, needed]) =>
        Array.isArray(needed)
          ? needed.every((other) => typeof other === 'string' && Object.hasOwn(value, other))
          : check(subschema(part, keyword, name)),
      ),
  );
}

/** What `part` asks of the member called `name`: its own schema, those of matching patterns, or the rule for the rest. */
export function memberSchemas(part: SchemaPart, name: string): readonly SchemaPart[] {
  const schemas: SchemaPart[] = [];
  if (Object.hasOwn(objectOf(part, 'properties') ?? {}, name)) schemas.push(subschema(part, 'properties', name));
  for (const pattern of Object.keys(objectOf(part, 'patternProperties') ?? {})) {
    // A pattern that cannot be read might match: its schema is then asked as well, which is the safe side.
    if (matchesPattern(name, pattern) !== false) schemas.push(subschema(part, 'patternProperties', pattern));
  }
  if (schemas.length === 0 && keywordOf(part, 'additionalProperties') !== undefined) {
    schemas.push(subschema(part, 'additionalProperties'));
  }
  return schemas;
}
