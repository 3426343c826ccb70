import { describe, expect, it } from 'vitest';
import { OptionalArguments } from './optional-arguments.ts';

/** Shows `text` in pieces of `size` characters; the value "no" and 0 are not supported. */
function shownOf(text: string, size = text.length, optional = ['a', 'b']): string {
  const reader = new OptionalArguments(optional, (value) => value !== 'no' && value !== 0);
  let shown = '';
  for (let at = 0; at < text.length; at += size) shown += reader.push(text.slice(at, at + size)).shown;
  return shown + reader.flush();
}

const CASES: readonly (readonly [string, string])[] = [
  ['{}', '{}'],
  ['{"a": "no"}', '{}'],
  ['{"x": 1, "a": "no"}', '{"x": 1}'],
  ['{"a": "no", "x": 1}', '{"x": 1}'],
  ['{"a": "no", "b": 0, "x": "no"}', '{"x": "no"}'],
  ['{"x": 1, "a": "no", "b": "yes"}', '{"x": 1, "b": "yes"}'],
  ['{"x": {"a": "no"}, "b": [1, {"a": 0}]}', '{"x": {"a": "no"}, "b": [1, {"a": 0}]}'],
  ['{"x": "a, \\"b\\": 0", "a": "}{,", "b": 0}', '{"x": "a, \\"b\\": 0", "a": "}{,"}'],
  ['{"x":1,"a":"no","y":[],"b":0}', '{"x":1,"y":[]}'],
];

describe('optional lists', () => {
  const items = (item: string, count: number): string => Array.from({ length: count }, () => `"${item}"`).join(', ');
  const isSupported = (value: unknown): boolean => (Array.isArray(value) ? value.some(isSupported) : value !== 'no');
  const shownBy = (text: string): string => {
    const reader = new OptionalArguments(['a'], isSupported);
    return [...text].map((character) => reader.push(character).shown).join('') + reader.flush();
  };

  it('are held while no item is supported, however many there are', () => {
    expect(shownBy(`{"a": [${items('no', 100)}], "x": 1}`)).toBe('{"x": 1}');
    const endless = `{"x": 1, "a": [${items('no', 300)}]}`;
    expect(shownBy(endless)).toBe(endless);
  });

  it('come once an item is', () => {
    const reader = new OptionalArguments(['a'], isSupported);
    expect(reader.push(`{"x": 1, "a": [${items('no', 40)}`).shown).toBe('{"x": 1');
    expect(reader.push(', "yes", "no"').shown).toContain('"yes",');
    expect(reader.isHolding).toBe(false);
  });
});

describe('optional arguments', () => {
  it.each(CASES)('of %s: %s', (text, shown) => {
    for (let size = 1; size <= text.length; size++) expect(shownOf(text, size)).toBe(shown);
  });

  it('are told from others, which pass as they come', () => {
    const reader = new OptionalArguments(['a'], () => false);
    expect(reader.push('{"x": "lo')).toEqual({ shown: '{"x": "lo', isLeftOut: false });
    expect(reader.push('ng", "a": "n')).toEqual({ shown: 'ng"', isLeftOut: false });
    expect(reader.isHolding).toBe(true);
    expect(reader.push('o"}')).toEqual({ shown: '}', isLeftOut: true });
    expect(reader.isHolding).toBe(false);
  });

  it('pass where they are too long to be looked up', () => {
    const long = `{"a": "${'no '.repeat(60)}`;
    expect(shownOf(long)).toBe(long);
  });

  it('are shown as they are where a limit cuts them', () => {
    expect(shownOf('{"x": 1, "a": "n')).toBe('{"x": 1, "a": "n');
  });
});
