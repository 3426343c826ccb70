/**
 * Whether calls are right, by the rules of the leaderboard's AST checker, written anew:
 *
 * - as many calls as are due, in any order; each the named function with all required arguments and no unknown one;
 * - an argument has its declared type (a whole number will do for a float) and one of the allowed values; one that is
 *   left out must be allowed to be;
 * - texts are compared without case, blanks and `, . / - _ * ^`, `'` as `"`; so are the texts in lists and objects.
 *
 * The one difference: JSON knows no two kinds of numbers, so 2 and 2.0 are the same inside lists, too.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonSchema } from '../src/core/generation.ts';
import { type AllowedCall, type DescribedFunction, type ToolCase, wireName } from './bfcl-data.ts';

export interface MadeCall {
  readonly name: string;
  readonly input: Json | undefined;
}

/** What is wrong with the calls of an answer, or undefined. */
export function mistakeIn(calls: readonly MadeCall[], wanted: ToolCase): string | undefined {
  if (calls.length !== wanted.calls.length) return `${calls.length} calls where ${wanted.calls.length} are due`;
  const left = [...calls];
  for (const allowed of wanted.calls) {
    const described = wanted.functions.find(({ name }) => name === allowed.name);
    if (!described) return `the set describes no ${allowed.name}`;
    const mistakes = left.map((call) => mistakeInCall(call, allowed, described));
    const right = mistakes.indexOf(undefined);
    if (right < 0) return mistakes[0] ?? 'no call left';
    left.splice(right, 1);
  }
  return undefined;
}

function mistakeInCall(
  { name, input }: MadeCall,
  allowed: AllowedCall,
  described: DescribedFunction,
): string | undefined {
  if (wireName(name) !== wireName(allowed.name)) return `${name} in place of ${allowed.name}`;
  if (!isObject(input)) return 'the arguments are no object';
  const properties = described.parameters.properties;
  const known = isObject(properties) ? properties : {};
  const required = Array.isArray(described.parameters.required) ? described.parameters.required : [];
  for (const each of required) if (!(String(each) in input)) return `${each} is missing`;
  for (const [argument, value] of Object.entries(input)) {
    const values = allowed.values[argument];
    const schema = known[argument];
    if (values === undefined || !isObject(schema)) return `${argument} is not expected`;
    if (!isAllowed(value, values, String(schema.type))) {
      return `${argument} is ${JSON.stringify(value)}, allowed: ${JSON.stringify(values)}`;
    }
  }
  for (const [argument, values] of Object.entries(allowed.values)) {
    if (!(argument in input) && !values.includes('')) return `${argument} is left out`;
  }
  return undefined;
}

function isAllowed(value: Json, values: readonly Json[], type: string): boolean {
  if (isObject(value)) return values.some((each) => isObject(each) && isAllowedObject(value, each));
  if (isList(value) && value.some(isObject)) {
    return values.some(
      (each) =>
        isList(each) &&
        each.length === value.length &&
        value.every((item, index) => {
          const other = each[index];
          return isObject(item) && isObject(other) && isAllowedObject(item, other);
        }),
    );
  }
  // A variable's name may stand for a value of another type; the set then allows a text.
  const isOfType = hasType(value, type) || values.some((each) => each !== '' && typeof each === typeof value);
  return isOfType && values.some((each) => isDeepStrictEqual(standard(each), standard(value)));
}

/** The allowed object gives each key its list of values, as the arguments of a call do. */
function isAllowedObject(value: JsonSchema, allowed: JsonSchema): boolean {
  for (const [key, each] of Object.entries(value)) {
    const values = allowed[key];
    if (!isList(values) || !values.some((other) => isDeepStrictEqual(standard(other), standard(each)))) return false;
  }
  return Object.entries(allowed).every(([key, values]) => key in value || (isList(values) && values.includes('')));
}

function hasType(value: Json, type: string): boolean {
  switch (type) {
    case 'string':
    case 'any':
      return typeof value === 'string';
    case 'integer':
      return Number.isInteger(value);
    case 'float':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'array':
    case 'tuple':
      return Array.isArray(value);
    default:
      return isObject(value);
  }
}

function standard(value: Json): Json {
  if (typeof value === 'string')
    return value
      .replace(/[ ,./\-_*^]/g, '')
      .toLowerCase()
      .replaceAll("'", '"');
  return isList(value) ? value.map(standard) : value;
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function isObject(value: Json | undefined): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
