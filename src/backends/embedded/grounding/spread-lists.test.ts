import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { choicesOf } from './asked-arguments.ts';
import { namedValues } from './named-values.ts';
import { isSpread, partsOf, withSpreadLists } from './spread-lists.ts';

const text: JsonSchema = { type: 'string' };
const listOf = (...items: readonly string[]): JsonSchema => ({ type: 'array', items: { ...text, enum: items } });
const FEATURES = listOf('Patio', 'Wi-Fi', 'Open 24 hours', 'Pool');

function heldFor(request: string, properties: JsonSchema): Record<string, JsonSchema> {
  const choices = Object.values(properties).flatMap(choicesOf);
  const held = withSpreadLists({ type: 'object', properties }, { request, values: namedValues(request, '', choices) });
  expect(() => compileArgumentsSchema(held)).not.toThrow();
  return held.properties as Record<string, JsonSchema>;
}

const partsFor = (request: string, list = FEATURES): unknown =>
  partsOf(heldFor(request, { city: text, features: list }).features ?? {})?.map(choicesOf);

describe('lists of which each call holds a part', () => {
  it.each([
    'A café in Rome with a patio and another one in Oslo with wi-fi',
    'A café in Rome with a patio, and then find one in Oslo with wi-fi',
    'A café in Rome that has a patio, as well as one in Oslo that has wi-fi',
    'The first café is to have a patio, the second one wi-fi',
    'A table with a patio at 5 pm and one with wi-fi at 7 pm',
  ])('%s', (request) => {
    expect(partsFor(request)).toEqual([['Patio'], ['Wi-Fi']]);
  });

  it('hold what stands together', () => {
    expect(partsFor('A café in Rome with a patio and wi-fi, and another one in Oslo with a pool and a patio')).toEqual([
      ['Patio', 'Wi-Fi'],
      ['Pool', 'Patio'],
    ]);
  });

  it.each([
    'A café in Rome with a patio and wi-fi',
    'A café with a patio in Rome and with wi-fi',
    'A café with a patio for 2 people and wi-fi',
    'Cafés in Rome and Oslo with a patio and wi-fi',
    'A café in Rome with a patio and another one in Oslo with a patio',
    'Cafés in Rome and Oslo',
  ])('are one list: %s', (request) => {
    expect(partsFor(request)).toBeUndefined();
  });

  it('are letters only where they are written so', () => {
    const request = "The first has a preference for 'A', the second for 'T'";
    expect(partsFor(request, listOf('A', 'T', 'C'))).toEqual([['A'], ['T']]);
  });

  it('hold one item each where another list does', () => {
    const held = heldFor('Dune at 5 pm and Alien at 7 pm', {
      films: listOf('Dune', 'Alien'),
      times: { type: 'array', items: text },
    });
    expect(partsOf(held.films ?? {})?.map(choicesOf)).toEqual([['Dune'], ['Alien']]);
    expect(held.times).toEqual({ type: 'array', items: text, maxItems: 1 });
  });

  it('hold one item each where each has its own', () => {
    const companies: JsonSchema = { type: 'array', items: text };
    const one = { ...companies, maxItems: 1 };
    const request = 'Prices of Apple and Tesla over 1 week and 2 weeks respectively';
    expect(heldFor(request, { companies, over: text }).companies).toEqual(one);
    expect(isSpread(one)).toBe(true);
    expect(heldFor('Prices of Apple and Tesla over 2 weeks', { companies, over: text }).companies).toEqual(companies);
    // Side by side in one call.
    expect(heldFor(request, { companies, over: companies }).companies).toEqual(companies);
    expect(heldFor(request, { companies }).companies).toEqual(companies);
  });

  it('are left to a schema that says more of the list', () => {
    const request = 'A café in Rome with a patio and another one in Oslo with wi-fi';
    expect(partsFor(request, { ...FEATURES, minItems: 2 })).toBeUndefined();
    expect(partsFor(request, { ...FEATURES, maxItems: 3 })).toBeUndefined();
  });
});
