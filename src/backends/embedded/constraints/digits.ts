/**
 * Numbers between bounds, digit by digit.
 *
 * Numbers are written as decimals with at most 15 digits before and 15 after the point, and an exponent of two digits
 * where nothing has to be compared: decoding cannot loop on digits, and every integer is exact in a double. Bounds are
 * compared as decimal texts. A text and a bound that differ may still round to the same double, which matters for
 * exclusive bounds; so a bounded number has at most 15 significant digits around its bounds, and those always stay apart.
 */
import {
  characterClass,
  choice,
  EMPTY,
  type Expression,
  literal,
  NEVER,
  optional,
  repeat,
  sequence,
} from './grammar-expression.ts';

const MAX_DIGITS = 15;
const LARGEST = 10n ** BigInt(MAX_DIGITS) - 1n;

export interface NumberBounds {
  readonly minimum?: number | undefined;
  readonly exclusiveMinimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly exclusiveMaximum?: number | undefined;
}

function digitsBetween(low: number, high: number): Expression {
  return low > high ? NEVER : characterClass([[0x30 + low, 0x30 + high]]);
}

const anyDigits = (minimum: number, maximum: number) => repeat(digitsBetween(0, 9), minimum, maximum);

/** Whole numbers in their plain spelling: no sign before 0, no leading zeros. */
export function integersBetween(low = -LARGEST, high = LARGEST): Expression {
  const from = low < -LARGEST ? -LARGEST : low;
  const to = high > LARGEST ? LARGEST : high;
  if (from === -LARGEST && to === LARGEST) {
    return choice(literal('0'), sequence(optional(literal('-')), naturals(1n, LARGEST)));
  }
  const negative = from < 0n ? sequence(literal('-'), naturals(to < 0n ? -to : 1n, -from)) : NEVER;
  return choice(to < 0n ? NEVER : naturals(from > 0n ? from : 0n, to), negative);
}

/** Whole numbers from `low` to `high`, neither negative. */
export function naturals(low: bigint, high: bigint): Expression {
  if (low > high) return NEVER;
  const options: Expression[] = [];
  let from = low;
  if (from === 0n) {
    options.push(literal('0'));
    from = 1n;
  }
  while (from <= high) {
    const isWholeLength = from === 10n ** BigInt(String(from).length - 1);
    const length = String(from).length;
    // All numbers of several lengths at once, e.g. [1-9] [0-9]{0,3}.
    let wholeLengths = 0;
    while (isWholeLength && 10n ** BigInt(length + wholeLengths) - 1n <= high) wholeLengths += 1;
    if (wholeLengths > 0) {
      options.push(sequence(digitsBetween(1, 9), anyDigits(length - 1, length + wholeLengths - 2)));
      from = 10n ** BigInt(length + wholeLengths - 1);
      continue;
    }
    const lastOfLength = 10n ** BigInt(length) - 1n;
    const to = lastOfLength < high ? lastOfLength : high;
    options.push(sameLength(String(from), String(to), length));
    from = to + 1n;
  }
  return choice(...options);
}

/** Digit strings of one length from `low` to `high`; an undefined bound is no longer binding. */
function sameLength(low: string | undefined, high: string | undefined, length: number): Expression {
  if (length === 0) return EMPTY;
  const lowDigit = Number(low?.[0] ?? 0);
  const highDigit = Number(high?.[0] ?? 9);
  const lowRest = low?.slice(1);
  const highRest = high?.slice(1);
  if (lowDigit === highDigit) return sequence(literal(String(lowDigit)), sameLength(lowRest, highRest, length - 1));
  const isLowTight = lowRest !== undefined && /[^0]/.test(lowRest);
  const isHighTight = highRest !== undefined && /[^9]/.test(highRest);
  const atLow = sequence(literal(String(lowDigit)), sameLength(lowRest, undefined, length - 1));
  const between = sequence(
    digitsBetween(isLowTight ? lowDigit + 1 : lowDigit, isHighTight ? highDigit - 1 : highDigit),
    anyDigits(length - 1, length - 1),
  );
  const atHigh = sequence(literal(String(highDigit)), sameLength(undefined, highRest, length - 1));
  return choice(isLowTight ? atLow : NEVER, between, isHighTight ? atHigh : NEVER);
}

/** A bound of a decimal number: its digits and whether it is itself allowed. */
interface DecimalBound {
  readonly isNegative: boolean;
  readonly whole: bigint;
  /** Digits after the point without trailing zeros. */
  readonly fraction: string;
  readonly isExclusive: boolean;
}

/** `e-9`: two digits, so that every such number is finite and none but 0 becomes 0. */
const EXPONENT = optional(
  sequence(
    characterClass([
      [0x45, 0x45],
      [0x65, 0x65],
    ]),
    optional(
      characterClass([
        [0x2b, 0x2b],
        [0x2d, 0x2d],
      ]),
    ),
    anyDigits(1, 2),
  ),
);

/** A decimal number, whole or with a fraction; with an exponent where no bound but 0 has to be kept. */
export function decimalExpression(bounds: NumberBounds): Expression {
  const low = lowerBound(bounds);
  const high = upperBound(bounds);
  const wholeDigits = Math.max(
    0,
    ...[low, high].map((bound) => (bound === undefined ? 0 : String(bound.whole).length)),
  );
  const digits = low === undefined && high === undefined ? MAX_DIGITS : Math.max(0, MAX_DIGITS - wholeDigits);
  const decimal = signed(low, high, { digits, isFractional: false });
  const isAtMostAboveZero = low === undefined || (!low.isNegative && low.whole === 0n && low.fraction === '');
  return high === undefined && isAtMostAboveZero ? sequence(decimal, EXPONENT) : decimal;
}

/** So far, and with so few places, no fraction is lost in a double. */
const LARGEST_FRACTIONAL = 1e9;
const FRACTIONAL_PLACES = 6;

/** A decimal number that is not whole. */
export function fractionalExpression({
  minimum = -LARGEST_FRACTIONAL,
  maximum = LARGEST_FRACTIONAL,
  ...exclusive
}: NumberBounds): Expression {
  const bounds = {
    minimum: Math.max(minimum, -LARGEST_FRACTIONAL),
    maximum: Math.min(maximum, LARGEST_FRACTIONAL),
    ...exclusive,
  };
  return signed(lowerBound(bounds), upperBound(bounds), { digits: FRACTIONAL_PLACES, isFractional: true });
}

/** What may stand after the point. */
interface Places {
  readonly digits: number;
  /** At least one of them is not 0. */
  readonly isFractional: boolean;
}

function signed(low: DecimalBound | undefined, high: DecimalBound | undefined, places: Places): Expression {
  const upper = high?.isNegative ? NEVER : magnitudes(low?.isNegative ? undefined : low, high, places);
  const negativeHigh = high?.isNegative ? high : { isNegative: true, whole: 0n, fraction: '', isExclusive: true };
  const lower = low !== undefined && !low.isNegative ? NEVER : magnitudes(negativeHigh, low, places);
  if (low === undefined && high === undefined) return sequence(optional(literal('-')), upper);
  return choice(upper, sequence(literal('-'), lower));
}

/** Decimals that are not negative, from `low` to `high`. */
function magnitudes(low: DecimalBound | undefined, high: DecimalBound | undefined, places: Places): Expression {
  const lowWhole = low?.whole ?? 0n;
  const highWhole = high?.whole ?? LARGEST;
  if (lowWhole > highWhole || lowWhole > LARGEST) return NEVER;
  const options: Expression[] = [];
  const isLowTight = low !== undefined && (low.fraction !== '' || low.isExclusive);
  if (high !== undefined && high.whole === lowWhole) {
    return sequence(literal(String(lowWhole)), fractionPart(low ?? ZERO, high, places));
  }
  if (isLowTight) options.push(sequence(literal(String(lowWhole)), fractionPart(low, undefined, places)));
  const from = isLowTight ? lowWhole + 1n : lowWhole;
  const to = high === undefined || highWhole > LARGEST ? LARGEST : highWhole - 1n;
  if (from <= to) options.push(sequence(naturals(from, to), anyFraction(places)));
  if (high !== undefined && highWhole <= LARGEST) {
    options.push(sequence(literal(String(highWhole)), fractionPart(undefined, high, places)));
  }
  return choice(...options);
}

const ZERO: DecimalBound = { isNegative: false, whole: 0n, fraction: '', isExclusive: false };

function anyFraction({ digits, isFractional }: Places): Expression {
  if (isFractional) return sequence(literal('.'), anyDigitsBut0(digits));
  return digits === 0 ? EMPTY : optional(sequence(literal('.'), anyDigits(1, digits)));
}

/** Up to `most` digits of which one at least is not 0. */
function anyDigitsBut0(most: number): Expression {
  const afterZeros = Array.from({ length: most }, (_, zeros) =>
    sequence(literal('0'.repeat(zeros)), digitsBetween(1, 9), anyDigits(0, most - 1 - zeros)),
  );
  return choice(...afterZeros);
}

/** What may follow the whole part that a bound shares: nothing, or a point and digits. */
function fractionPart(low: DecimalBound | undefined, high: DecimalBound | undefined, places: Places): Expression {
  const from = low === undefined ? undefined : { digits: low.fraction, isExclusive: low.isExclusive };
  const to = high === undefined ? undefined : { digits: high.fraction, isExclusive: high.isExclusive };
  const withoutPoint = mayEnd(from, to) && !places.isFractional ? EMPTY : NEVER;
  const first = { needsDigit: true, needsNonZero: places.isFractional };
  return choice(withoutPoint, sequence(literal('.'), fractionDigits(from, to, places.digits, first)));
}

interface Tail {
  readonly digits: string;
  readonly isExclusive: boolean;
}

/** All digits that follow count as zeros when the number ends here. */
function mayEnd(low: Tail | undefined, high: Tail | undefined): boolean {
  if (low !== undefined && (low.digits !== '' || low.isExclusive)) return false;
  return high === undefined || high.digits !== '' || !high.isExclusive;
}

interface Needs {
  readonly needsDigit: boolean;
  readonly needsNonZero: boolean;
}

/** Fraction digits while one of the bounds is still matched digit by digit. */
function fractionDigits(low: Tail | undefined, high: Tail | undefined, left: number, needs: Needs): Expression {
  const { needsDigit, needsNonZero } = needs;
  const isLowFree = low === undefined || (low.digits === '' && !low.isExclusive);
  if (isLowFree && high === undefined) return needsNonZero ? anyDigitsBut0(left) : anyDigits(needsDigit ? 1 : 0, left);
  const options: Expression[] = [];
  if (!needsDigit && !needsNonZero && mayEnd(low, high)) options.push(EMPTY);
  // Beyond an inclusive upper bound only zeros could follow; leaving them out keeps the spelling natural.
  const isAtTop = high !== undefined && high.digits === '';
  if (left === 0 || (isAtTop && (high.isExclusive || !needsDigit))) return choice(...options);
  const lowDigit = isLowFree ? 0 : Number(low.digits[0] ?? '0');
  const highDigit = high === undefined ? 9 : Number(high.digits[0] ?? '0');
  const nextLow = isLowFree || low === undefined ? undefined : { ...low, digits: low.digits.slice(1) };
  const nextHigh = high === undefined ? undefined : { ...high, digits: high.digits.slice(1) };
  const step = (first: number, last: number, from: Tail | undefined, to: Tail | undefined): Expression => {
    if (first > last) return NEVER;
    // A 0 still leaves it to the digits behind it that one is not.
    if (needsNonZero && first === 0 && last > 0) return choice(step(0, 0, from, to), step(1, last, from, to));
    const rest = { needsDigit: false, needsNonZero: needsNonZero && first === 0 };
    return sequence(digitsBetween(first, last), fractionDigits(from, to, left - 1, rest));
  };
  if (lowDigit > highDigit) return choice(...options);
  if (lowDigit === highDigit) return choice(...options, step(lowDigit, lowDigit, nextLow, nextHigh));
  if (nextLow !== undefined) options.push(step(lowDigit, lowDigit, nextLow, undefined));
  const from = nextLow === undefined ? lowDigit : lowDigit + 1;
  const to = nextHigh === undefined ? highDigit : highDigit - 1;
  options.push(step(from, to, undefined, undefined));
  if (nextHigh !== undefined) options.push(step(highDigit, highDigit, undefined, nextHigh));
  return choice(...options);
}

/** Digits of a double, written out without an exponent: the shortest text that reads back as the same number. */
function decimalBound(value: number, isExclusive: boolean): DecimalBound {
  const [mantissa = '0', exponentText = '0'] = String(Math.abs(value)).split('e');
  const [wholeText = '0', fractionText = ''] = mantissa.split('.');
  const exponent = Number(exponentText);
  const digits = wholeText + fractionText;
  const point = wholeText.length + exponent;
  const whole = point <= 0 ? '0' : digits.padEnd(point, '0').slice(0, point);
  const fraction = point <= 0 ? '0'.repeat(-point) + digits : digits.slice(point);
  return { isNegative: value < 0, whole: BigInt(whole), fraction: fraction.replace(/0+$/, ''), isExclusive };
}

function lowerBound({ minimum, exclusiveMinimum }: NumberBounds): DecimalBound | undefined {
  if (exclusiveMinimum !== undefined && (minimum === undefined || exclusiveMinimum >= minimum))
    return decimalBound(exclusiveMinimum, true);
  return minimum === undefined ? undefined : decimalBound(minimum, false);
}

function upperBound({ maximum, exclusiveMaximum }: NumberBounds): DecimalBound | undefined {
  if (exclusiveMaximum !== undefined && (maximum === undefined || exclusiveMaximum <= maximum))
    return decimalBound(exclusiveMaximum, true);
  return maximum === undefined ? undefined : decimalBound(maximum, false);
}

/** The least and the greatest whole number within bounds. */
export function integerLimits(bounds: NumberBounds): {
  readonly low: bigint | undefined;
  readonly high: bigint | undefined;
} {
  return {
    low: largest(ceiling(bounds.minimum), above(bounds.exclusiveMinimum)),
    high: smallest(floor(bounds.maximum), below(bounds.exclusiveMaximum)),
  };
}

const ceiling = (value: number | undefined) => (value === undefined ? undefined : BigInt(Math.ceil(value)));
const floor = (value: number | undefined) => (value === undefined ? undefined : BigInt(Math.floor(value)));
const above = (value: number | undefined) => (value === undefined ? undefined : BigInt(Math.floor(value)) + 1n);
const below = (value: number | undefined) => (value === undefined ? undefined : BigInt(Math.ceil(value)) - 1n);

function largest(first: bigint | undefined, second: bigint | undefined): bigint | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return first > second ? first : second;
}

function smallest(first: bigint | undefined, second: bigint | undefined): bigint | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return first < second ? first : second;
}
