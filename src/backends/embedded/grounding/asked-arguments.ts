/**
 * The optional arguments that a request speaks of: small weights leave them out, although the caller asked for them.
 *
 * An argument is spoken of when the request holds all words of its name (`weight`, `include_dissent`) or of one of the values
 * it may have (`rating` of `["price", "rating"]`), or is described with, or counts what it is the number of. A unit of measurement is, when it measures something.
 * What is asked for by its value has that value, where one call is made.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { isPlainNumber, isPlainText } from './described-values.ts';
import { descriptionOf, quotedIn } from './descriptions.ts';
import { asUnit, isUnit, measuresIn } from './measures.ts';
import { countsOf } from './numbers.ts';
import { areAmong, isSameWord, literalPattern, wordsOf } from './words.ts';

/** Words of names that say nothing of the argument. */
const GENERIC = new Set(
  'a an and as at be by default find for from get id if in include is list name not number of on optional or per the to type use value with'.split(
    ' ',
  ),
);
/** Keywords beside which a member may neither be added nor left out without a look at the others. */
const COMBINING = [
  '$ref',
  'allOf',
  'anyOf',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'if',
  'maxProperties',
  'minProperties',
  'not',
  'oneOf',
];

/** `parameters` with those arguments required that `request` speaks of: whatever it allows, the schema itself allows. */
export function withAskedRequired(parameters: JsonSchema, request: string, isParallel: boolean): JsonSchema {
  const members = membersOf(parameters);
  if (members === undefined) return parameters;
  const spoken = wordsOf(request);
  const measures = measuresIn(request);
  const asked = members.optional.flatMap(([name, schema]): (readonly [string, Json])[] => {
    // Left out, it would be another unit than the one that was said.
    if (measures.length > 0 && isJsonObject(schema) && isUnit(name, schema)) return [[name, asUnit(schema, measures)]];
    const counts = isJsonObject(schema) && isPlainNumber(schema) ? countsIn(request, schema) : [];
    if (counts.length > 0) return [[name, isParallel ? schema : { ...(schema as JsonSchema), enum: counts }]];
    // Nobody says all members of an object.
    if (hasMembers(schema)) return [];
    const said = valuesOf(schema).filter((value) => areSpoken(value, spoken));
    if (said.length === 0) return areSpoken(name, spoken) ? [[name, schema]] : [];
    return [[name, isParallel ? schema : oneOfSaid(schema, said)]];
  });
  if (asked.length === 0) return parameters;
  return {
    ...parameters,
    properties: { ...members.properties, ...Object.fromEntries(asked) },
    required: [...members.required, ...asked.map(([name]) => name)],
  };
}

/** The names of arguments that may be left out, where one may be without a look at the others. */
export function optionalArguments(parameters: JsonSchema): readonly string[] {
  return membersOf(parameters)?.optional.map(([name]) => name) ?? [];
}

interface Members {
  readonly properties: JsonSchema;
  readonly required: readonly Json[];
  readonly optional: readonly (readonly [string, Json])[];
}

function membersOf(parameters: JsonSchema): Members | undefined {
  const { properties, required = [] } = parameters;
  if (!isJsonObject(properties) || !Array.isArray(required)) return undefined;
  if (COMBINING.some((keyword) => keyword in parameters)) return undefined;
  return { properties, required, optional: Object.entries(properties).filter(([name]) => !required.includes(name)) };
}

const NUMBER_OF = /\b(?:number of (?:(?:different|each|new|the|top|total) )?|top n )(\p{L}+)/iu;
/** More is no count of what a request is about, but what it is taken from: "of 52 cards". */
const MAX_COUNT = 20;

/** What a request says of a "number of dice". */
function countsIn(request: string, schema: JsonSchema): readonly number[] {
  const noun = NUMBER_OF.exec(descriptionOf(schema))?.[1];
  if (noun === undefined) return [];
  const counts = countsOf(noun, request);
  if (counts.length === 0 && asksForOne(noun, request)) return [1];
  return counts.every((count) => count <= MAX_COUNT) ? counts : [];
}

/** The first of some, with what stands behind. */
const THE_FIRST =
  /\bthe (?:most|least|best|worst|(?!(?:for|inter|gu|harv|requ|w|t)est)\p{L}{2,}est)((?: [\p{L}-]+){1,3})/giu;

/** Any of some, with what stands behind; of "100 a day" it tells how often. */
const ANY = /\ban? (?!(?:second|minute|hour|night|day|week|month|year)\b)([\p{L}-]+(?: [\p{L}-]+)?)/giu;

/** "The highest grossing bank" is one, of "top n banks", and "a hotel room" of the "number of rooms". */
function asksForOne(nouns: string, request: string): boolean {
  const behind = [THE_FIRST, ANY]
    .flatMap((said) => [...request.matchAll(said)])
    .flatMap(([, words = '']) => wordsOf(words));
  return /s$/i.test(nouns) && behind.some((word) => !word.endsWith('s') && isSameWord(word, nouns.toLowerCase()));
}

function hasMembers(schema: Json): boolean {
  return isObject(schema) || (isJsonObject(schema) && isObject(schema.items));
}

/** The texts that an argument may be, or is described with. */
function valuesOf(schema: Json): readonly string[] {
  return [...choicesOf(schema), ...examplesIn(schema)];
}

/** The words of a name that say something of it. */
export function ownWordsOf(text: string): readonly string[] {
  return wordsOf(text).filter((word) => !GENERIC.has(word));
}

/** All of its own words are. */
export function areSpoken(text: string, spoken: readonly string[]): boolean {
  const words = ownWordsOf(text);
  return words.length > 0 && areAmong(words, spoken);
}

/** A text of several is one that was said; of a list that goes on, it begins with one. */
function oneOfSaid(schema: Json, said: readonly string[]): Json {
  if (!isJsonObject(schema) || schema.type !== 'string') return schema;
  if (Array.isArray(schema.enum)) return { ...schema, enum: said };
  return isPlainText(schema) ? { ...schema, pattern: `^(${said.map(literalPattern).join('|')})` } : schema;
}

function isObject(schema: Json | undefined): boolean {
  return isJsonObject(schema) && (schema.type === 'object' || 'properties' in schema);
}

/** More of them are a list of the world's towns: one is in nearly every request. */
const MAX_CHOICES = 64;

/** The texts that an argument, or each of its items, is one of. */
export function choicesOf(schema: Json): readonly string[] {
  if (!isJsonObject(schema)) return [];
  const choices = schema.enum ?? (isJsonObject(schema.items) ? schema.items.enum : undefined);
  if (!Array.isArray(choices) || choices.length > MAX_CHOICES) return [];
  return choices.filter((choice) => typeof choice === 'string');
}

/** What is taken where nothing is given need not be given. */
const DEFAULT_BEFORE = /\bdefaults?\b(?: value)?(?: is| to| to be|:)?\s*$/i;

/** The texts that a description shows as what the argument may be: two or more in quotes. */
function examplesIn(schema: Json): readonly string[] {
  if (!isJsonObject(schema) || schema.type !== 'string') return [];
  const description = descriptionOf(schema);
  const quoted = quotedIn(description).filter(({ text }) => text.length > 1);
  if (quoted.length < 2) return [];
  const defaults = quoted
    .filter(({ start }) => DEFAULT_BEFORE.test(description.slice(0, start)))
    .map(({ text }) => text);
  return quoted.map(({ text }) => text).filter((text) => text !== schema.default && !defaults.includes(text));
}
