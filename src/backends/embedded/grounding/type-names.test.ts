import { expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { withoutTypeNames } from './type-names.ts';

const text = { type: 'string' };

it('keeps the name of a JSON type from being a type, unless it is said', () => {
  const heldFor = (request: string, schema: JsonSchema = text): unknown => {
    const parameters = { type: 'object', properties: { artType: schema, title: text } };
    const held = withoutTypeNames(parameters, request);
    expect(() => compileArgumentsSchema(held)).not.toThrow();
    return (held.properties as JsonSchema).artType;
  };
  const all = '^(string|integer|boolean|object$|array$)';
  expect(heldFor('Find sculptures')).toEqual({ ...text, not: { pattern: all } });
  expect(heldFor('Find string art')).toEqual({ ...text, not: { pattern: '^(integer|boolean|object$|array$)' } });
  expect(heldFor('Find objects of art')).toEqual({ ...text, not: { pattern: '^(string|integer|boolean|array$)' } });
  const described = { ...text, description: 'The type of the object' };
  expect(heldFor('Find art', described)).toEqual({
    ...described,
    not: { pattern: '^(string|integer|boolean|array$)' },
  });
  const narrowed = { ...text, not: { pattern: '[0-9]' } };
  expect(heldFor('Find sculptures', narrowed)).toEqual({ ...text, not: { pattern: `[0-9]|${all}` } });
  expect(heldFor('Find sculptures', { enum: ['string', 'film'] })).toEqual({ enum: ['string', 'film'] });
  expect(withoutTypeNames({}, 'Find')).toEqual({});
});
