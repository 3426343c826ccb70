/** Reasoning and answer of one choice: kept apart whatever the tokens' cuts, and the budget kept to the token. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stage } from '../engine-protocol.ts';
import { type ChoiceRun, runChoice } from './testing/choice-driver.ts';

const marks = { opens: ['<think>'], closes: ['</think>'], closing: '\n</think>\n\n' };
const thinkingWith = (maxTokens: number | undefined, answer: Partial<Stage> = {}): readonly Stage[] => [
  { kind: 'reasoning', opening: '<think>\n', until: ['</think>'], maxTokens, marks },
  { kind: 'answer', opening: '\n</think>\n\n', openingAfterUntil: '\n\n', marks, ...answer },
];
const answering: readonly Stage[] = [{ kind: 'answer', opening: '', marks }];

function said({ pieces }: ChoiceRun): { readonly reasoning: string; readonly text: string } {
  const of = (type: 'reasoning' | 'text'): string =>
    pieces.map((piece) => (piece.type === type ? piece.text : '')).join('');
  return { reasoning: of('reasoning'), text: of('text') };
}

/** The text cut into tokens at these places. */
function cut(text: string, places: readonly number[]): string[] {
  const ends = [...new Set(places.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  return [...ends, text.length]
    .map((end, index) => text.slice(ends[index - 1] ?? 0, end))
    .filter((piece) => piece !== '');
}

describe('a budget', () => {
  it.each([0, 1, 2, 64, 512])(
    'of %i is the number of reasoning tokens, to the token, and the answer comes',
    (budget) => {
      const thoughts = Array.from({ length: budget }, (_, index) => `w${index} `);
      const run = runChoice({ stages: thinkingWith(budget) }, [...thoughts, 'yes', null]);
      expect(run.counts).toEqual({ output: budget + 1, reasoning: budget });
      expect(said(run)).toEqual({ reasoning: thoughts.join(''), text: 'yes' });
      expect(run.end?.reason).toBe('stop');
      expect(run.fed).toBe(`<think>\n${thoughts.join('')}\n</think>\n\nyes`);
    },
  );

  it('larger than what the model wants is not used up', () => {
    const run = runChoice({ stages: thinkingWith(512) }, ['hm', '</think>', 'yes', null]);
    expect(run.counts).toEqual({ output: 3, reasoning: 2 });
  });

  it('leaves room for an answer where the sequence has an end', () => {
    const thoughts = Array.from({ length: 100 }, () => 'a');
    const run = runChoice({ stages: thinkingWith(undefined), promptTokens: 20, contextTokens: 100 }, thoughts);
    expect(run.counts.reasoning).toBe(60);
    expect(said(run).text).not.toBe('');
  });

  it('is not passed by an answer that begins to think again', () => {
    const run = runChoice({ stages: thinkingWith(2) }, ['a', 'b', 'so <thi', 'nk>no', 'four', '.', null]);
    expect(run.counts).toEqual({ output: 6, reasoning: 2 });
    expect(said(run)).toEqual({ reasoning: 'ab', text: 'so four.' });
    expect(run.fed).toBe('<think>\nab\n</think>\n\nso <think>\n</think>\n\nfour.');
  });
});

describe('an answer', () => {
  it('drops closing marks that nothing opened', () => {
    expect(said(runChoice({ stages: answering }, ['4.', '</thi', 'nk>', '\nFour.', null])).text).toBe('4.\nFour.');
  });

  it('may write about the marks', () => {
    const text = 'The `<think>` tag:\n```html\n<think>hm</think>\n```\nEnds with "</think>".';
    for (const pieces of [[text], [...text]]) {
      const run = runChoice({ stages: answering }, [...pieces, null]);
      expect(said(run).text).toBe(text);
      expect(run.fed).toBe(text);
    }
  });

  it('shows what only looked like a mark', () => {
    expect(said(runChoice({ stages: answering }, ['a <thi', null])).text).toBe('a <thi');
    expect(said(runChoice({ stages: [{ ...(answering[0] ?? NONE), maxTokens: 1 }] }, ['a <'])).text).toBe('a <');
  });

  it('held to a grammar is left as it is', () => {
    const stages = thinkingWith(1, { grammar: 'root ::= object' });
    expect(said(runChoice({ stages }, ['a', '{"t": "<think>"}', null])).text).toBe('{"t": "<think>"}');
  });

  it('ends its stop texts and begins its calls as without marks', () => {
    const stopped = runChoice({ stages: answering, plan: { stopTexts: ['END'] } }, ['a</think>bE', 'NDc']);
    expect(said(stopped).text).toBe('ab');
    expect(stopped.end).toMatchObject({ reason: 'stop-text', stopText: 'END' });
    const functions = [{ name: 'f', argumentsGrammar: 'root ::= "{}"' }];
    const calls = { functions, mode: 'auto' as const, isParallel: false, opening: '<tool_call>\n{"name": "' };
    const called = runChoice({ stages: thinkingWith(1, { calls }) }, ['a', '<tool_call>\n{"name": "f"', '{}']);
    expect(called.pieces.map(({ type }) => type)).toEqual(['reasoning', 'call-start', 'call-input', 'call-end']);
  });

  it('keeps one log probability a token when marks fall away', () => {
    const facts = (token: string) => ({ logprob: { token, bytes: [], logprob: -1, top: [] } });
    const run = runChoice({ stages: answering, plan: { logprobs: { top: 0 } }, facts }, [
      'a',
      '</think>',
      'b',
      'c',
      null,
    ]);
    const told = run.pieces.flatMap((piece) => (piece.type === 'text' ? (piece.logprobs ?? []) : []));
    expect(told.map(({ token }) => token)).toEqual(['a', '</think>', 'b', 'c']);
  });
});

describe('reasoning', () => {
  it('drops marks that open what is open', () => {
    const run = runChoice({ stages: thinkingWith(undefined) }, ['<thi', 'nk>a', ' <', '</think>', 'b', null]);
    expect(said(run)).toEqual({ reasoning: 'a <', text: 'b' });
  });

  it('ends at a mark that is a control token', () => {
    const harmony: readonly Stage[] = [
      {
        kind: 'reasoning',
        opening: '',
        until: ['<|start|>'],
        marks: { opens: ['<|x|>'], closes: ['<|start|>'], closing: '' },
      },
      { kind: 'answer', opening: '<|start|>final', openingAfterUntil: 'final', endTexts: ['<|start|>'] },
    ];
    const run = runChoice({ stages: harmony }, ['a', '<|start|>', 'b', '<|start|>']);
    expect(said(run)).toEqual({ reasoning: 'a', text: 'b' });
    expect(run.fed).toBe('a<|start|>finalb');
  });
});

const NONE: Stage = { kind: 'answer', opening: '' };

describe('whatever the cuts and whatever the model says', () => {
  const piece = fc.constantFrom(
    '<think>',
    '</think>',
    'one ',
    '4 < 5',
    '<thi',
    'nk>',
    '</t',
    'hink>',
    '\n',
    '.',
    '<b>',
  );
  const texts = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
  const isMarked = (text: string): boolean => /<\/?think>/.test(text);

  it('no mark is in the answer or in the reasoning, and nothing is in both', () => {
    const property = fc.property(
      texts,
      texts,
      fc.array(fc.nat(60), { maxLength: 8 }),
      fc.constantFrom(0, 1, 3, undefined),
      (thought, answer, places, budget) => {
        const text = `${thought}</think>${answer}`;
        const tokens = cut(text, places);
        const run = runChoice({ stages: thinkingWith(budget) }, [...tokens, null, null]);
        const { reasoning, text: shown } = said(run);
        expect(isMarked(reasoning)).toBe(false);
        expect(isMarked(shown)).toBe(false);
        expect(run.counts.reasoning).toBeLessThanOrEqual(budget ?? tokens.length);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it('the same is said', () => {
    const property = fc.property(texts, texts, fc.array(fc.nat(60), { maxLength: 8 }), (thought, answer, places) => {
      // Where no thought is reopened the model would say the same whatever its tokens are.
      fc.pre(!thought.includes('</think>') && !answer.includes('<think>'));
      const text = `${thought}</think>${answer}`;
      const whole = said(runChoice({ stages: thinkingWith(undefined) }, [...cutAfterMark(text), null]));
      const other = said(runChoice({ stages: thinkingWith(undefined) }, [...cutAfterMark(text, places), null]));
      expect(other).toEqual(whole);
    });
    fc.assert(property, { numRuns: 500 });
  });

  /** What a token says behind the closing mark is not fed, so the mark always ends one here. */
  function cutAfterMark(text: string, places: readonly number[] = []): string[] {
    const end = text.indexOf('</think>') + '</think>'.length;
    return [...cut(text.slice(0, end), places), ...cut(text.slice(end), places)];
  }
});
