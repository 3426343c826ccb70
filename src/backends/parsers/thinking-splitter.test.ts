import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createThinkingSplitter, type ThinkingPart, type ThinkingSplitterOptions } from './thinking-splitter.ts';

/** `[reasoning]` in brackets, text bare; neighbours of one kind joined. */
function split(pieces: readonly string[], options: ThinkingSplitterOptions = {}): ThinkingPart[] {
  const splitter = createThinkingSplitter(options);
  const joined: ThinkingPart[] = [];
  for (const part of [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()]) {
    expect(part.text).not.toBe('');
    const last = joined.at(-1);
    if (last?.type === part.type) joined[joined.length - 1] = { type: part.type, text: last.text + part.text };
    else joined.push(part);
  }
  return joined;
}

const show = (parts: readonly ThinkingPart[]): string =>
  parts.map(({ type, text }) => (type === 'reasoning' ? `[${text}]` : text)).join('|');

const CASES: readonly (readonly [text: string, shown: string, opensInside?: boolean])[] = [
  ['Plain text.', 'Plain text.'],
  ['<think>\nhmm\n</think>\n\nFour.', '[hmm\n]|Four.'],
  ['\n\n<think>hmm</think>Four.', '[hmm]|Four.'],
  ['<thinking>hmm</thinking> Four.', '[hmm]|Four.'],
  ['<think>\n\n</think>\n\nFour.', 'Four.'],
  ['hmm</think>\nFour.', '[hmm]|Four.', true],
  ['<think>\nhmm</think>Four.', '[hmm]|Four.', true],
  ['never closed', '[never closed]', true],
  ['<think>never closed', '[never closed]'],
  ['\n</think>\n\nFour.', 'Four.'],
  ['Four.</think>', 'Four.'],
  ['One.<think>two</think>Three.<think>four</think>', 'One.|[two]|Three.|[four]'],
  ['<think>a <think> b</think>c', '[a  b]|c'],
  ['The `<think>` tag, "</think>" too.', 'The `<think>` tag, "</think>" too.'],
  ['<think>is it "</think>"?</think>Yes.', '[is it "</think>"?]|Yes.'],
  ['<think>The answer is "Paris"</think>Paris.', '[The answer is "Paris"]|Paris.'],
  ['<think>It is "</think>', '[It is "]'],
  ['```js\nconst tag = <think>;\n```\nDone.</think>', '```js\nconst tag = <think>;\n```\nDone.'],
  ['<think>```\nhmm</think>Four.', '[```\nhmm]|Four.'],
  ['◁think▷hmm◁/think▷Four.', '[hmm]|Four.'],
  ['[THINK]hmm[/THINK]Four, [THIS].', '[hmm]|Four, [THIS].'],
  ['<seed:think>hmm</seed:think>Four.', '[hmm]|Four.'],
  [
    '<|channel|>analysis<|message|>hmm<|end|><|start|>assistant<|channel|>final<|message|>Four <|end|>.',
    '[hmm]|Four <|end|>.',
  ],
  ['<|channel|>final<|message|>Four.', 'Four.'],
  ['a < b, <thin> and <thinker>', 'a < b, <thin> and <thinker>'],
  ['  <b>bold</b>', '  <b>bold</b>'],
  ['text <thi', 'text <thi'],
  ['   ', '   '],
  ['', ''],
];

describe('the thinking splitter', () => {
  for (const [text, shown, opensInside = false] of CASES) {
    it(`splits ${JSON.stringify(text)}`, () => {
      expect(show(split([text], { opensInside }))).toBe(shown);
      expect(show(split(text.split(''), { opensInside }))).toBe(shown);
    });
  }

  it('holds back only what may be a tag', () => {
    const splitter = createThinkingSplitter();
    expect(splitter.push('Hello <')).toEqual([{ type: 'text', text: 'Hello ' }]);
    expect(splitter.push('b>')).toEqual([{ type: 'text', text: '<b>' }]);
    expect(splitter.push('</thin')).toEqual([]);
    expect(splitter.push('g')).toEqual([{ type: 'text', text: '</thing' }]);
  });

  it('gives the same for any cut, and never a tag that is not quoted', () => {
    const alphabet = [
      '<think>',
      '</think>',
      '<thinking>',
      '</thinking>',
      '<thi',
      '[THINK]',
      '[/THINK]',
      '<|channel|>analysis<|message|>',
      '<|end|><|start|>assistant<|channel|>final<|message|>',
      '<',
      '>',
      '\n',
      ' ',
      'word',
      '`',
      '"',
      'é😀',
    ];
    const texts = fc.array(fc.constantFrom(...alphabet), { maxLength: 12 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(texts, fc.array(fc.nat(100), { maxLength: 6 }), fc.boolean(), (text, points, opensInside) => {
        const whole = split([text], { opensInside });
        const ends = [...new Set(points.map((point) => point % (text.length + 1)))].sort((a, b) => a - b);
        const pieces = [...ends, text.length].map((end, index) => text.slice(ends[index - 1] ?? 0, end));
        expect(split(pieces, { opensInside })).toEqual(whole);
        expect(split(text.split(''), { opensInside })).toEqual(whole);
        if (text.includes('`') || text.includes('"')) return;
        for (const part of whole) expect(part.text).not.toMatch(/^[^<]*<\/?think(ing)?>/);
      }),
      { numRuns: 500 },
    );
  });
});
