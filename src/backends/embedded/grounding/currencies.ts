/**
 * Currencies as the request names them, where an argument takes their codes: small weights know that "pounds" are three capital
 * letters, and write PUL. Names are those of the Unicode locale data, in English and Chinese.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { CURRENCY_PATTERN } from './described-values.ts';
import { literalPattern, wordsOf } from './words.ts';

const CODES = Intl.supportedValuesOf('currency');
/** What is meant where nobody says whose: of a `$` or "dollars" those of the United States. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  baht: 'THB',
  dollar: 'USD',
  euro: 'EUR',
  franc: 'CHF',
  peso: 'MXN',
  pound: 'GBP',
  renminbi: 'CNY',
  rmb: 'CNY',
  rouble: 'RUB',
  ruble: 'RUB',
  rupee: 'INR',
  yen: 'JPY',
  yuan: 'CNY',
  zloty: 'PLN',
};
const SIGNS: Readonly<Record<string, readonly string[]>> = {
  $: ['USD'],
  '€': ['EUR'],
  '£': ['GBP'],
  '₹': ['INR'],
  '₩': ['KRW'],
  '¥': ['JPY', 'CNY'],
  '￥': ['JPY', 'CNY'],
  美金: ['USD'],
  块: ['CNY'],
};

/** Of two currencies the one that an amount is in, and the one that it is to be in, by a word of the argument's name. */
const SOURCES = new Set(['base', 'current', 'from', 'original', 'source']);
const TARGETS = new Set(['destination', 'into', 'target', 'to']);
/** What stands before "euros" in "200 euros", and before "Swiss francs" in "to Swiss francs". */
const AMOUNT_BEFORE = /\d(?:[\d.,]*\d)?\s?(?:k|thousand|[mb]illion)?\s?$/i;
const AMOUNT_BEHIND = /^\s?\d/;
const TO_BEFORE = /\b(?:in|into|to)\s(?:the\s)?$/i;

/** `parameters` whose currencies are those of the request, where it says as many as the function takes. */
export function withCurrencies(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const isCurrency = (schema: Json): schema is JsonSchema =>
    isJsonObject(schema) && schema.pattern === CURRENCY_PATTERN && schema.enum === undefined;
  const taken = Object.values(properties).filter(isCurrency).length;
  const said = taken === 0 ? [] : currenciesIn(request);
  const all = codesOf(said);
  if (taken === 0 || all.length < taken || saysOtherCode(request)) return parameters;
  const amounts = said.filter(({ start, end }) => {
    return AMOUNT_BEFORE.test(request.slice(0, start)) || AMOUNT_BEHIND.test(request.slice(end));
  });
  const goals = said.filter(({ start }) => TO_BEFORE.test(request.slice(0, start)));
  const choicesFor = (name: string): readonly string[] => {
    const isOne = (roles: ReadonlySet<string>): boolean => wordsOf(name).some((word) => roles.has(word));
    const own = isOne(SOURCES) ? codesOf(amounts) : isOne(TARGETS) ? codesOf(goals) : [];
    return own.length > 0 ? own : all;
  };
  const held = Object.entries(properties).map(([name, schema]) => {
    return [name, isCurrency(schema) ? { ...schema, enum: choicesFor(name) } : schema] as const;
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}

/** BTC may be told as a currency, too. */
function saysOtherCode(request: string): boolean {
  return (request.match(/(?<![\p{L}\p{N}])[A-Z]{3,5}(?![\p{L}\p{N}])/gu) ?? []).some(
    (code) => !CODES.includes(code) && !(code.toLowerCase() in SHORT_NAMES),
  );
}

interface SaidCurrency {
  readonly code: string;
  /** In the request, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

function codesOf(said: readonly SaidCurrency[]): readonly string[] {
  return [...new Set(said.map(({ code }) => code))].toSorted();
}

/** All that are said; a short name within a full one ("Canadian dollars") is none. */
function currenciesIn(request: string): readonly SaidCurrency[] {
  const found = (pattern: RegExp, codes: readonly string[]): readonly SaidCurrency[] =>
    [...request.matchAll(pattern)].flatMap(({ 0: text, index: start }) =>
      codes.map((code) => ({ code, start, end: start + text.length })),
    );
  const codes = CODES.flatMap((code) =>
    found(new RegExp(`(?<![\\p{L}\\p{N}])${code}(?![\\p{L}\\p{N}])`, 'gu'), [code]),
  );
  const signs = Object.entries(SIGNS).flatMap(([sign, meant]) => found(new RegExp(literalPattern(sign), 'g'), meant));
  const named = fullNames().flatMap(({ code, pattern }) => found(pattern, [code]));
  const short = Object.entries(SHORT_NAMES)
    .flatMap(([name, code]) => found(new RegExp(`\\b${name}s?\\b`, 'gi'), [code]))
    .filter(({ start, end }) => !named.some((full) => full.start <= start && end <= full.end));
  return [...codes, ...named, ...short, ...signs];
}

interface NamedCurrency {
  readonly code: string;
  /** Of all places where it stands. */
  readonly pattern: RegExp;
}

let known: readonly NamedCurrency[] | undefined;

/** "Swiss francs", "US dollars" and "瑞士法郎". */
function fullNames(): readonly NamedCurrency[] {
  if (known !== undefined) return known;
  const english = new Intl.DisplayNames('en', { type: 'currency', fallback: 'none' });
  const chinese = new Intl.DisplayNames('zh', { type: 'currency', fallback: 'none' });
  known = CODES.flatMap((code) => {
    const name = english.of(code);
    // What is no longer in use has years behind it: "French Franc (1…)".
    if (name === undefined || /[(\d]/.test(name)) return [];
    const other = chinese.of(code);
    const names = [`\\b${literalPattern(name)}s?\\b`, ...(other === undefined ? [] : [literalPattern(other)])];
    return [{ code, pattern: new RegExp(names.join('|'), 'gi') }];
  });
  return known;
}
