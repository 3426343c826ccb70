import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { withSpokenItems } from './spoken-items.ts';

const AMENITIES = ['Patio', 'Wi-Fi', 'Happy Hour', 'Disabled Access'];
const LIST: JsonSchema = { type: 'array', items: { type: 'string', enum: AMENITIES } };
const PARAMETERS: JsonSchema = { type: 'object', properties: { city: { type: 'string' }, amenities: LIST } };

function itemsFor(request: string, list: JsonSchema = LIST): unknown {
  const { properties } = withSpokenItems({ type: 'object', properties: { amenities: list } }, request);
  return (properties as { amenities: { items: { enum: unknown } } }).amenities.items.enum;
}

describe('items of lists', () => {
  it('are those that the request speaks of', () => {
    expect(itemsFor('Find a restaurant with a patio in Boston')).toEqual(['Patio']);
    expect(itemsFor('A happy hour with wi-fi')).toEqual(['Wi-Fi', 'Happy Hour']);
    expect(withSpokenItems(PARAMETERS, 'A patio').properties).toEqual({
      city: { type: 'string' },
      amenities: { type: 'array', items: { type: 'string', enum: ['Patio'] }, uniqueItems: true },
    });
  });

  it('are all of those that stand in one list', () => {
    const leastFor = (request: string): unknown => {
      const { properties } = withSpokenItems(PARAMETERS, request);
      return (properties as { amenities: { minItems?: number } }).amenities.minItems;
    };
    expect(leastFor('A place with wi-fi, a patio and a happy hour')).toBeUndefined();
    expect(leastFor('A place with wi-fi, patio and happy hour')).toBe(3);
    expect(leastFor('A place with wi-fi or a patio')).toBeUndefined();
    expect(leastFor('A place with a patio')).toBeUndefined();
    expect(leastFor('Wi-fi patio, for disabled people')).toBeUndefined();
  });

  it('are also those that it says in part, beside one that it says', () => {
    expect(itemsFor('One with a patio, for disabled people')).toEqual(['Patio', 'Disabled Access']);
  });

  it('are none whose words stand apart and are those of another one', () => {
    const enums = ['Guitar Lessons', 'Piano Lessons', 'Violin Lessons', 'Repairs'];
    const list: JsonSchema = { type: 'array', items: { type: 'string', enum: enums } };
    expect(itemsFor('A guitar shop that also offers violin lessons', list)).toEqual(['Violin Lessons']);
    expect(itemsFor('A shop with guitar, piano and violin lessons', list)).toEqual(enums.slice(0, 3));
    expect(itemsFor('A guitar shop with violin lessons and repairs', list)).toEqual(['Violin Lessons', 'Repairs']);
  });

  it('have the numbers that it gives', () => {
    const list = { type: 'array', items: { type: 'string', enum: ['24 hours', 'Patio', '2 floors'] } };
    expect(itemsFor('A patio on 2 floors', list)).toEqual(['Patio', '2 floors']);
  });

  it('are what the weights make of it where none is said', () => {
    expect(itemsFor('A restaurant for disabled people')).toEqual(AMENITIES);
    expect(itemsFor('A restaurant in Boston')).toEqual(AMENITIES);
  });

  it('are no signs, which no request says', () => {
    const signs: JsonSchema = { type: 'array', items: { type: 'string', enum: ['+', '-', 'Patio'] } };
    const parameters: JsonSchema = { type: 'object', properties: { signs } };
    expect(withSpokenItems(parameters, 'A restaurant in Boston')).toEqual(parameters);
  });

  it('are what they were where only a number is nearly said', () => {
    const list: JsonSchema = { type: 'array', items: { type: 'string', enum: ['20000', '30000'] } };
    expect(itemsFor('A loan of 20001', list)).toEqual(['20000', '30000']);
  });

  it('are all where all may be meant', () => {
    expect(itemsFor('Any restaurant with a patio, list everything it has')).toEqual(AMENITIES);
  });

  it('are left to a schema that says more of the list', () => {
    expect(itemsFor('A patio', { ...LIST, minItems: 2 })).toEqual(AMENITIES);
    expect(itemsFor('A patio', { ...LIST, contains: { const: 'Wi-Fi' } })).toEqual(AMENITIES);
  });
});
