/**
 * How long something takes, in the unit that an argument is told in: small weights copy the 3 of "3 minutes" for seconds, or
 * multiply it wrongly.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { isPlainNumber } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { wordsOf } from './words.ts';

const SECONDS = { second: 1, minute: 60, hour: 3_600, day: 86_400, week: 604_800 } as const;
type Unit = keyof typeof SECONDS;
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
};
const SPELLED = '(seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?)';
const SAID = new RegExp(`(?<![\\p{L}\\p{N}.,/-])(\\d+(?:\\.\\d+)?)[\\s-]?${SPELLED}(?![\\p{L}\\p{N}])`, 'giu');
/** What stands between the parts of one: "1 hour and 30 minutes". */
const JOINED = /^\s*(?:,|and|,\s*and)?\s*$/i;
const TOLD = new RegExp(`\\b(?:in|of|number of)\\s+${SPELLED}\\b`, 'i');
/** Another number of the request may be meant by it. */
const OTHER_TIME = /\b(?:past|last|next|every|per|ago|within|old|age)\b/i;

/** `parameters` whose one duration is that which `request` says. */
export function withDuration(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  const seconds = durationIn(request);
  if (seconds === undefined || !isJsonObject(properties)) return parameters;
  const durations = Object.entries(properties).flatMap(([name, schema]) => {
    const unit = isJsonObject(schema) && isPlainNumber(schema) ? unitOf(name, descriptionOf(schema)) : undefined;
    return unit && isJsonObject(schema) ? [{ name, schema, number: seconds / SECONDS[unit] }] : [];
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

/** In seconds, where the request says one and no other time. */
function durationIn(request: string): number | undefined {
  let seconds = 0;
  let end: number | undefined;
  let last: Unit | undefined;
  for (const { 0: text, 1: digits = '', 2: spelling = '', index } of request.matchAll(SAID)) {
    if (end !== undefined && !JOINED.test(request.slice(end, index))) return undefined;
    const unit = spelled(spelling);
    // "20 minutes and 15 minutes" are two.
    if (unit === undefined || (last !== undefined && SECONDS[unit] >= SECONDS[last])) return undefined;
    last = unit;
    seconds += Number(digits) * SECONDS[unit];
    end = index + text.length;
  }
  return end === undefined || OTHER_TIME.test(request) ? undefined : seconds;
}
