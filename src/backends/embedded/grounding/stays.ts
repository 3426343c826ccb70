/**
 * When a stay ends: of "3 nights from 1st June 2022" small weights make one that ends on the 3rd.
 */
import type { JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { type Day, daysIn, isoDatesOf } from './days.ts';
import { countsOf, hanNumber } from './numbers.ts';

const BEGINNING = /^(?:(?:arrival|begin|check ?in|start)(?: date)?|from date|date from)$/;
const END = /^(?:(?:check ?out|departure|end)(?: date)?|to date|until date|date to)$/;

/** `parameters` whose stay ends so many nights behind its beginning as `request` says. Only dates as YYYY-MM-DD are held. */
export function withStay(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const nights = nightsIn(request);
  const [start, ...otherDays] = daysIn(request);
  if (nights === undefined || start === undefined || otherDays.length > 0) return parameters;
  const beginnings = isoDatesOf(properties, BEGINNING);
  const [end, ...otherEnds] = isoDatesOf(properties, END);
  if (beginnings.length !== 1 || end === undefined || otherEnds.length > 0) return parameters;
  const [name, schema] = end;
  return { ...parameters, properties: { ...properties, [name]: { ...schema, pattern: dayPattern(start, nights) } } };
}

const HAN_NIGHTS = /(?<![\d月日号点])(\d{1,2}|[一二两三四五六七八九十])个?[晚夜](?![上间点])/gu;

function nightsIn(request: string): number | undefined {
  const hanNights = [...request.matchAll(HAN_NIGHTS)].map(([, count = '']) =>
    /\d/.test(count) ? Number(count) : hanNumber(count),
  );
  const nights = [...hanNights, ...countsOf('night', request), ...countsOf('week', request).map((weeks) => 7 * weeks)];
  if (nights.length === 0 && /\b(?:for|of) a week\b/i.test(request)) return 7;
  return nights.length === 1 ? nights[0] : undefined;
}

/** No leap year, where none is told. */
const ANY_YEAR = 2001;

function dayPattern({ year, month, day }: Day, nights: number): string {
  const end = new Date(Date.UTC(year ?? ANY_YEAR, month - 1, day + nights)).toISOString().slice(0, 10);
  return year === undefined ? `^[12][0-9]{3}${end.slice(4)}$` : `^${end}$`;
}
