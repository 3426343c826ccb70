/**
 * What descriptions say of the form of a value, as JSON Schema: small weights read over it, and a grammar does not. A schema
 * is only ever made narrower, so what it allows is allowed by the caller's own.
 *
 *     "Can be 'summary' or 'detailed'."           enum
 *     "The date in YYYY-MM-DD format"             pattern
 *     "The city and state, e.g. Boston, MA"       pattern
 *     "The base currency"                         pattern, a code of ISO 4217
 *     "The mode of transport (walk, bike, bus)"   enum
 *     "The annual interest rate" for "at 5%"      less than 1: a rate is a fraction where nothing says that it is not
 *     "Interest rate in percent" for "at 5%"      1 or more
 *     the only number, for "5,10 and 15"          one of these: small weights read 510
 *     any number for "from 0 to 2 pi"             0 or 6.2832
 *     any number for "a dividend of 50 million"   that, or a small one: small weights lose count of zeros
 *
 * In the cases of BFCL each of them holds wherever it is said (docs/decisions/0023).
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { descriptionOf, quotedIn } from './descriptions.ts';
import { digitsIn, hasTightList, spokenNumbers } from './numbers.ts';
import { wordsOf } from './words.ts';

/** Whoever says more of a value by keywords has said what he wants. */
const NARROWING = [
  '$ref',
  'allOf',
  'anyOf',
  'const',
  'enum',
  'format',
  'maxLength',
  'minLength',
  'not',
  'oneOf',
  'pattern',
];

const BOUNDS = ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum', 'multipleOf'];
/** A code of ISO 4217. */
export const CURRENCY_PATTERN = '^[A-Z]{3}$';
/** A place and, behind a comma, what it lies in. */
export const PLACE_PATTERN = '^[^,;]+, [^,;]+$';

/** `parameters` as their descriptions narrow them, for a `request`. */
export function asDescribed(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const numbers = Object.values(properties).filter((schema) => isJsonObject(schema) && isPlainNumber(schema));
  const isListed = numbers.length === 1 && hasTightList(request);
  const narrowed = Object.entries(properties).map(([name, schema]) => {
    const isSaid = isListed && isJsonObject(schema) && isPlainNumber(schema);
    return [
      name,
      isSaid ? { ...schema, enum: [...new Set(digitsIn(request))] } : narrow(name, schema, request),
    ] as const;
  });
  return { ...parameters, properties: Object.fromEntries(narrowed) };
}

/** A text of which the schema says nothing more. */
export function isPlainText(schema: JsonSchema): boolean {
  return schema.type === 'string' && !NARROWING.some((keyword) => keyword in schema);
}

/** A text of which it may be said what it is not, and nothing more. */
export function isOpenText({ not, ...rest }: JsonSchema): boolean {
  return isPlainText(rest) && (not === undefined || ruledOutBy(not) !== undefined);
}

/** An open text that matches none of `patterns` either. */
export function withoutTexts(schema: JsonSchema, patterns: readonly string[]): JsonSchema {
  if (patterns.length === 0) return schema;
  const ruledOut = ruledOutBy(schema.not);
  return { ...schema, not: { pattern: [...(ruledOut === undefined ? [] : [ruledOut]), ...patterns].join('|') } };
}

function ruledOutBy(not: Json | undefined): string | undefined {
  if (!isJsonObject(not) || Object.keys(not).length !== 1) return undefined;
  return typeof not.pattern === 'string' ? not.pattern : undefined;
}

const OF_LISTS = ['$ref', 'allOf', 'anyOf', 'const', 'contains', 'enum', 'minItems', 'not', 'oneOf', 'prefixItems'];

/** A list of which the schema says nothing more than what its items are: other items may be needed by what it says. */
export function isPlainList(schema: JsonSchema): boolean {
  return schema.type === 'array' && isJsonObject(schema.items) && !OF_LISTS.some((keyword) => keyword in schema);
}

/** A number of which the schema says nothing more. */
export function isPlainNumber(schema: JsonSchema): boolean {
  const isNumber = schema.type === 'number' || schema.type === 'integer';
  return isNumber && ![...NARROWING, ...BOUNDS].some((keyword) => keyword in schema);
}

function narrow(name: string, schema: Json, request: string): Json {
  if (!isJsonObject(schema)) return schema;
  if (schema.type === 'number' || schema.type === 'integer') return narrowNumber(name, schema, request);
  if (!isPlainText(schema)) return schema;
  const description = descriptionOf(schema);
  const choices = choicesIn(description);
  if (choices.length > 0) return { ...schema, enum: choices };
  const pattern = patternOf(name, description);
  return pattern === undefined ? schema : { ...schema, pattern };
}

function narrowNumber(name: string, schema: JsonSchema, request: string): JsonSchema {
  if (!isPlainNumber(schema)) return schema;
  const description = descriptionOf(schema);
  if (schema.type === 'number' && isFraction(name, description, request)) return { ...schema, exclusiveMaximum: 1 };
  if (schema.type === 'number' && isInPercent(name, description, request)) return { ...schema, minimum: 1 };
  const angles = schema.type === 'number' ? anglesIn(request) : [];
  if (angles.length > 0) {
    const told = typeof schema.default === 'number' ? [schema.default] : [];
    return { ...schema, enum: [...new Set([...angles, ...told, ...digitsIn(description)])] };
  }
  if (SMALL_UNIT.test(`${wordsOf(name).join(' ')} ${description}`)) return schema;
  return { ...schema, ...countedAsIn(request) };
}

/** Not the Pi of "a Raspberry Pi": a sign, a multiple or a part. */
const TIMES_PI =
  /(?<![\p{L}\p{N}.,])(-?)(?:(\d+(?:\.\d+)?)\s?(?:\*\s?)?(?:π|pi\b)|(?:π|pi\b(?=\s?\/\s?\d)))(?:\s?\/\s?(\d+))?/giu;
const DIGITS = 4;

/** What "from 0 to 2 pi" says: small weights read 2. Besides, what is said, and what may be meant by nothing. */
function anglesIn(request: string): readonly number[] {
  const said = [...request.matchAll(TIMES_PI)];
  if (said.length === 0) return [];
  const angles = said.flatMap(([, sign = '', times = '1', parts = '1']) => {
    const angle = ((sign === '-' ? -1 : 1) * Number(times) * Math.PI) / Number(parts);
    return [Number(angle.toFixed(DIGITS)), angle];
  });
  return [...new Set([...angles, ...digitsIn(request.replace(TIMES_PI, ' ')), 0, 1])].filter(Number.isFinite);
}

/** Smaller numbers may be worked out, and their zeros are counted right. */
const MIN_SAID = 100_000;
/** What is said in dollars or seconds is a larger number in these; and "in millions" is what the request says, too. */
const SMALL_UNIT =
  /\b(?:cents?|pence|paise|fen|satoshis?|wei|smallest|minor|bytes?|bits?|ms|(?:centi|milli|micro|nano)\p{L}*|epoch|timestamp|unix|thousands?|millions?|billions?)\b/iu;

/** Numbers that are not all in digits: 100k, 5 crore, half a million. */
const OTHER_SCALE =
  /\d\s?(?:k|mn?|mm|bn?|lakhs?|crores?)\b|\d\s?[千萬万億亿]|\p{L}[ -](?:hundred|thousand|million|billion|trillion)\b/iu;

/** How large a number is, where a request has large ones: one of these, or a small one, and "50 million" is not 50. */
function countedAsIn(request: string): JsonSchema {
  const spoken = spokenNumbers(request);
  const said = spoken.map(({ number }) => number).filter((number) => number >= MIN_SAID);
  if (said.length === 0 || OTHER_SCALE.test(request)) return {};
  const plain = spoken.flatMap(({ number, bare }) => (bare === undefined ? [number] : []));
  const bare = spoken.flatMap((each) => (each.bare === undefined || plain.includes(each.bare) ? [] : [each.bare]));
  // Kept from 1.267 of "1.267 billion", weights would write 1.26700001.
  const hasParts = plain.some((number) => !Number.isInteger(number)) || bare.every(Number.isInteger);
  const small = { exclusiveMaximum: MIN_SAID };
  const wholeOrShare = [
    { type: 'integer', ...small },
    { exclusiveMinimum: -1, exclusiveMaximum: 1 },
  ];
  return {
    anyOf: [{ enum: [...new Set(said)] }, ...(hasParts ? [small] : wholeOrShare)],
    ...(bare.length > 0 && { not: { enum: [...new Set(bare)] } }),
  };
}

/** Leads to all values there are. "Can be left out if it is 'a'" does not. */
const CLOSED =
  /\b(?:(?:choices|either|one of|options?|(?:possible|valid|supported|allowed) (?:values?|options?|choices))\b[^'"‘“.]{0,30}|(?:can|could|must) be (?:either |one of )?)(?=['"‘“])/i;
const UNCLOSED = /\be\.g|\bsuch as\b|\betc\b|\bfor example\b|\blike\b|\bformat/i;
/** Of a quoted text that stands for others: 'city, state', 'first name'. */
const PLACEHOLDER =
  /\b(?:address|city|code|country|date|day|email|id|name|number|path|state|string|text|time|title|url|user|year|zip)\b|[<{[]/i;

/** All kinds of something, in brackets; of more words each would be no name of a kind. */
const KINDS =
  /\b(?:category|kind|level|method|mode|style|type) of [^()]{1,40}\(((?:[\p{L}\p{N}-]+(?: [\p{L}\p{N}-]+)?, ){2,}(?:or )?[\p{L}\p{N}-]+(?: [\p{L}\p{N}-]+)?)\)/iu;

/** The values in quotes, to the end of the sentence that says that there are no others; or all kinds in brackets. */
function choicesIn(description: string): readonly string[] {
  if (UNCLOSED.test(description)) return [];
  const kinds = KINDS.exec(description)?.[1];
  if (kinds !== undefined) return kinds.split(', ').map((kind) => kind.replace(/^or /, ''));
  const start = CLOSED.exec(description)?.index;
  if (start === undefined) return [];
  const sentence = /^.*?(?:\.\s|$)/s.exec(description.slice(start))?.[0] ?? '';
  const choices = [...new Set(quotedIn(sentence).map(({ text }) => text))];
  return choices.length < 2 || choices.some((choice) => PLACEHOLDER.test(choice)) ? [] : choices;
}

const DATE =
  /\b(?:in|format|formatted|use)\b[^.]*?(?<!\w)((?:(?:YYYY|YY|MM|DD)([-/.]))(?:YYYY|YY|MM|DD)(?:\2(?:YYYY|YY|MM|DD))?)(?![-/.]?\w)/i;
const PLACE = /\bcity and state\b|\bformat (?:of )?city, (?:state|country)\b/i;
const PLACE_EXAMPLE = /\be\.g\.?,? \p{Lu}\p{L}+(?: \p{Lu}\p{L}+)*, \p{Lu}{2}\b/u;

const DATE_PARTS: Readonly<Record<string, string>> = {
  YYYY: '[12][0-9]{3}',
  YY: '[0-9]{2}',
  MM: '(0[1-9]|1[0-2])',
  DD: '(0[1-9]|[12][0-9]|3[01])',
};

/**
 * Undefined for dates that begin with the day: weights that begin with the year whatever they are told would be held to a
 * day 20. With the month first they cannot.
 */
function datePattern(form: string): string | undefined {
  if (form.startsWith('D') || /^YY(?!YY)/.test(form)) return undefined;
  return `^${form.replaceAll('.', '\\.').replace(/YYYY|YY|MM|DD/g, (part) => DATE_PARTS[part] ?? part)}$`;
}

const OF_CURRENCY_CODE = /\bcurrency code\b|\bISO[ -]?4217\b/i;
/** A currency that is told by something else than its code. */
const OTHER_CURRENCY =
  /[Ss]ymbol|\b[Ss]ign\b|\b[Nn]ame\b|[Ww]ord|[$€£¥]|\b(?:usd|eur|gbp|cny|jpy|[Dd]ollars?|[Ee]uros?)\b/;

function patternOf(name: string, description: string): string | undefined {
  const words = wordsOf(name);
  if (words.at(-1) === 'format') return undefined;
  const date = DATE.exec(description)?.[1];
  if (date !== undefined) return datePattern(date.toUpperCase());
  if (PLACE.test(description) || PLACE_EXAMPLE.test(description)) return PLACE_PATTERN;
  const isCurrency = words.at(-1) === 'currency' || OF_CURRENCY_CODE.test(description);
  return isCurrency && !OTHER_CURRENCY.test(description) ? CURRENCY_PATTERN : undefined;
}

const RATE = new Set(['confidence', 'prob', 'probability', 'rate', 'ratio', 'return', 'yield']);
const IN_PERCENT = /percent/i;
const AS_FRACTION = /\b(?:decimals?|fractions?)\b|\b0?\.\d|\b0\b/i;
/** "E.g. 4.5", "5 for 5%": a number above 1 that is no percent itself. */
const NO_FRACTION = /(?<![\d.])[1-9]\d*(?:\.\d+)?(?![\d.]*\s?%)(?!\d)/;
const PERCENT = /(\d+(?:\.\d+)?)\s?(?:%|percent\b)/gi;

function percentsIn(request: string): readonly number[] {
  return [...request.matchAll(PERCENT)].map((match) => Number(match[1]));
}

/** "5%" is 5 for an argument in percent. */
function isInPercent(name: string, description: string, request: string): boolean {
  const percents = percentsIn(request);
  if (percents.length === 0 || percents.some((percent) => percent < 1) || /-\s?\d/.test(request)) return false;
  return IN_PERCENT.test(`${wordsOf(name).join(' ')} ${description}`) && !AS_FRACTION.test(description);
}

/** "5%" is 0.05, unless the argument is one in percent. */
function isFraction(name: string, description: string, request: string): boolean {
  const percents = percentsIn(request);
  if (percents.length === 0 || percents.some((percent) => percent >= 100)) return false;
  if (IN_PERCENT.test(`${name} ${description}`) || NO_FRACTION.test(description)) return false;
  return wordsOf(name).some((word) => RATE.has(word));
}
