import { expect, test } from 'vitest';
import { StudioError } from '../../../core/errors.ts';
import type { JsonSchema } from '../../../core/generation.ts';
import { matchesGbnf, parseGbnf } from './gbnf.test-support.ts';
import { compileArgumentsSchema, compileJsonSchema, jsonObjectGrammar } from './index.ts';

test('a grammar as it reads', () => {
  const { grammar } = compileJsonSchema({
    type: 'object',
    properties: {
      city: { type: 'string' },
      unit: { enum: ['celsius', 'fahrenheit'] },
      days: { type: 'integer', minimum: 1, maximum: 14 },
      place: { $ref: '#' },
    },
    required: ['city', 'days'],
  });
  const [root, ...rules] = grammar.split('\n').filter((line) => !/^(character|escape) /.test(line));
  expect(root).toBe('root ::= place');
  expect(rules).toEqual([
    'place ::= "{\\"city\\": " string ", \\"" ("unit\\": " unit ", \\"" days-on | days-on)',
    'string ::= "\\"" character* "\\""',
    'unit ::= "\\"" ("celsius\\"" | "fahrenheit\\"")',
    'days-on ::= "days\\": " integer (", \\"place\\": " place "}" | "}")',
    'integer ::= [1-9] | "1" [0-4]',
    '',
  ]);
});

test('any JSON object', () => {
  const grammar = parseGbnf(jsonObjectGrammar());
  for (const text of ['{}', '{"a": [1, -2.5, "x\\u00e9\\ud83d\\ude00\\n", true, null, {"b": {}}], "": []}']) {
    expect(matchesGbnf(grammar, text), text).toBe(true);
  }
  for (const text of [
    '[]',
    '1',
    '{"a":1}',
    '{"a":  1}',
    ' {}',
    '{} ',
    '{"a": 01}',
    '{"a": "\\ud800"}',
    '{"a": "\n"}',
    '{"a": 1,}',
  ]) {
    expect(matchesGbnf(grammar, text), text).toBe(false);
  }
});

test('arguments are objects, whatever else the schema allows', () => {
  const schemas: readonly JsonSchema[] = [
    {},
    { description: 'none' },
    { anyOf: [{ type: 'object' }, { type: 'null' }] },
  ];
  for (const schema of schemas) {
    const grammar = parseGbnf(compileArgumentsSchema(schema).grammar);
    expect(matchesGbnf(grammar, '{}')).toBe(true);
    expect(matchesGbnf(grammar, 'null')).toBe(false);
  }
  const none = parseGbnf(compileArgumentsSchema({ type: 'object', properties: {} }).grammar);
  expect(matchesGbnf(none, '{"invented": 1}')).toBe(false);
  expect(() => compileArgumentsSchema({ type: 'string' })).toThrow(StudioError);
});

test('the same schema gives the same grammar, made once', () => {
  const schema = () => ({ type: 'object', properties: { a: { type: 'string', pattern: '^x+$' } } }) as const;
  const first = compileJsonSchema(schema());
  expect(compileJsonSchema(schema())).toBe(first);
  expect(compileJsonSchema({ ...schema(), title: 'another text, the same grammar' }).grammar).toBe(first.grammar);
  for (let index = 0; index < 300; index += 1) compileJsonSchema({ const: index });
  expect(compileJsonSchema(schema())).not.toBe(first);
  expect(compileJsonSchema(schema()).grammar).toBe(first.grammar);
});

test('a grammar grows with its schema, not faster', () => {
  const size = (count: number) => {
    const properties = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`m${100 + index}`, { type: 'boolean' }]),
    );
    return compileJsonSchema({ type: 'object', properties }).grammar.length;
  };
  expect(size(80)).toBeLessThan(2.2 * size(40));
});
