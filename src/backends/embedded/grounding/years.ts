/**
 * The year of a request goes into the argument for it: small weights leave it beside the name as well ("the 2021 La Liga
 * table", with a `season`: a `league` of "2021 La Liga").
 */
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import { isPlainText } from './described-values.ts';
import { descriptionOf } from './descriptions.ts';
import { wordsOf } from './words.ts';

const YEAR = /(?<![\p{L}\p{N}.,/-])(?:19|20)\d{2}(?![\p{L}\p{N}/-]|[.,]\d)/gu;
/** Arguments that hold a year. */
const OF_YEARS = new Set(['date', 'dates', 'season', 'seasons', 'year', 'years']);
/** Of another one that may hold it, too. */
const TOLD_WITH_YEAR = /\b(?:date|season|year)s?\b|\b(?:19|20)\d{2}\b/i;

/** `parameters` whose texts do not hold the year that another argument is for. */
export function withYearsApart(parameters: JsonSchema, request: string): JsonSchema {
  const { properties } = parameters;
  const years = [...new Set(request.match(YEAR))];
  if (years.length === 0 || !isJsonObject(properties) || !Object.keys(properties).some(isOfYears)) return parameters;
  const held = Object.entries(properties).map(([name, schema]) => [
    name,
    isWithoutYear(name, schema) ? { ...schema, not: { pattern: years.join('|') } } : schema,
  ]);
  return { ...parameters, properties: Object.fromEntries(held) };
}

function isOfYears(name: string): boolean {
  return wordsOf(name).some((word) => OF_YEARS.has(word));
}

function isWithoutYear(name: string, schema: Json): schema is JsonSchema {
  if (!isJsonObject(schema) || isOfYears(name) || !isPlainText(schema)) return false;
  return !TOLD_WITH_YEAR.test(descriptionOf(schema));
}
