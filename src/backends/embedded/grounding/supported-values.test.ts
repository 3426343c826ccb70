import { describe, expect, it } from 'vitest';
import type { Json } from '../../../core/generation.ts';
import { Conversation, type SaidOf, saidOf } from './supported-values.ts';

const said = new Conversation(
  'You sell pianos.\nGet 1,500 women pianos in French colours, at 8% for a dozen towns in Lyon, in weeks.',
);

describe('what stands for a value', () => {
  it.each([1500, -1500, 0.08, 12, 7, 'Lyon', 'woman', 'fr', 'grand piano', ['red', 'piano'], { town: 'Lyon' }])(
    '%j is said',
    (value) => {
      expect(said.supports(value)).toBe(true);
    },
  );

  it.each([80_001, 0, 'Dinner', 'inside', 'Fr-Ench', 'brief', '', ['Paris', 'Rome'], [], { town: 'Paris' }])(
    '%j is not',
    (value) => {
      expect(said.supports(value)).toBe(false);
    },
  );

  it.each([true, false, null, 'EUR', '2023-04-01', '里昂', 'A text that is far too long to be looked up anywhere'])(
    '%j is not judged',
    (value) => {
      expect(said.supports(value)).toBe(true);
    },
  );

  it('is not looked for in another script', () => {
    expect(new Conversation('北京今天天气怎么样？').supports('Beijing')).toBe(true);
  });
});

describe('all that must be given', () => {
  const properties = {
    action: { enum: ['delete', 'add'] },
    cards: { type: 'integer', description: 'Default is 52.' },
  };
  const schema = (...required: readonly string[]) => ({ type: 'object', properties, required });
  const said = (request: string, input: Json, ...required: readonly string[]): SaidOf | undefined =>
    saidOf(schema(...required), input, request);

  it('is said, or some of it is not', () => {
    expect(said('The roots of x with a of 2', { a: 2, b: 5 }, 'a')).toBe('all');
    expect(said('The roots of x with a of 2', { a: 2, b: 5 }, 'a', 'b')).toBe('some');
    expect(said('Who won the World Series in 2020?', { event: 'World Series', year: '2020' }, 'event', 'year')).toBe(
      'all',
    );
    expect(said('A car starts from rest', { speed: 0 }, 'speed')).toBe('all');
    expect(said('A car starts', { speed: 0 }, 'speed')).toBe('some');
    expect(said('Who won the World Series?', { event: 'World Series', year: '2020/2021' }, 'event', 'year')).toBe(
      'some',
    );
  });

  it('is said in another form', () => {
    const most = { type: 'integer', description: 'Max number of ingredients' };
    const parameters = { type: 'object', properties: { most }, required: ['most'] };
    expect(saidOf(parameters, { most: 4 }, 'A pie of less than 5 ingredients')).toBe('all');
    expect(saidOf(parameters, { most: 4 }, 'A pie of less than 5 kilograms')).toBe('some');
  });

  it('may be all but a text that one knows', () => {
    expect(said('The weather in the capital of France', { city: 'Paris' }, 'city')).toBe('numbers');
    expect(said('The weather in the capital of France', { city: 'Paris', days: 3 }, 'city', 'days')).toBe('some');
  });

  it('is said of a list where half of it is', () => {
    expect(said('A cake of flour and eggs', { of: ['flour', 'eggs', 'sugar'] }, 'of')).toBe('all');
    expect(said('A cake of flour', { of: ['flour', 'eggs', 'sugar'] }, 'of')).toBe('some');
    expect(said('A cake', { of: [] }, 'of')).toBeUndefined();
    expect(said('A cake', { count: 1 }, 'count')).toBe('all');
    expect(said('The field at a point beside a wire', { at: 1, of: 1 }, 'at', 'of')).toBe('some');
    expect(said('One cake for 1', { count: 1, people: 1 }, 'count', 'people')).toBe('all');
    expect(new Conversation('A cake').supports(1)).toBe(false);
  });

  it('is not known where nothing can be looked up', () => {
    expect(said('北京天气', { city: 'Beijing', isHourly: true }, 'city', 'isHourly')).toBeUndefined();
    expect(said('北京天气', { city: '北京', days: 3 }, 'city')).toBe('all');
    expect(said('北京天气', { city: '北京', days: 3 }, 'city', 'days')).toBe('some');
    expect(said('The weather', { city: 'Paris' })).toBeUndefined();
    expect(saidOf({}, { city: 'Paris' }, 'The weather')).toBeUndefined();
    expect(said('Remove two rows', { action: 'delete' }, 'action')).toBeUndefined();
    expect(said('The odds of a full house', { cards: 52 }, 'cards')).toBeUndefined();
    expect(said('The odds of a full house', { cards: 32 }, 'cards')).toBe('some');
    expect(said('Remove two rows', { action: 'delete', rows: 2 }, 'action', 'rows')).toBe('all');
  });

  it('may be a time that follows from one that is said', () => {
    expect(said('Will it rain tomorrow?', { day: '2024-05-03' }, 'day')).toBeUndefined();
    expect(said('明天会下雨吗', { day: '2024-05-03' }, 'day')).toBeUndefined();
    expect(said('Wake me at 6 pm', { at: '18:00' }, 'at')).toBeUndefined();
    expect(said('Where does the sun set?', { day: '2024-05-03' }, 'day')).toBe('some');
  });
});

it.each([
  ['订三张票', 3],
  ['两个人', 2],
  ['二十五岁', 25],
  ['十二点', 12],
  ['一万二千元', 12_000],
  ['三亿人', 300_000_000],
  ['二〇二四年', 2024],
  ['一百零五', 105],
  ['Roll it twice', 2],
  ['a fifteen minute walk', 15],
  ['twenty-five people', 25],
  ['Forty two people', 42],
])('the numbers of %s have %d', (text, number) => {
  expect(new Conversation(text).supports(number)).toBe(true);
  expect(new Conversation(text).supports(number + 1)).toBe(false);
});
