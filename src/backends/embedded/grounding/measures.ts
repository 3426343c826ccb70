/** Units of measurement that stand behind a number, and what an argument that is told the unit is then. */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isPlainText } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';

/** How each is spelt, as regular expressions without groups of their own: short first. */
const SPELLINGS: readonly string[] = [
  'mm|millimet(?:er|re)s?',
  'cm|centimet(?:er|re)s?',
  'km|kilomet(?:er|re)s?',
  'm|met(?:er|re)s?',
  'in|inch(?:es)?',
  'ft|feet|foot',
  'yd|yards?',
  'mi|miles?',
  'kg|kilograms?',
  'g|grams?',
  'lbs?|pounds?',
  'oz|ounces?',
  'l|lit(?:er|re)s?',
  'gal|gallons?',
];
/** A number with what it counts: "4 inches", "5cm". */
const MEASURES = SPELLINGS.map((spelling) => ({ spelling, said: new RegExp(`\\d\\s?(?:${spelling})\\b`, 'i') }));

/** Spellings of the units that a request measures in. */
export function measuresIn(request: string): readonly string[] {
  return MEASURES.filter(({ said }) => said.test(request)).map(({ spelling }) => spelling);
}

const UNIT = /^units?$/i;
const OF_MEASUREMENT = /\bmeasure(?:ment)?\b(?! system)/i;

/** An argument that is told the unit of what is measured. */
export function isUnit(name: string, schema: JsonSchema): boolean {
  return UNIT.test(name) && OF_MEASUREMENT.test(descriptionOf(schema));
}

/** One of these units; of an area its square, of a volume its cube: "square feet" or ft^2, not feet^2. */
export function asUnit(schema: JsonSchema, spellings: readonly string[]): Json {
  if (!isPlainText(schema)) return schema;
  const description = descriptionOf(schema);
  if (/\barea\b/i.test(description)) return { ...schema, pattern: powerOf(spellings, 'square|sq', '2', '²') };
  if (/\bvolume\b/i.test(description)) return { ...schema, pattern: powerOf(spellings, 'cubic|cu', '3', '³') };
  return { ...schema, pattern: `^${anyOf(spellings)}$` };
}

function powerOf(spellings: readonly string[], before: string, digit: string, sign: string): string {
  const short = spellings.map((spelling) => spelling.slice(0, spelling.indexOf('|')));
  return `^((${before}) ${anyOf(spellings)}|${anyOf(short)}(\\^${digit}|${sign}))$`;
}

function anyOf(spellings: readonly string[]): string {
  return `(${spellings.join('|').replaceAll('(?:', '(')})`;
}
