/**
 * The numbers of a text, in digits and in words, English and Chinese, and what a model makes of them: 2% is 0.02, two hours
 * are 120 minutes.
 */
import { isSameWord } from './words.ts';

const DIGITS = /\d+(?:,\d{3}(?!\d))*(?:\.\d+)?(?:e[-+]?\d+)?/giu;
const IN_WORDS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    one: 1,
    single: 1,
    first: 1,
    once: 1,
    two: 2,
    pair: 2,
    couple: 2,
    both: 2,
    double: 2,
    second: 2,
    twice: 2,
    three: 3,
    third: 3,
    triple: 3,
    thrice: 3,
    four: 4,
    fourth: 4,
    five: 5,
    fifth: 5,
    six: 6,
    sixth: 6,
    seven: 7,
    seventh: 7,
    eight: 8,
    eighth: 8,
    nine: 9,
    ninth: 9,
    ten: 10,
    tenth: 10,
    eleven: 11,
    twelve: 12,
    dozen: 12,
    thirteen: 13,
    fourteen: 14,
    fifteen: 15,
    sixteen: 16,
    seventeen: 17,
    eighteen: 18,
    nineteen: 19,
    twenty: 20,
    thirty: 30,
    forty: 40,
    fifty: 50,
    sixty: 60,
    seventy: 70,
    eighty: 80,
    ninety: 90,
    zero: 0,
    none: 0,
    // Of speeds.
    rest: 0,
    dropped: 0,
    motionless: 0,
    stationary: 0,
    half: 0.5,
    quarter: 0.25,
    hundred: 100,
    thousand: 1_000,
    million: 1_000_000,
    // In smaller units.
    minute: 60,
    hour: 60,
    day: 24,
    week: 7,
    fortnight: 14,
    month: 30,
    year: 365,
    decade: 10,
    century: 100,
  }),
);
const COUNTS = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ');
const COUNTED = new RegExp(
  `(?<![\\p{L}\\p{N}.,])(\\d+|${COUNTS.slice(1).join('|')})(?=[ -](?:(?!(?:and|at|by|for|from|in|of|on|or|per|to|with) )(\\p{L}[\\p{L}-]*) )?(\\p{L}+))`,
  'giu',
);

/** How many of them a text tells of: 2 dice of "two dice" and of "2 fair dice". */
export function countsOf(noun: string, text: string): readonly number[] {
  const counts = [...text.matchAll(COUNTED)].flatMap(([, count = '', ...words]) => {
    const isCounted = words.some((word) => word !== undefined && isSameWord(word.toLowerCase(), noun.toLowerCase()));
    return isCounted ? [/^\d/.test(count) ? Number(count) : COUNTS.indexOf(count.toLowerCase())] : [];
  });
  return [...new Set(counts)];
}

const SCALES = [1, 60, 100, 1e3, 3_600, 1e6, 1e9];

export interface Numbers {
  has(number: number): boolean;
}

/** Those in digits, as they are. */
export function digitsIn(text: string): readonly number[] {
  return (text.match(DIGITS) ?? []).map((digits) => Number(digits.replaceAll(',', '')));
}

const SCALE_WORDS: Readonly<Record<string, number>> = { thousand: 1e3, million: 1e6, billion: 1e9, trillion: 1e12 };
const WITH_SCALE = new RegExp(`(${DIGITS.source})\\s?(${Object.keys(SCALE_WORDS).join('|')})?\\b`, 'giu');

export interface SpokenNumber {
  readonly number: number;
  /** What stands before a word that says its scale: 50 of "50 million". */
  readonly bare: number | undefined;
}

/** Those in digits, with the word behind them that says their scale. */
export function spokenNumbers(text: string): readonly SpokenNumber[] {
  return [...text.matchAll(WITH_SCALE)].map(([, digits = '', scale]) => {
    const bare = Number(digits.replaceAll(',', ''));
    // 1.267 × 10⁹ is no whole number in binary.
    return scale === undefined
      ? { number: bare, bare: undefined }
      : { number: Number((bare * (SCALE_WORDS[scale.toLowerCase()] ?? 1)).toPrecision(15)), bare };
  });
}

const TIGHT_LIST = /(?<![\d.,])\d+(?:,\d+)+(?![\d.])/g;

/** Whether numbers stand side by side with nothing but a comma: "5,10 and 15", but not 1,000. */
export function hasTightList(text: string): boolean {
  return (text.match(TIGHT_LIST) ?? []).some((list) => digitsIn(list).length > 1);
}

/** "twenty-five" */
const TENS_AND_ONES =
  /\b(twen|thir|for|fif|six|seven|eigh|nine)ty[- ](one|two|three|four|five|six|seven|eight|nine)\b/gi;

const HAN_DIGITS = '零一二三四五六七八九';
const HAN_UNITS: Readonly<Record<string, number>> = { 十: 10, 百: 100, 千: 1_000, 万: 10_000, 亿: 100_000_000 };
const HAN_NUMBER = /[零〇一二两三四五六七八九十百千万亿]+/gu;

/** 25 of 二十五, 12,000 of 一万二千. Digits behind each other are read as such: 二〇二四 is 2024. */
export function hanNumber(text: string): number {
  const characters = [...text.replaceAll('〇', '零').replaceAll('两', '二')];
  if (characters.length > 1 && characters.every((each) => HAN_DIGITS.includes(each)))
    return Number(characters.map((each) => HAN_DIGITS.indexOf(each)).join(''));
  let sum = 0;
  let section = 0;
  let digit = 0;
  for (const each of characters) {
    const unit = HAN_UNITS[each];
    if (unit === undefined) digit = HAN_DIGITS.indexOf(each);
    else if (unit < 10_000) {
      section += (digit || 1) * unit;
      digit = 0;
    } else {
      sum = (sum + section + digit || 1) * unit;
      section = 0;
      digit = 0;
    }
  }
  return sum + section + digit;
}

export function numbersIn(text: string): Numbers {
  const inWords = (text.toLowerCase().match(/\p{L}+/gu) ?? []).flatMap(
    (word) => IN_WORDS.get(word) ?? IN_WORDS.get(word.replace(/s$/, '')) ?? [],
  );
  const joined = [...text.toLowerCase().matchAll(TENS_AND_ONES)].map(
    ([, tens = '', ones = '']) => (IN_WORDS.get(`${tens}ty`) ?? 0) + (IN_WORDS.get(ones) ?? 0),
  );
  const digits = [...digitsIn(text), ...joined, ...(text.match(HAN_NUMBER) ?? []).map(hanNumber)];
  return {
    has: (number) => {
      const size = Math.abs(number);
      return digits.some((digit) => isScaled(digit, size)) || inWords.some((word) => isSame(word, size));
    },
  };
}

/** Whether one is the other in another unit. */
export function isScaled(one: number, other: number): boolean {
  return SCALES.some((scale) => isSame(one * scale, other) || isSame(one, other * scale));
}

function isSame(one: number, other: number): boolean {
  return Math.abs(one - other) <= 1e-9 * Math.max(Math.abs(one), Math.abs(other));
}
