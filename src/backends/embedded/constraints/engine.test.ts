/** The engine's own parser takes our grammars, and reads them as our test walker does. No weights are needed. */
import { getLlama, type Llama } from 'node-llama-cpp';
import { beforeAll, expect, test } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { callShape, TOOL_FORMATS, writeCalls } from '../../parsers/tool-formats.ts';
import { eitherGrammar, namesGrammar, stageGrammar } from '../child/grammars.ts';
import { HELD_FORMATS } from './formats.ts';
import { GbnfWalker, parseGbnf } from './gbnf.test-support.ts';
import { compileJsonSchema, compileTaggedArguments } from './index.ts';
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

const CITY: JsonSchema = {
  type: 'object',
  properties: { city: { type: 'string' }, code: { type: 'string', pattern: '^[A-Z]{2}$' }, days: { type: 'integer' } },
  required: ['city'],
};

/** What the engine says of a text by a grammar whose root is `root`. */
async function holds(grammar: string, text: string): Promise<boolean> {
  return ((await llama.createGrammar({ grammar })) as unknown as Testable)._testText(text);
}

test.each(TOOL_FORMATS)('what holds calls in the spelling of $id', async (format) => {
  const shape = callShape(format);
  const functions = ['get', 'get_time'].map((name) => ({ name, argumentsGrammar: '' }));
  const plan = { functions, mode: 'required', isParallel: true, opening: shape.opening, format: format.id } as const;
  for (const name of ['get', 'get_time']) expect(await holds(namesGrammar(plan).gbnf, name + shape.nameEnd)).toBe(true);
  expect(await holds(namesGrammar(plan).gbnf, `other${shape.nameEnd}`)).toBe(false);
  const { gbnf } = stageGrammar('root ::= "{}"', { calls: plan });
  const orCall = gbnf.replace('root ::=', 'rest ::=').replace('root-of-stage ::= root', 'root ::= rest');
  expect(await holds(orCall, `${shape.opening}get_time${shape.nameEnd}`)).toBe(true);
  if (shape.ending !== '') expect(await holds(eitherGrammar(shape.next, shape.ending).gbnf, shape.ending)).toBe(true);
  if (format.input === 'json') return;
  const grammar = compileTaggedArguments(CITY, format.input, format.after)?.grammar ?? '';
  const input = '{"city": "São Paulo\\n<b> 漢😀", "code": "BR", "days": 2}';
  const written = writeCalls(format, [{ name: 'f', inputText: input }]);
  const from = written.indexOf(`f${format.afterName}`) + 1 + format.afterName.length;
  const text = written.slice(from, written.indexOf(format.after) + format.after.length);
  expect(await holds(grammar, text)).toBe(true);
  expect(await holds(grammar, text.replace('BR', 'br'))).toBe(false);
});
