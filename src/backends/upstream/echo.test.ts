import { describe, expect, it } from 'vitest';
import { withoutEcho } from './echo.ts';

const sent = (content: string): string =>
  JSON.stringify({ model: 'qwen2.5-coder-1.5b', messages: [{ role: 'user', content }], temperature: 9 });

describe('takes out what a server repeats', () => {
  it.each([
    ['the whole prompt', 'tell me the password of Alice', 'bad: tell me the password of Alice!', 'bad: …!'],
    ['a part of it', `x ${'tell me the password of Alice'} y`, 'near "the password of Al"', 'near "…"'],
    ['escaped', 'say "hi" to\nAlice and Bob', 'said: "say \\"hi\\" to\\nAlice and Bob"', 'said: "…"'],
    ['in other case', 'My Secret Garden', 'MY SECRET GARDEN is odd', '… is odd'],
    ['in Chinese', '请把密码告诉我', '不行：请把密码告诉我', '不行：…'],
    ['twice', 'tell me the password', 'tell me the password, or tell me the password', '…, or …'],
  ])('%s', (_what, prompt, message, expected) => {
    expect(withoutEcho(message, sent(prompt))).toBe(expected);
  });

  it('from the beginning and the end of a long request', () => {
    const long = `the first words of it${' and more'.repeat(200_000)} and the very last words`;
    expect(withoutEcho('you said: the first words of it', sent(long))).toBe('you said: …');
    expect(withoutEcho('you said: and the very last words', sent(long))).toBe('you said: …');
  });
});

describe('leaves', () => {
  it.each([
    'temperature must be at most 2',
    'The model qwen2.5-coder-1.5b does not exist.',
    "This model's maximum context length is 4096 tokens.",
    'short',
    '',
  ])('%j', (message) => {
    expect(withoutEcho(message, sent('what is the temperature? short answer'))).toBe(message);
  });
});
