/**
 * Whether a function can be told the date that a request says, and that it is told that one. One that cannot ("the latest rate", for "the rate on January
 * 1, 2022") is hardly meant where another one can.
 *
 * And dates that nobody told: of "next Friday" small weights make 2023-04-15.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { daysIn, isoDatesOf } from './days.ts';
import { isPlainText } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { wordsOf } from './words.ts';

const IN_SLASHES = /\b\d{1,2}\/\d{1,2}\/\d{4}\b/;

/** A day of a year: January 1, 2022; 10th of December 2022; 2022-12-10; 12/10/2022; 2022年12月10日. */
export function saysDate(request: string): boolean {
  return IN_SLASHES.test(request) || daysIn(request).some(({ year }) => year !== undefined);
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

/** By today's date, which is nowhere told. */
const RELATIVE =
  /\b(?:today|to?night|tomorrow|yesterday|weekend|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:coming|last|next|this|upcoming) (?:week|month|year|spring|summer|autumn|fall|winter))\b|[今明昨][天日晚]|[下上这本]个?[周月]|星期|周[一二三四五六日末]/iu;
const YEAR = /(?<!\d)(?:19|20)\d{2}(?!\d)/;
const OF_FORM = /\p{N}|\bformat|[YMD]{2}|iso/iu;

/** By name; a time of the day may follow from "noon". */
const DATES = new Set(['date', 'dates', 'day', 'month', 'week', 'year']);

/**
 * `parameters` whose dates have no digits, where a request says one by today's, without any, and no year is in the
 * conversation. Kept from a year alone, weights would write "202 2-15".
 */
export function withoutUntoldDates(parameters: JsonSchema, request: string, conversation: string): JsonSchema {
  const { properties } = parameters;
  const isUntold = RELATIVE.test(request) && !/\p{N}/u.test(request) && !YEAR.test(conversation);
  if (!isJsonObject(properties) || !isUntold) return parameters;
  const held = Object.entries(properties).map(([name, schema]): readonly [string, Json] => {
    const isDate = isJsonObject(schema) && isPlainText(schema) && DATES.has(wordsOf(name).at(-1) ?? '');
    if (!isDate || OF_FORM.test(descriptionOf(schema))) return [name, schema];
    return [name, { ...schema, not: { pattern: '[0-9]' } }];
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}

/** Then it may be another day. */
const ANOTHER_DAY = /\b(?:after|before|following|previous|prior|later|earlier|since|until|till)\b|[前后後]|\d\/\d/i;

/**
 * `parameters` whose days, where they are told as YYYY-MM-DD, are those that the request says with their years: of "March 17,
 * 1915" small weights make 2015. Only where it says as many as there are to be told.
 */
export function withSaidDays(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties) || ANOTHER_DAY.test(request)) return parameters;
  const said = daysIn(request);
  const days = said.flatMap(({ year, month, day }) => (year === undefined ? [] : isoDay(year, month, day)));
  const dates = isoDatesOf(properties);
  const plain = dates.filter(([, schema]) => isPlainText(schema));
  if (plain.length === 0 || said.length < dates.length || days.length < said.length) return parameters;
  const held = plain.map(([name, schema]) => [name, { ...schema, enum: [...new Set(days)] }] as const);
  return { ...parameters, properties: { ...properties, ...Object.fromEntries(held) } };
}

function isoDay(year: number, month: number, day: number): string {
  return [String(year), String(month).padStart(2, '0'), String(day).padStart(2, '0')].join('-');
}
