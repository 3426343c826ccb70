/**
 * The values that a request names: numbers, what stands in quotes, and names. Calls that answer it hold them; one that no call
 * holds asks for another call.
 */
import type { Json } from '../../../core/generation.ts';
import { digitsIn, isScaled } from './numbers.ts';
import { placesOf, wordsOf } from './words.ts';

export interface NamedValue {
  readonly text: string;
  readonly isNumber: boolean;
  /** In the request, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** Stands beside the value before it: "Berlin and Madrid", "10 or 20". */
  readonly isBesideLast: boolean;
  /** Other values that stand as this one does: "a Pop song … a Rock song", "radius of 5 … radius of 10". */
  readonly likes: readonly number[];
  /** The text that it stands for, where it is one of several that an argument may be. */
  readonly choice?: string | undefined;
  /** The words before it, where they say what it is: "radius of". */
  readonly lead?: string | undefined;
}

/** Digits with their separators: 1,200.50, 22:00, 2022-05-12, 1e-9. Not a part of a word, no exponent, and not "3D". */
const NUMBER = /(?<![\p{L}\p{N}_.^#])\d+(?:,\d{3}(?!\d))*(?:[-/:.]\d+)*(?:e[-+]?\d+)?(?!D\b)/giu;
/** One value: [3, -1, 2.5]. */
const NUMBER_LIST = /\[-?\d+(?:\.\d+)?(?:,\s*-?\d+(?:\.\d+)?)+\]/gu;
const QUOTED =
  /(?<=^|[\s([,])(?:'([^'\n]{1,60})'|"([^"\n]{1,60})"|“([^”\n]{1,60})”|‘([^’\n]{1,60})’)(?![\p{L}\p{N}])|「([^」\n]{1,60})」|《([^》\n]{1,60})》/gu;
/** Words with a capital, where no sentence begins. */
const NAME =
  /(?<!(?:^|[.?!:\n"'“‘]\s*|[\p{L}\p{N}_]|[\p{L}\p{N}]['’]))\p{Lu}[\p{L}\p{N}]+(?:[ -]\p{Lu}[\p{L}\p{N}]*)*/gu;
/** One name each. */
const PAIRS =
  /\b(?:Antigua and Barbuda|Bosnia and Herzegovina|(?:St\.?|Saint) Kitts and Nevis|Newfoundland and Labrador|S[aã]o Tom[eé] and Pr[ií]ncipe|Trinidad and Tobago|Tyne and Wear)\b/gu;
/** Words with a capital that name nothing a function would be told. */
const NO_NAMES = new Set(
  (
    'also and am april august can could december february friday january july june may march monday november october or please pm ' +
    'saturday september sunday the then thursday tuesday wednesday'
  ).split(' '),
);
/** A name before a quotation says what that is, and one behind a number is its unit. */
const QUOTE_BEHIND = /^\s['"“‘「《]/;
const UNIT_BEFORE = /\d\s?$/;
const BESIDE =
  /^(?:['’]s|\.(?=,))?\s*(?:,|、|,?\s*(?:and|or|&)|和|与|及|或)\s*(?:(?:in|for|from|of|at|to|the|by)\s+)*$/iu;
/** Of those that an argument may be, one may have a word before it: "status and scheduled trial date". */
const BESIDE_CHOICE = new RegExp(BESIDE.source.replace(/\$$/, '(?:\\p{L}+\\s+)?$'), 'iu');
/** Names of species go on in lower case. */
const BESIDE_NAME = new RegExp(BESIDE.source.replace(/^\^/, '^(?:\\s\\p{Ll}+(?=\\s(?:and|or)\\s))?'), 'u');
const STATE = /^\p{Lu}{2}$/u;
const AND_BEHIND = /^\s*(?:,|and\b|or\b|&)/iu;

/**
 * In the order of the text. `known` is what is told of the functions: a name of theirs is no value. `choices` are what their
 * arguments may be: where the request says one, it is a value.
 */
export function namedValues(request: string, known: string, choices: readonly string[] = []): readonly NamedValue[] {
  const told = spaced(known);
  const isTold = ({ text }: Span): boolean => told.includes(spaced(text));
  const quoted = found(request, QUOTED, false).filter((span) => span.text.length > 1 && !isTold(span));
  const isInQuotes = ({ start, end }: Span): boolean => quoted.some((each) => start >= each.start && end <= each.end);
  const lists = found(request, NUMBER_LIST, true);
  const single = found(request, NUMBER, true).filter((span) => !isSideOfEquation(span, request));
  const numbers = [...lists, ...single].filter((span) => !isInQuotes(span));
  const names = [...found(request, PAIRS, false), ...found(request, NAME, false)].filter(
    (span) => !isInQuotes(span) && !isTold(span) && isValue(span, request),
  );
  const chosen = choices
    .filter((choice) => choice.length > 1)
    .flatMap((choice) => chosenIn(request, choice))
    .filter((span) => !isInQuotes(span));
  const spans = apart([...numbers, ...names, ...quoted, ...chosen]);
  const places = joinedPlaces(spans, request);
  const neighbours = places.map((span) => neighboursOf(span, request));
  const leads = places.map((span) => leadOf(span, request));
  return places.map((span, index) => {
    const last = places[index - 1];
    const areChoices = last?.choice !== undefined && span.choice !== undefined;
    const isBesideLast =
      last !== undefined &&
      last.isNumber === span.isNumber &&
      (areChoices ? BESIDE_CHOICE : span.isNumber ? BESIDE : BESIDE_NAME).test(request.slice(last.end, span.start));
    const likes = places.flatMap((other, at) => {
      const areTuples = leads[at]?.startsWith('(') === true && leads[at] === leads[index];
      const isLike =
        at !== index && other.isNumber === span.isNumber && (areTuples || areAlike(neighbours[at], neighbours[index]));
      return isLike ? [at] : [];
    });
    return { ...span, isBesideLast, likes, lead: leads[index] };
  });
}

type Span = Pick<NamedValue, 'text' | 'isNumber' | 'start' | 'end' | 'choice'>;

function found(request: string, pattern: RegExp, isNumber: boolean): readonly Span[] {
  return [...request.matchAll(pattern)].map((match) => {
    const text = match.slice(1).find((group) => group !== undefined) ?? match[0];
    return { text, isNumber, start: match.index, end: match.index + match[0].length };
  });
}

/** The 0 of "3x + 2 = 0". */
function isSideOfEquation({ text, start }: Span, request: string): boolean {
  return text === '0' && /[\p{N})]\s*=\s*$/u.test(request.slice(0, start));
}

/** Its words, with a blank around each. */
function spaced(text: string): string {
  return ` ${wordsOf(text).join(' ')} `;
}

/** Where a request says one of several texts: also `trial_date` by "trial dates". */
function chosenIn(request: string, choice: string): readonly Span[] {
  return placesOf(choice, request).map(({ start, end }) => ({
    text: request.slice(start, end),
    isNumber: false,
    start,
    end,
    choice,
  }));
}

/** Sorted; of those that overlap the first one. */
function apart(spans: readonly Span[]): readonly Span[] {
  const sorted = spans.toSorted((a, b) => a.start - b.start || b.end - a.end);
  let end = 0;
  return sorted.filter((span) => {
    const isFree = span.start >= end;
    if (isFree) end = span.end;
    return isFree;
  });
}

function isValue({ text, start }: Span, request: string): boolean {
  const before = request.slice(0, start);
  const isInBrackets = before.lastIndexOf('(') > before.lastIndexOf(')');
  const isLabel = QUOTE_BEHIND.test(request.slice(start + text.length));
  return !NO_NAMES.has(text.toLowerCase()) && !UNIT_BEFORE.test(before) && !isInBrackets && !isLabel;
}

function leadOf({ start, isNumber }: Span, request: string): string | undefined {
  const place = isNumber ? placeInTuple(start, request) : undefined;
  return place ?? /(\p{L}+\s+\p{L}+)\s+['"“‘]?$/u.exec(request.slice(0, start))?.[1]?.toLowerCase();
}

const TUPLE = /\(-?\d+(?:\.\d+)?(?:, ?-?\d+(?:\.\d+)?)+\)/g;

/** The second of three: what stands there in another tuple is of the same kind. */
function placeInTuple(start: number, request: string): string | undefined {
  const tuple = [...request.matchAll(TUPLE)].find((each) => start > each.index && start < each.index + each[0].length);
  if (tuple === undefined) return undefined;
  const before = request.slice(tuple.index, start);
  return `(${before.split(',').length}/${tuple[0].split(',').length}${before.endsWith('-') ? '-' : ''}`;
}

interface Neighbours {
  readonly before: string | undefined;
  readonly behind: string | undefined;
}

/** The words around a value: two before it ("radius of"), one behind; none that stand around anything. */
function neighboursOf({ start, end }: Span, request: string): Neighbours {
  const before = /(\p{L}+\s+\p{L}+)\W*$/u.exec(request.slice(0, start))?.[1]?.toLowerCase();
  const behind = /^['"”’]?\s+(\p{L}+)/u.exec(request.slice(end))?.[1]?.toLowerCase();
  return {
    before: before !== undefined && /\p{L}{4}/u.test(before) ? before : undefined,
    behind: behind !== undefined && behind.length > 2 && !EVERYWHERE.has(behind) ? behind : undefined,
  };
}

const EVERYWHERE = new Set('and are for from has have that the then was were which who with'.split(' '));

function areAlike(one: Neighbours | undefined, other: Neighbours | undefined): boolean {
  const isSame = (key: keyof Neighbours): boolean => one?.[key] !== undefined && one[key] === other?.[key];
  return isSame('before') || isSame('behind');
}

/** "Miami, Florida" is one value, and so is "Chicago, IL"; "Paris, Rome and Oslo" are three. */
function joinedPlaces(values: readonly Span[], request: string): readonly Span[] {
  const joined: Span[] = [];
  for (const value of values) {
    const last = joined.at(-1);
    const isPlace =
      last !== undefined &&
      !last.isNumber &&
      !value.isNumber &&
      /^,\s*$/.test(request.slice(last.end, value.start)) &&
      (STATE.test(value.text) || !AND_BEHIND.test(request.slice(value.end)));
    if (isPlace && last !== undefined) joined[joined.length - 1] = { ...last, end: value.end };
    else joined.push(value);
  }
  return joined;
}

export interface Holding {
  /** The values that no call holds although they come behind all that one holds, or beside such a value, or stand as one does. */
  readonly open: readonly NamedValue[];
  /** So many of the values are held. */
  readonly held: number;
}

/** How calls with these `inputs` hold `values`. `request` is the text in which they stand. */
export function holdingOf(values: readonly NamedValue[], inputs: readonly Json[], request: string): Holding {
  const said = saidIn(inputs, values, request);
  const lists = listsOf(values);
  const isHeld = values.map((value, index) => {
    // 5 of "for 1, 5 and 10 years" is not in 0.05, which is the 5% before it.
    const isElsewhere = isInList(lists, index) && values.some((other, at) => at !== index && other.text === value.text);
    return holds(said, value) && !(isElsewhere && value.isNumber && !isExact(said, value));
  });
  // What is said twice is held where it was said first.
  const isFirst = values.map(({ text }, index) => values.findIndex((other) => other.text === text) === index);
  const lastHeld = values.findLastIndex((_, index) => isHeld[index] === true && isFirst[index] === true);
  const held = isHeld.filter(Boolean).length;
  if (lastHeld < 0) return { open: [], held };
  /** "Of A, B and C use A and B": what is chosen is said again, and held. */
  const isChosenFrom = (list: readonly number[]): boolean => {
    const texts = list.map((index) => values[index]?.text);
    return lists.some(
      (later) =>
        later !== list &&
        (later[0] ?? 0) > (list.at(-1) ?? 0) &&
        later.length > 1 &&
        later.every((index) => isHeld[index] === true && texts.includes(values[index]?.text)),
    );
  };
  const open = values.filter((value, index) => {
    const list = lists[index] ?? [];
    const isListed = list.some((other) => isHeld[other] === true) && !isChosenFrom(list);
    const isLikeHeld = value.likes.some((other) => isHeld[other] === true);
    return isHeld[index] === false && (index > lastHeld || isListed || isLikeHeld);
  });
  return { open, held };
}

export const EACH_ITS_OWN = /\brespectively\b|分别|各自/i;

/**
 * Whether a function has been called for all of a request once its values are held. Where there are two lists, each value of
 * the one may be wanted with each of the other; what one call holds together, as the two numbers of a point, is none.
 */
export function endsWithValues(values: readonly NamedValue[], request: string, inputs: readonly Json[]): boolean {
  const said = inputs.map((input) => saidIn([input], values, request));
  const isTogether = (list: readonly number[]): boolean =>
    said.some((call) => list.filter((index) => values[index] && holds(call, values[index])).length > 1);
  const lists = [...new Set(listsOf(values))].filter((list) => list.length > 1 && !isTogether(list));
  return lists.length < 2 || EACH_ITS_OWN.test(request);
}

/** For each value the values that stand in one list with it, itself included. */
export function listsOf(values: readonly NamedValue[]): readonly (readonly number[])[] {
  const lists: number[][] = [];
  for (const [index, { isBesideLast }] of values.entries()) {
    const list = (isBesideLast ? lists[index - 1] : undefined) ?? [];
    list.push(index);
    lists.push(list);
  }
  return lists;
}

interface Said {
  readonly text: string;
  readonly numbers: readonly number[];
  /** The lists of numbers among the arguments; empty where there is none. */
  readonly lists: readonly string[];
  /** Those that the request does not name as they are: they are in another unit, or made up. */
  readonly ownNumbers: readonly number[];
  /** Arguments like `NYC` that the request does not say. */
  readonly codes: readonly string[];
  /** Some of them are initials of nothing, like `EUR`: they may be the name of anything. */
  readonly hasOtherCodes: boolean;
}

function saidIn(inputs: readonly Json[], values: readonly NamedValue[], request: string): Said {
  const leaves = inputs.flatMap(leavesOf);
  const text = leaves.join(' ');
  const numbers = digitsIn(text);
  const named = values.flatMap((value) => (value.isNumber ? digitsIn(value.text) : []));
  const codes = leaves.filter((leaf) => /^[A-Z]{2,4}$/.test(leaf) && !request.includes(leaf));
  const initials = values.map(initialsOf);
  return {
    text: text.toLowerCase(),
    numbers,
    lists: inputs.flatMap(listsIn).map((list) => digitsIn(list.join(' ')).join(' ')),
    ownNumbers: numbers.filter((number) => !named.includes(number)),
    codes,
    hasOtherCodes: codes.some((code) => !initials.includes(code)),
  };
}

function initialsOf({ text }: NamedValue): string {
  return wordsOf(text)
    .map((word) => word.slice(0, 1).toUpperCase())
    .join('');
}

function listsIn(value: Json): readonly (readonly Json[])[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return [value];
  return Object.values(value).flatMap(listsIn);
}

function leavesOf(value: Json): readonly string[] {
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.values(value).flatMap(leavesOf);
}

function isInList(lists: readonly (readonly number[])[], index: number): boolean {
  return (lists[index]?.length ?? 0) > 1;
}

function isExact({ numbers }: Said, { text }: NamedValue): boolean {
  return digitsIn(text).every((number) => numbers.includes(number));
}

const SHORT_WORD = 2;
/** Of names that many share. */
const SHARED_WORDS = new Set(
  'city corp corporation east inc los ltd mr mrs ms new north saint san south st the west'.split(' '),
);

function holds({ text, numbers, lists, ownNumbers, codes, hasOtherCodes }: Said, value: NamedValue): boolean {
  if (value.text.startsWith('[') && lists.length > 0) return lists.includes(digitsIn(value.text).join(' '));
  if (value.isNumber) {
    const isHeld = (number: number): boolean =>
      numbers.includes(number) || ownNumbers.some((each) => isScaled(each, number));
    return digitsIn(value.text).every(isHeld);
  }
  if (value.choice !== undefined) return [value.choice, value.text].some((said) => text.includes(said.toLowerCase()));
  if (hasOtherCodes || codes.includes(initialsOf(value))) return true;
  const words = wordsOf(value.text);
  const ordinals = words.filter((word) => /^\p{N}/u.test(word));
  if (ordinals.some((word) => !new RegExp(`(?<!\\d)${word}(?!\\d)`).test(text))) return false;
  const own = words.filter((word) => word.length >= SHORT_WORD && !SHARED_WORDS.has(word));
  const wanted = own.length > 0 ? own : words;
  const held = wanted.filter((word) => text.includes(word.length > 4 ? word.slice(0, -1) : word));
  return held.length * 2 >= wanted.length;
}
