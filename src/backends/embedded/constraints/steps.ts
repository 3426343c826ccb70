/**
 * `multipleOf`. A number is a multiple of m exactly when its last digits are, for every m that divides a power of ten: then
 * the digits before them are free, but for the bounds. Of other steps all multiples are listed, where they are few; otherwise
 * the remainder is carried from digit to digit, which takes a rule for each remainder and place.
 *
 * Steps with a fraction are held only where they are exact in binary (0.5, 0.25): validators divide doubles, so that 19.99
 * "is no multiple" of 0.01 for them, and an answer that no validator accepts is of no use.
 */
import { integerLimits, type NumberBounds, naturals } from './digits.ts';
import { characterClass, choice, EMPTY, type Expression, literal, NEVER, sequence } from './grammar-expression.ts';
import type { GrammarWriter } from './grammar-writer.ts';
import { type Conjunction, numberOf, refuse, refuseMalformed, type SchemaPart } from './schema-part.ts';
import { oneOfTexts } from './values.ts';

/** Endings of up to this many digits are listed. */
const MAX_ENDING_DIGITS = 3;
const MAX_LISTED = 2_000;
/** Multiples are whole numbers of at most so many digits. */
const LARGEST = 10n ** 15n - 1n;
/** Remainders that are carried: with 15 places each, a thousand rules. */
const MAX_REMAINDERS = 64n;

export function stepsBetween(
  parts: Conjunction,
  bounds: NumberBounds,
  isInteger: boolean,
  writer: GrammarWriter,
): Expression {
  const at = parts.find((part) => numberOf(part, 'multipleOf') !== undefined);
  const steps = parts.map((part) => stepOf(part)).filter((step) => step !== undefined);
  const fraction = steps.filter((step) => !Number.isInteger(step));
  const whole = steps.filter((step) => Number.isInteger(step)).map(BigInt);
  const [only] = fraction;
  if (only !== undefined && !isInteger && steps.length === 1) return fractionSteps(only, bounds);
  // A whole number is a multiple of 0.5 or 0.25 anyway.
  const step = whole.reduce(leastCommonMultiple, 1n);
  return wholeSteps(step, bounds, at, writer);
}

function stepOf(part: SchemaPart): number | undefined {
  const step = numberOf(part, 'multipleOf');
  if (step === undefined) return undefined;
  if (step <= 0) return refuseMalformed('multipleOf', part.pointer, 'a number greater than 0');
  const isBinaryFraction =
    step < 1 && Number.isInteger(1 / step) && Number.isInteger(Math.log2(step)) && step >= 1 / 64;
  if (Number.isSafeInteger(step) || isBinaryFraction) return step;
  return refuse(
    'multipleOf',
    part.pointer,
    'only whole steps, and halves of halves such as 0.5 and 0.25, are exact in every validator',
  );
}

/** Numbers q·unit + ending, where the ending is one of a few and q is free. */
interface Endings {
  readonly unit: bigint;
  /** `text` follows the digits of q; `textAlone` stands for the whole number when q is 0. */
  readonly list: readonly { readonly offset: bigint; readonly text: string; readonly textAlone: string }[];
  /** Follows every number but 0. */
  readonly zeros: string;
}

function wholeSteps(step: bigint, bounds: NumberBounds, at: SchemaPart | undefined, writer: GrammarWriter): Expression {
  const { low, high } = integerLimits(bounds);
  const from = divideUp(low ?? -LARGEST, step);
  const to = divideDown(high ?? LARGEST, step);
  if (to - from < BigInt(MAX_LISTED)) {
    const count = to < from ? 0 : Number(to - from) + 1;
    return oneOfTexts(Array.from({ length: count }, (_, index) => String((from + BigInt(index)) * step)));
  }
  let zeros = '';
  let rest = step;
  for (; rest % 10n === 0n; rest /= 10n) zeros += '0';
  const digits = [0, 1, 2, MAX_ENDING_DIGITS].find((count) => 10n ** BigInt(count) % rest === 0n);
  if (digits === undefined && rest <= MAX_REMAINDERS) {
    const between = (least: bigint, most: bigint) =>
      sequence(new Remainders(rest, writer).between(least, most), literal(zeros));
    return signed(from * rest, to * rest, between);
  }
  if (digits === undefined)
    return refuse(
      'multipleOf',
      at?.pointer ?? '#',
      `the multiples of ${step} are too many to list, and their last digits do not tell them`,
    );
  const unit = 10n ** BigInt(digits);
  const list = Array.from({ length: Number(unit / rest) }, (_, index) => {
    const offset = BigInt(index) * rest;
    const text = digits === 0 ? '' : String(offset).padStart(digits, '0');
    return { offset, text, textAlone: String(offset) };
  });
  // From multiples of the step to multiples of the step without its zeros.
  return signed(from * rest, to * rest, (least, most) => magnitudes(least, most, { unit, list, zeros }));
}

/** Multiples of 1/2, 1/4, …: the whole part is free, the digits after the point are among a few. */
function fractionSteps(step: number, bounds: NumberBounds): Expression {
  const perOne = 1 / step;
  const scaled = (value: number | undefined) => (value === undefined ? undefined : value * perOne);
  const { low, high } = integerLimits({
    minimum: scaled(bounds.minimum),
    exclusiveMinimum: scaled(bounds.exclusiveMinimum),
    maximum: scaled(bounds.maximum),
    exclusiveMaximum: scaled(bounds.exclusiveMaximum),
  });
  const list = Array.from({ length: perOne }, (_, index) => {
    const text = String(index * step).slice(1);
    return { offset: BigInt(index), text, textAlone: `0${text}` };
  });
  const largest = 10n ** 12n * BigInt(perOne);
  const endings = { unit: BigInt(perOne), list, zeros: '' };
  return signed(low ?? -largest, high ?? largest, (least, most) => magnitudes(least, most, endings));
}

/** `between` gives numbers greater than 0. */
function signed(low: bigint, high: bigint, between: (low: bigint, high: bigint) => Expression): Expression {
  const zero = low <= 0n && high >= 0n ? literal('0') : NEVER;
  const positive = between(low > 1n ? low : 1n, high);
  const negative = between(high < -1n ? -high : 1n, -low);
  return choice(zero, positive, sequence(literal('-'), negative));
}

/** Multiples of a step digit by digit: what is left of the number is known by the remainder so far. */
class Remainders {
  readonly #step: number;
  readonly #writer: GrammarWriter;
  readonly #states = new Map<string, Expression>();

  constructor(step: bigint, writer: GrammarWriter) {
    this.#step = Number(step);
    this.#writer = writer;
  }

  /** From `low`, which is greater than 0, to `high`. */
  between(low: bigint, high: bigint): Expression {
    const options: Expression[] = [];
    for (let length = String(low).length; length <= String(high).length; length += 1) {
      const shortest = 10n ** BigInt(length - 1);
      const longest = shortest * 10n - 1n;
      const [from, to] = [low > shortest ? low : shortest, high < longest ? high : longest];
      if (from <= to) options.push(this.#digits(0, length, String(from), String(to)));
    }
    return choice(...options);
  }

  /** The last `left` digits. A bound that is no longer binding is undefined. */
  #digits(remainder: number, left: number, low: string | undefined, high: string | undefined): Expression {
    if (left === 0) return remainder === 0 ? EMPTY : NEVER;
    const state = `${remainder} ${left} ${low ?? ''} ${high ?? ''}`;
    const known = this.#states.get(state);
    if (known !== undefined) return known;
    const digitsByRest = new Map<Expression, number[]>();
    for (let digit = Number(low?.[0] ?? 0); digit <= Number(high?.[0] ?? 9); digit += 1) {
      const nextLow = String(digit) === low?.[0] && /[1-9]/.test(low.slice(1)) ? low.slice(1) : undefined;
      const nextHigh = String(digit) === high?.[0] && /[0-8]/.test(high.slice(1)) ? high.slice(1) : undefined;
      const rest = this.#digits((remainder * 10 + digit) % this.#step, left - 1, nextLow, nextHigh);
      digitsByRest.set(rest, [...(digitsByRest.get(rest) ?? []), digit]);
    }
    const options = [...digitsByRest].map(([rest, digits]) =>
      sequence(characterClass(digits.map((digit) => [0x30 + digit, 0x30 + digit] as const)), rest),
    );
    const expression = this.#writer.rule('multiple', choice(...options));
    this.#states.set(state, expression);
    return expression;
  }
}

/** Numbers greater than 0 from `low` to `high`, counted in the smallest step. */
function magnitudes(low: bigint, high: bigint, { unit, list, zeros }: Endings): Expression {
  if (low > high) return NEVER;
  const first = low / unit;
  const last = high / unit;
  const allowedAt = (whole: bigint) =>
    list.filter(({ offset }) => whole * unit + offset >= low && whole * unit + offset <= high);
  const isFull = (whole: bigint) => whole > 0n && allowedAt(whole).length === list.length;
  const firstFull = isFull(first) ? first : first + 1n;
  const lastFull = isFull(last) ? last : last - 1n;
  const between = sequence(naturals(firstFull, lastFull), oneOfTexts(list.map((ending) => ending.text)));
  const edges = [...new Set([first, last])].filter((whole) => whole < firstFull || whole > lastFull);
  const atEdges = edges.map((whole) => {
    const allowed = allowedAt(whole);
    if (whole === 0n) return oneOfTexts(allowed.map((ending) => ending.textAlone));
    return sequence(literal(String(whole)), oneOfTexts(allowed.map((ending) => ending.text)));
  });
  return sequence(choice(...atEdges, between), literal(zeros));
}

function divideUp(value: bigint, by: bigint): bigint {
  return value > 0n ? (value + by - 1n) / by : value / by;
}

function divideDown(value: bigint, by: bigint): bigint {
  return value < 0n ? (value - by + 1n) / by : value / by;
}

function leastCommonMultiple(first: bigint, second: bigint): bigint {
  let [a, b] = [first, second];
  while (b !== 0n) [a, b] = [b, a % b];
  return (first / a) * second;
}
