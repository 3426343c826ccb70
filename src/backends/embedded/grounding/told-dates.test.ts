import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { saysDate, takesDate, withoutUntoldDates, withSaidDays } from './told-dates.ts';

const takes = (name: string, schema: object): boolean => takesDate({ properties: { [name]: { ...schema } } });

describe('a date', () => {
  it.each([
    'the rate at January 1, 2022',
    'from 10th December 2022 on',
    'on the 3rd of May 2021',
    'before 2022-12-10',
    'on 12/10/2022',
    '2022年12月10日的汇率',
  ])('is said: %s', (request) => expect(saysDate(request)).toBe(true));

  it.each(['in 2022', 'in May', 'Maybe 10 2022s', '1/2 of 2022', 'tomorrow'])('is not said: %s', (request) =>
    expect(saysDate(request)).toBe(false),
  );

  it('may be told by name, format or description, and not by a number of days', () => {
    expect(takes('startDate', { type: 'string' })).toBe(true);
    expect(takes('year', { type: 'integer' })).toBe(true);
    expect(takes('start', { type: 'string', format: 'date' })).toBe(true);
    expect(takes('start', { type: 'string', description: 'When it begins' })).toBe(true);
    expect(takes('start', { type: 'string', description: 'Where it begins' })).toBe(false);
    expect(takes('ahead', { type: 'integer', description: 'Days from the current date' })).toBe(false);
    expect(takes('isDated', { type: 'boolean', description: 'Whether the date is shown' })).toBe(false);
    expect(takes('from_currency', { type: 'string', description: 'To convert from' })).toBe(false);
    expect(takes('anything', {})).toBe(false);
    expect(takesDate({ type: 'object' })).toBe(false);
  });
});

describe('a date that nobody told', () => {
  const date = { type: 'string', description: 'The day of the concert' };
  const heldFor = (request: string, schema: object = date, conversation = request): unknown => {
    const held = withoutUntoldDates({ type: 'object', properties: { date: { ...schema } } }, request, conversation);
    expect(() => compileArgumentsSchema(held)).not.toThrow();
    return (held.properties as unknown as { date: unknown }).date;
  };

  it.each(['Concerts next Friday', 'Concerts tomorrow', '下周的音乐会'])('is not made up: %s', (request) => {
    expect(heldFor(request)).toEqual({ ...date, not: { pattern: '[0-9]' } });
  });

  it('is told in the conversation, or by the form of the date', () => {
    expect(heldFor('Concerts next Friday', date, 'Today is 2026-05-01.\nConcerts next Friday')).toEqual(date);
    expect(heldFor('Concerts in Rome')).toEqual(date);
    expect(heldFor('Concerts next Friday, May 5')).toEqual(date);
    for (const description of ['In the format of ISO 8601', 'e.g. 2024-01-01', 'YYYY/MM'])
      expect(heldFor('Concerts tomorrow', { ...date, description })).toEqual({ ...date, description });
    const place = { type: 'string', description: 'Where' };
    const held = withoutUntoldDates({ properties: { place } }, 'Concerts tomorrow', '');
    expect(held.properties).toEqual({ place });
  });
});

describe('the days that a request says', () => {
  const date = { type: 'string', description: 'In the format YYYY-MM-DD' };
  const daysFor = (request: string, properties: JsonSchema = { date }): unknown => {
    const held = withSaidDays({ type: 'object', properties }, request);
    expect(() => compileArgumentsSchema(held)).not.toThrow();
    return Object.values(held.properties as { readonly [name: string]: JsonSchema }).map((schema) => schema.enum);
  };

  it('are those that are told', () => {
    expect(daysFor('What did he say on March 17, 1915?')).toEqual([['1915-03-17']]);
    expect(daysFor('1915年3月17日发生了什么')).toEqual([['1915-03-17']]);
    const stay = { check_in: date, check_out: { type: 'string', format: 'date' } };
    const both = ['2022-05-01', '2022-05-05'];
    expect(daysFor('A room from May 1st, 2022 to 2022-05-05', stay)).toEqual([both, undefined]);
    expect(daysFor('A room from May 1st, 2022 to 2022-05-05', { check_in: date, check_out: date })).toEqual([
      both,
      both,
    ]);
  });

  it.each([
    'What did he say on March 17?',
    'The day after March 17, 1915',
    'Since March 17, 1915',
    'From March 17, 1915 to 3/20/1915',
    'Yesterday',
  ])('are not told by "%s"', (request) => {
    expect(daysFor(request)).toEqual([undefined]);
  });

  it('are not held where not all are said, or in a form that is not known', () => {
    expect(daysFor('3 nights from May 1, 2022', { check_in: date, check_out: date })).toEqual([undefined, undefined]);
    const stay = { check_in: { type: 'string', format: 'date' }, check_out: date };
    expect(daysFor('3 nights from May 1, 2022', stay)).toEqual([undefined, undefined]);
    expect(daysFor('On May 1, 2022', { date: { type: 'string' } })).toEqual([undefined]);
    expect(daysFor('On May 1, 2022', { date: { ...date, enum: ['2022-05-02'] } })).toEqual([['2022-05-02']]);
  });
});
