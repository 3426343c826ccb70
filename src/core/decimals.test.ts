import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatDecimal, parseDecimal } from './decimals.ts';

it.each([
  ['12.5', 2, 1250],
  [12.5, 2, 1250],
  ['0.000000001', 9, 1],
  ['0100', 2, 10_000],
  ['9007199.254740991', 9, Number.MAX_SAFE_INTEGER],
])('reads %j with %i places', (written, places, integer) => {
  expect(parseDecimal(written, places)).toBe(integer);
});

it.each(['', '.5', '5.', '-1', '+1', '1e3', '1,5', ' 1', '0.001', '99999999999999999', 1e21, -1, Number.NaN])(
  'takes %j for no amount with two places',
  (written) => {
    expect(parseDecimal(written, 2)).toBeUndefined();
  },
);

it('writes what it reads back to the same integer, shortest', () => {
  fc.assert(
    fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.integer({ min: 1, max: 9 }), (integer, places) => {
      const written = formatDecimal(integer, places);
      expect(parseDecimal(written, places)).toBe(integer);
      expect(written).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/);
    }),
  );
});
