import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ToolInput, toolInputOf } from './tool-input.ts';

/** What a client joins, when the text comes in pieces of a size. */
function joined(text: string, size: number): string {
  const input = new ToolInput();
  let shown = '';
  for (let at = 0; at < text.length; at += size) shown += input.push(text.slice(at, at + size));
  return shown + input.end();
}

const objects = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
const sizes = fc.integer({ min: 1, max: 9 });

describe('the input of a call', () => {
  it('passes through when it is an object, to the letter', () => {
    fc.assert(
      fc.property(objects, fc.constantFrom(undefined, 2), sizes, (value, indent, size) => {
        const text = JSON.stringify(value, null, indent);
        expect(joined(text, size)).toBe(text);
      }),
    );
  });

  it('goes on as it comes', () => {
    const input = new ToolInput();
    expect(input.push('{"path": "/tmp/')).toBe('{"path": "/tmp/');
    expect(input.push('a')).toBe('a');
  });

  it('is one object whatever a model writes, and the same one in every cut', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.constantFrom(...'{}[]":,\'\\ \n0-.etrufalsn1a`') }),
      fc.tuple(objects, fc.nat()).map(([value, cut]) => {
        const text = JSON.stringify(value);
        return text.slice(0, cut % (text.length + 1));
      }),
    );
    fc.assert(
      fc.property(texts, sizes, (text, size) => {
        const value = JSON.parse(joined(text, size)) as unknown;
        expect(typeof value === 'object' && value !== null && !Array.isArray(value)).toBe(true);
        expect(value).toEqual(toolInputOf(text));
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  ['', {}],
  ['  ', {}],
  ['{}', {}],
  [' {"a": 1}', { a: 1 }],
  ['{"a": "Bei', { a: 'Bei' }],
  ['{"a": 1, "b"', { a: 1, b: null }],
  ["{'a': 1}", { a: 1 }],
  ['{"a": 1,}', { a: 1 }],
  ['{"a": 1} and more', { a: 1 }],
  ['"{\\"a\\": 1}"', { a: 1 }],
  ['```json\n{"a": 1}\n```', { a: 1 }],
  ['[1, 2]', {}],
  ['null', {}],
  ['"just text"', {}],
])('%j stands for %j', (text, value) => {
  expect(toolInputOf(text)).toEqual(value);
});
