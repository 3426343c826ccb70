import { expect, it } from 'vitest';
import { csvLine } from './csv.ts';

it('writes cells apart by commas, and quotes what would part them', () => {
  expect(csvLine(['plain', 12, 5n, true, '', null, undefined])).toBe('plain,12,5,true,,,\r\n');
  expect(csvLine(['a,b', 'a;b', 'say "hi"', 'two\nlines'])).toBe('"a,b","a;b","say ""hi""","two\nlines"\r\n');
});

it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '=HYPERLINK("x";"y")'])('makes no formula of %j', (text) => {
  expect(csvLine([text]).replaceAll('"', '')).toMatch(/^'/);
});

it('leaves numbers as they are', () => {
  expect(csvLine([-1, '1.5'])).toBe('-1,1.5\r\n');
});
