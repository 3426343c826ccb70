import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../../core/generation.ts';
import { withStay } from './stays.ts';

const date = { type: 'string', description: 'In the format YYYY-MM-DD' };

function endFor(request: string, properties: JsonSchema = { check_in: date, check_out: date }): unknown {
  const held = withStay({ type: 'object', properties }, request).properties;
  return Object.values(held as { readonly [name: string]: JsonSchema }).at(-1)?.pattern;
}

describe('when a stay ends', () => {
  it.each([
    ['3 nights from 1st June 2022', '^2022-06-04$'],
    ['From June 29th, 2022, for two nights', '^2022-07-01$'],
    ['3 nights from 2024-02-27', '^2024-03-01$'],
    ['2 nights from the 30th of December', '^[12][0-9]{3}-01-01$'],
    ['2022年6月1日入住，住3晚', '^2022-06-04$'],
    ['6月30日起住两晚', '^[12][0-9]{3}-07-02$'],
    ['For a week from May 1', '^[12][0-9]{3}-05-08$'],
  ])('"%s": %s', (request, pattern) => {
    expect(endFor(request)).toBe(pattern);
  });

  it.each([
    'A room from 1st June 2022',
    'A room for 3 nights',
    '6月1日晚上入住',
    '3 nights from 1st June 2022, paid on May 1',
    '3 nights from 1st June 2022, or 4 nights',
    '3 days from 1st June 2022',
  ])('is not told by "%s"', (request) => {
    expect(endFor(request)).toBeUndefined();
  });

  it('is told in a form that is known', () => {
    const request = '3 nights from 1st June 2022';
    expect(endFor(request, { start_date: date, end_date: date })).toBe('^2022-06-04$');
    expect(endFor(request, { startDate: date, endDate: { type: 'string', format: 'date' } })).toBe('^2022-06-04$');
    expect(endFor(request, { start_date: date, end_date: { type: 'string' } })).toBeUndefined();
    expect(endFor(request, { end_date: date })).toBeUndefined();
    expect(endFor(request, { start_date: date, last_date: date })).toBeUndefined();
  });
});
