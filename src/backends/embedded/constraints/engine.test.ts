/** The engine's own parser takes our grammars, and reads them as our test walker does. No weights are needed. */
import { getLlama, type Llama } from 'node-llama-cpp';
import { beforeAll, expect, test } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { HELD_FORMATS } from './formats.ts';
import { GbnfWalker, parseGbnf } from './gbnf.test-support.ts';
import { compileJsonSchema } from './index.ts';
import { ORDINARY_SCHEMAS } from './schemas.test-support.ts';

let llama: Llama;

beforeAll(async () => {
  llama = await getLlama({ build: 'never', skipDownload: true, gpu: false });
});

const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  ...ORDINARY_SCHEMAS,
  ...Object.fromEntries(HELD_FORMATS.map((format) => [`format ${format}`, { type: 'string', format }])),
  'a pattern': { type: 'string', pattern: '^[^"\\\\\\n]{3,9}\\s(é|漢|😀)+$' },
  'very long': { type: 'string', minLength: 3_000, maxLength: 200_000 },
  'many items': { type: 'array', items: { type: 'boolean' }, minItems: 600, maxItems: 10_000 },
  'many optional members': {
    type: 'object',
    properties: Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`field ${index}`, { type: 'integer' }])),
  },
};

/** The binding has this for its own tests; it is the only way to ask the engine about a text without weights. */
interface Testable {
  _testText(text: string): boolean;
}

test.each(Object.entries(SCHEMAS))('%s', async (_, schema) => {
  const { grammar } = compileJsonSchema(schema);
  const parsed = await llama.createGrammar({ grammar });
  const walker = new GbnfWalker(parseGbnf(grammar));
  for (let seed = 1; seed <= 3; seed += 1) {
    const text = walker.text(seed * 15_485_863);
    expect((parsed as unknown as Testable)._testText(text), text.slice(0, 500)).toBe(true);
    expect((parsed as unknown as Testable)._testText(`${text},`)).toBe(false);
  }
});
