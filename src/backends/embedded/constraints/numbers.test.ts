import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { GbnfWalker, matchesGbnf, parseGbnf } from './gbnf.test-support.ts';
import { compileJsonSchema } from './index.ts';
import { invalidReason } from './schemas.test-support.ts';

const bound = (low: string, high: string, value: fc.Arbitrary<number>): fc.Arbitrary<JsonSchema> =>
  fc.tuple(fc.option(value, { nil: undefined }), fc.option(value, { nil: undefined })).map(([least, most]) => ({
    ...(least === undefined ? {} : { [low]: least }),
    ...(most === undefined ? {} : { [high]: most }),
  }));

/** The numbers among `samples` that the grammar takes are those that are valid, and what it writes is valid. */
function expectExact(schema: JsonSchema, samples: readonly number[]): void {
  const valid = samples.filter((value) => invalidReason(schema, value) === undefined);
  if (valid.length === 0) return;
  const grammar = parseGbnf(compileJsonSchema(schema).grammar);
  expect(
    samples.filter((value) => matchesGbnf(grammar, String(value))),
    JSON.stringify(schema),
  ).toEqual(valid);
  const walker = new GbnfWalker(grammar);
  for (let seed = 0; seed < 20; seed += 1) {
    const text = walker.text(seed * 31);
    expect(invalidReason(schema, Number(text)), `${text} for ${JSON.stringify(schema)}`).toBeUndefined();
  }
}

test('integers within bounds and steps are exactly those', () => {
  const limits = fc.integer({ min: -1_100, max: 1_100 });
  const schemas = fc
    .tuple(
      fc.oneof(bound('minimum', 'maximum', limits), bound('exclusiveMinimum', 'exclusiveMaximum', limits)),
      fc.constantFrom<JsonSchema>(
        {},
        {},
        { multipleOf: 2 },
        { multipleOf: 5 },
        { multipleOf: 20 },
        { multipleOf: 100 },
        { multipleOf: 8 },
        { multipleOf: 7 },
        { multipleOf: 12 },
      ),
    )
    .map(([bounds, step]) => ({ type: 'integer', ...bounds, ...step }));
  const samples = Array.from({ length: 301 }, (_, index) => index - 150).concat([
    999, 1000, 1001, -999, -1000, 1099, 1100, 1101, 12_000,
  ]);
  fc.assert(
    fc.property(schemas, (schema) => expectExact(schema, samples)),
    { numRuns: 60, seed: 5 },
  );
});

test('multiples within wide bounds are exactly those', () => {
  const limits = fc.integer({ min: -10_000_000, max: 10_000_000 });
  fc.assert(
    fc.property(bound('minimum', 'maximum', limits), fc.integer({ min: 3, max: 64 }), limits, (bounds, step, near) => {
      const samples = Array.from({ length: 3 * step }, (_, index) => near + index);
      expectExact({ type: 'integer', multipleOf: step, ...bounds }, samples);
    }),
    { numRuns: 60, seed: 8 },
  );
});

test('decimals within bounds are exactly those', () => {
  const limits = fc
    .tuple(fc.integer({ min: -2_500, max: 2_500 }), fc.constantFrom(1, 10, 1_000))
    .map(([whole, scale]) => whole / scale);
  const schemas = fc
    .tuple(
      fc.oneof(
        bound('minimum', 'maximum', limits),
        bound('exclusiveMinimum', 'exclusiveMaximum', limits),
        bound('minimum', 'exclusiveMaximum', limits),
      ),
      fc.constantFrom<JsonSchema>({}, {}, {}, { multipleOf: 0.5 }, { multipleOf: 0.25 }, { not: { type: 'integer' } }),
    )
    .map(([bounds, step]) => ({ type: 'number', ...bounds, ...step }));
  const samples = Array.from({ length: 301 }, (_, index) => (index - 150) / 8).concat([
    0.1, -0.1, 2.499, 2.5, 2.501, 100, 250, 249.9,
  ]);
  fc.assert(
    fc.property(schemas, (schema) => expectExact(schema, samples)),
    { numRuns: 60, seed: 6 },
  );
});

test.each<JsonSchema>([
  { type: 'number', exclusiveMinimum: 0.1, exclusiveMaximum: 0.100001 },
  { type: 'number', exclusiveMinimum: 0.30000000000000004, maximum: 1 },
  { type: 'number', minimum: 1e-7, maximum: 2e-7 },
  { type: 'number', exclusiveMinimum: 123456789012, exclusiveMaximum: 123456789013 },
  { type: 'number', minimum: 99999999999999, exclusiveMaximum: 1e21 },
  { type: 'integer', minimum: -(2 ** 63), maximum: 2 ** 63 },
  { type: 'number', exclusiveMaximum: 0 },
])('%j: what is written close to the bounds does not round onto them', (schema) => {
  const walker = new GbnfWalker(parseGbnf(compileJsonSchema(schema).grammar));
  for (let seed = 0; seed < 200; seed += 1) {
    const text = walker.text(seed * 17);
    expect(invalidReason(schema, Number(text)), text).toBeUndefined();
    expect(text).toMatch(/^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$/);
  }
});

test.each<[JsonSchema, readonly string[], readonly string[]]>([
  [{ type: 'number' }, ['1e-9', '-2.5E+10', '0e0', '6.02e23'], ['1e', '1e-', 'e5', '1e400', '1.e5']],
  [{ type: 'number', minimum: 0 }, ['1e-9', '0', '3e8'], ['-1e-9']],
  [{ type: 'number', exclusiveMinimum: 0 }, ['1e-9', '0.001e5'], ['0', '0e5', '-1e5']],
  [{ type: 'number', minimum: 1 }, ['1', '1.5'], ['1e-9', '1e5']],
  [{ type: 'number', maximum: 0 }, ['-1'], ['-1e5']],
  [{ type: 'integer' }, ['7'], ['7e2', '7e-2']],
])('%j: an exponent may stand where no bound but 0 is kept', (schema, written, refused) => {
  const grammar = parseGbnf(compileJsonSchema(schema).grammar);
  for (const text of written) expect(matchesGbnf(grammar, text), text).toBe(true);
  for (const text of refused) expect(matchesGbnf(grammar, text), text).toBe(false);
});
