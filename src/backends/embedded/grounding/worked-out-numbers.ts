/**
 * Numbers that a request says in another form than an argument is told them. Small weights copy the digits: 11 PM became 11 on a
 * clock of 24 hours, "5ft 10in" became 510 inches, and "compounded monthly" was left out.
 *
 *     "The hour, in 24-hour format"          6 PM           18
 *     "The height in inches"                 5'10"          70
 *     "Times it is compounded per year"      monthly        12
 *     "Max number of ingredients"            less than 5    4
 */
import type { JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { optionalArguments } from './asked-arguments.ts';
import { isPlainNumber } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { isSameWord, wordsOf } from './words.ts';

/** `parameters` whose numbers are what `request` comes to. What it says otherwise is not left out. */
export function withWorkedOutNumbers(parameters: JsonSchema, request: string): JsonSchema {
  const { properties, required } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const held = Object.entries(properties).flatMap(([name, schema]): (readonly [string, JsonSchema])[] => {
    if (!isJsonObject(schema) || !isPlainNumber(schema)) return [];
    const told = `${wordsOf(name).join(' ')}: ${descriptionOf(schema)}`;
    const numbers = FORMS.map((numbersFor) => numbersFor(told, request)).find((each) => each.length > 0) ?? [];
    const isFit = numbers.length > 0 && (schema.type === 'number' || numbers.every(Number.isInteger));
    return isFit ? [[name, { ...schema, enum: [...new Set(numbers)] }]] : [];
  });
  if (held.length === 0) return parameters;
  const narrowed = { ...parameters, properties: { ...properties, ...Object.fromEntries(held) } };
  const optional = optionalArguments(parameters);
  const asked = held.map(([name]) => name).filter((name) => optional.includes(name));
  return asked.length === 0
    ? narrowed
    : { ...narrowed, required: [...(Array.isArray(required) ? required : []), ...asked] };
}

/** What the request comes to for an argument that is told so; none where it says nothing in another form. */
type Form = (told: string, request: string) => readonly number[];

const OF_24_HOURS = /\b24[ -]?h(?:ours?|rs?)?\b|24\s?小时/i;
const HALF_DAY_TIME = /(?<![\d:.])(1[0-2]|0?[1-9])(:[0-5]\d)?\s?([ap])\.?m\b/gi;

const HAN_TIME =
  /(凌晨|早上|早晨|上午|中午|下午|傍晚|晚上|晚间|晚)\s?(1[0-2]|0?[1-9])\s?[点點时時](整(?!\d)|半|[一\d])?/gu;
const AT_NIGHT = new Set(['晚上', '晚间', '晚']);
const AFTER_NOON = new Set(['中午', '下午', '傍晚', ...AT_NIGHT]);

/** Whole hours; a time of the day with minutes is no number, and 晚上12点 may be hour 0 or 24. */
function hoursOfDay(told: string, request: string): readonly number[] {
  if (!OF_24_HOURS.test(told)) return [];
  const times = [...request.matchAll(HALF_DAY_TIME)].map(([, hour = '', minutes = ':00', half = '']) => ({
    hour: (Number(hour) % 12) + (half.toLowerCase() === 'p' ? 12 : 0),
    isWhole: minutes === ':00',
  }));
  const hanTimes = [...request.matchAll(HAN_TIME)].map(([, part = '', hour = '', minutes = '整']) => ({
    hour: (Number(hour) % 12) + (AFTER_NOON.has(part) ? 12 : 0),
    isWhole: minutes === '整' && !(AT_NIGHT.has(part) && hour === '12'),
  }));
  const all = [...times, ...hanTimes];
  return all.every(({ isWhole }) => isWhole) ? all.map(({ hour }) => hour) : [];
}

const IN_INCHES = /\bin inch(?:es)?\b|^[^:]*\binches:|英寸/i;
const FEET = `(?<![\\d.,])(\\d+)\\s?(?:'|′|’|ft\\.?|feet|foot)(?![\\p{L}])`;
const FEET_AND_INCHES = new RegExp(
  `${FEET}\\s?(?:and )?(?:(\\d+(?:\\.\\d+)?)\\s?(?:"|″|”|''|in\\b|inch(?:es)?\\b|(?![\\d.,'"])))`,
  'giu',
);

const HAN_FEET_AND_INCHES = /(\d+)\s?英尺\s?(?:零)?(\d+(?:\.\d+)?)\s?英寸/gu;

/** A length in feet and inches. */
function lengthsInInches(told: string, request: string): readonly number[] {
  if (!IN_INCHES.test(told)) return [];
  return [...request.matchAll(FEET_AND_INCHES), ...request.matchAll(HAN_FEET_AND_INCHES)].map(
    ([, feet = '', inches = '']) => Number(feet) * 12 + Number(inches),
  );
}

const TIMES_A_YEAR =
  /\b(?:compound\p{L}*|deposits?|payments?|periods?|times)\b[^.]*\b(?:per|a|each|every|in a) (?:annum|year)\b/iu;
const A_YEAR: Readonly<Record<string, number>> = {
  annually: 1,
  yearly: 1,
  'semi-annually': 2,
  semiannually: 2,
  'half-yearly': 2,
  'bi-annually': 2,
  biannually: 2,
  quarterly: 4,
  monthly: 12,
  fortnightly: 26,
  'bi-weekly': 26,
  biweekly: 26,
  weekly: 52,
  daily: 365,
};
const HOW_OFTEN = new RegExp(`\\b(?:${Object.keys(A_YEAR).join('|')})\\b`, 'gi');

/** Where a request says one way only: of "paid monthly and compounded yearly" it is not told which is meant. */
function timesAYear(told: string, request: string): readonly number[] {
  if (!TIMES_A_YEAR.test(told)) return [];
  const numbers = new Set((request.match(HOW_OFTEN) ?? []).flatMap((said) => A_YEAR[said.toLowerCase()] ?? []));
  return numbers.size === 1 ? [...numbers] : [];
}

const MOST_OF = /\bmax(?:imum)? number of (\p{L}+)/iu;
const LESS_THAN = /\b(?:less|fewer) than (\d+) (\p{L}+)/giu;

/** The most that is less, of things that are counted. */
function mostBelow(told: string, request: string): readonly number[] {
  const counted = MOST_OF.exec(told)?.[1]?.toLowerCase();
  if (counted === undefined) return [];
  return [...request.matchAll(LESS_THAN)].flatMap(([, digits = '', noun = '']) =>
    isSameWord(noun.toLowerCase(), counted) ? [Number(digits) - 1] : [],
  );
}

const FORMS: readonly Form[] = [hoursOfDay, lengthsInInches, timesAYear, mostBelow];
