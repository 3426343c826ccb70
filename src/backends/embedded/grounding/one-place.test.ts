import { describe, expect, it } from 'vitest';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { namedValues } from './named-values.ts';
import { withSinglePlaces } from './one-place.ts';

const text = { type: 'string' };
const parameters = { type: 'object', properties: { region: text, title: text } };
const heldFor = (request: string) => withSinglePlaces(parameters, namedValues(request, ''));

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
    const described = { type: 'object', properties: { city: { type: 'string', pattern: '^[^,]+, [^,]+$' } } };
    const { properties } = withSinglePlaces(described, namedValues('The weather in Paris and Rome', ''));
    const { not } = (properties as typeof described.properties).city as { not?: { pattern: string } };
    expect('Paris, France').not.toMatch(new RegExp(not?.pattern ?? ''));
    expect('Paris, Rome').toMatch(new RegExp(not?.pattern ?? '$^'));
  });

  it('are none where one name tells of the other, or both are one', () => {
    expect(heldFor('Christianity in Cairo, Egypt')).toBe(parameters);
    expect(heldFor('Christianity in Trinidad and Tobago')).toBe(parameters);
    expect(heldFor('Christianity from 100 and 200')).toBe(parameters);
  });
});
