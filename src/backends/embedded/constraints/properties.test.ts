import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { GbnfWalker, matchesGbnf, parseGbnf } from './gbnf.test-support.ts';
import { compileJsonSchema } from './index.ts';
import { invalidReason, ORDINARY_SCHEMAS, randomSchemas } from './schemas.test-support.ts';
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
    { numRuns: 400, seed: 20_261_123 },
  );
});

const ACCEPTED: readonly (readonly [JsonSchema, readonly Json[], readonly Json[]])[] = [];
void ACCEPTED;
void matchesGbnf;
void spellJson;
void expect;
