import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StudioError } from '../../../core/errors.ts';
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { GbnfWalker, matchesGbnf, parseGbnf } from './gbnf.test-support.ts';
import { compileJsonSchema } from './index.ts';
import { invalidReason, mixedSchemas, ORDINARY_SCHEMAS, randomSchemas } from './schemas.test-support.ts';
import { spellJson } from './values.ts';

function expectWalksToBeValid(schema: JsonSchema, seeds: readonly number[]): void {
  const { grammar } = compileJsonSchema(schema);
  const walker = new GbnfWalker(parseGbnf(grammar));
  for (const seed of seeds) {
    const text = walker.text(seed);
    const value: unknown = JSON.parse(text);
    const reason = invalidReason(schema, value);
    if (reason !== undefined)
      throw new Error(`${text}\nis not valid: ${reason}\nfor ${JSON.stringify(schema)}\n${grammar}`);
  }
}

const SEEDS = Array.from({ length: 60 }, (_, index) => index * 7919 + 1);

test.each(Object.entries(ORDINARY_SCHEMAS))('%s: whatever the grammar writes is valid', (_, schema) => {
  expectWalksToBeValid(schema, SEEDS);
});

test('whatever the grammar of a random schema writes is valid', () => {
  fc.assert(
    fc.property(randomSchemas, fc.array(fc.integer(), { minLength: 8, maxLength: 8 }), (schema, seeds) =>
      expectWalksToBeValid(schema, seeds),
    ),
    { numRuns: 150, seed: 20_261_123 },
  );
});

test('keywords mixed at random are held or refused, never ignored', () => {
  let held = 0;
  let refused = 0;
  fc.assert(
    fc.property(mixedSchemas, fc.array(fc.integer(), { minLength: 6, maxLength: 6 }), (schema, seeds) => {
      try {
        compileJsonSchema(schema);
      } catch (thrown) {
        if (!(thrown instanceof StudioError) || thrown.code !== 'invalid-parameter') throw thrown;
        refused += 1;
        return;
      }
      held += 1;
      expectWalksToBeValid(schema, seeds);
    }),
    { numRuns: 400, seed: 42 },
  );
  expect(held).toBeGreaterThan(refused);
});

test('valid values in our spelling are written', () => {
  fc.assert(
    fc.property(randomSchemas, fc.integer(), (schema, seed) => {
      // A value written for the schema, read and spelt again, is what was written, but for other spellings of its texts.
      const grammar = parseGbnf(compileJsonSchema(schema).grammar);
      const value = JSON.parse(new GbnfWalker(grammar).text(seed)) as Json;
      return hasLargeNumber(value) || matchesGbnf(grammar, spellJson(value));
    }),
    { numRuns: 150, seed: 7 },
  );
});

/** JavaScript spells these with an exponent, or rounds them. */
function hasLargeNumber(value: Json): boolean {
  if (typeof value === 'number')
    return /e/.test(String(value)) || !/^-?[0-9]{1,15}(\.[0-9]{1,12})?$/.test(String(value)) || Object.is(value, -0);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasLargeNumber);
}
