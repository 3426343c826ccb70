import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SseReader } from './sse-reader.ts';

function read(pieces: readonly Buffer[]): string[] {
  const seen: string[] = [];
  const reader = new SseReader((data) => seen.push(data));
  for (const piece of pieces) reader.push(piece);
  reader.end();
  return seen;
}

const CASES: readonly (readonly [name: string, text: string, data: readonly string[]])[] = [
  ['ordinary frames', 'data: one\n\ndata: two\n\n', ['one', 'two']],
  ['no space after the colon', 'data:one\n\n', ['one']],
  ['CRLF', 'data: one\r\n\r\ndata: two\r\n\r\n', ['one', 'two']],
  ['comments and other fields', ': ping\n\nid: 1\nevent: message\nretry: 5\ndata: one\n\n', ['one']],
  ['data of several lines', 'data: {\ndata: }\n\n', ['{\n}']],
  ['no last empty line', 'data: one\n\ndata: two\n', ['one', 'two']],
  ['no last line feed', 'data: one\n\ndata: two', ['one', 'two']],
  ['empty data', 'data:\n\ndata: \n\ndata: one\n\n', ['one']],
  ['an error field', 'error: {"code":500}\n\n', ['{"error": {"code":500}}']],
  ['long characters', 'data: 北京 😀\n\n', ['北京 😀']],
  ['nothing', '', []],
];

describe('the SSE reader', () => {
  for (const [name, text, data] of CASES) {
    it(`reads ${name}`, () => {
      expect(read([Buffer.from(text)])).toEqual(data);
    });
  }

  it('gives the same for any cut of the bytes', () => {
    const texts = fc.array(fc.constantFrom(...CASES.map(([, text]) => text)), { maxLength: 4 });
    fc.assert(
      fc.property(texts, fc.array(fc.nat(300), { maxLength: 6 }), (parts, points) => {
        const bytes = Buffer.from(parts.join(''));
        const ends = [...new Set(points.map((point) => point % (bytes.length + 1)))].sort((a, b) => a - b);
        const pieces = [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
        const whole = read([bytes]);
        expect(read(pieces)).toEqual(whole);
        expect(read([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
      }),
      { numRuns: 100 },
    );
  });
});
