/** What cannot be held is refused by name, with the place; never ignored. */
import { describe, expect, test } from 'vitest';
import { StudioError } from '../../../core/errors.ts';
import type { JsonSchema } from '../../../core/generation.ts';
import { compileJsonSchema } from './index.ts';

function refusalOf(schema: JsonSchema): string {
  try {
    compileJsonSchema(schema);
  } catch (thrown) {
    if (thrown instanceof StudioError && thrown.code === 'invalid-parameter') return thrown.message;
    throw thrown;
  }
  return 'held';
}

const at = (schema: JsonSchema): JsonSchema => ({ type: 'object', properties: { here: schema } });

describe('a keyword that cannot be held', () => {
  test.each<[string, JsonSchema, RegExp]>([
    ['uniqueItems', { type: 'array', items: { type: 'string' }, uniqueItems: true }, /cannot compare items/],
    [
      'maxContains',
      { type: 'array', contains: { format: 'date' }, maxContains: 2 },
      /told apart .*opposite of "format"/,
    ],
    ['contains', { type: 'array', prefixItems: [{}], contains: { const: 1 } }, /positions/],
    ['unevaluatedItems', { anyOf: [{ prefixItems: [{}] }, {}], unevaluatedItems: false }, /beside it/],
    [
      'unevaluatedProperties',
      { allOf: [{ unevaluatedProperties: false, anyOf: [{ properties: { a: {} } }, {}] }], properties: { a: {} } },
      /beside it/,
    ],
    ['multipleOf', { type: 'number', multipleOf: 0.01 }, /exact in every validator/],
    ['multipleOf', { type: 'integer', multipleOf: 97 }, /too many to list/],
    ['pattern', { type: 'string', pattern: '(a)\\1' }, /refers back/],
    ['pattern', { type: 'string', pattern: 'a(?=b)c' }, /looks ahead or behind/],
    ['pattern', { type: 'string', pattern: '\\bword\\b' }, /edge of a word/],
    ['pattern', { type: 'string', pattern: '^.{5000}$' }, /more than 2000/],
    ['pattern', { type: 'string', pattern: '(a|b)*a(a|b){15}$' }, /states/],
    ['pattern', { type: 'string', pattern: '(' }, /not a regular expression/],
    ['minLength', { type: 'string', pattern: '^(ab)*$', minLength: 5000 }, /states/],
    ['patternProperties', { type: 'object', patternProperties: { '(?<=a)b': {} } }, /looks ahead or behind/],
    ['minLength', { type: 'string', minLength: 2_000_000 }, /that long/],
    ['minimum', { type: 'integer', minimum: 1e18 }, /15 digits/],
    ['exclusiveMaximum', { type: 'number', exclusiveMaximum: -1e20 }, /15 digits/],
    ['minProperties', { type: 'object', minProperties: 2 }, /kept apart/],
    [
      'oneOf',
      {
        oneOf: [
          { type: 'string', format: 'date' },
          { type: 'string', format: 'time' },
        ],
      },
      /branches cannot be kept apart/,
    ],
    [
      'oneOf',
      { oneOf: [{ additionalProperties: { type: 'string' } }, { additionalProperties: { type: 'null' } }] },
      /branches cannot be kept apart/,
    ],
    ['not', { type: 'array', not: { uniqueItems: true } }, /opposite of "uniqueItems"/],
    ['not', { not: { const: [] }, type: 'array' }, /single object or array/],
    ['if', { if: { format: 'date' }, else: { type: 'null' } }, /opposite of "format"/],
    ['$ref', { $ref: 'https://example.com/schema.json' }, /none is fetched/],
    ['$ref', { $ref: '#/$defs/missing' }, /nothing at/],
    ['$ref', { $ref: '#anchor' }, /nothing at/],
    [
      '$ref',
      { $defs: { a: { $ref: '#/properties/here/$defs/a' } }, $ref: '#/properties/here/$defs/a' },
      /refers to itself/,
    ],
    ['$dynamicRef', { $dynamicRef: '#node' }, /nothing at/],
    [
      '$dynamicRef',
      { $dynamicRef: '#node', $defs: { a: { $dynamicAnchor: 'node' }, b: { $id: 'b', $dynamicAnchor: 'node' } } },
      /while a value is checked/,
    ],
    ['$recursiveRef', { $recursiveRef: '#', $defs: { a: { $recursiveAnchor: true } } }, /while a value is checked/],
  ])('%s of %j', (keyword, schema, reason) => {
    const message = refusalOf(at(schema));
    expect(message).toMatch(reason);
    expect(message).toContain(`"${keyword}" at #/`);
  });

  test('is named with the place it stands at', () => {
    expect(refusalOf(at({ type: 'array', items: { type: 'object' }, uniqueItems: true }))).toBe(
      'The JSON Schema keyword "uniqueItems" at #/properties/here cannot be enforced: a grammar cannot compare items, unless they are of a short list of values (enum).',
    );
  });
});

describe('a schema that is none', () => {
  test.each<[string, JsonSchema]>([
    ['type', { type: 'strng' }],
    ['type', { type: [] }],
    ['type', { type: 7 }],
    ['minimum', { minimum: '3' }],
    ['maxLength', { type: 'string', maxLength: -1 }],
    ['minItems', { type: 'array', minItems: 1.5 }],
    ['required', { required: true }],
    ['properties', { properties: [] }],
    ['x', { properties: { x: 'string' } }],
    ['items', { type: 'array', items: 3 }],
    ['enum', { enum: 'a' }],
    ['anyOf', { anyOf: [] }],
    ['allOf', { allOf: {} }],
    ['multipleOf', { type: 'integer', multipleOf: 0 }],
    ['pattern', { type: 'string', pattern: 3 }],
    ['$ref', { $ref: 3 }],
  ])('%s in %j', (keyword, schema) => {
    const message = refusalOf(schema);
    expect(message).toMatch(/^Invalid JSON Schema: /);
    expect(message).toContain(`"${keyword}"`);
  });
});

test.each<JsonSchema>([
  { enum: [] },
  { const: 5, type: 'string' },
  { allOf: [{ type: 'string' }, { type: 'number' }] },
  { type: 'integer', minimum: 3, maximum: 2 },
  { type: 'number', exclusiveMinimum: 1, exclusiveMaximum: 1 },
  { type: 'string', minLength: 3, maxLength: 2 },
  { type: 'string', pattern: '^a$', minLength: 2 },
  { type: 'object', properties: { a: false }, required: ['a'] },
  { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] },
  { type: 'array', items: { $ref: '#' }, minItems: 1 },
  { not: {} },
  { oneOf: [true, true] },
])('%j, which nothing satisfies, is refused', (schema) => {
  expect(refusalOf(schema)).toMatch(/no JSON value/);
});

describe('a schema that would cost too much', () => {
  const nested = (depth: number, wrap: (inner: JsonSchema) => JsonSchema): JsonSchema => {
    let schema: JsonSchema = { type: 'null' };
    for (let level = 0; level < depth; level += 1) schema = wrap(schema);
    return schema;
  };
  const numbered = <Value>(count: number, value: (index: number) => Value) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, value(index)]));
  const lengths = { anyOf: Array.from({ length: 12 }, (_, index) => ({ minLength: index })) };
  const overlapping = Array.from({ length: 300 }, (_, index) => ({
    type: 'object',
    required: ['a'],
    properties: { [`m${index}`]: {} },
  }));

  test.each<[string, JsonSchema, RegExp]>([
    ['in combinations', { type: 'string', allOf: Array.from({ length: 12 }, () => lengths) }, /too many combinations/],
    ['in exclusions', { oneOf: overlapping }, /overlap/],
    [
      'in comparisons',
      {
        oneOf: Array.from({ length: 300 }, (_, index) => ({
          type: 'integer',
          minimum: index * 1_000,
          maximum: index * 1_000 + 500,
        })),
      },
      /too many to compare/,
    ],
    ['in arrays', nested(1_000, (inner) => ({ type: 'array', items: inner, minItems: 1 })), /nested more than/],
    ['in unions', nested(3_000, (inner) => ({ anyOf: [inner] })), /within one another/],
    ['in joins', nested(3_000, (inner) => ({ allOf: [inner] })), /nested more than/],
    ['in opposites', nested(3_000, (inner) => ({ not: inner })), /opposite|within one another|nested/],
    [
      'in references',
      {
        $defs: { ...numbered(3_000, (index) => ({ anyOf: [{ $ref: `#/$defs/m${index + 1}` }] })), m3000: {} },
        $ref: '#/$defs/m0',
      },
      /within one another/,
    ],
    ['in constants', { const: JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`) }, /nested too deeply/],
    ['in members', { type: 'object', properties: numbered(5_000, () => ({})) }, /more than 2000 members/],
    ['in size', { enum: Array.from({ length: 12_000 }, (_, index) => `${index} ${'x'.repeat(100)}`) }, /too large/],
  ])('%s is refused', (_, schema, reason) => {
    expect(refusalOf(schema)).toMatch(reason);
  });

  test('or only looks like it is held', () => {
    expect(refusalOf(nested(150, (inner) => ({ type: 'array', items: inner, minItems: 1 })))).toBe('held');
    expect(refusalOf({ type: 'object', properties: numbered(1_000, () => ({})) })).toBe('held');
  });

  test('in a matcher that backtracks costs nothing, for none runs', () => {
    const name = `${'a'.repeat(40)}b`;
    expect(refusalOf({ enum: [name, 'aa'], type: 'string', pattern: '^(a+)+$' })).toBe('held');
    expect(refusalOf({ type: 'object', properties: { [name]: {} }, patternProperties: { '^(a+)+$': {} } })).toBe(
      'held',
    );
  });
});
