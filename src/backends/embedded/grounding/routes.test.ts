import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { namedValues } from './named-values.ts';
import { withRoute } from './routes.ts';

const place = { type: 'string', description: 'A place' };

function patternsFor(
  request: string,
  properties: JsonSchema = { start_location: place, end_location: place },
): readonly unknown[] {
  const held = withRoute({ type: 'object', properties }, { values: namedValues(request, ''), request });
  return Object.values(held.properties as { readonly [name: string]: JsonSchema }).map(({ pattern }) => pattern);
}

describe('where a way begins and ends', () => {
  it.each([
    ['The distance from the Eiffel Tower to the Louvre Museum', 'Eiffel Tower', 'Louvre Museum'],
    ['By bus from Paris, France to Rome, Italy', 'Paris(, France)?', 'Rome(, Italy)?'],
    ['The way between New York and the Miami Zoo', 'New York', 'Miami Zoo'],
    ['A flight from San Francisco to Oslo on 2022-04-27', 'San Francisco', 'Oslo'],
  ])('"%s": %s, %s', (request, from, to) => {
    expect(patternsFor(request)).toEqual([`^([Tt]he )?${from}$`, `^([Tt]he )?${to}$`]);
  });

  it.each([
    'The weather in Oslo',
    'From Oslo to Rome, then from Rome to Paris',
    'From Oslo to Rome and back',
    'From Oslo to Rome via Paris',
    'Letters from Oslo for Rome',
    'From Boston to Washington D.C.',
  ])('is not told by "%s"', (request) => {
    expect(patternsFor(request)).toEqual([undefined, undefined]);
  });

  it('is told by the names of two arguments', () => {
    const request = 'A flight from Oslo to Rome';
    const patternsOf = (from: string, to: string, schema: JsonSchema = place): readonly unknown[] =>
      patternsFor(request, { [from]: schema, [to]: schema });
    expect(patternsOf('from', 'to')).toEqual(['^([Tt]he )?Oslo$', '^([Tt]he )?Rome$']);
    expect(patternsOf('departureCity', 'arrivalCity')).toEqual(['^([Tt]he )?Oslo$', '^([Tt]he )?Rome$']);
    expect(patternsOf('start_date', 'end_date')).toEqual([undefined, undefined]);
    expect(patternsOf('from', 'to', { type: 'string', description: 'A currency' })).toEqual([undefined, undefined]);
    expect(patternsOf('from', 'to', { type: 'string' })).toEqual([undefined, undefined]);
    expect(patternsOf('from', 'city')).toEqual([undefined, undefined]);
    expect(patternsOf('from', 'to', { ...place, description: 'IATA code' })).toEqual([undefined, undefined]);
    expect(patternsOf('from', 'to', { ...place, description: 'An airport (JFK)' })).toEqual([undefined, undefined]);
  });
});
