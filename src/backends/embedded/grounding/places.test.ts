import { describe, expect, it } from 'vitest';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { PLACE_PATTERN } from './described-values.ts';
import { namedValues } from './named-values.ts';
import { withPlaces } from './places.ts';

const text = { type: 'string' };
const parameters = { type: 'object', properties: { region: text, title: text } };
const heldFor = (request: string, schema = parameters, isParallel = true) =>
  withPlaces(schema, { request, values: namedValues(request, '') }, isParallel);

describe('places that are listed', () => {
  it('are not both in one argument that holds a place', () => {
    const { properties } = heldFor('Christianity in Egypt, Turkey and Greece') as typeof parameters;
    const { not } = properties.region as { not?: { pattern: string } };
    const pattern = new RegExp(not?.pattern ?? '$^');
    for (const pair of ['Egypt, Turkey', 'Egypt,Tur', 'Turkey and Greece', 'in Turkey, and', 'Egypt/'])
      expect(pair).toMatch(pattern);
    for (const one of ['Egypt', 'Turkey', 'Upper Egypt', 'Greece and Egypt']) expect(one).not.toMatch(pattern);
    expect(properties.title).toBe(text);
    expect(() => compileArgumentsSchema({ ...parameters, properties })).not.toThrow();
  });

  it('may tell what they lie in where that is asked for', () => {
    const described = { type: 'object', properties: { city: { type: 'string', pattern: PLACE_PATTERN } } };
    const { properties } = heldFor('The weather in Paris and Rome', described as never);
    const { not } = (properties as typeof described.properties).city as { not?: { pattern: string } };
    expect('Paris, France').not.toMatch(new RegExp(not?.pattern ?? ''));
    expect('Paris, Rome').toMatch(new RegExp(not?.pattern ?? '$^'));
  });

  it('lie where the request says, where that is to be told', () => {
    const described = { type: 'object', properties: { city: { type: 'string', pattern: PLACE_PATTERN } } };
    const held = heldFor('Vegan food in Los Angeles, CA', described as never, false);
    const { not } = (held.properties as typeof described.properties).city as { not?: { pattern: string } };
    const pattern = new RegExp(not?.pattern ?? '$^');
    expect('Los Angeles, LA').toMatch(pattern);
    expect('Los Angeles, CA').not.toMatch(pattern);
    expect(() => compileArgumentsSchema(held)).not.toThrow();
  });

  it('are told apart where they are codes, too', () => {
    const symbolFor = (request: string, symbol: object = text, isParallel = true): unknown => {
      const held = heldFor(request, { type: 'object', properties: { symbol } } as never, isParallel);
      return (held.properties as unknown as { symbol: unknown }).symbol;
    };
    const one = { ...text, not: { pattern: '[ ,;/]' } };
    expect(symbolFor('The prices of Apple and Google')).toEqual(one);
    expect(symbolFor('The prices of Apple Inc., Google LLC., and Microsoft')).toEqual(one);
    expect(symbolFor('The price of Apple. And Google is there')).toEqual(text);
    expect(symbolFor('The price of Apple')).toEqual(text);
    expect(symbolFor('The prices of Apple and Google', text, false)).toEqual(text);
    const several = { ...text, description: 'One or a comma-separated list' };
    expect(symbolFor('The prices of Apple and Google', several)).toEqual(several);
  });

  it('are told apart where they are any other name, too', () => {
    const artistFor = (request: string, artist: object = text, isParallel = true): unknown => {
      const held = heldFor(request, { type: 'object', properties: { artist } } as never, isParallel);
      return (held.properties as unknown as { artist: { not?: { pattern: string } } }).artist.not?.pattern;
    };
    const patternFor = (request: string) => new RegExp(artistFor(request) as string);
    const pattern = patternFor('Songs of Blur and Oasis');
    for (const list of ['Blur, Oasis', 'Blur ,Oasis', 'Blur/Oasis']) expect(list).toMatch(pattern);
    // This may be one name.
    for (const one of ['Blur', 'Oasis', 'Blurred, Oasis', 'Blur and Oasis']) expect(one).not.toMatch(pattern);
    const apart = patternFor('Songs of Blur and Oasis for 20 and 30 minutes respectively');
    for (const list of ['Blur and Oasis', 'Blur and_', 'Blur, and']) expect(list).toMatch(apart);
    expect(artistFor('Songs of Blur')).toBeUndefined();
    expect(artistFor('Songs of Blur and Oasis', text, false)).toBeUndefined();
    expect(artistFor('Songs of Blur and Oasis', { ...text, description: 'One or several' })).toBeUndefined();
    const properties = { message: text, artists: text } as const;
    const held = heldFor('Songs of Blur and Oasis', { type: 'object', properties } as never);
    expect(held.properties).toEqual(properties);
  });

  it('are none where one name tells of the other, or both are one', () => {
    const pairs = /Egypt|Tobago|Turkey/;
    expect(JSON.stringify(heldFor('Christianity in Cairo, Egypt'))).not.toMatch(pairs);
    expect(JSON.stringify(heldFor('Christianity in Trinidad and Tobago'))).not.toMatch(pairs);
    expect(heldFor('Christianity from 100 and 200')).toEqual(parameters);
    expect(JSON.stringify(heldFor('Christianity in Egypt and Turkey', parameters, false))).not.toMatch(pairs);
    const own = { type: 'object', properties: { region: { type: 'string', pattern: '^Egypt and Turkey$' } } };
    expect(heldFor('Christianity in Egypt and Turkey', own as never)).toEqual(own);
  });
});

describe('a place', () => {
  it('has no state behind it that nobody says', () => {
    const mayBe = (value: string, request: string, place: object = text): boolean => {
      const held = heldFor(request, { type: 'object', properties: { start_location: place } } as never, false);
      expect(() => compileArgumentsSchema(held)).not.toThrow();
      const { not } = (held.properties as unknown as { start_location: { not?: { pattern: string } } }).start_location;
      return not === undefined || !new RegExp(not.pattern).test(value);
    };
    expect(mayBe('San Francisco, CA', 'From San Francisco to Palo Alto')).toBe(false);
    expect(mayBe('San Francisco', 'From San Francisco to Palo Alto')).toBe(true);
    expect(mayBe('San Francisco, California', 'From San Francisco to Palo Alto')).toBe(true);
    expect(mayBe('San Francisco, CA', 'From San Francisco, CA to Palo Alto')).toBe(true);
    const asked = { ...text, description: 'The city and state' };
    expect(mayBe('San Francisco, CA', 'From San Francisco to Palo Alto', asked)).toBe(true);
  });
});
