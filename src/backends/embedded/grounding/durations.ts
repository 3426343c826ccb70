/**
 * How long something takes, in the unit that an argument is told in: small weights copy the 3 of "3 minutes" for seconds, or
 * multiply it wrongly.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { isPlainNumber } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { wordsOf } from './words.ts';

/** In seconds or, where they are no fixed number of these, in months. */
const UNITS = {
  second: { length: 1, inMonths: false },
  minute: { length: 60, inMonths: false },
  hour: { length: 3_600, inMonths: false },
  day: { length: 86_400, inMonths: false },
  week: { length: 604_800, inMonths: false },
  month: { length: 1, inMonths: true },
  year: { length: 12, inMonths: true },
} as const;
type Unit = keyof typeof UNITS;
const SPELLINGS: Readonly<Record<string, Unit>> = {
  s: 'second',
  sec: 'second',
  second: 'second',
  min: 'minute',
  minute: 'minute',
  h: 'hour',
  hr: 'hour',
  hour: 'hour',
  day: 'day',
  week: 'week',
  month: 'month',
  yr: 'year',
  year: 'year',
};
const SPELLED = '(seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|yrs?)';
const SAID = new RegExp(`(?<![\\p{L}\\p{N}.,/-])(\\d+(?:\\.\\d+)?)[\\s-]?${SPELLED}(?![\\p{L}\\p{N}])`, 'giu');
/** What stands between the parts of one: "1 hour and 30 minutes". */
const JOINED = /^\s*(?:,|and|,\s*and)?\s*$/i;
const AFTER_NUMBER = /\d\s*(?:,|、|和|或|-|–|(?:,\s*)?(?:and|or|to))\s*$/iu;
const TOLD = new RegExp(`\\b(?:in|of|number of)\\s+${SPELLED}\\b`, 'i');
/** Another number of the request may be meant by it. */
const OTHER_TIME = /\b(?:past|last|next|every|per|ago|within|old|age)\b/i;

/** `parameters` whose one duration is that which `request` says. */
export function withDuration(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  const said = durationIn(request);
  if (said === undefined || !isJsonObject(properties)) return parameters;
  const durations = Object.entries(properties).flatMap(([name, schema]) => {
    const unit = isJsonObject(schema) && isPlainNumber(schema) ? unitOf(name, descriptionOf(schema)) : undefined;
    return unit && isJsonObject(schema) ? [{ name, schema, number: numberOf(said, unit) }] : [];
  });
  const [only, ...others] = durations;
  if (only === undefined || others.length > 0 || !Number.isInteger(only.number)) return parameters;
  const held: Json = { ...only.schema, enum: [only.number] };
  return { ...parameters, properties: { ...properties, [only.name]: held } };
}

function unitOf(name: string, description: string): Unit | undefined {
  const told = TOLD.exec(description)?.[1] ?? wordsOf(name).at(-1);
  return told === undefined ? undefined : spelled(told);
}

function spelled(text: string): Unit | undefined {
  return SPELLINGS[text.toLowerCase().replace(/(?<=.)s$/, '')];
}

interface Duration {
  readonly length: number;
  readonly inMonths: boolean;
}

function numberOf({ length, inMonths }: Duration, unit: Unit): number {
  return inMonths === UNITS[unit].inMonths ? length / UNITS[unit].length : Number.NaN;
}

/** The one that the request says, if it says no other time. */
function durationIn(request: string): Duration | undefined {
  let length = 0;
  let end: number | undefined;
  let last: Unit | undefined;
  for (const { 0: text, 1: digits = '', 2: spelling = '', index } of request.matchAll(SAID)) {
    if (end !== undefined && !JOINED.test(request.slice(end, index))) return undefined;
    const unit = spelled(spelling);
    // "20 minutes and 15 minutes" are two, and so is "15 or 20 minutes".
    if (
      AFTER_NUMBER.test(request.slice(0, index)) ||
      unit === undefined ||
      (last !== undefined && !isPartOf(unit, last))
    )
      return undefined;
    last = unit;
    length += Number(digits) * UNITS[unit].length;
    end = index + text.length;
  }
  return last === undefined || OTHER_TIME.test(request) ? undefined : { length, inMonths: UNITS[last].inMonths };
}

function isPartOf(unit: Unit, of: Unit): boolean {
  return UNITS[unit].inMonths === UNITS[of].inMonths && UNITS[unit].length < UNITS[of].length;
}
