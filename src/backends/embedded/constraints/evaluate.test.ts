import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Json } from '../../../core/generation.ts';
import { evaluate } from './evaluate.ts';
import { SchemaDocument } from './schema-document.ts';
import { invalidReason, mixedSchemas } from './schemas.test-support.ts';

const values: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Json>(null, true, false, 0, 1, 2.5, -3, 10, 100, '', 'a', 'ab', 'b1', '2026-01-31', [], {}),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'n_1', 'id'), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

test('a verdict is the verdict of Ajv, or none', () => {
  let certain = 0;
  fc.assert(
    fc.property(mixedSchemas, fc.array(values, { minLength: 6, maxLength: 6 }), (schema, instances) => {
      const document = new SchemaDocument(schema);
      for (const instance of instances) {
        const verdict = evaluate(instance, [document.root], document);
        if (verdict === undefined) continue;
        certain += 1;
        expect(verdict, JSON.stringify({ schema, instance })).toBe(invalidReason(schema, instance) === undefined);
      }
    }),
    { numRuns: 150, seed: 3 },
  );
  expect(certain).toBeGreaterThan(850);
});
