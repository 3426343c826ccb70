import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StudioError } from '../../core/errors.ts';
import type { Json, JsonSchema } from '../../core/generation.ts';
import { compileSchema } from '../../core/json-schema.ts';
import { instanceOf } from './instance.ts';

describe('instanceOf', () => {
  it.each<[string, JsonSchema, Json]>([
    ['a string', { type: 'string' }, 'sample'],
    ['lengths', { type: 'string', minLength: 8, maxLength: 9 }, 'samplexx'],
    ['a format', { type: 'string', format: 'date' }, '2026-01-31'],
    ['a pattern of a common form', { type: 'string', pattern: '^\\d{5}$' }, '12345'],
    ['a pattern with an example', { type: 'string', pattern: '^Q-\\d+$', examples: ['Q-7'] }, 'Q-7'],
    ['an integer', { type: 'integer' }, 1],
    ['a lower bound', { type: 'integer', minimum: 5 }, 5],
    ['an exclusive lower bound', { type: 'integer', exclusiveMinimum: 5 }, 6],
    ['an upper bound', { type: 'integer', maximum: -3 }, -3],
    ['a fraction between bounds', { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 0.5],
    ['a multiple', { type: 'number', multipleOf: 0.25, minimum: 3.1 }, 3.25],
    ['an older draft', { type: 'integer', minimum: 5, exclusiveMinimum: true }, 6],
    ['a choice', { enum: ['red', 'green'] }, 'red'],
    ['a constant', { const: null }, null],
    ['required properties only', { properties: { a: {}, b: { type: 'null' } }, required: ['b'] }, { b: null }],
    ['enough properties', { type: 'object', minProperties: 2 }, { property1: 'sample', property2: 'sample' }],
    ['a list', { type: 'array', items: { type: 'boolean' } }, [true]],
    [
      'unlike items',
      { type: 'array', items: { type: 'string' }, minItems: 2, uniqueItems: true },
      ['sample', 'sample 2'],
    ],
    ['a tuple', { type: 'array', prefixItems: [{ type: 'null' }, { const: 2 }] }, [null, 2]],
    ['a contained item', { type: 'array', contains: { const: 7 } }, [7]],
    ['all of', { allOf: [{ type: 'integer', minimum: 3 }, { minimum: 9 }] }, 9],
    ['any of', { anyOf: [{ type: 'null' }, { type: 'string' }] }, null],
    ['one of two that overlap', { oneOf: [{ type: 'number' }, { type: 'integer' }, { type: 'null' }] }, null],
    ['a type union', { type: ['string', 'null'] }, 'sample'],
    ['a reference', { $defs: { day: { type: 'string', format: 'date' } }, $ref: '#/$defs/day' }, '2026-01-31'],
    [
      'a tree that may end',
      { $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } }, $ref: '#/$defs/node' },
      {},
    ],
  ])('builds %s', (_, schema, expected) => {
    expect(instanceOf(schema)).toEqual(expected);
    expect(compileSchema(schema).breachOf(expected)).toBeUndefined();
  });

  it('gives another value for another variant where there is one', () => {
    expect(instanceOf({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }, 1)).toEqual({
      city: 'sample 2',
    });
    expect(instanceOf({ enum: ['red', 'green'] }, 1)).toBe('green');
    expect(instanceOf({ type: 'integer', minimum: 5, maximum: 5 }, 1)).toBe(5);
  });

  it.each<[JsonSchema, string]>([
    [{ type: 'string', pattern: '^[a-z]{3}7{9}$' }, 'pattern'],
    [{ not: {} }, 'not'],
    [{ type: 'object', required: ['a'], additionalProperties: false }, 'additionalProperties'],
    [
      {
        $defs: { loop: { type: 'object', properties: { a: { $ref: '#/$defs/loop' } }, required: ['a'] } },
        $ref: '#/$defs/loop',
      },
      '$ref',
    ],
    [{ type: 'array', minItems: 9999, items: { type: 'array', minItems: 9999, items: { type: 'null' } } }, 'minItems'],
  ])('refuses %j by the keyword', (schema, keyword) => {
    expect(() => instanceOf(schema)).toThrow(StudioError);
    expect(() => instanceOf(schema)).toThrow(`cannot satisfy the keyword '${keyword}'`);
  });

  it('refuses what is no schema', () => {
    expect(() => instanceOf({ type: 'nothing' })).toThrow(/^Invalid schema: /);
  });

  it('always gives a value that keeps the schema', () => {
    const leaf = fc.oneof(
      fc.record({ type: fc.constant('string'), minLength: fc.nat(5) }),
      fc.record({ type: fc.constant('integer'), minimum: fc.integer({ min: -9, max: 9 }) }),
      fc.record({
        type: fc.constant('number'),
        exclusiveMaximum: fc.integer({ min: -9, max: 9 }),
        multipleOf: fc.constant(0.5),
      }),
      fc.record({ enum: fc.array(fc.oneof(fc.string(), fc.integer(), fc.boolean()), { minLength: 1, maxLength: 3 }) }),
      fc.constant({ type: 'boolean' }),
      fc.constant({ type: ['null', 'string'] }),
    );
    const { schema } = fc.letrec<{ schema: JsonSchema }>((tie) => ({
      schema: fc.oneof(
        { depthSize: 'small' },
        leaf as fc.Arbitrary<JsonSchema>,
        fc.record({
          type: fc.constant('array'),
          items: tie('schema'),
          minItems: fc.nat(3),
        }) as fc.Arbitrary<JsonSchema>,
        fc
          .dictionary(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 2 }), tie('schema'), {
            maxKeys: 3,
          })
          .map((properties) => ({ type: 'object', properties, required: Object.keys(properties) }) as JsonSchema),
        fc.array(tie('schema'), { minLength: 1, maxLength: 2 }).map((anyOf) => ({ anyOf }) as JsonSchema),
      ),
    }));
    fc.assert(
      fc.property(schema, fc.nat(3), (each, variant) => {
        expect(compileSchema(each).breachOf(instanceOf(each, variant))).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });
});
