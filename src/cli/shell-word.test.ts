import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { shellWord } from './shell-word.ts';

it.each(['/plain/file.pem', '', 'two words', "it's", '$HOME `id` "x" \\', '~', '*', 'a;b|c&d'])(
  'keeps %j whole',
  (text) => {
    const echoed = execFileSync('sh', ['-c', `printf '%s|' ${shellWord(text)}`]).toString();
    expect(echoed).toBe(`${text}|`);
  },
);

it('quotes nothing that needs none', () => {
  expect(shellWord('/plain/file-1.pem')).toBe('/plain/file-1.pem');
});
