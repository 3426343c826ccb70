import { expect, it } from 'vitest';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { withSpokenFlags } from './spoken-flags.ts';

const flag = { type: 'boolean', description: 'Default is false.' };

function flagFor(request: string, name = 'direct_flight', schema: object = flag): unknown {
  const held = withSpokenFlags({ type: 'object', properties: { [name]: { ...schema } } }, request);
  expect(() => compileArgumentsSchema(held)).not.toThrow();
  return (held.properties as Record<string, unknown>)[name];
}

it('is true where the request names it', () => {
  expect(flagFor('Book a direct flight to Oslo')).toEqual({ ...flag, const: true });
  expect(flagFor('Is it formatted?', 'formatted')).toEqual({ ...flag, const: true });
});

it.each([
  'Book a flight to Oslo',
  'Book a flight to Oslo, but no direct one',
  "A flight, it doesn't have to be direct",
  'No stops, a direct flight',
  'No direct flight, or a direct flight with no stops',
  '不要 direct flight',
])('is as it may be: %s', (request) => {
  expect(flagFor(request)).toEqual(flag);
});

it.each(['Few direct flights', 'No direct flight', "It isn't a direct flight", 'Without any direct flight'])(
  'is false where it is denied: %s',
  (request) => {
    expect(flagFor(request)).toEqual({ ...flag, const: false });
  },
);

it('is false for what is denied, and left alone beside it', () => {
  const properties = { lazy: flag, artistic_interests: flag };
  const held = withSpokenFlags({ type: 'object', properties }, 'I am lazy, with few artistic interests');
  expect(held.properties).toEqual({ lazy: flag, artistic_interests: { ...flag, const: false } });
});

it('is left to a schema that says more, or is no flag', () => {
  expect(flagFor('A direct flight', 'direct_flight', { ...flag, const: false })).toEqual({ ...flag, const: false });
  expect(flagFor('A direct flight', 'direct_flight', { type: 'string' })).toEqual({ type: 'string' });
  // Words that any request may have.
  expect(flagFor('Find it for the user by name', 'is_name')).toEqual(flag);
});
