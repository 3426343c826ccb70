/** Days that a request says, and the arguments that hold some as YYYY-MM-DD. */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { descriptionOf } from './descriptions.ts';
import { wordsOf } from './words.ts';

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const MONTH =
  '(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)';
/** 1st (of) June(, 2022); June 1st(, 2022); 2022-06-01; (2022年)6月1日. */
const DATE = new RegExp(
  `\\b(?:(?<day>\\d{1,2})(?:st|nd|rd|th)? (?:of )?(?<month>${MONTH})\\b\\.?(?:,? (?<year>\\d{4}))?|` +
    `(?<month2>${MONTH})\\.? (?<day2>\\d{1,2})(?:st|nd|rd|th)?\\b(?:,? (?<year2>\\d{4}))?|` +
    '(?<year3>\\d{4})-(?<month3>\\d{2})-(?<day3>\\d{2}))(?!\\d)|' +
    '(?:(?<year4>\\d{4})年)?(?<month4>\\d{1,2})月(?<day4>\\d{1,2})[日号]',
  'gi',
);

export interface Day {
  readonly year: number | undefined;
  /** From 1 on. */
  readonly month: number;
  readonly day: number;
}

/** In the order of the text. */
export function daysIn(request: string): readonly Day[] {
  return [...request.matchAll(DATE)].flatMap(({ groups = {} }) => {
    const { day, day2, day3, day4, month, month2, month3, month4, year, year2, year3, year4 } = groups;
    const named = month ?? month2;
    const number = named === undefined ? Number(month3 ?? month4) : MONTHS.indexOf(named.slice(0, 3).toLowerCase()) + 1;
    const told = year ?? year2 ?? year3 ?? year4;
    return [
      { year: told === undefined ? undefined : Number(told), month: number, day: Number(day ?? day2 ?? day3 ?? day4) },
    ];
  });
}

const ISO = /\bYYYY-MM-DD\b|\bISO[ -]?8601\b/i;

/** All, or those whose names are so. */
export function isoDatesOf(
  properties: { readonly [name: string]: Json },
  named = /(?:)/,
): readonly (readonly [string, JsonSchema])[] {
  return Object.entries(properties).flatMap(([name, schema]): (readonly [string, JsonSchema])[] => {
    const isNamed = named.test(wordsOf(name).join(' '));
    if (!isNamed || !isJsonObject(schema) || schema.type !== 'string' || 'enum' in schema) return [];
    return schema.format === 'date' || ISO.test(descriptionOf(schema)) ? [[name, schema]] : [];
  });
}
