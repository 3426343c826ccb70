import { describe, expect, it } from 'vitest';
import { cacheBlocksOf, hasCacheMarks, markedBlocksOf, withMarksOf } from './context-cache.ts';
import {
  type ContentPart,
  type FunctionTool,
  type GenerationRequest,
  plainRequest,
  type TextPart,
} from './generation.ts';

const cacheMark = { ttlSeconds: 300 };
const text = (value: string): TextPart => ({ type: 'text', text: value });
const marked = (value: string): TextPart => ({ ...text(value), cacheMark });
const asked = (...parts: readonly ContentPart[]): GenerationRequest => plainRequest('m', [{ role: 'user', parts }]);
const markedTool: FunctionTool = { type: 'function', name: 'f', inputSchema: {}, cacheMark };

describe('blocks', () => {
  it('are the pieces of instructions and turns, but for reasoning', () => {
    const request: GenerationRequest = {
      ...plainRequest('m', [
        { role: 'user', parts: [text('a'), text('b')] },
        { role: 'assistant', parts: [{ type: 'reasoning', text: 'hm' }, text('c')] },
      ]),
      instructions: [text('i')],
    };
    expect(cacheBlocksOf(request).map(({ turn, part }) => [turn, part])).toEqual([
      [-1, 0],
      [0, 0],
      [0, 1],
      [1, 1],
    ]);
  });
});

describe('marks that count', () => {
  const blocks = cacheBlocksOf(
    asked(...Array.from({ length: 30 }, (_, at) => (at % 5 === 0 ? marked : text)(`${at}`))),
  );

  it('are the last four, each with the twenty pieces before it', () => {
    const marks = markedBlocksOf(blocks, 'explicit');
    expect(marks.map(({ block }) => block)).toEqual([10, 15, 20, 25]);
    expect(marks[0]?.lookBack).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    expect(marks[3]?.lookBack).toHaveLength(20);
    expect(marks[3]?.lookBack.at(-1)).toBe(5);
  });

  it('are one at the end of a session, that looks back to its beginning', () => {
    expect(markedBlocksOf(blocks, 'session')).toMatchObject([{ block: 29 }]);
    expect(markedBlocksOf(blocks, 'session')[0]?.lookBack).toHaveLength(29);
    expect(markedBlocksOf([], 'session')).toEqual([]);
  });

  it('are none elsewhere', () => {
    expect(markedBlocksOf(blocks, 'implicit')).toEqual([]);
    expect(markedBlocksOf(blocks, 'off')).toEqual([]);
  });
});

describe('marks of a request', () => {
  it('are looked for wherever one may stand, and tools are no such place', () => {
    expect(hasCacheMarks(asked(text('a')))).toBe(false);
    expect(hasCacheMarks(asked(text('a'), marked('b')))).toBe(true);
    expect(hasCacheMarks({ ...asked(text('a')), instructions: [marked('i')] })).toBe(true);
    expect(hasCacheMarks({ ...asked(text('a')), tools: [markedTool] } as GenerationRequest)).toBe(false);
  });

  it('go where they do not count', () => {
    const request = asked(...Array.from({ length: 6 }, (_, at) => marked(`${at}`)));
    const marksOf = ({ turns }: GenerationRequest) =>
      turns.flatMap(({ parts }) => parts.map((part) => 'cacheMark' in part && part.cacheMark !== undefined));
    expect(marksOf(withMarksOf(request, 'explicit'))).toEqual([false, false, true, true, true, true]);
    expect(marksOf(withMarksOf(request, 'implicit'))).toEqual(Array(6).fill(false));
    expect(withMarksOf({ ...asked(text('a')), tools: [markedTool] }, 'explicit').tools).toEqual([
      { ...markedTool, cacheMark: undefined },
    ]);
  });

  it('leave a request alone that has no others', () => {
    const request = asked(marked('a'), text('b'));
    expect(withMarksOf(request, 'explicit')).toBe(request);
  });
});
