/**
 * When a stay ends: of "3 nights from 1st June 2022" small weights make one that ends on the 3rd.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { descriptionOf } from './descriptions.ts';
import { countsOf } from './numbers.ts';
import { wordsOf } from './words.ts';

const BEGINNING = /^(?:(?:arrival|begin|check ?in|start)(?: date)?|from date|date from)$/;
const END = /^(?:(?:check ?out|departure|end)(?: date)?|to date|until date|date to)$/;
const ISO = /\bYYYY-MM-DD\b|\bISO[ -]?8601\b/i;

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

interface Day {
  readonly year: number | undefined;
  /** From 1 on. */
  readonly month: number;
  readonly day: number;
}

/** `parameters` whose stay ends so many nights behind its beginning as `request` says. Only dates as YYYY-MM-DD are held. */
export function withStay(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const nights = nightsIn(request);
  const [start, ...otherDays] = daysIn(request);
  if (nights === undefined || start === undefined || otherDays.length > 0) return parameters;
  const beginnings = datesOf(properties, BEGINNING);
  const [end, ...otherEnds] = datesOf(properties, END);
  if (beginnings.length !== 1 || end === undefined || otherEnds.length > 0) return parameters;
  const [name, schema] = end;
  return { ...parameters, properties: { ...properties, [name]: { ...schema, pattern: dayPattern(start, nights) } } };
}

function datesOf(
  properties: { readonly [name: string]: Json },
  named: RegExp,
): readonly (readonly [string, JsonSchema])[] {
  return Object.entries(properties).flatMap(([name, schema]): (readonly [string, JsonSchema])[] => {
    const isNamed = named.test(wordsOf(name).join(' '));
    if (!isNamed || !isJsonObject(schema) || schema.type !== 'string' || 'enum' in schema) return [];
    return schema.format === 'date' || ISO.test(descriptionOf(schema)) ? [[name, schema]] : [];
  });
}

const HAN_NIGHTS = /(?<![\d月日号点])(\d{1,2}|[一二两三四五六七八九十])个?[晚夜](?![上间点])/gu;
const HAN_COUNTS = '零一二三四五六七八九十';

function hanCount(text: string): number {
  return /\d/.test(text) ? Number(text) : HAN_COUNTS.indexOf(text.replace('两', '二'));
}

function nightsIn(request: string): number | undefined {
  const hanNights = [...request.matchAll(HAN_NIGHTS)].map(([, count = '']) => hanCount(count));
  const nights = [...hanNights, ...countsOf('night', request), ...countsOf('week', request).map((weeks) => 7 * weeks)];
  if (nights.length === 0 && /\b(?:for|of) a week\b/i.test(request)) return 7;
  return nights.length === 1 ? nights[0] : undefined;
}

function daysIn(request: string): readonly Day[] {
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

/** No leap year, where none is told. */
const ANY_YEAR = 2001;

function dayPattern({ year, month, day }: Day, nights: number): string {
  const end = new Date(Date.UTC(year ?? ANY_YEAR, month - 1, day + nights)).toISOString().slice(0, 10);
  return year === undefined ? `^[12][0-9]{3}${end.slice(4)}$` : `^${end}$`;
}
