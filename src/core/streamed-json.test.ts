import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStreamedJson } from './streamed-json.ts';

interface Seen {
  readonly text: string;
  readonly rest: string;
  readonly isComplete: boolean;
}

function read(pieces: readonly string[], wasCut = false): Seen {
  const json = createStreamedJson();
  let text = '';
  let rest = '';
  let isComplete = false;
  for (const piece of pieces) {
    if (isComplete) {
      rest += piece;
      continue;
    }
    const seen = json.push(piece);
    text += seen.passed;
    rest += seen.rest;
    isComplete = seen.isComplete;
  }
  return { text: text + json.end(wasCut), rest, isComplete };
}

const objects = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });

describe('streamed JSON', () => {
  it('passes strict JSON on as it is, and finds its end', () => {
    fc.assert(
      fc.property(objects, fc.constantFrom(undefined, 2), fc.nat(20), (value, indent, size) => {
        const text = JSON.stringify(value, null, indent);
        const whole = `${text}, "next": 1}`;
        const pieces = size === 0 ? [whole] : (whole.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []);
        expect(read(pieces)).toEqual({ text, rest: ', "next": 1}', isComplete: true });
      }),
      { numRuns: 200 },
    );
  });

  const LOOSE: readonly (readonly [loose: string, strict: unknown])[] = [
    ["{city: 'Beijing'}", { city: 'Beijing' }],
    ['{"a": 1, b: 2}', { a: 1, b: 2 }],
    ['{"a": [1, 2,], }', { a: [1, 2] }],
    ['{"a": True, "b": False, "c": None}', { a: true, b: false, c: null }],
    ['{"a": "it\'s", \'b\': "}"}', { a: "it's", b: '}' }],
    ['{"a": "one\ttwo"}', { a: 'one\ttwo' }],
    ['{"a": 1 /* one */, "b": 2}', { a: 1, b: 2 }],
    ['{"a": 1 // one\n, "b": 2}', { a: 1, b: 2 }],
    ['{"a": 01}', undefined],
  ];
  for (const [loose, strict] of LOOSE) {
    it(`repairs ${JSON.stringify(loose)}`, () => {
      const { text, isComplete } = read(loose.split(''));
      expect(isComplete).toBe(true);
      if (strict !== undefined) expect(JSON.parse(text)).toEqual(strict);
    });
  }

  it('never passes on what a repair would change', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      "'b'",
      'c',
      '1',
      'true',
      'None',
      ' ',
      '\n',
      '"\\u00',
      '"',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (body) => {
        const json = createStreamedJson();
        const { passed, isComplete } = json.push(`{${body.join('')}}`);
        if (!isComplete) return;
        const text = passed + json.end(false);
        // Either it came out as JSON, or it was beyond repair as a whole and came out as it was.
        expect(isJson(text) || `{${body.join('')}}`.startsWith(text)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('completes what was left open, but not what was cut off', () => {
    expect(read(['{"a": [1, {"b": "x']).text).toBe('{"a": [1, {"b": "x"}]}');
    expect(read(['{"a": [1, {"b": "x'], true).text).toBe('{"a": [1, {"b": "x');
  });

  it('reads values that are no objects', () => {
    expect(read(['"a\\"b"', ', "x"'])).toEqual({ text: '"a\\"b"', rest: ', "x"', isComplete: true });
    expect(read(['null}'])).toEqual({ text: 'null', rest: '}', isComplete: true });
    expect(read(['-1.5', 'e3 ,'])).toEqual({ text: '-1.5e3', rest: ' ,', isComplete: true });
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
