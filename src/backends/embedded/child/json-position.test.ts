import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonPosition } from './json-position.ts';

describe('JsonPosition', () => {
  it('is whole exactly at the end of an object, whatever its strings hold', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1, maxKeys: 3 });
    fc.assert(
      fc.property(object, (value) => {
        const text = JSON.stringify(value);
        const position = new JsonPosition();
        const characters = [...text];
        const wholeAt = characters.flatMap((character, i) => {
          position.push(character);
          return position.isWhole ? [i] : [];
        });
        expect(wholeAt).toEqual([characters.length - 1]);
      }),
    );
  });

  it('knows strings, escapes and depth', () => {
    const position = new JsonPosition();
    position.push('{"a": ["x\\"');
    expect([position.isInString, position.depth]).toEqual([true, 2]);
    position.push('}"');
    expect([position.isInString, position.depth]).toEqual([false, 2]);
  });
});
