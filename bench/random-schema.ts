/** Random JSON Schemas and tools for the structured-output proof: nested objects, arrays, enums, unions, $ref, bounds. */
import fc from 'fast-check';
import type { Json, JsonSchema } from '../src/core/generation.ts';

const word = fc.constantFrom(
  'name',
  'city',
  'age',
  'tags',
  'price',
  'kind',
  'address',
  'items',
  'note',
  'count',
  'level',
  'owner',
  'parts',
  'id',
);

const leaf: fc.Arbitrary<JsonSchema> = fc.oneof(
  fc.constant({ type: 'string' }),
  fc.record({
    type: fc.constant('string'),
    minLength: fc.integer({ min: 0, max: 3 }),
    maxLength: fc.integer({ min: 4, max: 30 }),
  }),
  fc
    .uniqueArray(fc.constantFrom('red', 'green', 'blue', 'small', 'large'), { minLength: 1, maxLength: 4 })
    .map((values) => ({ enum: values })),
  fc
    .tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 0, max: 500 }))
    .map(([low, span]) => ({ type: 'integer', minimum: low, maximum: low + span })),
  fc.constant({ type: 'integer' }),
  fc
    .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 90 }))
    .map(([low, span]) => ({ type: 'number', minimum: low, exclusiveMaximum: low + span })),
  fc.constant({ type: 'boolean' }),
  fc.constant({ type: ['string', 'null'] }),
  fc.constantFrom('date', 'date-time', 'uuid', 'email').map((format) => ({ type: 'string', format })),
  fc.constantFrom<Json>('fixed', 7, true, null).map((value) => ({ const: value })),
);

const { schema } = fc.letrec<{ schema: JsonSchema; object: JsonSchema; array: JsonSchema; union: JsonSchema }>(
  (tie) => ({
    schema: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('object'), tie('array'), tie('union')),
    object: objectOf(tie('schema')),
    array: fc
      .tuple(tie('schema'), fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 }))
      .map(([items, least, more]) => ({ type: 'array', items, minItems: least, maxItems: least + more })),
    union: fc.tuple(tie('schema'), tie('schema')).map(([a, b]) => ({ anyOf: [a, b] })),
  }),
);

function objectOf(value: fc.Arbitrary<JsonSchema>): fc.Arbitrary<JsonSchema> {
  return fc.dictionary(word, value, { minKeys: 1, maxKeys: 4 }).chain((properties) =>
    fc.subarray(Object.keys(properties)).map((required) => ({
      type: 'object',
      properties,
      required,
      additionalProperties: false,
    })),
  );
}

/** An object schema, sometimes with a shared `$ref` and a recursive one. */
const rootSchema: fc.Arbitrary<JsonSchema> = fc.oneof(
  { weight: 4, arbitrary: objectOf(schema) },
  {
    weight: 1,
    arbitrary: objectOf(schema).map((shared) => ({
      type: 'object',
      properties: { first: { $ref: '#/$defs/shared' }, second: { $ref: '#/$defs/shared' } },
      required: ['first'],
      additionalProperties: false,
      $defs: { shared },
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constant({
      type: 'object',
      properties: {
        name: { type: 'string', maxLength: 20 },
        children: { type: 'array', items: { $ref: '#' }, maxItems: 2 },
      },
      required: ['name'],
      additionalProperties: false,
    }),
  },
);

/** `count` schemas, the same for the same seed. */
export function randomSchemas(count: number, seed: number): JsonSchema[] {
  return fc.sample(rootSchema, { numRuns: count, seed });
}
