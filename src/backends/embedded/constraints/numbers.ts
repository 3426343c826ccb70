/** Numbers: bounds, steps (`multipleOf`) and excluded values, put together from digits. */
import {
  decimalExpression,
  fractionalExpression,
  integerLimits,
  integersBetween,
  type NumberBounds,
} from './digits.ts';
import { choice, type Expression, isNever, NEVER } from './grammar-expression.ts';
import type { GrammarWriter } from './grammar-writer.ts';
import { exclusionOf } from './negate.ts';
import { type Conjunction, keywordOf, numberOf, refuse } from './schema-part.ts';
import { stepsBetween } from './steps.ts';

/** A number under all of these schemas. */
export function numberExpression(parts: Conjunction, isInteger: boolean, writer: GrammarWriter): Expression {
  const bounds = numberBounds(parts);
  const excluded = parts
    .flatMap((part) => exclusionOf(part)?.values ?? [])
    .filter((value) => typeof value === 'number');
  const stepped = parts.find((part) => keywordOf(part, 'multipleOf') !== undefined);
  if (stepped !== undefined) {
    if (excluded.length > 0) refuse('multipleOf', stepped.pointer, 'single values are excluded beside it');
    if (isWholeExcluded(parts)) refuse('multipleOf', stepped.pointer, 'whole numbers are excluded beside it');
    return stepsBetween(parts, bounds, isInteger, writer);
  }
  const isFractional = isWholeExcluded(parts);
  if (isFractional && isInteger) return NEVER;
  const between = isInteger ? wholeNumbers : isFractional ? fractionalExpression : decimalExpression;
  const written = choice(...gaps(bounds, excluded).map(between));
  const at = parts.find((part) => BOUNDS.some((keyword) => keywordOf(part, keyword) !== undefined));
  if (isNever(written) && excluded.length === 0 && at !== undefined && !isRangeEmpty(bounds, isInteger)) {
    const keyword = BOUNDS.find((each) => keywordOf(at, each) !== undefined) ?? 'minimum';
    return refuse(
      keyword,
      at.pointer,
      'only numbers of more than 15 digits would satisfy it, which not every reader keeps exactly',
    );
  }
  return written;
}

/** Numbers have to have a fraction. */
export function isWholeExcluded(parts: Conjunction): boolean {
  return parts.some((part) => exclusionOf(part)?.isOfWhole === true);
}

const BOUNDS = ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'];

/** No number at all lies within the bounds. */
export function isRangeEmpty(bounds: NumberBounds, isInteger: boolean): boolean {
  const low = Math.max(bounds.minimum ?? Number.NEGATIVE_INFINITY, bounds.exclusiveMinimum ?? Number.NEGATIVE_INFINITY);
  const high = Math.min(
    bounds.maximum ?? Number.POSITIVE_INFINITY,
    bounds.exclusiveMaximum ?? Number.POSITIVE_INFINITY,
  );
  if (low > high) return true;
  if (low === high && (low === bounds.exclusiveMinimum || high === bounds.exclusiveMaximum)) return true;
  const limits = integerLimits(bounds);
  return isInteger && limits.low !== undefined && limits.high !== undefined && limits.low > limits.high;
}

function wholeNumbers(bounds: NumberBounds): Expression {
  const { low, high } = integerLimits(bounds);
  return integersBetween(low, high);
}

/** What is left of a range when single values are taken out. */
function gaps(bounds: NumberBounds, excluded: readonly number[]): readonly NumberBounds[] {
  let rest = bounds;
  const ranges: NumberBounds[] = [];
  for (const value of [...new Set(excluded)].sort((a, b) => a - b)) {
    ranges.push({ ...rest, exclusiveMaximum: Math.min(value, rest.exclusiveMaximum ?? value) });
    rest = { ...rest, exclusiveMinimum: Math.max(value, rest.exclusiveMinimum ?? value) };
  }
  return [...ranges, rest];
}

/** The tightest bounds of all parts; draft 4 makes a bound exclusive by a boolean beside it. */
export function numberBounds(parts: Conjunction): NumberBounds {
  const limits = (keyword: string, exclusive: string, isExclusive: boolean): readonly number[] =>
    parts.flatMap((part) => {
      const modifier = keywordOf(part, exclusive);
      const inclusiveLimit = numberOf(part, keyword);
      if (typeof modifier === 'boolean')
        return inclusiveLimit !== undefined && modifier === isExclusive ? [inclusiveLimit] : [];
      const limit = isExclusive ? numberOf(part, exclusive) : inclusiveLimit;
      return limit === undefined ? [] : [limit];
    });
  const lowest = (isExclusive: boolean) => limits('minimum', 'exclusiveMinimum', isExclusive);
  const highest = (isExclusive: boolean) => limits('maximum', 'exclusiveMaximum', isExclusive);
  const pick = (choose: (...values: number[]) => number, values: readonly number[]) =>
    values.length === 0 ? undefined : choose(...values);
  return {
    minimum: pick(Math.max, lowest(false)),
    exclusiveMinimum: pick(Math.max, lowest(true)),
    maximum: pick(Math.min, highest(false)),
    exclusiveMaximum: pick(Math.min, highest(true)),
  };
}
