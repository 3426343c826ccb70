/**
 * The arguments in which calls may go on with what a request lists, and the parameters of a call that does
 * (`next-values.ts`, `grids.ts`).
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { ListedArguments } from '../engine-protocol.ts';
import { choicesOf } from './asked-arguments.ts';
import { isPlainList, isPlainNumber, isPlainText } from './described-values.ts';
import { isSpread, partsOf } from './spread-lists.ts';
import { literalPattern, wordsOf } from './words.ts';

/** More calls that combine values are no question, but a table. */
export const MAX_COMBINATIONS = 16;

export type Value = number | string | readonly string[];

/** What an argument may be in the next call: one of these, which a text may go on from and a list holds in any order; or just this. */
export type NextValues = { readonly [argument: string]: readonly Value[] | { readonly is: Json } };

/**
 * The arguments that may be any number, text or part of a list, and `grounded` parameters that can be
 * narrowed by them; undefined where none are declared.
 */
export function listedArguments(
  name: string,
  parameters: JsonSchema,
  grounded: JsonSchema,
): ListedArguments | undefined {
  const { properties } = parameters;
  if (!isJsonObject(properties) || !isJsonObject(grounded.properties)) return undefined;
  const held = grounded.properties;
  const namesOf = (isWanted: (schema: JsonSchema, held: JsonSchema) => boolean): readonly string[] =>
    Object.entries(properties).flatMap(([name, schema]) => {
      const narrowed = held[name];
      return isJsonObject(schema) && isJsonObject(narrowed) && isWanted(schema, narrowed) ? [name] : [];
    });
  const numbers = namesOf(isPlainNumber);
  const texts = namesOf((schema, narrowed) => isPlainText(schema) && !('enum' in narrowed));
  const lists = namesOf((schema, narrowed) => isPlainList(schema) && isSpread(narrowed));
  return { parameters: grounded, numbers, texts, lists, isDeed: isDeed(name) };
}

const DEEDS = new Set(
  (
    'add apply assign book buy call cancel close create delete deploy edit email execute insert invite issue kill launch make message modify move notify open order pay play ' +
    'post print publish purchase record register remind remove rename replace reserve restart run save schedule send set share sell start stop submit text transfer turn update upload write'
  ).split(' '),
);

function isDeed(name: string): boolean {
  return wordsOf(name).some((word) => DEEDS.has(word));
}

/** The parameters of a call that goes on with `next`, and holds all of it. */
export function goingOn({ parameters, lists }: ListedArguments, next: NextValues): JsonSchema {
  const narrowed = Object.entries(next).map(([name, values]): readonly [string, Json] => {
    if ('is' in values) return [name, { const: values.is }];
    const schema = argumentOf(parameters, name);
    if (!lists.includes(name)) return [name, oneOf(schema, values)];
    const parts = partsOf(schema);
    if (parts !== undefined) return [name, { anyOf: parts.filter((part) => isAmong(choicesOf(part), values)) }];
    const items = isJsonObject(schema.items) ? schema.items : {};
    return [name, { ...schema, items: oneOf(items, values), minItems: 1 }];
  });
  const required = Array.isArray(parameters.required) ? parameters.required : [];
  return {
    ...parameters,
    properties: { ...(parameters.properties as JsonSchema), ...Object.fromEntries(narrowed) },
    required: [...new Set([...required, ...Object.keys(next)])],
  };
}

function oneOf({ pattern, ...schema }: JsonSchema, values: readonly Value[]): JsonSchema {
  const texts = values.filter((value) => typeof value === 'string');
  if (texts.length === 0) return { type: schema.type ?? 'number', enum: values };
  // Names may go on ("Maroon" with its 5), but not where the form is known.
  if (pattern !== undefined) return { ...schema, enum: texts };
  return { ...schema, pattern: `^(${texts.map(literalPattern).join('|')})` };
}

function isAmong(items: readonly string[], parts: readonly Value[]): boolean {
  return parts.some((part) => Array.isArray(part) && isSameSet(part, items));
}

export function isSameSet(one: readonly Json[], other: readonly Json[]): boolean {
  return one.length === other.length && one.every((item) => other.includes(item));
}

export function argumentOf({ properties }: JsonSchema, name: string): JsonSchema {
  const schema = isJsonObject(properties) ? properties[name] : undefined;
  return isJsonObject(schema) ? schema : {};
}

/** None of them, where one is not in the form that its argument has. */
export function ifInForm(next: NextValues, { parameters }: ListedArguments): NextValues {
  const isInForm = Object.entries(next).every(([name, values]) => {
    const { pattern } = argumentOf(parameters, name);
    if ('is' in values) return true;
    return typeof pattern !== 'string' || values.every((value) => new RegExp(pattern, 'u').test(String(value)));
  });
  return isInForm ? next : {};
}
