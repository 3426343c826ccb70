import { describe, expect, it } from 'vitest';
import type { TokenLogprob } from '../../../core/events.ts';
import { AnswerText, type AnswerTextOptions } from './answer-text.ts';

const logprob = (token: string): TokenLogprob => ({ token, bytes: [], logprob: -1, top: [] });

/** Says tokens one after another; gives what was shown and whose log probabilities came with it. */
function say(
  options: Partial<AnswerTextOptions>,
  tokens: readonly string[],
): { shown: string[]; stop: string | undefined } {
  const answer = new AnswerText({ stopTexts: [], stopTokens: [], holdsWhiteSpace: false, ...options });
  const shown: string[] = [];
  const take = ({ text, logprobs, stop }: ReturnType<AnswerText['show']>): string | undefined => {
    if (text !== '') shown.push(`${text}|${logprobs.map(({ token }) => token).join('+')}`);
    return stop;
  };
  for (const [i, token] of tokens.entries()) {
    answer.note(i, token.length, logprob(token));
    answer.add(token);
    const stop = take(answer.show());
    if (stop !== undefined) return { shown, stop };
  }
  return { shown, stop: take(answer.finish()) };
}

describe('AnswerText', () => {
  it('shows each token with its log probability', () => {
    expect(say({}, ['He', 'llo'])).toEqual({ shown: ['He|He', 'llo|llo'], stop: undefined });
  });

  it('holds log probabilities back with their text', () => {
    expect(say({ stopTexts: ['lo!'] }, ['Hel', 'lo', '?']).shown).toEqual(['He|', 'l|Hel', 'lo?|lo+?']);
  });

  it('cuts at a stop text and gives the token it begins in, not those after it', () => {
    expect(say({ stopTexts: ['lo w'] }, ['Hel', 'lo', ' world'])).toEqual({
      shown: ['He|', 'l|Hel'],
      stop: 'lo w',
    });
  });

  it('cuts at a row of stop tokens and says their text', () => {
    expect(say({ stopTokens: [[1, 2]] }, ['a', 'b', 'c', 'd'])).toEqual({ shown: ['a|a'], stop: 'bc' });
    expect(say({ stopTokens: [[1, 9]] }, ['a', 'b', 'c']).shown).toEqual(['a|a', 'bc|b+c']);
  });

  it('takes the earlier of a stop text and a stop row', () => {
    expect(say({ stopTokens: [[2]], stopTexts: ['c'] }, ['a', 'b', 'cx'])).toEqual({
      shown: ['a|a', 'b|b'],
      stop: 'c',
    });
    expect(say({ stopTokens: [[2]], stopTexts: ['x'] }, ['a', 'b', 'cx'])).toEqual({
      shown: ['a|a', 'b|b'],
      stop: 'cx',
    });
  });

  it('shows held text at the end', () => {
    expect(say({ stopTexts: ['END'] }, ['x', 'EN']).shown).toEqual(['x|x', 'EN|EN']);
  });

  it('keeps white space for what follows, and drops it before a call', () => {
    expect(say({ holdsWhiteSpace: true }, ['a', '\n', ' b', '\n']).shown).toEqual(['a|a', '\n b|\n+ b', '\n|\n']);
    const answer = new AnswerText({ stopTexts: ['\n#'], stopTokens: [], holdsWhiteSpace: true });
    answer.note(0, 4, undefined);
    answer.add('Now\n');
    expect(answer.show().text).toBe('Now');
    expect(answer.finishBeforeCall()).toEqual({ text: '', logprobs: [], stop: undefined });
  });

  it('finds a stop row although its text is still being held elsewhere', () => {
    const answer = new AnswerText({ stopTexts: [], stopTokens: [[5]], holdsWhiteSpace: false });
    answer.note(4, 3, undefined);
    answer.note(5, 1, undefined);
    answer.add('ab');
    expect(answer.show()).toEqual({ text: 'ab', logprobs: [], stop: '' });
  });
});
