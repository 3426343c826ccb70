import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ThinkTagFilter } from './think-tags.ts';

function filtered(pieces: readonly string[]): string {
  const filter = new ThinkTagFilter();
  return pieces.map((piece) => filter.push(piece)).join('') + filter.flush();
}

describe('ThinkTagFilter', () => {
  it('takes tags out and leaves all else', () => {
    expect(filtered(['a<think>b</think>c'])).toBe('abc');
    expect(filtered(['1 < 2, <thinker> and <th', 'e>'])).toBe('1 < 2, <thinker> and <the>');
    expect(filtered(['ends in <thi'])).toBe('ends in <thi');
  });

  it('gives the same for any cut, and lets no tag through', () => {
    const text = fc
      .array(fc.constantFrom('<think>', '</think>', '1 < 2', '<b>', 'think', 'x '))
      .map((all) => all.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat(40), { maxLength: 6 }), (whole, cuts) => {
        const places = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
        const pieces = places.slice(1).map((end, index) => whole.slice(places[index], end));
        expect(filtered(pieces)).toBe(whole.replace(/<\/?think>/g, ''));
      }),
    );
  });
});
