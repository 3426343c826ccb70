import { expect, test } from 'vitest';
import { formOf, spellGap } from './fim.ts';

test('a suffix makes a gap, an empty one too, and spellings beside it are text', () => {
  expect(formOf({ text: 'a', suffix: 'b' })).toEqual({ kind: 'gap', before: 'a', after: 'b' });
  expect(formOf({ text: 'a', suffix: '' })).toEqual({ kind: 'gap', before: 'a', after: '' });
  const text = '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>';
  expect(formOf({ text, suffix: 'c' })).toEqual({ kind: 'gap', before: text, after: 'c' });
});

test('both documented templates are read, and files in front of them', () => {
  const filled = '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>';
  expect(formOf({ text: filled })).toEqual({ kind: 'spelt', text: filled, context: '', before: 'a', after: 'b' });
  const prefixOnly = '<|fim_prefix|>a<|fim_suffix|>';
  expect(formOf({ text: prefixOnly })).toMatchObject({ kind: 'spelt', before: 'a', after: '' });
  const ofRepository = `<|repo_name|>r<|file_sep|>b.py\nb<|file_sep|>a.py\n${filled}`;
  expect(formOf({ text: ofRepository })).toMatchObject({ kind: 'spelt', before: 'a', after: 'b' });
  expect(formOf({ text: ofRepository })).toMatchObject({
    context: '<|repo_name|>r<|file_sep|>b.py\nb<|file_sep|>a.py\n',
  });
});

test.each(['', 'plain', '<|fim_prefix|>only', '<|fim_suffix|>a<|fim_prefix|>b', '<|fim_middle|>'])(
  'goes on with a text that is no whole template: %j',
  (text) => {
    expect(formOf({ text })).toEqual({ kind: 'continuation', text });
  },
);

test('what is spelt is read back', () => {
  expect(formOf({ text: spellGap({ before: 'x', after: 'y' }) })).toMatchObject({
    kind: 'spelt',
    before: 'x',
    after: 'y',
  });
});
