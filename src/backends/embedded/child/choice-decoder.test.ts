import { describe, expect, it } from 'vitest';
import type { Stage } from '../engine-protocol.ts';
import { runChoice } from './testing/choice-driver.ts';

const answer: Stage = { kind: 'answer', opening: '' };
const thinking: readonly Stage[] = [
  { kind: 'reasoning', opening: '<think>\n', until: ['</think>'], maxTokens: 4 },
  { kind: 'answer', opening: '\n</think>\n\n', openingAfterUntil: '\n\n' },
];

describe('a plain answer', () => {
  it('ends at the end of generation, which is no output', () => {
    const run = runChoice({ stages: [answer] }, ['Hel', 'lo', null]);
    expect(run.pieces).toEqual([{ type: 'text', text: 'Hello' }]);
    expect(run.end).toEqual({ kind: 'end', reason: 'stop' });
    expect(run.counts).toEqual({ output: 2, reasoning: 0 });
  });

  it('ends at a token that says so by its spelling, and does not count it', () => {
    const run = runChoice({ stages: [{ ...answer, endTexts: ['<|start|>', 'no token'] }] }, ['a', '<|start|>', 'b']);
    expect(run.pieces).toEqual([{ type: 'text', text: 'a' }]);
    expect(run.end).toEqual({ kind: 'end', reason: 'stop' });
    expect(run.counts.output).toBe(1);
    const without = runChoice({ stages: [answer] }, ['a', '<|start|>', 'b', null]);
    expect(without.pieces).toEqual([{ type: 'text', text: 'ab' }]);
  });

  it('is as long as its limit says, to the token', () => {
    for (const [plan, stages] of [
      [{}, [{ ...answer, maxTokens: 2 }]],
      [{ maxTotalTokens: 2 }, [answer]],
    ] as const) {
      const run = runChoice({ plan, stages }, ['a', 'b', 'c']);
      expect(run.end?.reason).toBe('length');
      expect(run.counts.output).toBe(2);
      expect(run.pieces).toEqual([{ type: 'text', text: 'ab' }]);
    }
  });

  it('says nothing at a limit of 0', () => {
    expect(runChoice({ stages: [{ ...answer, maxTokens: 0 }] }, ['a'])).toMatchObject({
      pieces: [],
      end: { reason: 'length' },
    });
  });

  it('ends when its sequence is full', () => {
    const run = runChoice({ stages: [answer], promptTokens: 10, contextTokens: 12 }, ['a', 'b', 'c', 'd']);
    expect(run.end?.reason).toBe('context-full');
    expect(run.pieces).toEqual([{ type: 'text', text: 'abc' }]);
  });

  it('forces its opening without saying or counting it', () => {
    const run = runChoice({ stages: [{ ...answer, opening: '<|start|>Q' }] }, ['a', null]);
    expect(run.fed).toBe('<|start|>Qa');
    expect(run.counts.output).toBe(1);
    expect(run.pieces).toEqual([{ type: 'text', text: 'a' }]);
  });

  it('never shows half a character', () => {
    const bytes = new TextEncoder().encode('你');
    const run = runChoice({ stages: [answer] }, ['a', bytes.slice(0, 1), bytes.slice(1, 2), bytes.slice(2), null]);
    expect(run.pieces).toEqual([{ type: 'text', text: 'a你' }]);
    expect(runChoice({ stages: [answer] }, ['a', bytes.slice(0, 1), null]).pieces).toEqual([
      { type: 'text', text: 'a' },
    ]);
  });

  it('ends at a stop text that is cut across tokens, and names it', () => {
    const run = runChoice({ stages: [answer], plan: { stopTexts: ['\n\nUser'] } }, ['Hi', '\n', '\nUs', 'er:']);
    expect(run.end).toEqual({ kind: 'end', reason: 'stop-text', stopText: '\n\nUser' });
    expect(run.pieces).toEqual([{ type: 'text', text: 'Hi' }]);
    expect(run.counts.output).toBe(4);
  });

  it('shows the beginning of a stop text that never came', () => {
    const run = runChoice({ stages: [{ ...answer, maxTokens: 2 }], plan: { stopTexts: ['###'] } }, ['Hi', '##']);
    expect(run.pieces).toEqual([{ type: 'text', text: 'Hi##' }]);
    expect(run.end?.reason).toBe('length');
  });
});

describe('reasoning before an answer', () => {
  it('ends at its text, cut across tokens, and drops what the same token says after it', () => {
    const run = runChoice({ stages: thinking }, ['hm</thi', 'nk>\n', 'A', null]);
    expect(run.pieces).toEqual([
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'A' },
    ]);
    expect(run.fed).toBe('<think>\nhm</think>\n\nA');
    expect(run.counts).toEqual({ output: 3, reasoning: 2 });
  });

  it('is cut at its budget, to the token, and closed by force', () => {
    const run = runChoice({ stages: thinking }, ['a', 'b', 'c', '</', 'A', null]);
    expect(run.pieces).toEqual([
      { type: 'reasoning', text: 'abc</' },
      { type: 'text', text: 'A' },
    ]);
    expect(run.fed).toBe('<think>\nabc</\n</think>\n\nA');
    expect(run.counts).toEqual({ output: 5, reasoning: 4 });
  });

  it('is skipped at a budget of 0, its tags forced', () => {
    const [first, second] = thinking;
    const stages = [{ ...(first ?? answer), maxTokens: 0 }, second ?? answer];
    const run = runChoice({ stages }, ['A', null]);
    expect(run.fed).toBe('<think>\n\n</think>\n\nA');
    expect(run.counts).toEqual({ output: 1, reasoning: 0 });
  });

  it('still owes an answer when the model ends its turn in it', () => {
    const run = runChoice({ stages: thinking }, ['a', null, 'A', null]);
    expect(run.fed).toBe('<think>\na\n</think>\n\nA');
    expect(run.end?.reason).toBe('stop');
  });

  it('ends with the choice when the limit of both is reached', () => {
    const run = runChoice({ stages: thinking, plan: { maxTotalTokens: 3 } }, ['a', 'b', 'c', 'A']);
    expect(run.end?.reason).toBe('length');
    expect(run.counts).toEqual({ output: 3, reasoning: 3 });
    expect(run.pieces).toEqual([{ type: 'reasoning', text: 'abc' }]);
  });

  it('does not look for stop texts', () => {
    const run = runChoice({ stages: thinking, plan: { stopTexts: ['b'] } }, ['a', 'b', '</think>', 'A', null]);
    expect(run.pieces[0]).toEqual({ type: 'reasoning', text: 'ab' });
    expect(run.end?.reason).toBe('stop');
  });

  it('ends at a control token that is one of its texts', () => {
    const stages: Stage[] = [{ kind: 'reasoning', opening: '', until: ['<|start|>'] }, answer];
    const run = runChoice({ stages }, ['a', '<|start|>', 'A', null]);
    expect(run.pieces).toEqual([
      { type: 'reasoning', text: 'a' },
      { type: 'text', text: 'A' },
    ]);
  });
});

describe('a stage under a grammar', () => {
  const stages: readonly Stage[] = [{ ...answer, grammar: 'root ::= object', maxTokens: 100 }];

  it('is held to it from the first token', () => {
    const run = runChoice({ stages }, ['{', '}', null]);
    expect(run.wishes.every(({ grammar }) => grammar !== undefined)).toBe(true);
    expect(run.grammars).toEqual(['root ::= object\nroot-of-stage ::= root [ \\n]{0,3}\n']);
    expect(run.end?.reason).toBe('stop');
  });

  it('is over with the last bracket: nothing more is sampled, and what the same token says behind it is not said', () => {
    const run = runChoice({ stages }, ['{', '"}', '":[', ']', '}\n', 'never']);
    expect(run.pieces).toEqual([{ type: 'text', text: '{"}":[]}' }]);
    expect(run.end).toEqual({ kind: 'end', reason: 'stop' });
    expect(run.counts.output).toBe(5);
  });

  it('ends as it should when its last bracket is the last token there is', () => {
    const run = runChoice({ stages: [{ ...answer, grammar: 'root ::= object', maxTokens: 2 }] }, ['{', '}', 'never']);
    expect(run).toMatchObject({ end: { reason: 'stop' }, counts: { output: 2 } });
  });

  it('goes on to its end of text where the value has no brackets, or is prose', () => {
    const number = runChoice({ stages }, ['1', '2', null]);
    expect(number).toMatchObject({ end: { reason: 'stop' }, pieces: [{ type: 'text', text: '12' }] });
    const prose = runChoice({ stages: [{ ...answer, grammar: 'root ::= text', isProse: true }] }, [
      '{}',
      '\n',
      '!',
      null,
    ]);
    expect(prose.pieces).toEqual([{ type: 'text', text: '{}\n!' }]);
    expect(prose.grammars).toEqual(['root ::= text\nroot-of-stage ::= root\n']);
  });

  it('asks to be closed when what is left is just enough, by quote inside a string and by bracket outside', () => {
    const short: readonly Stage[] = [{ ...answer, grammar: 'root ::= object', maxTokens: 20 }];
    const run = runChoice({ stages: short }, ['{', '"', ...Array(10).fill('x'), '"', '}']);
    expect(run.wishes.slice(0, 11).map(({ closing }) => closing)).toEqual([...Array(10).fill('no'), 'string']);
    expect(run.wishes.at(-2)?.closing).toBe('value');
  });

  it('says `length` when only the bias closed it', () => {
    const facts = (text: string) => ({ wasSteered: text === '}' });
    expect(runChoice({ stages, facts }, ['{', '}', null]).end?.reason).toBe('length');
  });
});

describe('log probabilities', () => {
  it('are asked for in the answer only, and come with its text', () => {
    const facts = (token: string) => ({ logprob: { token, bytes: [], logprob: -1, top: [] } });
    const run = runChoice({ stages: thinking, plan: { logprobs: { top: 0 } }, facts }, ['a', '</think>', 'A', null]);
    expect(run.wishes.map(({ logprob }) => logprob)).toEqual([false, false, true, true, true]);
    expect(run.pieces.at(-1)).toEqual({ type: 'text', text: 'A', logprobs: [facts('A').logprob] });
  });
});
