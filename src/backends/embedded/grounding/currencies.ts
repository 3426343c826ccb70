/**
 * Currencies as the request names them, where an argument takes their codes: small weights know that "pounds" are three capital
 * letters, and write PUL. Names are those of the Unicode locale data, in English and Chinese.
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { CURRENCY_PATTERN } from './described-values.ts';
import { literalPattern } from './words.ts';

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

/** `parameters` whose currencies are those of the request, where it says as many as the function takes. */
export function withCurrencies(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  if (!isJsonObject(properties)) return parameters;
  const isCurrency = (schema: Json): schema is JsonSchema =>
    isJsonObject(schema) && schema.pattern === CURRENCY_PATTERN && schema.enum === undefined;
  const taken = Object.values(properties).filter(isCurrency).length;
  const said = taken === 0 ? [] : currenciesIn(request);
  if (taken === 0 || said.length < taken || saysOtherCode(request)) return parameters;
  const held = Object.entries(properties).map(([name, schema]) => {
    return [name, isCurrency(schema) ? { ...schema, enum: said } : schema] as const;
  });
  return { ...parameters, properties: Object.fromEntries(held) };
}

/** BTC may be told as a currency, too. */
function saysOtherCode(request: string): boolean {
  return (request.match(/(?<![\p{L}\p{N}])[A-Z]{3,5}(?![\p{L}\p{N}])/gu) ?? []).some((code) => !CODES.includes(code));
}

/** The codes of all that are said, each once. */
function currenciesIn(request: string): readonly string[] {
  const codes = CODES.filter((code) => new RegExp(`(?<![\\p{L}\\p{N}])${code}(?![\\p{L}\\p{N}])`, 'u').test(request));
  const signs = Object.entries(SIGNS).flatMap(([sign, meant]) => (request.includes(sign) ? meant : []));
  const named = fullNames().filter(({ pattern }) => request.search(pattern) >= 0);
  const rest = named.reduce((text, { pattern }) => text.replace(pattern, ' '), request);
  const short = Object.entries(SHORT_NAMES).flatMap(([name, code]) =>
    new RegExp(`\\b${name}s?\\b`, 'i').test(rest) ? [code] : [],
  );
  return [...new Set([...codes, ...named.map(({ code }) => code), ...short, ...signs])];
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
