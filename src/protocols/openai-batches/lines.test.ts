import fc from 'fast-check';
import { expect, it } from 'vitest';
import { linesOf } from './lines.ts';

async function read(pieces: readonly Uint8Array[], maxBytes = 1000): Promise<[number, string | undefined][]> {
  async function* file(): AsyncGenerator<Uint8Array> {
    yield* pieces;
  }
  const lines: [number, string | undefined][] = [];
  for await (const { number, text } of linesOf(file(), maxBytes)) lines.push([number, text]);
  return lines;
}

it('counts blank lines and leaves them out, takes both line breaks and a byte order mark', async () => {
  const bytes = Buffer.from('\uFEFFa\r\n\n  \nb 文\n\nc');
  expect(await read([bytes])).toEqual([
    [1, 'a'],
    [4, 'b 文'],
    [6, 'c'],
  ]);
  expect(await read([])).toEqual([]);
});

it('tells a line that is too long and goes on behind it', async () => {
  expect(await read([Buffer.from('abc\nabcd\nab')], 3)).toEqual([
    [1, 'abc'],
    [2, undefined],
    [3, 'ab'],
  ]);
});

it('reads the same however the bytes are cut', async () => {
  const line = fc.string({ unit: 'grapheme' });
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(), { maxLength: 8 }), async (lines, cuts) => {
      const bytes = Buffer.from(lines.join('\n'));
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const pieces = places.slice(1).map((place, index) => bytes.subarray(places[index], place));
      expect(await read(pieces)).toEqual(await read([bytes]));
    }),
  );
});
