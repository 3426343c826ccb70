/** The rules by which the bench of tools says that a call is right. */
import { describe, expect, it } from 'vitest';
import { mistakeIn } from '../bench/bfcl-check.ts';
import { sampleOf, schemaOf, type ToolCase, toolOf } from '../bench/bfcl-data.ts';
import type { Json, JsonSchema } from '../src/core/generation.ts';

const parameters: JsonSchema = {
  type: 'dict',
  properties: {
    city: { type: 'string', description: 'City.' },
    days: { type: 'integer' },
    rate: { type: 'float' },
    tags: { type: 'array', items: { type: 'string' } },
    place: { type: 'dict', properties: { lat: { type: 'float' } } },
    any: { type: 'any' },
  },
  required: ['city'],
};

function caseOf(...values: ToolCase['calls'][number]['values'][]): ToolCase {
  return {
    id: 'made_up_1',
    category: 'parallel',
    messages: [],
    functions: [{ name: 'weather.get', description: '', parameters }],
    calls: values.map((each) => ({ name: 'weather.get', values: each })),
  };
}

const call = (input: Json, name = 'weather_get') => ({ name, input });

describe('a call', () => {
  const wanted = caseOf({
    city: ['New York', 'NYC'],
    days: [3, ''],
    rate: [2, ''],
    tags: [['a b'], ''],
    place: [{ lat: [1, 2] }, ''],
  });

  it('is right with any allowed value, however it is spelt, with or without what may be left out', () => {
    const right: Json[] = [
      { city: 'nyc' },
      { city: 'new-york' },
      { city: 'New York', days: 3, rate: 2.0, tags: ['A-B'], place: { lat: 2 } },
    ];
    for (const input of right) expect(mistakeIn([call(input)], wanted)).toBeUndefined();
    expect(mistakeIn([call({ city: 'NYC' }, 'weather.get')], wanted)).toBeUndefined();
  });

  it('is wrong with another value, type, name or number of calls', () => {
    const mistake = (input: Json, name?: string) => mistakeIn([call(input, name)], wanted);
    expect(mistake({ city: 'Boston' })).toContain('city is "Boston"');
    expect(mistake({ city: 'NYC', days: '3' })).toContain('days');
    expect(mistake({ city: 'NYC', days: 4 })).toContain('days');
    expect(mistake({ city: 'NYC', place: { lat: 3 } })).toContain('place');
    expect(mistake({ city: 'NYC', place: { lat: 1, lon: 1 } })).toContain('place');
    expect(mistake({ city: 'NYC', more: 1 })).toContain('more is not expected');
    expect(mistake({ days: 3 })).toContain('city is missing');
    expect(mistake({ city: 'NYC' }, 'weather_set')).toContain('in place of');
    expect(mistakeIn([], wanted)).toContain('0 calls where 1 are due');
    expect(mistakeIn([call({ city: 'NYC' })], caseOf({ city: ['NYC'], days: [3] }))).toContain('days is left out');
  });
});

it('are right in any order, each once', () => {
  const wanted = caseOf({ city: ['Paris'] }, { city: ['Rome'] });
  expect(mistakeIn([call({ city: 'Rome' }), call({ city: 'Paris' })], wanted)).toBeUndefined();
  expect(mistakeIn([call({ city: 'Rome' }), call({ city: 'Rome' })], wanted)).toBeDefined();
});

it('shows functions as JSON Schema knows them', () => {
  expect(schemaOf(parameters)).toMatchObject({
    type: 'object',
    properties: {
      rate: { type: 'number' },
      place: { type: 'object', properties: { lat: { type: 'number' } } },
      any: {},
    },
  });
  expect(toolOf({ name: 'weather.get', description: 'd', parameters })).toMatchObject({
    function: { name: 'weather_get' },
  });
});

it('samples one half by a seed', () => {
  const cases = Array.from({ length: 40 }, (_, index) => ({ ...caseOf(), id: String(index) }));
  const ids = (half: 'training' | 'other', seed: number) => sampleOf(cases, half, 20, seed).map(({ id }) => Number(id));
  expect(ids('training', 1)).toEqual(ids('training', 1));
  expect(ids('training', 1)).not.toEqual(ids('training', 2));
  expect(ids('training', 1).every((id) => id % 2 === 0)).toBe(true);
  expect(ids('other', 1).every((id) => id % 2 === 1)).toBe(true);
});
