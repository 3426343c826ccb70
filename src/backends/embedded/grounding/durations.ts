/**
 * How long something takes, in the unit that an argument is told in: small weights copy the 3 of "3 minutes" for seconds,
 * multiply it wrongly, or go on with zeros where the unit should follow.
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
  sec: 'second',
  second: 'second',
  min: 'minute',
  minute: 'minute',
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
const BETWEEN = '\\s*(?:,|、|和|或|(?:,\\s*)?(?:and|or))\\s*';
/** "15, 20 and " before "30 years". */
const LISTED = new RegExp(`(?<![\\p{L}\\p{N}.,/-])(\\d+(?:${BETWEEN}\\d+)*)${BETWEEN}$`, 'iu');
/** "15-30 years" are any between them. */
const RANGE = /\d\s*(?:-|–|to)\s*$/i;
/** One second, day or year is a point of time, or the day of a week; `min` is the least. */
const SEVERAL = '(seconds|secs|minutes|mins|hours|hrs|days|weeks|months|years|yrs)';
const TOLD = new RegExp(`\\b(?:in|of|number of)\\s+${SEVERAL}\\b`, 'i');
const NAMED = new RegExp(`^${SEVERAL}$`);
/** Another number of the request may be meant by it. */
const OTHER_TIME = /\b(?:every|per|ago|old|age)\b/i;

/** `parameters` whose one duration is one that `request` says. */
export function withDuration(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  const said = durationsIn(request);
  if (said.length === 0 || !isJsonObject(properties)) return parameters;
  const durations = Object.entries(properties).flatMap(([name, schema]) => {
    const unit = isJsonObject(schema) && isPlainNumber(schema) ? unitOf(name, descriptionOf(schema)) : undefined;
    return unit && isJsonObject(schema) ? [{ name, schema, numbers: said.map((each) => numberOf(each, unit)) }] : [];
  });
  const [only, ...others] = durations;
  if (only === undefined || others.length > 0 || !only.numbers.every(Number.isInteger)) return parameters;
  const held: Json = { ...only.schema, enum: [...new Set(only.numbers)] };
  return { ...parameters, properties: { ...properties, [only.name]: held } };
}

function unitOf(name: string, description: string): Unit | undefined {
  const told = TOLD.exec(description)?.[1] ?? NAMED.exec(wordsOf(name).at(-1) ?? '')?.[1];
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

/** Those that the request says; none where a number may be another time. */
function durationsIn(request: string): readonly Duration[] {
  const durations: Duration[] = [];
  let end = 0;
  let last: Unit | undefined;
  for (const { 0: text, 1: digits = '', 2: spelling = '', index } of request.matchAll(SAID)) {
    const unit = spelled(spelling);
    const before = request.slice(0, index);
    if (unit === undefined || RANGE.test(before)) return [];
    const { length, inMonths } = UNITS[unit];
    const whole = durations.at(-1);
    const own = { length: Number(digits) * length, inMonths };
    if (whole && last !== undefined && isPartOf(unit, last) && JOINED.test(request.slice(end, index)))
      durations[durations.length - 1] = { ...whole, length: whole.length + own.length };
    else {
      const listed = (LISTED.exec(before)?.[1]?.match(/\d+/g) ?? []).map((number) => ({
        length: Number(number) * length,
        inMonths,
      }));
      durations.push(...listed, own);
    }
    last = unit;
    end = index + text.length;
  }
  return OTHER_TIME.test(request) ? [] : durations;
}

function isPartOf(unit: Unit, of: Unit): boolean {
  return UNITS[unit].inMonths === UNITS[of].inMonths && UNITS[unit].length < UNITS[of].length;
}
