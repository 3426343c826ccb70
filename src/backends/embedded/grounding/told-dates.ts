/**
 * Whether a function can be told the date that a request says. One that cannot ("the latest rate", for "the rate on January
 * 1, 2022") is hardly meant where another one can.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { descriptionOf } from './descriptions.ts';
import { wordsOf } from './words.ts';

const MONTH = '(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(?:[a-z]{2,6})?';
const ORDINAL = '\\d{1,2}(?:st|nd|rd|th)?';
/** A day of a year: January 1, 2022; 10th of December 2022; 2022-12-10; 12/10/2022. */
const DATE = new RegExp(
  `\\b(?:${MONTH}\\.? ${ORDINAL},? \\d{4}|${ORDINAL} (?:of )?${MONTH}\\.?,? \\d{4}|\\d{4}-\\d{2}-\\d{2}|\\d{1,2}/\\d{1,2}/\\d{4})\\b|\\d{4}年\\d{1,2}月\\d{1,2}日`,
  'i',
);

export function saysDate(request: string): boolean {
  return DATE.test(request);
}

const OF_TIME = new Set(['date', 'dates', 'datetime', 'day', 'month', 'time', 'timestamp', 'when', 'year']);
const OF_TIME_TOLD = /\b(?:dates?|days?|time|when|yyyy)\b|日期|时间/i;

/** One of its arguments may hold a date, by its name, its format or its description. */
export function takesDate(parameters: JsonSchema): boolean {
  const { properties } = parameters;
  return isJsonObject(properties) && Object.entries(properties).some(([name, schema]) => mayHoldDate(name, schema));
}

function mayHoldDate(name: string, schema: Json): boolean {
  if (!isJsonObject(schema)) return true;
  const isNamedSo = wordsOf(name).some((word) => OF_TIME.has(word));
  // So many days are no date; the year of one may be told.
  if (schema.type === 'integer' || schema.type === 'number') return isNamedSo;
  if (schema.type === 'boolean') return false;
  const isFormat = typeof schema.format === 'string' && schema.format.startsWith('date');
  return isNamedSo || isFormat || OF_TIME_TOLD.test(descriptionOf(schema));
}
