import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { withCoordinates } from './coordinates.ts';

const pair = { type: 'array', description: 'Coordinates (latitude, longitude)', items: { type: 'number' } };
const number = { type: 'number' };

function heldFor(request: string, properties: JsonSchema): unknown {
  const held = withCoordinates({ type: 'object', properties }, request);
  expect(() => compileArgumentsSchema(held)).not.toThrow();
  return held.properties;
}

const REQUEST = 'How far is (33.4484 N, 112.0740 W) from (34.0522 N, 118.2437 W)?';

describe('coordinates with their sides', () => {
  it('have the sign that stands for the side', () => {
    const said = [
      [33.4484, -112.074],
      [34.0522, -118.2437],
    ];
    expect(heldFor(REQUEST, { from: pair, to: pair })).toMatchObject({ from: { enum: said }, to: { enum: said } });
    expect(heldFor('Weather at 22.9068° S, 43.1729° W', { latitude: number, longitude: number })).toEqual({
      latitude: { type: 'number', enum: [-22.9068] },
      longitude: { type: 'number', enum: [-43.1729] },
    });
    expect(heldFor('At 40 south, 3 east', { lat: number, lon: number, zoom: number })).toEqual({
      lat: { type: 'number', enum: [-40] },
      lon: { type: 'number', enum: [3] },
      zoom: number,
    });
  });

  it('stand in the order that the description says', () => {
    const swapped = { ...pair, description: 'Coordinates as [longitude, latitude]' };
    expect(heldFor(REQUEST, { at: swapped })).toMatchObject({
      at: {
        enum: [
          [-112.074, 33.4484],
          [-118.2437, 34.0522],
        ],
      },
    });
  });

  it('are left alone where nothing has to change, some are missing, or more is said of them', () => {
    const properties = { from: pair, to: pair };
    expect(heldFor('From 48.8584° N, 2.2945° E to 41.8902° N, 12.4922° E', properties)).toBe(properties);
    expect(heldFor('From 33.4484 N, 112.0740 W to Los Angeles', properties)).toBe(properties);
    const bounded = { at: { ...pair, minItems: 3 }, latitude: { type: 'number', minimum: 0 } };
    expect(heldFor(REQUEST, bounded)).toBe(bounded);
    expect(heldFor('Wait 30 s at 12 e', properties)).toBe(properties);
    const others = { sizes: { type: 'array', items: number }, weight: number };
    expect(heldFor('5 W and 10 E', others)).toBe(others);
  });
});
