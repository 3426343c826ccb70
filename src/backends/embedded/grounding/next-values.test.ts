import { describe, expect, it } from 'vitest';
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { goingOn, listedArguments } from './listed-arguments.ts';
import { holdingOf, namedValues } from './named-values.ts';
import { nextValues } from './next-values.ts';
import { withSpreadLists } from './spread-lists.ts';

const parameters: JsonSchema = {
  type: 'object',
  properties: {
    team: { type: 'string' },
    year: { type: 'integer' },
    day: { type: 'string', description: 'YYYY-MM-DD' },
    kind: { enum: ['won', 'lost'] },
    share: { type: 'number', maximum: 1 },
  },
};

function nextFor(
  request: string,
  inputs: readonly Json[],
  grounded = parameters,
  name = 'get_points',
  own = parameters,
  choices: readonly string[] = [],
) {
  const values = namedValues(request, '', choices);
  const { open } = holdingOf(values, inputs, request);
  const listed = listedArguments(name, own, grounded);
  return listed ? nextValues({ values, request }, listed, inputs, open) : undefined;
}

describe('the next of several calls', () => {
  it('goes on with the list that the last one held a value of', () => {
    expect(nextFor('Who won in 1980, 1984 and 2016', [{ year: 1980 }])).toEqual({ year: [1984, 2016] });
    expect(nextFor('Who won in 1980, 1984 and 2016', [{ year: 1980 }, { year: 1984 }])).toEqual({ year: [2016] });
    expect(nextFor('Points of the Lakers and the Bulls', [{ team: 'Lakers' }])).toEqual({ team: ['Bulls'] });
    expect(nextFor('Points of the Lakers and the Bulls', [{ team: 'Celtics' }])).toEqual({});
  });

  it('goes on with what stands as that value does', () => {
    const request = 'Draw one with a radius of 5 in red, then one with a radius of 10 in blue';
    expect(nextFor(request, [{ year: 5 }])).toEqual({ year: [10] });
  });

  it('may be any where a number is said twice', () => {
    const request = 'A return of 7% over 7 years, then a return of 8% over 9 years';
    expect(nextFor(request, [{ year: 7 }])).toEqual({});
  });

  it('goes on with a number that another argument has held, where it stands as that value does', () => {
    const request = 'In a series of 10 shots exactly 7 hits, in a series of 15 shots exactly 10 hits';
    const properties = { shots: { type: 'integer' }, hits: { type: 'integer' } };
    const both = { type: 'object', properties };
    expect(nextFor(request, [{ shots: 10, hits: 7 }], both, 'chance', both)).toEqual({ hits: [10] });
    expect(nextFor('Solve 5, 6 and 1, then 3, 2 and 1', [{ shots: 5, hits: 6 }], both, 'solve', both)).toEqual({});
  });

  it('goes on with all that stands as those values do', () => {
    const request = 'Two with a mean of 5 and a deviation of 2, and two with a mean of 10 and a deviation of 3';
    const properties = { mu: { type: 'integer' }, sigma: { type: 'integer' } };
    const both = { type: 'object', properties };
    expect(nextFor(request, [{ mu: 5, sigma: 2 }], both, 'draw', both)).toEqual({ mu: [10], sigma: [3] });
    const other = 'From a start of 5 to an end of 9, and from a start of 7 to an end at 8';
    expect(nextFor(other, [{ mu: 5, sigma: 9 }], both, 'draw', both)).toEqual({ mu: [7] });
  });

  it('goes on with the parts of a list that no call has held', () => {
    const list = { type: 'array', items: { type: 'string', enum: ['Patio', 'Wi-Fi', 'Pool'] } };
    const own: JsonSchema = { type: 'object', properties: { city: { type: 'string' }, features: list } };
    const request = 'A café in Rome with a patio and another one in Oslo with wi-fi';
    const grounded = withSpreadLists(own, { request, values: namedValues(request, '', ['Patio', 'Wi-Fi']) });
    const next = nextFor(request, [{ city: 'Rome', features: ['Patio'] }], grounded, 'find', own, ['Patio', 'Wi-Fi']);
    expect(next).toMatchObject({ features: [['Wi-Fi']] });
    const listed = listedArguments('find', own, grounded);
    const held = listed && next && goingOn(listed, next);
    expect(held?.properties).toMatchObject({ features: { anyOf: [{ items: { enum: ['Wi-Fi'] } }] } });
    expect(() => held && compileArgumentsSchema(held)).not.toThrow();
  });

  it('goes on with the next item where each call holds one', () => {
    const own: JsonSchema = {
      type: 'object',
      properties: { companies: { type: 'array', items: { type: 'string' } }, over: { type: 'string' } },
    };
    const request = 'Prices of Apple, Tesla and Amazon over 1 week, 2 weeks and 3 weeks respectively';
    const grounded = withSpreadLists(own, { request, values: namedValues(request, '') });
    const next = nextFor(request, [{ companies: ['Apple'], over: '1 week' }], grounded, 'get_prices', own);
    expect(next).toMatchObject({ companies: ['Tesla'] });
    const listed = listedArguments('get_prices', own, grounded);
    const held = listed && next && goingOn(listed, next);
    expect(held?.properties).toMatchObject({
      companies: { items: { pattern: '^(Tesla)' }, minItems: 1, maxItems: 1 },
    });
  });

  it('goes on with another list where there is one argument for both', () => {
    const request = 'Who won in 1980 and 2016, and who lost in 1975 and 2011';
    expect(nextFor(request, [{ year: 1980 }, { year: 2016 }])).toEqual({ year: [1975, 2011] });
  });

  it('may take any of two lists, and then each with each', () => {
    const request = 'Points of the Lakers and the Bulls in 2018 and 2020';
    const two = [
      { team: 'Lakers', year: 2018 },
      { team: 'Bulls', year: 2020 },
    ];
    expect(nextFor(request, two.slice(0, 1))).toEqual({});
    expect(nextFor(request, two)).toEqual({ team: ['Lakers'], year: [2020] });
    const three = [...two, { team: 'Lakers', year: 2020 }];
    expect(nextFor(request, three)).toEqual({ team: ['Bulls'], year: [2018] });
    expect(nextFor(request, [...three, { team: 'Bulls', year: 2018 }])).toEqual({});
  });

  it('does nothing twice for the same value of a list', () => {
    const meetings = [
      { team: 'Bob', year: 10 },
      { team: 'Ann', year: 11 },
    ];
    const request = 'Meetings with Bob and Ann at 10 and 11';
    expect(nextFor(request, meetings, parameters, 'schedule_meeting')).toEqual({});
    expect(nextFor(request, meetings, parameters, 'find_meeting')).not.toEqual({});
  });

  it('takes the next of each where each has its own', () => {
    const request = 'Points of the Lakers and the Bulls in 2018 and 2020 respectively';
    expect(nextFor(request, [{ team: 'Lakers', year: 2018 }])).toEqual({ team: ['Bulls'], year: [2020] });
    const both = [
      { team: 'Lakers', year: 2018 },
      { team: 'Bulls', year: 2020 },
    ];
    expect(nextFor(request, both)).toEqual({});
  });

  it('makes no combinations of lists that one call holds, or that stand in no arguments of their own', () => {
    const both = [
      { team: 'Rome', day: 'Oslo', year: 2018 },
      { team: 'Rome', day: 'Oslo', year: 2020 },
    ];
    expect(nextFor('From Paris to Rome and Oslo, in 2018 and 2020', both)).toEqual({});
    const pairs = 'The distance of Mars and Venus, then of Jupiter and Saturn';
    const far = [
      { team: 'Mars', day: 'Venus' },
      { team: 'Jupiter', day: 'Saturn' },
    ];
    expect(nextFor(pairs, far)).toEqual({});
  });

  it('comes back where the request does', () => {
    const way = [
      { team: 'Oslo', day: 'Rome' },
      { team: 'Rome', day: 'Bonn' },
    ];
    expect(nextFor('From Oslo to Rome, on to Bonn and back', way)).toEqual({ team: ['Bonn'], day: ['Oslo'] });
    expect(nextFor('From Oslo to Rome and on to Bonn', way)).toEqual({});
    expect(nextFor('From Oslo to Rome and back', way.slice(0, 1))).toEqual({});
    const round = [...way, { team: 'Bonn', day: 'Oslo' }];
    expect(nextFor('From Oslo to Rome, on to Bonn and back', round)).toEqual({});
    const apart = [way[0], { team: 'Kiel', day: 'Bonn' }].flatMap((each) => each ?? []);
    expect(nextFor('From Oslo to Rome, from Kiel to Bonn and back', apart)).toEqual({});
  });

  it('has the one flag the other way that is wanted both ways', () => {
    const request = 'Fit a model with a bias, and then run it again, but without the bias';
    expect(nextFor(request, [{ year: 1, useBias: true }])).toEqual({});
    expect(nextFor(request, [{ useBias: true, isLinear: false }])).toEqual({});
    const scaled = 'Fit it without scaling, and then run it again, but with scaling';
    expect(nextFor(scaled, [{ scaling: false, isLinear: false }])).toEqual({ scaling: { is: true } });
    expect(nextFor(scaled, [{ scaling: false }, { scaling: true }])).toEqual({});
    expect(nextFor('Fit it without scaling, since scaling hurts', [{ scaling: false }])).toEqual({});
  });

  it('has each with both of two texts', () => {
    const properties = { list: { type: 'array', items: { type: 'integer' } }, order: { type: 'string' } };
    const sort = { type: 'object', properties };
    const next = (request: string, ...inputs: Json[]) => nextFor(request, inputs, sort, 'sort', sort);
    const request = 'Sort [3, 1, 2] and [6, 5, 4] in both ascending and descending order';
    const [up, down] = [
      { list: [3, 1, 2], order: 'ascending' },
      { list: [6, 5, 4], order: 'descending' },
    ];
    const third = { list: { is: [3, 1, 2] }, order: { is: 'descending' } };
    expect(next(request, up, down)).toEqual(third);
    const made = { list: [3, 1, 2], order: 'descending' };
    expect(next(request, up, down, made)).toEqual({ list: { is: [6, 5, 4] }, order: { is: 'ascending' } });
    expect(next(request, up, down, made, { list: [6, 5, 4], order: 'ascending' })).toEqual({});
    expect(next('Sort [3, 1, 2] in ascending and descending order', up)).toEqual({});
    expect(next('Sort [3, 1, 2] in both ascending and descending order', { ...up, order: 'Ascending' })).toEqual({
      list: { is: [3, 1, 2] },
      order: { is: 'Descending' },
    });
    const listed = listedArguments('sort', sort, sort);
    if (listed === undefined) throw new Error('nothing is listed');
    expect(() => compileArgumentsSchema(goingOn(listed, next(request, up, down) ?? {}))).not.toThrow();
  });

  it('knows a name that goes on as the request does', () => {
    const request = 'Songs of Taylor Swift and Maroon 5';
    expect(nextFor(request, [{ team: 'Taylor Swift' }])).toEqual({ team: ['Maroon'] });
    const genes = 'The genes of Homo sapiens, Pan troglodytes';
    expect(nextFor(`${genes} and Mus musculus`, [{ team: 'Homo sapiens' }])).toEqual({});
  });

  it('narrows only what may be anything, and only in its form', () => {
    const dated: JsonSchema = {
      ...parameters,
      properties: { ...(parameters.properties as JsonSchema), day: { type: 'string', pattern: '^[0-9]{4}-[0-9]{2}$' } },
    };
    expect(nextFor('Who won on 2020-01 and 2020-02', [{ day: '2020-01' }], dated)).toEqual({ day: ['2020-02'] });
    expect(nextFor('Who won on 1/2020 and 2/2020', [{ day: '1/2020' }], dated)).toEqual({});
    expect(listedArguments('f', parameters, dated)).toMatchObject({ numbers: ['year'], texts: ['team', 'day'] });
    expect(listedArguments('f', { type: 'object' }, dated)).toBeUndefined();
  });
});

it('is held by parameters that are narrowed', () => {
  const listed = { parameters, numbers: ['year'], texts: ['team'], lists: [], isDeed: false };
  const held = goingOn(listed, { team: ['A.C. Milan'], year: [2016] });
  expect(held.properties).toMatchObject({
    team: { type: 'string', pattern: '^(A\\.C\\. Milan)' },
    year: { type: 'integer', enum: [2016] },
    share: { type: 'number', maximum: 1 },
  });
  expect(() => compileArgumentsSchema(held)).not.toThrow();
});
