import { describe, expect, it } from 'vitest';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { asDescribed } from './described-values.ts';

function described(name: string, description: string, more: object = { type: 'string' }, request = ''): object {
  const parameters = { type: 'object', properties: { [name]: { description, ...more } } };
  const { properties } = asDescribed(parameters, request) as typeof parameters;
  // Whatever is made of them can be held.
  expect(() => compileArgumentsSchema({ ...parameters, properties })).not.toThrow();
  const { description: _, ...rest } = properties[name] as { description: string };
  return rest;
}

const TEXT = { type: 'string' };
const NUMBER = { type: 'number' };

describe('the form of a value', () => {
  it('is one of the choices where there are no others', () => {
    const choices = { type: 'string', enum: ['brief', 'detailed'] };
    expect(described('depth', "Choices are 'brief' or 'detailed'.")).toEqual(choices);
    expect(described('depth', 'Can be "brief" or "detailed", default is "brief".')).toEqual(choices);
    expect(described('kind', "The kind, can be 'IMAX', '2D' etc.")).toEqual(TEXT);
    expect(described('kind', "The user's kind, can be 'IMAX'.")).toEqual(TEXT);
    expect(described('place', "Can be 'city, state' or 'zip'.")).toEqual(TEXT);
    expect(described('name', "Valid where the type is 'a' or 'b'.")).toEqual(TEXT);
    expect(described('name', "Can be left out if the type is 'a' or 'b'.")).toEqual(TEXT);
    expect(described('depth', "Either 'brief' or 'detailed'. Goes with 'mode'.")).toEqual(choices);
  });

  it('is one of all kinds that are listed in brackets', () => {
    const kinds = { type: 'string', enum: ['walk', 'bike', 'public transport'] };
    expect(described('mode', 'The mode of travel (walk, bike, or public transport).')).toEqual(kinds);
    expect(described('mode', 'The mode of travel (e.g. walk, bike, bus).')).toEqual(TEXT);
    expect(described('mode', 'The mode of travel (walk, bike, bus, etc.).')).toEqual(TEXT);
    expect(described('place', 'Where to start (latitude, longitude, height).')).toEqual(TEXT);
  });

  it('is a number that the request says, or a small one, once zeros have to be counted', () => {
    const whole = { type: 'integer' };
    const million = { anyOf: [{ enum: [50_000_000] }, { exclusiveMaximum: 100_000 }], not: { enum: [50] } };
    expect(described('payout', 'In USD', whole, 'a payout of 50 million')).toEqual({ ...whole, ...million });
    const billion = described('people', '', NUMBER, '1.267 billion people, 1.267 a year and 120,000 more');
    expect(billion).toEqual({ ...NUMBER, anyOf: [{ enum: [1_267_000_000, 120_000] }, { exclusiveMaximum: 100_000 }] });
    const parts = described('people', '', NUMBER, '1.267 billion people in 2000');
    expect(parts).toMatchObject({ anyOf: [{}, { type: 'integer' }, { exclusiveMaximum: 1 }], not: { enum: [1.267] } });
    expect(described('people', '', whole, '1.267 billion people')).toMatchObject({ not: { enum: [1.267] } });
    expect(described('price', '', NUMBER, 'for $12,000 at 4')).toEqual(NUMBER);
    for (const request of ['from $180,000 to 200k', '120,000 or half a million', '120,000和5万'])
      expect(described('price', '', NUMBER, request), request).toEqual(NUMBER);
    expect(described('amount', 'In cents', whole, 'for $120,000')).toEqual(whole);
    expect(described('people', 'In millions', whole, '50 million')).toEqual(whole);
    expect(described('waitMilliseconds', '', whole, '120,000 seconds')).toEqual(whole);
    expect(described('rate', '', NUMBER, '$120,000 at 2.5%')).toEqual({ ...NUMBER, exclusiveMaximum: 1 });
    expect(described('price', '', { ...NUMBER, minimum: 5 }, 'for $120,000')).toEqual({ ...NUMBER, minimum: 5 });
  });

  it('is a date as the description writes it', () => {
    const dates = (description: string): RegExp => {
      const { pattern } = described('day', description) as { pattern?: string };
      return new RegExp(pattern ?? '$^');
    };
    expect('2027-05-03').toMatch(dates('In the format YYYY-MM-DD.'));
    expect('2027-15-03').not.toMatch(dates('In the format YYYY-MM-DD.'));
    expect('05/2027').toMatch(dates('Must be in MM/YYYY format'));
    // What weights would write that begin with the year.
    expect('20-05-2027').not.toMatch(dates('In the format MM-DD-YYYY'));
    expect(described('day', 'In the format DD-MM-YYYY')).toEqual(TEXT);
    expect(described('date_format', "Format of the date, e.g. in 'YYYY-MM-DD'")).toEqual(TEXT);
    expect(described('day', 'In the format MM-DD-YYY')).toEqual(TEXT);
  });

  it('is a part of a circle where the request says it', () => {
    const number = { type: 'number' };
    const saidIn = (request: string, schema: object = number) => described('end', '', schema, request);
    expect(saidIn('Plot it from 0 to 2 pi at 5 Hz')).toEqual({ ...number, enum: [6.2832, 2 * Math.PI, 0, 5, 1] });
    expect(saidIn('Plot it from -π/2 to 2.5π')).toMatchObject({
      enum: [-1.5708, -Math.PI / 2, 7.854, 2.5 * Math.PI, 0, 1],
    });
    expect(saidIn('Plot it from 0 to pi/4')).toMatchObject({ enum: [0.7854, Math.PI / 4, 0, 1] });
    const told = { type: 'number', default: 0.5 };
    expect(saidIn('Plot it from 0 to pi/4', told)).toMatchObject({ enum: [0.7854, Math.PI / 4, 0, 1, 0.5] });
    expect(saidIn('Plot it from 0 to 2 pigs')).toEqual(number);
    expect(saidIn('2 cases for a Raspberry Pi 4')).toEqual(number);
    expect(saidIn('Plot it from 0 to 2 pi', { type: 'integer' })).toEqual({ type: 'integer' });
  });

  it('is a place with what it lies in, or the code of a currency', () => {
    const place = { type: 'string', pattern: '^[^,;]+, [^,;]+$' };
    expect(described('where', 'The city and state, e.g. San Francisco, CA')).toEqual(place);
    expect(described('where', 'The city, e.g. Boston, MA')).toEqual(place);
    expect(described('where', 'The league, e.g. Champions League, La Liga')).toEqual(TEXT);
    expect(described('from_currency', 'To convert from')).toEqual({ type: 'string', pattern: '^[A-Z]{3}$' });
    expect(described('currency', 'The symbol of the currency')).toEqual(TEXT);
    expect(described('currency', 'Such as usd')).toEqual(TEXT);
    expect(described('currency_name', 'To convert from')).toEqual(TEXT);
  });

  it('is a fraction for a rate, where the request speaks of percents and the description does not', () => {
    const below = { type: 'number', exclusiveMaximum: 1 };
    expect(described('growthRate', 'The growth a year', NUMBER, 'at 2.5% a year')).toEqual(below);
    expect(described('growthRate', 'The growth a year', NUMBER, 'at 8 percent a year')).toEqual(below);
    expect(described('growthRate', 'The growth a year', NUMBER, 'at 250% a year')).toEqual(NUMBER);
    expect(described('growthRate', 'The growth a year', NUMBER, 'at 2.5 a year')).toEqual(NUMBER);
    expect(described('growthRate', 'As a percentage', NUMBER, 'at 2.5%')).not.toHaveProperty('exclusiveMaximum');
    expect(described('growthRate', 'E.g. 5% is 0.05', NUMBER, 'at 2.5%')).toEqual(below);
    expect(described('growthRate', 'E.g. 4.5', NUMBER, 'at 2.5%')).toEqual(NUMBER);
    expect(described('growthRate', '5 for 5%', NUMBER, 'at 2.5%')).toEqual(NUMBER);
    expect(described('growthRate', 'The growth', { ...NUMBER, maximum: 100 }, 'at 2%')).toEqual({
      ...NUMBER,
      maximum: 100,
    });
    expect(described('growthRate', 'The growth', { type: 'integer' }, 'at 2%')).toEqual({ type: 'integer' });
    expect(described('level', 'How loud', NUMBER, 'at 50%')).toEqual(NUMBER);
  });

  it('is a number of percents, where that is what the description says and the request speaks of percents', () => {
    const above = { type: 'number', minimum: 1 };
    expect(described('growthRate', 'As a percentage', NUMBER, 'at 2.5%')).toEqual(above);
    expect(described('growthPercent', 'The growth', NUMBER, 'at 2.5 percent')).toEqual(above);
    for (const request of ['at 0.5% or 2%', 'at -2%', 'at 2.5'])
      expect(described('growthRate', 'As a percentage', NUMBER, request)).toEqual(NUMBER);
    expect(described('growthRate', 'As a percentage, in decimal form', NUMBER, 'at 2%')).toEqual(NUMBER);
    expect(described('growthRate', 'A percentage, e.g. 0.05', NUMBER, 'at 2%')).not.toHaveProperty('minimum');
  });

  it('is one of the numbers of a list without blanks, where the function takes one number', () => {
    const integer = { type: 'integer' };
    const listed = (request: string, properties: object = { of: integer }): unknown =>
      asDescribed({ type: 'object', properties } as never, request).properties;
    expect(listed('The factorials of 5,10 and 15')).toEqual({ of: { ...integer, enum: [5, 10, 15] } });
    expect(listed('The factorials of 1,000 and 15')).toEqual({ of: integer });
    expect(listed('The factorials of 5, 10 and 15')).toEqual({ of: integer });
    const two = { of: integer, digits: integer };
    expect(listed('The factorials of 5,10 and 15', two)).toEqual(two);
  });

  it('is what the schema says where it says more', () => {
    const short = { type: 'string', maxLength: 1 };
    expect(described('currency', 'To convert from', short)).toEqual(short);
    const own = { type: 'string', enum: ['a', 'b'] };
    expect(described('depth', "Choices are 'brief' or 'detailed'.", own)).toEqual(own);
    expect(asDescribed({ type: 'object' }, '')).toEqual({ type: 'object' });
  });
});
