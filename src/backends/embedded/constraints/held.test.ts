/** Keyword by keyword: values that the grammar of a schema takes, and values that it does not. */
import { describe, expect, test } from 'vitest';
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { GbnfWalker, matchesGbnf, parseGbnf } from './gbnf.test-support.ts';
import { compileJsonSchema } from './index.ts';
import { invalidReason } from './schemas.test-support.ts';
import { spellJson } from './values.ts';

interface Case {
  readonly schema: JsonSchema;
  /** Valid, and written by the grammar. */
  readonly written: readonly Json[];
  /** Not valid, so never written. */
  readonly refused: readonly Json[];
  /** Ajv refuses the schema itself. */
  readonly isBeyondAjv?: boolean;
}

const object = (properties: JsonSchema, required: readonly string[] = [], rest: JsonSchema = {}): JsonSchema => ({
  type: 'object',
  properties,
  required,
  ...rest,
});

const CASES: Readonly<Record<string, Case>> = {
  'a list of types': { schema: { type: ['integer', 'null'] }, written: [0, -7, null], refused: [0.5, 'x', true] },
  'no type: what the keywords speak of': { schema: { minLength: 2 }, written: ['ab'], refused: ['a'] },
  'required members': {
    schema: object({ a: { type: 'null' }, b: { type: 'null' } }, ['b']),
    written: [{ b: null }, { a: null, b: null }],
    refused: [{}, { a: null }],
  },
  'required but not declared': {
    schema: { type: 'object', required: ['x'] },
    written: [{ x: 1 }, { x: { y: [] } }],
    refused: [{}],
  },
  'a member that may not be there': {
    schema: object({ a: false, b: { type: 'null' } }),
    written: [{}, { b: null }],
    refused: [{ a: 1 }],
  },
  'minProperties and maxProperties': {
    schema: object({ a: true, b: true, c: true }, ['a'], { minProperties: 2, maxProperties: 2 }),
    written: [
      { a: 1, b: 2 },
      { a: 1, c: 2 },
    ],
    refused: [{ a: 1 }, { b: 1, c: 1 }, { a: 1, b: 1, c: 1 }],
  },
  'maxProperties of free members': {
    schema: { type: 'object', minProperties: 1, maxProperties: 2 },
    written: [{ x: 1 }, { x: 1, y: 2 }],
    refused: [{}, { x: 1, y: 2, z: 3 }],
  },
  'additionalProperties: a schema, beside declared members': {
    schema: object({ id: { type: 'integer' } }, ['id'], { additionalProperties: { type: 'boolean' } }),
    written: [{ id: 1 }, { id: 1, other: true, ida: false, i: true, '': true }],
    refused: [{ other: true }, { id: 1, other: 2 }, { id: true }],
  },
  'additionalProperties: true without members': {
    schema: { type: 'object', properties: {}, additionalProperties: true },
    written: [{}, { any: [1] }],
    refused: [],
  },
  'additionalProperties: false': {
    schema: { type: 'object', additionalProperties: false },
    written: [{}],
    refused: [{ a: 1 }],
  },
  patternProperties: {
    schema: {
      type: 'object',
      patternProperties: { '^n_': { type: 'integer' }, '^s_': { type: 'string' } },
      additionalProperties: false,
    },
    written: [{}, { n_a: 1, s_b: 'x' }],
    refused: [{ n_a: 'x' }, { s_a: 1 }, { x: 1 }],
  },
  'patternProperties that overlap, and a declared member': {
    schema: object({ ab: { maximum: 5 } }, ['ab'], {
      patternProperties: { '^a': { type: 'integer' }, b$: { minimum: 3 } },
    }),
    written: [{ ab: 4 }, { ab: 3, a: 1, aab: 9 }],
    refused: [{ ab: 2 }, { ab: 6 }, { ab: 4, aab: 1 }, { ab: 4, a: 0.5 }],
  },
  'propertyNames: a pattern': {
    schema: { type: 'object', propertyNames: { pattern: '^[a-c]+$' }, additionalProperties: { type: 'null' } },
    written: [{ abc: null }],
    refused: [{ abd: null }],
  },
  'propertyNames: listed, for declared members too': {
    schema: object({ a: true, b: true }, [], { propertyNames: { enum: ['b', 'c'] } }),
    written: [{}, { b: 1 }],
    refused: [{ a: 1 }],
  },
  dependentRequired: {
    schema: object({ card: true, address: true }, [], { dependentRequired: { card: ['address'] } }),
    written: [{}, { address: 1 }, { card: 1, address: 1 }],
    refused: [{ card: 1 }],
  },
  'dependencies of draft 7': {
    schema: object({ a: true, b: true, c: { type: 'integer' } }, [], {
      dependencies: { a: ['b'], b: { required: ['c'] } },
    }),
    written: [{}, { c: 1 }, { b: 1, c: 1 }, { a: 1, b: 1, c: 1 }],
    refused: [{ a: 1 }, { a: 1, b: 1 }, { b: 1 }],
  },
  'unevaluatedProperties over allOf': {
    schema: {
      allOf: [object({ a: { type: 'null' } })],
      properties: { b: { type: 'null' } },
      unevaluatedProperties: false,
    },
    written: [{}, { b: null, a: null }],
    refused: [{ c: null }],
  },
  'unevaluatedProperties: a schema, seen through a reference and past a pattern': {
    schema: {
      $ref: '#/$defs/named',
      patternProperties: { '^x-': { type: 'null' } },
      unevaluatedProperties: { type: 'integer' },
      $defs: { named: object({ name: { type: 'string' } }, ['name']) },
    },
    written: [{ name: 'a' }, { name: 'a', 'x-b': null, c: 1 }],
    refused: [{ name: 1 }, { name: 'a', c: 'd' }, { name: 'a', 'x-b': 1 }],
  },
  'unevaluatedProperties that does not see its cousins': {
    schema: { allOf: [object({ a: { type: 'null' } }), { unevaluatedProperties: false }] },
    written: [{}],
    refused: [{ a: null }],
  },
  'unevaluatedProperties around one that allows all': {
    schema: {
      ...object({ a: { type: 'null' } }),
      allOf: [{ unevaluatedProperties: true }],
      unevaluatedProperties: false,
    },
    written: [{}, { a: null }],
    refused: [{ a: 1 }],
  },
  'unevaluatedItems after positions of several schemas': {
    schema: {
      type: 'array',
      allOf: [{ prefixItems: [{ type: 'string' }, { type: 'integer' }] }],
      prefixItems: [{ minLength: 1 }],
      unevaluatedItems: { type: 'null' },
    },
    written: [[], ['a'], ['a', 1, null, null]],
    refused: [[''], ['a', 'b'], ['a', 1, 2]],
  },
  maxContains: {
    schema: { type: 'array', items: { type: 'integer' }, contains: { minimum: 10 }, maxContains: 2 },
    written: [[10], [1, 10, 2, 11, 3]],
    refused: [[], [1], [10, 11, 12]],
  },
  'maxContains without minContains': {
    schema: { type: 'array', items: { enum: ['a', 'b'] }, contains: { const: 'a' }, minContains: 0, maxContains: 1 },
    written: [[], ['b', 'b'], ['b', 'a', 'b']],
    refused: [['a', 'a']],
  },
  'not: items, and contains': {
    schema: {
      type: 'array',
      items: { type: ['integer', 'string'] },
      allOf: [{ not: { items: { type: 'integer' } } }, { not: { contains: { const: 'y' } } }],
    },
    written: [['a'], [1, 'x'], ['a', 1, 2]],
    refused: [[], [1, 2], ['a', 'y']],
  },
  'not: positions': {
    schema: { type: 'array', items: { enum: ['x', 'y'] }, not: { prefixItems: [{ const: 'x' }, { const: 'y' }] } },
    written: [['y'], ['x', 'x'], ['y', 'y', 'x']],
    refused: [[], ['x'], ['x', 'y'], ['x', 'y', 'y']],
  },
  'not: oneOf': {
    schema: { type: 'integer', not: { oneOf: [{ minimum: 5 }, { maximum: 9 }] } },
    written: [5, 7, 9],
    refused: [4, 10],
  },
  'not: if': {
    schema: {
      type: ['integer', 'string'],
      not: JSON.parse('{"if": {"type": "integer"}, "then": {"minimum": 5}, "else": {"minLength": 2}}') as Json,
    },
    written: [4, 'a', ''],
    refused: [5, 'ab'],
  },
  'not: integer': {
    schema: { type: 'number', not: { type: 'integer' }, minimum: -1.5, exclusiveMaximum: 2 },
    written: [0.5, 1.25, 1.999999, -1.5, -0.001],
    refused: [0, 1, -1, -1.6, 2],
  },
  'oneOf of which one leaves out fractions': {
    schema: { oneOf: [{ type: 'integer' }, { minimum: 2 }] },
    written: [1, -3, 2.5],
    refused: [2, 3, 1.5],
  },
  'oneOf within oneOf, whose branches bring kinds when they are kept apart': {
    schema: {
      required: ['a'],
      oneOf: [{ type: 'null' }, { oneOf: [{ type: 'object' }, { contains: { type: 'array' } }] }],
    },
    written: ['x', 1, [[]]],
    refused: [null, {}],
  },
  '$dynamicRef to the only anchor of its name': {
    schema: {
      $dynamicAnchor: 'node',
      ...object({ value: { type: 'integer' }, next: { $dynamicRef: '#node' } }, ['value']),
    },
    written: [{ value: 1 }, { value: 1, next: { value: 2 } }],
    refused: [{ value: 1, next: {} }],
  },
  '$recursiveRef where nothing is anchored': {
    schema: object({ next: { $recursiveRef: '#' } }),
    written: [{}, { next: { next: {} } }],
    refused: [{ next: 1 }],
    isBeyondAjv: true,
  },
  'an identifier under an unknown keyword is none': {
    schema: {
      $id: 'schema://root/',
      anyOf: [{ $ref: 'schema://root/inner' }],
      'x-own': { a: { $id: 'schema://root/inner', type: 'null' } },
      $defs: { a: { $id: 'schema://root/inner', type: 'boolean' } },
    },
    written: [true],
    refused: [null],
    isBeyondAjv: true,
  },
  'what only values of another kind satisfy': {
    schema: { contains: false },
    written: ['a', 1, null, { a: 1 }],
    refused: [[], [1]],
  },
  'multipleOf that last digits do not tell': {
    schema: { type: 'integer', multipleOf: 7, minimum: -1_000_000, maximum: 123_456 },
    written: [0, 7, -7, 98_000, 123_452, -999_999],
    refused: [1, 123_459, -1_000_006, 6],
  },
  'multipleOf: 60, without bounds': {
    schema: { type: 'integer', multipleOf: 60 },
    written: [0, 60, 180, -3_600, 600_000_000_060],
    refused: [1, 6, 30, 100, -61],
  },
  'items and counts': {
    schema: { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 },
    written: [[1], [1, 2, 3]],
    refused: [[], [1, 2, 3, 4], ['a']],
  },
  'a tuple, open at its end': {
    schema: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer' }], items: { type: 'null' } },
    written: [[], ['a'], ['a', 1], ['a', 1, null, null]],
    refused: [[1], ['a', 1, 2]],
  },
  'a tuple of draft 7, closed': {
    schema: { type: 'array', items: [{ type: 'string' }, { type: 'integer' }], additionalItems: false, minItems: 2 },
    written: [['a', 1]],
    refused: [['a'], ['a', 1, 2]],
  },
  'unevaluatedItems after positions': {
    schema: { type: 'array', prefixItems: [{ type: 'string' }], unevaluatedItems: false },
    written: [[], ['a']],
    refused: [['a', 'b']],
  },
  contains: {
    schema: { type: 'array', items: { type: 'integer' }, contains: { minimum: 10 } },
    written: [[10], [1, 12, 3]],
    refused: [[], [1, 2]],
  },
  'minContains within counts': {
    schema: {
      type: 'array',
      items: { type: 'integer', minimum: 0 },
      contains: { minimum: 10 },
      minContains: 2,
      minItems: 3,
      maxItems: 4,
    },
    written: [
      [10, 11, 1],
      [1, 2, 30, 40],
    ],
    refused: [
      [10, 11],
      [10, 1, 1],
      [10, 11, 12, 13, 14],
    ],
  },
  'uniqueItems of few values, in any order': {
    schema: { type: 'array', items: { enum: ['a', 'b', 'c'] }, uniqueItems: true, minItems: 2 },
    written: [
      ['a', 'b'],
      ['c', 'a', 'b'],
    ],
    refused: [['a'], ['a', 'a'], ['a', 'b', 'a']],
  },
  'uniqueItems of more values, in their order': {
    schema: {
      type: 'array',
      items: { type: 'integer', minimum: 1, maximum: 12 },
      uniqueItems: true,
      minItems: 1,
      maxItems: 3,
    },
    written: [[1], [2, 5, 12]],
    refused: [[], [1, 1], [1, 2, 3, 4]],
  },
  enum: {
    schema: { enum: ['a', 1, 1.5, null, { b: [true] }] },
    written: ['a', 1, 1.5, null, { b: [true] }],
    refused: ['b', 2, {}],
  },
  'enum beside other keywords': {
    schema: { enum: ['a', 'abc', 5, null], type: ['string', 'integer'], maxLength: 2, minimum: 6 },
    written: ['a'],
    refused: ['abc', 5, null],
  },
  const: { schema: { const: { a: [1, { b: null }] } }, written: [{ a: [1, { b: null }] }], refused: [{ a: [1] }] },
  anyOf: { schema: { anyOf: [{ type: 'integer' }, { const: 'x' }] }, written: [3, 'x'], refused: ['y', 1.5] },
  'anyOf beside siblings': {
    schema: {
      ...object({ a: { type: 'null' }, b: { type: 'null' } }),
      anyOf: [{ required: ['a'] }, { required: ['b'] }],
    },
    written: [{ a: null }, { b: null }, { a: null, b: null }],
    refused: [{}],
  },
  'oneOf by type': { schema: { oneOf: [{ type: 'string' }, { type: 'array' }] }, written: ['x', []], refused: [1] },
  'oneOf by a constant member': {
    schema: {
      oneOf: [
        object({ kind: { const: 'a' }, x: { type: 'null' } }, ['kind']),
        object({ kind: { enum: ['b', 'c'] } }, ['kind']),
      ],
    },
    written: [{ kind: 'a', x: null }, { kind: 'c' }],
    refused: [{ kind: 'd' }],
  },
  'oneOf of many constants': {
    schema: {
      oneOf: Array.from({ length: 400 }, (_, index) => ({ const: `value ${index}`, title: `Value ${index}` })),
    },
    written: ['value 0', 'value 399'],
    refused: ['value 400', 'value'],
  },
  'oneOf by required members': {
    schema: { oneOf: [object({ a: true }, ['a']), object({ b: true }, ['b'])] },
    written: [{ a: 1 }, { b: 2 }],
    refused: [{}, { a: 1, b: 2 }],
  },
  'oneOf that has to leave members out': {
    schema: {
      ...object({ a: { type: 'null' }, b: { type: 'null' } }),
      oneOf: [{ required: ['a'] }, { required: ['b'] }],
    },
    written: [{ a: null }, { b: null }],
    refused: [{}, { a: null, b: null }],
  },
  'oneOf of ranges that overlap': {
    schema: { type: 'integer', oneOf: [{ maximum: 10 }, { minimum: 5 }] },
    written: [4, 11, -3],
    refused: [5, 10],
  },
  'oneOf by patterns': {
    schema: { type: 'string', oneOf: [{ pattern: '^a' }, { pattern: 'z$' }] },
    written: ['ab', 'bz'],
    refused: ['az', 'b'],
  },
  'allOf of objects': {
    schema: {
      allOf: [object({ a: { type: 'integer' } }, ['a']), object({ a: { maximum: 3 }, b: { type: 'null' } }, ['b'])],
    },
    written: [{ a: 3, b: null }],
    refused: [{ a: 4, b: null }, { a: 1 }, { b: null }],
  },
  'a reference beside siblings': {
    schema: { $defs: { short: { type: 'string', maxLength: 3 } }, $ref: '#/$defs/short', minLength: 2 },
    written: ['ab', 'abc'],
    refused: ['a', 'abcd'],
  },
  'references by anchor, escaped pointer and identifier': {
    schema: {
      $id: 'https://example.com/root.json',
      $defs: { 'a/b': { const: 1 }, named: { $anchor: 'here', const: 2 }, other: { $id: 'other.json', const: 3 } },
      anyOf: [{ $ref: '#/$defs/a~1b' }, { $ref: '#here' }, { $ref: 'other.json' }],
    },
    written: [1, 2, 3],
    refused: [4],
  },
  'not of a type': {
    schema: { not: { type: ['object', 'array', 'number'] } },
    written: ['a', true, null],
    refused: [1, {}, []],
  },
  'not of listed values': {
    schema: { type: 'string', not: { enum: ['no', 'not'] } },
    written: ['n', 'none', 'yes'],
    refused: ['no', 'not'],
  },
  'not of single numbers': {
    schema: { type: 'integer', minimum: 0, maximum: 9, not: { enum: [0, 4, 9] } },
    written: [1, 3, 5, 8],
    refused: [0, 4, 9, 10],
  },
  'not of a member': {
    schema: { ...object({ a: true, b: true }), not: { required: ['a'] } },
    written: [{}, { b: 1 }],
    refused: [{ a: 1 }],
  },
  'if, then and else': {
    schema: {
      ...object({ country: { enum: ['US', 'NL'] }, code: { type: 'string' } }, ['country', 'code']),
      if: { properties: { country: { const: 'US' } } },
      // biome-ignore lint/suspicious/noThenProperty: the keyword's name
      then: { properties: { code: { pattern: '^[0-9]{5}$' } } },
      else: { properties: { code: { pattern: '^[A-Z]{2}$' } } },
    },
    written: [
      { country: 'US', code: '12345' },
      { country: 'NL', code: 'AB' },
    ],
    refused: [
      { country: 'NL', code: '12345' },
      { country: 'US', code: 'AB' },
    ],
  },
  'bounds of integers': {
    schema: { type: 'integer', exclusiveMinimum: -3, maximum: 120 },
    written: [-2, 0, 99, 120],
    refused: [-3, 121],
  },
  'bounds with fractions, for integers': {
    schema: { type: 'integer', minimum: 0.5, maximum: 2.5 },
    written: [1, 2],
    refused: [0, 3],
  },
  'bounds of decimals': {
    schema: { type: 'number', minimum: -0.25, exclusiveMaximum: 1.5 },
    written: [-0.25, 0, 0.5, 1, 1.49, -0.1],
    refused: [-0.26, 1.5, 2, -1],
  },
  'exclusive bounds of draft 4': {
    isBeyondAjv: true,
    schema: { type: 'integer', minimum: 1, exclusiveMinimum: true, maximum: 3, exclusiveMaximum: false },
    written: [2, 3],
    refused: [1, 4],
  },
  'bounds on zero': { schema: { type: 'number', exclusiveMinimum: 0 }, written: [0.001, 1, 20.5], refused: [0, -1] },
  'multipleOf by last digits': {
    schema: { type: 'integer', multipleOf: 25, minimum: -60 },
    written: [-50, 0, 25, 175, 1000],
    refused: [-75, 10, 26],
  },
  'multipleOf a power of ten': {
    schema: { type: 'integer', multipleOf: 1000 },
    written: [0, 1000, -20_000],
    refused: [100, 1500],
  },
  'multipleOf by listing': {
    schema: { type: 'integer', multipleOf: 15, minimum: 0, maximum: 480 },
    written: [0, 15, 480],
    refused: [10, 495],
  },
  'multipleOf a half': {
    schema: { type: 'number', multipleOf: 0.5, maximum: 3 },
    written: [0, 0.5, 2.5, 3, -1.5],
    refused: [0.25, 3.5],
  },
  'lengths count characters': {
    schema: { type: 'string', minLength: 1, maxLength: 2 },
    written: ['é', '漢字', '😀😀', '"\n'],
    refused: ['', 'abc'],
  },
  'a pattern': {
    schema: { type: 'string', pattern: '^[A-Z]{3}-\\d{2,4}$' },
    written: ['ABC-12', 'XYZ-1234'],
    refused: ['ABC-1', 'abc-12', 'ABC-12345'],
  },
  'a pattern without anchors': {
    schema: { type: 'string', pattern: 'b+c' },
    written: ['bc', 'xxbbcyy', '"bc"'],
    refused: ['b', 'cb', ''],
  },
  'alternatives with anchors': {
    schema: { type: 'string', pattern: '^a|b$' },
    written: ['a', 'ax', 'xb'],
    refused: ['xa', 'bx'],
  },
  'a pattern within lengths': {
    schema: { type: 'string', pattern: '^(ab)*$', minLength: 3, maxLength: 5 },
    written: ['abab'],
    refused: ['ab', 'ababab'],
  },
  'a pattern that looks ahead first': {
    schema: { type: 'string', pattern: '^(?=.*[0-9])(?!.* )[a-z0-9 ]{2,6}$' },
    written: ['a1', '11abc'],
    refused: ['ab', 'a 1', 'a'],
  },
  'a pattern of Unicode properties': {
    schema: { type: 'string', pattern: '^\\p{Lu}\\p{Ll}+$' },
    written: ['Éa', 'Ab'],
    refused: ['ab', 'AB'],
  },
  'a pattern that escapes more than it has to': {
    isBeyondAjv: true,
    schema: { type: 'string', pattern: '^[\\w-.]+\\@x\\-y$' },
    written: ['a.b-c@x-y'],
    refused: ['@x-y'],
  },
  'two patterns': {
    schema: { allOf: [{ pattern: '^a' }, { pattern: 'z$' }], type: 'string' },
    written: ['az', 'a-z'],
    refused: ['a', 'z'],
  },
  date: {
    schema: { type: 'string', format: 'date' },
    written: ['2026-11-23', '2024-02-29'],
    refused: ['2023-02-29', '2026-13-01', '2026-04-31'],
  },
  'date-time': {
    schema: { type: 'string', format: 'date-time' },
    written: ['2026-11-23T10:00:00Z', '2026-11-23T10:00:00.5+08:00'],
    refused: ['2026-11-23', '2026-11-23T24:00:00Z'],
  },
  email: {
    schema: { type: 'string', format: 'email' },
    written: ['a.b+c@163.com', 'x@mail.example.org'],
    refused: ['a', '@b.c', 'a@-b.c'],
  },
  uuid: {
    schema: { type: 'string', format: 'uuid' },
    written: ['123e4567-e89b-12d3-a456-426614174000'],
    refused: ['123e4567'],
  },
  ipv4: {
    schema: { type: 'string', format: 'ipv4' },
    written: ['127.0.0.1', '255.255.255.255'],
    refused: ['256.0.0.1', '1.2.3', '01.2.3.4'],
  },
  ipv6: {
    schema: { type: 'string', format: 'ipv6' },
    written: ['::1', '2001:db8::8a2e:370:7334', '1:2:3:4:5:6:7:8', '1::'],
    refused: ['1:2', ':::', '1::2::3'],
  },
  uri: {
    schema: { type: 'string', format: 'uri' },
    written: ['https://example.com/a/b?c=d&e=%20#f', 'mailto:a@b.co'],
    refused: ['//x', 'not a uri', 'http://a b'],
  },
  'a format that nobody knows': { schema: { type: 'string', format: 'phone' }, written: ['anything'], refused: [1] },
  'a format within lengths': {
    schema: { type: 'string', format: 'email', maxLength: 8 },
    written: ['a@b.co'],
    refused: ['abcdef@b.co'],
  },
  'keywords of other types': {
    schema: { type: 'integer', minLength: 5, required: ['x'], items: false },
    written: [1],
    refused: ['x'],
  },
  'annotations and unknown keywords': {
    schema: {
      type: 'boolean',
      title: 'T',
      description: 'd',
      default: 3,
      examples: [1],
      deprecated: true,
      readOnly: true,
      'x-own': { type: 'string' },
      contentEncoding: 'base64',
    },
    written: [true, false],
    refused: ['x'],
  },
};

describe.each(Object.entries(CASES))('%s', (_, { schema, written, refused, isBeyondAjv = false }) => {
  const grammar = parseGbnf(compileJsonSchema(schema).grammar);
  const reasonAgainst = (value: Json) => invalidReason(schema, value);

  test('writes what it should', () => {
    for (const value of written) {
      if (!isBeyondAjv) expect(reasonAgainst(value), `${spellJson(value)} is valid`).toBeUndefined();
      expect(matchesGbnf(grammar, spellJson(value)), `${spellJson(value)} is written`).toBe(true);
    }
  });

  test('never writes what is not valid', () => {
    for (const value of refused) {
      if (!isBeyondAjv) expect(reasonAgainst(value), `${spellJson(value)} is not valid`).toBeDefined();
      expect(matchesGbnf(grammar, spellJson(value)), `${spellJson(value)} is not written`).toBe(false);
    }
    if (isBeyondAjv) return;
    const walker = new GbnfWalker(grammar);
    for (let seed = 0; seed < 40; seed += 1) {
      const text = walker.text(seed * 104_729);
      expect(reasonAgainst(JSON.parse(text) as Json), text).toBeUndefined();
    }
  });
});
