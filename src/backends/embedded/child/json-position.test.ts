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

  it('knows the keys of the outermost object, each once it is whole, and no others', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }), (value) => {
        const position = new JsonPosition();
        for (const character of JSON.stringify(value)) position.push(character);
        expect([...position.keys]).toEqual(Object.keys(value));
      }),
    );
    const half = new JsonPosition();
    half.push('{"a": 1, "b');
    expect([...half.keys]).toEqual(['a']);
  });

  it('knows whether it is at a value of the outermost object', () => {
    const at = (text: string): boolean => {
      const position = new JsonPosition();
      position.push(text);
      return position.isAtValue;
    };
    expect(['{"a":', '{"a": "x, y', '{"a": "x"', '{"a": [1, {"b": 2}]'].map(at)).toEqual([true, true, true, true]);
    expect(['', '{', '{"a', '{"a": 1,', '{"a": [1', '{"a": {"b": "c"', '[1', '{}'].map(at)).toEqual(
      Array(8).fill(false),
    );
  });
});
