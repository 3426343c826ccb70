/**
 * Where the next call goes on. A call that held the first of "1980 and 2016" as its `year` is followed by one that holds the
 * second there: small weights, made to call once more, would rather change something else.
 *
 *     president in 1980 and 2016       {year: 1980}              → year is 2016
 *     Ann and Bo in Rome and Oslo      {name: "Ann", in: "Rome"} → any of them, until each was with each
 *                   … respectively                               → name is "Bo" and in is "Oslo"
 *     unscaled, and again but scaled   {scaled: false}           → scaled is true
 *     both unscaled and scaled         {way: "unscaled"}         → the same with "scaled"
 *     from A to B, to C and back       {A to B}, {B to C}        → from is C and to is A
 */
import type { Json } from '../../../core/generation.ts';
import { isJsonObject } from '../constraints/schema-part.ts';
import type { Grounding, ListedArguments } from '../engine-protocol.ts';
import { choicesOf } from './asked-arguments.ts';
import { argumentOf, ifInForm, isSameSet, MAX_COMBINATIONS, type NextValues, type Value } from './listed-arguments.ts';
import { EACH_ITS_OWN, listsOf, type NamedValue } from './named-values.ts';
import { digitsIn } from './numbers.ts';
import { bothTexts, otherWay } from './other-way.ts';
import { partsOf } from './spread-lists.ts';
import { wordsOf } from './words.ts';

/**
 * What the next call goes on with, behind calls with these `inputs` that left these values `open`: the next values of a list, or,
 * once all are held, the way back, or a combination of two lists that no call has made. Empty where it may be anything.
 */
export function nextValues(
  { values, request }: Pick<Grounding, 'values' | 'request'>,
  listed: ListedArguments,
  inputs: readonly Json[],
  open: readonly NamedValue[],
): NextValues {
  const next =
    open.length === 0
      ? (wayBack(request, listed, inputs) ??
        otherWay(inputs, request) ??
        bothTexts(inputs, request) ??
        nextCombination(values, request, listed, inputs))
      : { ...leftOfLists(values, request, listed, { inputs, open }), ...leftOfParts(listed, inputs) };
  return ifInForm(next, listed);
}

interface CallsSoFar {
  /** Their arguments. */
  readonly inputs: readonly Json[];
  /** The values of the request that no call holds, in its order. */
  readonly open: readonly NamedValue[];
}

/** The arguments that go on with the next value of a list, each with the values that are left. */
function leftOfLists(
  values: readonly NamedValue[],
  request: string,
  { parameters, numbers, texts, lists: spread }: ListedArguments,
  { inputs, open }: CallsSoFar,
): NextValues {
  const input = inputs.at(-1);
  if (!isJsonObject(input)) return {};
  const lists = listsOf(values);
  const going = Object.entries(input).flatMap(([argument, value]) => {
    const isList = spread.includes(argument) && partsOf(argumentOf(parameters, argument)) === undefined;
    const held = isList && Array.isArray(value) ? value[0] : value;
    if (held === undefined || !(isList || (typeof held === 'number' ? numbers : texts).includes(argument))) return [];
    const at = values.findIndex((value) => isSaid(held, value, request));
    // A number that is said twice, as 7% and 7 years, may be either.
    const isEither = typeof held === 'number' && values.filter((value) => isSaid(held, value, request)).length > 1;
    if (at < 0 || isEither) return [];
    const others = [...(lists[at] ?? []), ...(values[at]?.likes ?? [])];
    const first = inputs.map((each) => placeOf(each, argument, values, request)).filter((place) => place >= 0);
    // What lies behind the first that was called for; of points any.
    const from = values[at]?.lead?.startsWith('(') === true ? -1 : Math.min(at, ...first);
    // The second 10 of "exactly 7 of 10 … exactly 10 of 15" is open though another argument holds the first.
    const isOpen = (value: NamedValue, index: number): boolean =>
      open.includes(value) ||
      (values[at]?.likes.includes(index) === true &&
        isRepeated(value, values) &&
        !inputs.some((each) => isSaid(argumentIn(each, argument), value, request)));
    const left = values.filter((value, index) => index > from && others.includes(index) && isOpen(value, index));
    return left.length > 0
      ? [{ argument, left: left.map((value) => asLike(held, value)), value: values[at], next: left[0] }]
      : [];
  });
  // "A mean of 5 and a deviation of 2 … a mean of 10 and a deviation of 3": what stands alike goes on together.
  const isAlike =
    going.every(({ value, next }) => value?.lead !== undefined && value.lead === next?.lead) &&
    new Set(going.map(({ next }) => next)).size === going.length;
  const isZipped = EACH_ITS_OWN.test(request) || isAlike;
  if (going.length > 1 && !isZipped) return {};
  if (going.length > 0)
    return Object.fromEntries(going.map(({ argument, left }) => [argument, isZipped ? left.slice(0, 1) : left]));
  const [only, ...others] = numbers;
  const isListed = (value: NamedValue): boolean => (lists[values.indexOf(value)]?.length ?? 0) > 1;
  const numbersLeft = open.filter((value) => value.isNumber && isPlain(value.text) && isListed(value));
  const isInIt =
    only !== undefined &&
    others.length === 0 &&
    values.some((value) => isSaid(input[only], value, request) && isListed(value));
  return isInIt && numbersLeft.length > 0 ? { [only]: numbersLeft.map((value) => asLike(0, value)) } : {};
}

/** Where the value of an argument is said; -1 where it is not. */
function placeOf(input: Json, argument: string, values: readonly NamedValue[], request: string): number {
  return values.findIndex((value) => isSaid(argumentIn(input, argument), value, request));
}

function argumentIn(input: Json, argument: string): Json | undefined {
  return isJsonObject(input) ? input[argument] : undefined;
}

function isRepeated({ text, isNumber }: NamedValue, values: readonly NamedValue[]): boolean {
  return isNumber && values.filter((other) => other.isNumber && other.text === text).length > 1;
}

/** Lists go on with the parts that no call has held. */
function leftOfParts({ parameters, lists }: ListedArguments, inputs: readonly Json[]): NextValues {
  const left = lists.flatMap((name): (readonly [string, readonly Value[]])[] => {
    const parts = partsOf(argumentOf(parameters, name))?.map(choicesOf) ?? [];
    const held = inputs.flatMap((input) => (isJsonObject(input) && Array.isArray(input[name]) ? [input[name]] : []));
    const open = parts.filter((part) => !held.some((each) => isSameSet(each, part)));
    return open.length > 0 && open.length < parts.length ? [[name, open]] : [];
  });
  return Object.fromEntries(left);
}

const AND_BACK = /\b(?:back|returns?|returning|round trip)\b/i;

/** From where a way of several calls ends to where it began, where the request comes back: Oslo to Rome, Rome to Bonn, "and back". */
function wayBack(request: string, { texts }: ListedArguments, inputs: readonly Json[]): NextValues | undefined {
  const calls = inputs.filter(isJsonObject);
  const [first, second] = calls;
  const last = calls.at(-1);
  if (first === undefined || second === undefined || last === undefined || !AND_BACK.test(request)) return undefined;
  const from = texts.find((one) => texts.some((other) => one !== other && isSameText(first[other], second[one])));
  const to = texts.find((name) => name !== from && from !== undefined && isSameText(first[name], second[from]));
  if (from === undefined || to === undefined) return undefined;
  const isWay = calls.slice(1).every((call, index) => isSameText(calls[index]?.[to], call[from]));
  const [end, start] = [last[to], first[from]];
  if (!isWay || typeof end !== 'string' || typeof start !== 'string' || end === start) return undefined;
  return { [from]: [end], [to]: [start] };
}

function isSameText(one: Json | undefined, other: Json | undefined): boolean {
  return typeof one === 'string' && one === other;
}

/**
 * The first combination of two lists that no call has made: each value of the one is wanted with each of the other, unless the
 * request says that each has its own, or something is done ("meetings at 10 and 11 with Bob and Ann" are two). Empty where none
 * is left, or it is no matter of two lists.
 */
function nextCombination(
  values: readonly NamedValue[],
  request: string,
  listed: ListedArguments,
  inputs: readonly Json[],
): NextValues {
  const lists = [...new Set(listsOf(values))].filter((list) => list.length > 1);
  const [one = [], other = []] = lists.map((list) => list.flatMap((index) => values[index] ?? []));
  const size = one.length * other.length;
  if (lists.length !== 2 || size > MAX_COMBINATIONS || listed.isDeed || EACH_ITS_OWN.test(request)) return {};
  const made = inputs.map((input) => ({
    one: holderOf(one, input, listed, request),
    other: holderOf(other, input, listed, request),
  }));
  const [first] = made;
  if (first?.one === undefined || first.other === undefined) return {};
  const [{ argument: a, held: heldByA }, { argument: b, held: heldByB }] = [first.one, first.other];
  const isPlain = made.every((call) => call.one?.argument === a && call.other?.argument === b);
  if (!isPlain || a === b) return {};
  const combinations = one.flatMap((left) => other.map((right) => ({ left, right })));
  const next = combinations.find(
    ({ left, right }) => !made.some((call) => call.one?.value === left && call.other?.value === right),
  );
  return next ? { [a]: [asLike(heldByA, next.left)], [b]: [asLike(heldByB, next.right)] } : {};
}

interface Holder {
  readonly argument: string;
  readonly held: Json;
  readonly value: NamedValue;
}

/** The one argument that holds a value of a list; undefined where none does, or several do. */
function holderOf(
  list: readonly NamedValue[],
  input: Json,
  { numbers, texts }: ListedArguments,
  request: string,
): Holder | undefined {
  const holders = Object.entries(isJsonObject(input) ? input : {}).flatMap(([argument, held]): readonly Holder[] => {
    const mayHold = (typeof held === 'number' ? numbers : texts).includes(argument);
    const value = mayHold ? list.find((each) => isSaid(held, each, request)) : undefined;
    return value ? [{ argument, held, value }] : [];
  });
  return holders.length === 1 ? holders[0] : undefined;
}

/** Also where a text goes on as the request does: "Homo sapiens", whose name is "Homo". */
function isSaid(held: Json | undefined, { text, isNumber, start }: NamedValue, request: string): boolean {
  if (typeof held === 'number') return isNumber && isPlain(text) && digitsIn(text)[0] === held;
  if (typeof held !== 'string') return false;
  const isLonger = held.length > text.length && request.slice(start, start + held.length) === held;
  return isLonger || wordsOf(held).join(' ') === wordsOf(text).join(' ');
}

/** One number, no date and no time. */
function isPlain(text: string): boolean {
  return digitsIn(text).length === 1 && !/[-/:]/.test(text);
}

/** A value as an argument that held another one like this. */
function asLike(held: Json, { text }: NamedValue): number | string {
  return typeof held === 'number' ? (digitsIn(text)[0] ?? 0) : text;
}
