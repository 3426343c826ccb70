import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  accepts,
  exactTexts,
  intersect,
  isEmptyLanguage,
  lengthsBetween,
  longestLength,
  subtract,
  union,
} from './automaton.ts';
import { automatonOfPattern } from './pattern.ts';

const atoms = fc.constantFrom(
  'a',
  'b',
  'ab',
  '.',
  '[a-c]',
  '[^a]',
  '\\d',
  '\\w',
  '\\s',
  '\\W',
  '(?:a|bc)',
  '(b|)',
  '[\\d_-]',
  '\\.',
  '\\u0062',
  '\\x61',
  '\\u{1F600}',
  '[😀é]',
);
const quantifiers = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '*?', '+?');
const sequences = fc
  .array(
    fc.tuple(atoms, quantifiers).map(([atom, quantifier]) => (quantifier === '' ? atom : `(?:${atom})${quantifier}`)),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join(''));
const anchored = fc.tuple(fc.constantFrom('', '^'), sequences, fc.constantFrom('', '$')).map((parts) => parts.join(''));
const patterns = fc.oneof(
  anchored,
  fc.tuple(anchored, anchored).map((both) => both.join('|')),
  anchored.map((inner) => `(${inner})x?`),
);
const texts = fc
  .array(fc.constantFrom('a', 'b', 'c', 'd', '1', '_', '-', ' ', '\n', '.', 'é', '😀', 'x'), { maxLength: 8 })
  .map((characters) => characters.join(''));

describe('a pattern', () => {
  test('takes the texts that the regular expression finds a match in', () => {
    fc.assert(
      fc.property(patterns, fc.array(texts, { minLength: 12, maxLength: 12 }), (pattern, samples) => {
        const automaton = automatonOfPattern(pattern);
        const expression = new RegExp(pattern, 'u');
        for (const text of samples)
          expect(accepts(automaton, text), `${pattern} on ${JSON.stringify(text)}`).toBe(expression.test(text));
      }),
      { numRuns: 200, seed: 11 },
    );
  });

  test.each([
    '^(?=.*a)(?!.*b)[a-c]{1,4}$',
    '^(?!$)a*$',
    '^a$|^$',
    '$^',
    '(^a)+b',
    '(a$)?b*',
    '\\S+@\\S+',
    '\\cJ',
    '[\\b]',
    '\\0',
    '\\/',
  ])('%s', (pattern) => {
    const automaton = automatonOfPattern(pattern);
    const expression = new RegExp(pattern, 'u');
    for (const text of ['', 'a', 'b', 'aa', 'ac', 'ab', 'ba', 'bb', 'cab', 'x@y', '@', '\n', '\b', '\0', '/', 'aab']) {
      expect(accepts(automaton, text), JSON.stringify(text)).toBe(expression.test(text));
    }
  });
});

describe('languages', () => {
  test('are combined as sets', () => {
    fc.assert(
      fc.property(patterns, patterns, fc.array(texts, { minLength: 10, maxLength: 10 }), (first, second, samples) => {
        const [a, b] = [automatonOfPattern(first), automatonOfPattern(second)];
        for (const text of samples) {
          const [inA, inB] = [accepts(a, text), accepts(b, text)];
          expect(accepts(intersect(a, b), text)).toBe(inA && inB);
          expect(accepts(subtract(a, b), text)).toBe(inA && !inB);
          expect(accepts(union(a, b), text)).toBe(inA || inB);
        }
      }),
      { numRuns: 60, seed: 12 },
    );
  });

  test('know their lengths and when they are empty', () => {
    expect(longestLength(automatonOfPattern('^a{2,5}b?$'))).toBe(6);
    expect(longestLength(automatonOfPattern('^ab*$'))).toBe(Number.POSITIVE_INFINITY);
    expect(isEmptyLanguage(intersect(automatonOfPattern('^a+$'), automatonOfPattern('^b+$')))).toBe(true);
    expect(isEmptyLanguage(subtract(exactTexts(['a', 'aa']), lengthsBetween(1, 2)))).toBe(true);
    expect(accepts(lengthsBetween(2, 3), '😀é')).toBe(true);
  });
});
