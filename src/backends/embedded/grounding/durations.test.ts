import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { withDuration } from './durations.ts';

const inSeconds = { type: 'integer', description: 'The length of the track in seconds.' };
const days = { type: 'integer' };

function heldFor(request: string, properties: JsonSchema = { length: inSeconds }): unknown {
  return withDuration({ type: 'object', properties }, request).properties;
}

describe('a duration', () => {
  it.each([
    ['A track of 3 minutes', 180],
    ['A 45-second track', 45],
    ['A track of 1 hour and 30 minutes', 5_400],
    ['A track of 1.5 min', 90],
  ])('of "%s" is %d seconds', (request, number) => {
    expect(heldFor(request)).toEqual({ length: { ...inSeconds, enum: [number] } });
  });

  it('is told by the name or the description of the argument', () => {
    expect(heldFor('A trip of 2 weeks', { days })).toEqual({ days: { ...days, enum: [14] } });
    const term = { type: 'integer', description: 'The term in months' };
    expect(heldFor('A loan over 3 years', { term })).toEqual({ term: { ...term, enum: [36] } });
    expect(heldFor('A loan over 1 year and 6 months', { term })).toEqual({ term: { ...term, enum: [18] } });
    expect(heldFor('A loan over 90 days', { term })).toEqual({ term });
    expect(heldFor('A trip of 2 weeks', { size: { type: 'integer' } })).toEqual({ size: { type: 'integer' } });
  });

  it.each([
    ['Tracks of 20 minutes and 15 minutes', [1_200, 900]],
    ['Tracks of 5, 10 and 15 minutes', [300, 600, 900]],
    ['Tracks of 10 or 15 seconds, or of 2 minutes', [10, 15, 120]],
  ])('of "%s" is one of those', (request, numbers) => {
    expect(heldFor(request)).toEqual({ length: { ...inSeconds, enum: numbers } });
  });

  it.each([
    'A track that is 3 days old',
    'Every 10 minutes a track',
    'A track of 3 songs',
    'A track of 1/2 minutes',
    'Tracks of 10 to 15 minutes',
    'Tracks of 10-15 minutes',
  ])('may be any for "%s"', (request) => {
    const properties = { length: inSeconds };
    expect(heldFor(request, properties)).toBe(properties);
  });

  it.each([
    ['year', ''],
    ['price_min', ''],
    ['second', 'The second number'],
    ['day', 'The day of the week, 1 to 7'],
    ['h', 'The height'],
  ])('is none of `%s`: %s', (name, description) => {
    const properties = { [name]: { type: 'integer', description } };
    for (const request of ['For 5 years', 'For 3 hours', 'For 2 weeks', 'For 90 s and 4 minutes'])
      expect(heldFor(request, properties)).toBe(properties);
  });

  it('may be any where two arguments take one, it is no whole number there, or the schema says more', () => {
    const several: readonly JsonSchema[] = [
      { length: inSeconds, pause: inSeconds },
      { days },
      { length: { ...inSeconds, maximum: 60 } },
    ];
    for (const properties of several) expect(heldFor('A track of 3 minutes', properties)).toBe(properties);
  });
});
