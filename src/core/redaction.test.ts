import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redactedJson } from './redaction.ts';

const KEY = `sk-${'0123456789abcdef'.repeat(2)}`;

it('keeps what people can read', () => {
  const value = {
    model: 'qwen-plus',
    turns: [{ role: 'user', parts: [{ type: 'text', text: 'Grüße, 世界 "quoted"' }] }],
  };
  expect(JSON.parse(redactedJson(value))).toEqual(value);
  expect(redactedJson(undefined)).toBe('null');
});

describe('masks', () => {
  it.each([
    ['a key', `use ${KEY} please`],
    ['a key of a workspace', `sk-ws-${KEY.slice(3)}`],
    ['an admin key', `sk-admin-${KEY.slice(3)}`],
    ['a temporary key', `st-${KEY.slice(3)}`],
    ['a bearer', `Authorization: Bearer ${KEY.slice(3)}`],
    ['a key in JSON within a text', JSON.stringify({ api_key: KEY.slice(3) })],
  ])('%s', (_what, text) => {
    expect(redactedJson({ text })).not.toContain(KEY.slice(3));
  });

  it('what a cut leaves of a key', () => {
    for (let before = 32 * 1024 - 40; before <= 32 * 1024; before++)
      expect(redactedJson({ text: `${'word '.repeat(before).slice(0, before)} ${KEY}` })).not.toMatch(/sk-[0-9a-f]/);
  });
});

describe('cuts media to their length', () => {
  const media = 'iVBORw0KGgo'.repeat(1000);

  it.each([
    ['a data URI', `data:image/png;base64,${media}`, 'data:image/png;base64,(11000 characters left out)'],
    ['plain base64', media, '(11000 characters left out)'],
    [
      'a picture in a text',
      `![x](data:image/png;base64,${media})`,
      '![x](data:image/png;base64,(11000 characters left out))',
    ],
    ['a data URI that is no base64', 'data:text/plain,hello', 'data:text/plain,(5 characters left out)'],
  ])('%s', (_what, text, expected) => {
    expect(JSON.parse(redactedJson({ text }))).toEqual({ text: expected });
  });

  it('but not long texts of words', () => {
    const text = 'a word and another '.repeat(100);
    expect(JSON.parse(redactedJson({ text }))).toEqual({ text });
  });
});

describe('is bounded', () => {
  it.each([
    ['one long text', 'words and '.repeat(10_000_000 / 10)],
    ['many texts', Array.from({ length: 5000 }, () => 'words and '.repeat(100))],
    ['many numbers', Array.from({ length: 1_000_000 }, (_, number) => number)],
  ])('for %s', (_what, value) => {
    const json = redactedJson({ value });
    expect(json.length).toBeLessThan(600_000);
    expect(() => JSON.parse(json)).not.toThrow();
    expect(json).toContain('characters left out');
  });
});

it('gives JSON for any JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(() => JSON.parse(redactedJson(value))).not.toThrow();
    }),
  );
});
