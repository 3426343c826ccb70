import { describe, expect, it } from 'vitest';
import type { Json } from '../../../core/generation.ts';
import { endsWithValues, holdingOf, namedValues } from './named-values.ts';

const named = (request: string, known = ''): readonly string[] => namedValues(request, known).map(({ text }) => text);
const open = (request: string, inputs: readonly Json[], known = ''): readonly string[] =>
  holdingOf(namedValues(request, known), inputs, request).open.map(({ text }) => text);

describe('the values that a request names', () => {
  it('are numbers, quotes and names, in their order', () => {
    expect(named('Add 1,200.50 for "Dune" at 22:00 in New York on 2022-05-12, and 1e-9.')).toEqual([
      '1,200.50',
      'Dune',
      '22:00',
      'New York',
      '2022-05-12',
      '1e-9',
    ]);
    expect(named('播放《七里香》，重复 3 遍')).toEqual(['七里香', '3']);
  });

  it('are no first words, months, units, exponents, and nothing in brackets', () => {
    expect(named('What is it? Tell me on May 3rd. Also 10 Amperes, 5m^2, the (Dog) and B1004.')).toEqual([
      '3',
      '10',
      '5',
      'B1004',
    ]);
  });

  it('are no names of functions', () => {
    expect(named("Use 'get_bmi' for the BMI of John", 'get_bmi The BMI of a person')).toEqual(['John']);
  });

  it('are one where the second tells where the first is, and several in a list', () => {
    expect(named('the humidity in Miami, Florida tomorrow')).toEqual(['Miami']);
    expect(named('the humidity in Paris, Rome and Oslo')).toEqual(['Paris', 'Rome', 'Oslo']);
    expect(named('the humidity in Los Angeles, CA and Chicago, IL')).toEqual(['Los Angeles', 'Chicago']);
    expect(named('the rum of Trinidad and Tobago and Cuba')).toEqual(['Trinidad and Tobago', 'Cuba']);
  });
});

describe('the values that are open', () => {
  it('come behind all that a call holds', () => {
    const request = 'Play songs of Maroon for 15 minutes and of Taylor Swift for 20 minutes';
    expect(open(request, [{ artist: 'Maroon', duration: 15 }])).toEqual(['Taylor Swift', '20']);
    expect(
      open(request, [
        { artist: 'Maroon', duration: 15 },
        { artist: 'Taylor Swift', duration: 20 },
      ]),
    ).toEqual([]);
  });

  it('stand beside one that a call holds, or as it does', () => {
    expect(open('The price of Microsoft and Apple over 30 days', [{ stock: 'Microsoft', days: 30 }])).toEqual([
      'Apple',
    ]);
    const songs = "What's the most played Pop song and the most played Rock song in Australia?";
    expect(open(songs, [{ genre: 'Pop', region: 'Australia' }])).toEqual(['Rock']);
  });

  it('may come before those that a call holds', () => {
    const cars = 'The first car drives at a rate of 6 for 10 seconds, the second at a rate of 4 for 15 seconds.';
    expect(open(cars, [{ rate: 4, time: 15 }])).toEqual(['6', '10']);
  });

  it('are none while no call holds any, and where a call tells names by codes', () => {
    expect(open('Greet Bob and Ann', [{ text: 'hi' }])).toEqual([]);
    expect(open('From British Pounds to Japanese Yen: 10', [{ from: 'GBP', to: 'JPY', amount: 10 }])).toEqual([]);
  });

  it('are held by their initials, and by what lies around them', () => {
    const request = 'The weather in New York City, Boston and Chicago';
    expect(open(request, [{ city: 'NYC' }, { city: 'Boston, MA' }])).toEqual(['Chicago']);
  });

  it('are held in another unit, and in parts', () => {
    expect(open('Invest 5000 at 2% for 2 hours', [{ sum: 5000, rate: 0.02, minutes: 120 }])).toEqual([]);
    expect(open('Fly to San Francisco on 2022-05-12', [{ to: 'SF Francisco', date: '05-12-2022' }])).toEqual([]);
  });

  it('are not held by another number of the request, whatever the unit', () => {
    expect(open('The value of 1000 at 5% for 1 and 10 years', [{ sum: 1000, rate: 0.05, years: 10 }])).toEqual(['1']);
  });

  it('are those that are said again elsewhere', () => {
    const request = 'Book a flight from Rome to Tokyo on May 3rd 2022 and one from Tokyo to Sydney on May 18th 2022.';
    expect(open(request, [{ from: 'Rome', to: 'Tokyo', date: '2022-05-03' }])).toEqual(['Sydney', '18']);
  });

  it('are what an argument may be, also in another form', () => {
    const choices = ['melting', 'condensation', 'trial_date', 'status'];
    const openOf = (request: string, input: Json): unknown =>
      holdingOf(namedValues(request, '', choices), [input], request).open.map(({ choice }) => choice);
    expect(openOf('Ice that is melting, and steam condensing', { by: 'melting' })).toEqual(['condensation']);
    expect(openOf('Steam condensing', { by: 'condensation' })).toEqual([]);
    expect(openOf('The status and scheduled trial date of A1', { by: 'status' })).toContain('trial_date');
  });

  it('are in a list where another number of the request is the same in another unit', () => {
    const request = 'Worth of 1000 at 5% for 1, 5 and 10 years';
    const calls = [{ sum: 1000, rate: 0.05, years: 1 }];
    const openOf = (...inputs: Json[]) =>
      holdingOf(namedValues(request, ''), inputs, request).open.map(({ text }) => text);
    expect(openOf(...calls)).toEqual(['5', '10']);
    expect(openOf(...calls, { sum: 1000, rate: 0.05, years: 5 })).toEqual(['10']);
  });

  it('are none of a list from which others are chosen', () => {
    const request = "Of 'age', 'income', 'city' and 'score' use 'age' and 'income' to find 'score'";
    expect(open(request, [{ by: ['age', 'income'], target: 'score' }])).toEqual([]);
    expect(open(request, [{ by: ['age'], target: 'score' }])).toEqual(['income', 'city', 'income']);
  });

  it('are lists of numbers in brackets, as one', () => {
    const request = 'Sort [3, 1, 2], [1, 2, 3] and [2, 3, 1]';
    expect(open(request, [{ list: [3, 1, 2] }])).toEqual(['[1, 2, 3]', '[2, 3, 1]']);
    expect(open(request, [{ list: [3, 1, 2] }, { list: [1, 2, 3] }, { list: [2, 3, 1] }])).toEqual([]);
    expect(open('Integrate it over [-1, 2]', [{ from: -1, to: 2 }])).toEqual([]);
  });

  it('are no sides of equations', () => {
    expect(open('The roots of 3x + 2 = 0', [{ a: 3, b: 2 }])).toEqual([]);
    expect(open('The value of f at 2 and at x = 0', [{ x: 2 }])).toEqual(['0']);
  });

  it('keep apart names that differ by a number', () => {
    expect(open('The genes BRCA1 and BRCA2', [{ gene: 'BRCA1' }])).toEqual(['BRCA2']);
  });

  it('keep apart cities that share a word', () => {
    expect(open('The weather in New York and New Jersey', [{ city: 'New York' }])).toEqual(['New Jersey']);
  });
});

describe('calls are over once all values are held', () => {
  it.each([
    ['The weather in Paris and Rome', true],
    ['3 to the power of 5 and 2 to the power of 3', true],
    ['Show BRCA1 and BRCA2 in Homo and Pan', false],
    ['Show BRCA1 and BRCA2 in Homo and Pan respectively', true],
    ['把 BRCA1 and BRCA2 分别 in Homo and Pan', true],
  ])('in %s: %s', (request, isOver) => {
    expect(endsWithValues(namedValues(request, ''), request, [])).toBe(isOver);
  });

  it('end with the last value where one call holds those of a list together', () => {
    const request = 'How far from zero are the points (3, 4) and (6, 8)?';
    const values = namedValues(request, '');
    expect(endsWithValues(values, request, [{ x: 3 }, { x: 6 }])).toBe(false);
    expect(
      endsWithValues(values, request, [
        { x: 3, y: 4 },
        { x: 6, y: 8 },
      ]),
    ).toBe(true);
  });
});
