import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopTexts, StopTokens } from './stop-texts.ts';

/** Shows text piece by piece as an answer does. */
function shownUntilStop(
  stops: readonly string[],
  pieces: readonly string[],
): { shown: string; stop: string | undefined } {
  const scanner = new StopTexts(stops);
  let shown = '';
  let unshown = '';
  for (const piece of pieces) {
    unshown += piece;
    const { match, held } = scanner.scan(unshown);
    if (match !== undefined) return { shown: shown + unshown.slice(0, match.index), stop: match.text };
    shown += unshown.slice(0, unshown.length - held);
    unshown = unshown.slice(unshown.length - held);
  }
  return { shown: shown + unshown, stop: undefined };
}

/** The meaning: after each character, is there a stop text at the end? */
function shownCharacterByCharacter(
  stops: readonly string[],
  whole: string,
): { shown: string; found: string | undefined } {
  const longestFirst = stops.toSorted((a, b) => b.length - a.length);
  for (let end = 1; end <= whole.length; end++) {
    const found = longestFirst.find((stop) => whole.slice(0, end).endsWith(stop));
    if (found !== undefined) return { shown: whole.slice(0, end - found.length), found };
  }
  return { shown: whole, found: undefined };
}

describe('StopTexts', () => {
  it('never shows any of a stop text, however the text is cut', () => {
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength: 1, maxLength: 4 });
    const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'c'), maxLength: 3 }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.array(stop, { minLength: 1, maxLength: 3 }), pieces, (stops, parts) => {
        const whole = parts.join('');
        const { shown, stop: found } = shownUntilStop(stops, parts);
        expect({ shown, found }).toEqual(shownCharacterByCharacter(stops, whole));
      }),
    );
  });

  it('holds back only what may become a stop text', () => {
    const stops = new StopTexts(['\n\nUser:', 'END']);
    expect(stops.scan('Hello EN').held).toBe(2);
    expect(stops.scan('Hello\n').held).toBe(1);
    expect(stops.scan('Hello\n!').held).toBe(0);
  });

  it('prefers the match that is complete first, and the longer of two that end together', () => {
    const stops = new StopTexts(['b', 'ab', 'abc']);
    expect(stops.scan('xabcd').match).toEqual({ index: 1, text: 'ab' });
    expect(stops.scan('xbabc').match).toEqual({ index: 1, text: 'b' });
  });

  it('ignores an empty stop text', () => {
    expect(new StopTexts(['']).scan('x')).toEqual({ match: undefined, held: 0 });
  });
});

describe('StopTokens', () => {
  it('finds a row, also after a false start', () => {
    const stops = new StopTokens([[1, 1, 2]]);
    expect([1, 1, 1, 2].map((token) => stops.push(token))).toEqual([
      { matched: 0, held: 1 },
      { matched: 0, held: 2 },
      { matched: 0, held: 2 },
      { matched: 3, held: 0 },
    ]);
  });

  it('lets tokens go that cannot become a row', () => {
    const stops = new StopTokens([[1, 2], [5]]);
    expect(stops.push(1).held).toBe(1);
    expect(stops.push(3)).toEqual({ matched: 0, held: 0 });
    expect(stops.push(5)).toEqual({ matched: 1, held: 0 });
  });
});
