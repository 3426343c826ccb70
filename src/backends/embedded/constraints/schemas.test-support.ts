/** For tests only: schemas as people write them, random schemas, and a validator that has the last word. */
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as formatsModule from 'ajv-formats';
import fc from 'fast-check';
import type { Json, JsonSchema } from '../../../core/generation.ts';

const modern = new Ajv2020({ strict: false, logger: false });
const draft7 = new Ajv({ strict: false, logger: false });
formatsModule.default.default(modern);
formatsModule.default.default(draft7);

/** Why Ajv finds `value` invalid, or undefined when it is valid. */
export function invalidReason(schema: JsonSchema, value: unknown): string | undefined {
  const ajv = isDraft7(schema) ? draft7 : modern;
  const validate = ajv.compile(schema);
  return validate(value) ? undefined : ajv.errorsText(validate.errors);
}

function isDraft7(schema: JsonSchema): boolean {
  return /"items":\[|"additionalItems"|"dependencies"|draft-07/.test(JSON.stringify(schema));
}

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 40 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    nickname: { type: ['string', 'null'] },
    tags: { type: 'array', items: { enum: ['admin', 'user', 'guest'] }, maxItems: 3 },
  },
  required: ['name', 'age'],
  additionalProperties: false,
} as const satisfies JsonSchema;

/** Schemas as they come with tools and structured outputs; each is held. */
export const ORDINARY_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  'any object': { type: 'object' },
  'anything at all': {},
  'no arguments': { type: 'object', properties: {} },
  'one required argument': { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
  'optional arguments only': {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'boolean' }, c: { type: 'number' } },
  },
  person,
  'strict structured output': {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Steps',
    type: 'object',
    $defs: {
      step: {
        type: 'object',
        properties: { text: { type: 'string' }, output: { type: 'string' } },
        required: ['text', 'output'],
        additionalProperties: false,
      },
    },
    properties: { steps: { type: 'array', items: { $ref: '#/$defs/step' } }, answer: { type: 'string' } },
    required: ['steps', 'answer'],
    additionalProperties: false,
  },
  'recursive tree': {
    definitions: {
      node: {
        type: 'object',
        properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#/definitions/node' } } },
        required: ['value'],
      },
    },
    $ref: '#/definitions/node',
  },
  'recursive root': {
    type: 'object',
    properties: { next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
    required: ['next'],
  },
  'union of shapes': {
    anyOf: [
      {
        type: 'object',
        properties: { kind: { const: 'circle' }, radius: { type: 'number', exclusiveMinimum: 0 } },
        required: ['kind', 'radius'],
      },
      {
        type: 'object',
        properties: { kind: { const: 'square' }, side: { type: 'number', minimum: 0.5, maximum: 99.75 } },
        required: ['kind', 'side'],
      },
      { type: 'null' },
    ],
  },
  'map of numbers': { type: 'object', additionalProperties: { type: 'number' } },
  'tuple of draft 7': {
    type: 'array',
    items: [{ type: 'string' }, { type: 'integer' }],
    additionalItems: false,
    minItems: 1,
  },
  'tuple of 2020-12': {
    type: 'array',
    prefixItems: [{ type: 'string' }, { type: 'boolean' }],
    items: { type: 'null' },
    minItems: 2,
    maxItems: 4,
  },
  'all of two': {
    allOf: [
      { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] },
      { properties: { id: { minimum: 10 }, name: { type: 'string' } }, required: ['name'] },
    ],
  },
  'bounded counts of members': {
    type: 'object',
    properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' } },
    minProperties: 1,
    maxProperties: 2,
  },
  'constant document': { const: { a: [1, 2.5, 'x', null], 'quo"ted\\': true } },
  'listed values': { enum: ['north', 'north-east', 'north-west', 'south', 1, 10, null, { deep: ['er'] }] },
  'long text': { type: 'string', minLength: 300, maxLength: 5000 },
  'keys that need escapes': {
    type: 'object',
    properties: { 'a"b': { type: 'null' }, 'line\nbreak': { type: 'null' }, 漢字: { type: 'null' } },
    required: ['a"b', 'line\nbreak', '漢字'],
  },
};

const names = fc.constantFrom('id', 'name', 'kind', 'a"b', '名', 'x-1', 'note');

function bounds(low: string, high: string, value: fc.Arbitrary<number>): fc.Arbitrary<Record<string, number>> {
  return fc.tuple(fc.option(value, { nil: undefined }), fc.option(value, { nil: undefined })).map(([first, second]) => {
    const [least, most] =
      first !== undefined && second !== undefined && first > second ? [second, first] : [first, second];
    return { ...(least === undefined ? {} : { [low]: least }), ...(most === undefined ? {} : { [high]: most }) };
  });
}

const integers = bounds('minimum', 'maximum', fc.integer({ min: -12_000, max: 12_000 })).map((limits) => ({
  type: 'integer',
  ...limits,
}));
const decimals = fc
  .tuple(
    fc.constantFrom(
      ['minimum', 'maximum'],
      ['exclusiveMinimum', 'exclusiveMaximum'],
      ['exclusiveMinimum', 'maximum'],
      ['minimum', 'exclusiveMaximum'],
    ),
    fc.integer({ min: -30_000, max: 30_000 }),
    fc.integer({ min: 1, max: 5_000 }),
    fc.constantFrom(1, 10, 1000, 100_000),
  )
  .map(([[low = '', high = ''], start, width, scale]) => ({
    type: 'number',
    [low]: start / scale,
    [high]: (start + width) / scale,
  }));
const texts = bounds('minLength', 'maxLength', fc.integer({ min: 0, max: 12 })).map((limits) => ({
  type: 'string',
  ...limits,
}));
const values: fc.Arbitrary<Json> = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.string(), { maxLength: 2 }),
);
const listed = fc.array(values, { minLength: 1, maxLength: 6 }).map((list) => ({ enum: list }));

/** Random schemas that something satisfies. `$defs/leaf` and the root can be referred to. */
export const randomSchemas: fc.Arbitrary<JsonSchema> = fc.letrec<{
  schema: JsonSchema;
  object: JsonSchema;
  root: JsonSchema;
}>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<JsonSchema>(
      { type: 'boolean' },
      { type: 'null' },
      { type: 'number' },
      { type: ['integer', 'null'] },
      {},
      { $ref: '#/$defs/leaf' },
    ),
    integers,
    decimals,
    texts,
    listed,
    values.map((value) => ({ const: value })),
    fc.record({
      type: fc.constant('array'),
      items: tie('schema'),
      minItems: fc.integer({ min: 0, max: 2 }),
      maxItems: fc.integer({ min: 2, max: 5 }),
    }),
    fc.record({
      type: fc.constant('array'),
      prefixItems: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }),
      items: fc.constantFrom<Json>(false, true, { type: 'null' }),
    }),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    fc.record({ type: fc.constant('object'), additionalProperties: tie('schema') }),
    tie('object'),
  ),
  object: fc
    .tuple(
      fc.dictionary(names, tie('schema'), { maxKeys: 5 }),
      fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
      fc.constantFrom<JsonSchema>({}, { additionalProperties: false }, { additionalProperties: true }),
    )
    .map(([properties, required, rest]) => ({
      type: 'object',
      properties,
      required: Object.keys(properties).filter((_, index) => required[index] === true),
      ...rest,
    })),
  root: fc
    .tuple(tie('schema'), tie('schema'))
    .map(([schema, leaf]) => ({ ...schema, $defs: { leaf: withoutReferences(leaf) } })),
})).root;

/** A definition that refers to itself without end would have no finite value. */
function withoutReferences(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema).replaceAll('{"$ref":"#/$defs/leaf"}', '{"type":"null"}')) as JsonSchema;
}

const memberNames = fc.constantFrom('a', 'b', 'c', 'id');
const requiredNames = fc.uniqueArray(memberNames, { minLength: 1, maxLength: 2 });

/** Random schemas with keywords mixed as no person would: many are satisfied by nothing, or refused. */
export const mixedSchemas: fc.Arbitrary<JsonSchema> = fc.letrec<{ schema: JsonSchema }>((tie) => {
  const schema = tie('schema');
  const keyword = <Value extends Json>(name: string, value: fc.Arbitrary<Value>) =>
    value.map((given): JsonSchema => ({ [name]: given }));
  const some = fc.array(schema, { minLength: 1, maxLength: 3 });
  const count = fc.integer({ min: 0, max: 3 });
  const typed = fc.constantFrom('object', 'array', 'string', 'integer', 'number', 'boolean', 'null');
  const single = fc.oneof(
    { maxDepth: 3 },
    keyword('type', fc.oneof(typed, fc.uniqueArray(typed, { minLength: 1, maxLength: 3 }))),
    keyword(
      'enum',
      fc.array(fc.constantFrom<Json>('a', 'ab', 1, 2.5, null, true, [], ['a'], { a: 1 }), {
        minLength: 1,
        maxLength: 4,
      }),
    ),
    keyword('const', fc.constantFrom<Json>('a', 1, null, { a: 'a' })),
    keyword('minimum', fc.integer({ min: -5, max: 5 })),
    keyword('exclusiveMaximum', fc.integer({ min: -5, max: 15 })),
    keyword('multipleOf', fc.constantFrom(1, 2, 3, 5, 7, 10, 60, 0.5)),
    keyword('minLength', count),
    keyword('maxLength', count),
    keyword('pattern', fc.constantFrom('^a', 'b$', '[0-9]', '^[a-c]*$')),
    keyword('format', fc.constantFrom('date', 'email', 'unknown')),
    keyword('minItems', count),
    keyword('maxItems', count),
    keyword('uniqueItems', fc.boolean()),
    keyword('items', schema),
    keyword('prefixItems', some),
    keyword('contains', schema),
    fc.tuple(schema, count, count).map(
      ([contains, least, more]): JsonSchema => ({
        contains,
        minContains: least,
        maxContains: least + more,
      }),
    ),
    keyword('unevaluatedItems', schema),
    keyword('unevaluatedProperties', schema),
    keyword('required', requiredNames),
    keyword('properties', fc.dictionary(memberNames, schema, { maxKeys: 3 })),
    keyword('additionalProperties', schema),
    keyword('patternProperties', fc.dictionary(fc.constantFrom('^n_', 'd$', 'a'), schema, { minKeys: 1, maxKeys: 2 })),
    keyword(
      'propertyNames',
      fc.constantFrom<JsonSchema>({ maxLength: 2 }, { pattern: '^[a-z_]' }, { enum: ['a', 'n_1', 'x'] }),
    ),
    keyword('minProperties', count),
    keyword('maxProperties', count),
    keyword('dependentRequired', fc.dictionary(memberNames, requiredNames, { minKeys: 1, maxKeys: 2 })),
    keyword('dependentSchemas', fc.dictionary(memberNames, schema, { minKeys: 1, maxKeys: 1 })),
    keyword('anyOf', some),
    keyword('oneOf', some),
    keyword('allOf', some),
    keyword('not', schema),
    fc.tuple(schema, schema, schema).map(([condition, then, otherwise]) => ({ if: condition, then, else: otherwise })),
    fc.constant<JsonSchema>({}),
  );
  return {
    schema: fc
      .array(single, { minLength: 1, maxLength: 3 })
      .map((keywords): JsonSchema => Object.assign({}, ...keywords)),
  };
}).schema;
