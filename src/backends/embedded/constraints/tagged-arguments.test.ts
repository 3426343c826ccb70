/** Grammars of arguments between tags: what is written is held, what is held is valid, whatever the family. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonSchema } from '../../../core/generation.ts';
import { TaggedInput } from '../../parsers/tagged-input.ts';
import { type TaggedSpelling, TOOL_FORMATS, writeCalls } from '../../parsers/tool-formats.ts';
import { GbnfWalker, matchesGbnf, parseGbnf } from './gbnf.test-support.ts';
import { invalidReason } from './schemas.test-support.ts';
import { taggedArguments } from './tagged-arguments.ts';

const WEATHER: JsonSchema = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    code: { type: 'string', pattern: '^[A-Z]{2,3}$' },
    unit: { enum: ['C', 'F'] },
    days: { type: 'integer', minimum: 1, maximum: 14 },
    where: { $ref: '#/$defs/place' },
    note: { type: ['string', 'null'] },
    short: { type: 'string', maxLength: 3 },
  },
  required: ['city', 'days'],
  $defs: { place: { type: 'object', properties: { lat: { type: 'number' } }, required: ['lat'] } },
};

const FAMILIES = TOOL_FORMATS.flatMap((format) =>
  format.input === 'json' ? [] : [{ format, spelling: format.input }],
);

/** The arguments alone, as the family writes them. */
function written(format: (typeof FAMILIES)[number]['format'], input: Json): string {
  const call = writeCalls(format, [{ name: 'f', inputText: JSON.stringify(input) }]);
  return call.slice(call.indexOf(`f${format.afterName}`) + 1 + format.afterName.length, call.indexOf(format.after));
}

function read(spelling: TaggedSpelling, texts: readonly string[], text: string): Json {
  const reader = new TaggedInput(spelling, (key) => (texts.includes(key) ? 'text' : 'json'));
  const { json, isComplete } = reader.push(text);
  expect(isComplete).toBe(true);
  return JSON.parse(json) as Json;
}

const word = fc
  .oneof(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.constantFrom('a\nb', '</', '"', '5', 'true', '\n', ' x '))
  .filter((text) => text === text.toWellFormed() && !text.includes('</'));

const input = fc
  .record(
    {
      city: word,
      code: fc.constantFrom('DE', 'CHN'),
      unit: fc.constantFrom('C', 'F'),
      days: fc.integer({ min: 1, max: 14 }),
      where: fc.record({ lat: fc.integer() }),
      short: fc.constantFrom('', 'abc', '😀'),
    },
    { requiredKeys: ['city', 'days'] },
  )
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);

for (const { format, spelling } of FAMILIES) {
  describe(`the grammar of ${format.id}`, () => {
    const held = taggedArguments(WEATHER, spelling, format.after);
    if (!held) throw new Error('no grammar');
    const grammar = parseGbnf(held.grammar);

    it('holds what the writer writes', () => {
      fc.assert(
        fc.property(input, (value) => {
          const text = written(format, value);
          expect(matchesGbnf(grammar, text + format.after)).toBe(true);
          expect(read(spelling, held.texts, text + format.after)).toEqual(value);
        }),
        { numRuns: 60 },
      );
    });

    it('gives only texts that are read as valid arguments, and written the same again', () => {
      const walker = new GbnfWalker(grammar);
      for (let seed = 0; seed < 150; seed++) {
        const text = walker.text(seed);
        const value = read(spelling, held.texts, text);
        expect(invalidReason(WEATHER, value)).toBeUndefined();
        if (typeof (value as JsonSchema).note !== 'string')
          expect(matchesGbnf(grammar, written(format, value) + format.after)).toBe(true);
      }
    });

    it('refuses what is not in the schema', () => {
      const wrong: Json[] = [
        { city: 'x' },
        { city: 'x', days: 15 },
        { city: 'x', days: 1, unit: 'K' },
        { city: 'x', days: 1, other: 1 },
        { city: 'x', days: 1, code: 'd' },
      ];
      for (const value of wrong) expect(matchesGbnf(grammar, written(format, value) + format.after)).toBe(false);
      expect(matchesGbnf(grammar, written(format, { city: 'x', days: 1 }))).toBe(false);
    });
  });
}

describe('a schema that is more than a list of members', () => {
  const [family] = FAMILIES;
  const held = (schema: JsonSchema) => family && taggedArguments(schema, family.spelling, family.format.after);

  it('has no grammar of tags', () => {
    const one = { type: 'object', properties: { a: { type: 'string' } } } satisfies JsonSchema;
    expect(held(one)).toBeDefined();
    expect(held({ ...one, anyOf: [{ required: ['a'] }, { required: ['b'] }] })).toBeUndefined();
    expect(held({ ...one, minProperties: 1 })).toBeUndefined();
    expect(held({ ...one, properties: { 'a<b': { type: 'string' } }, required: ['a<b'] })).toBeUndefined();
  });

  it('but references and allOf are followed', () => {
    const schema: JsonSchema = {
      allOf: [{ $ref: '#/$defs/base' }, { properties: { b: { type: 'boolean' } }, required: ['b'] }],
      $defs: { base: { type: 'object', properties: { a: { type: 'string' } } } },
    };
    expect(held(schema)?.texts).toEqual(['a']);
    expect(held({ type: 'object', properties: {} })?.grammar).toContain(family?.format.after);
  });
});
