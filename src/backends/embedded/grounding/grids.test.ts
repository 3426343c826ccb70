import { expect, it } from 'vitest';
import type { Json } from '../../../core/generation.ts';
import { leftOfGrid } from './grids.ts';
import { listedArguments } from './listed-arguments.ts';

const properties = {
  of: { type: 'string' },
  from: { type: 'integer' },
  by: { type: 'string', enum: ['simpson', 'trapezoid'] },
};
const listed = listedArguments('integrate', { properties }, { properties });

const leftOf = (...inputs: readonly Json[]): unknown => listed && leftOfGrid(listed, inputs);
const call = (of: string, by: string, from = 0): Json => ({ of, from, by });

it('asks the second thing both ways, as the first', () => {
  expect(leftOf(call('x', 'simpson'), call('x', 'trapezoid'), call('y', 'simpson', 2))).toEqual({
    of: ['y'],
    from: [2],
    by: ['trapezoid'],
  });
  expect(leftOf(call('x', 'simpson'), call('y', 'simpson'), call('y', 'trapezoid'))).toMatchObject({ of: ['x'] });
});

it('is whole, or none', () => {
  expect(leftOf(call('x', 'simpson'), call('x', 'trapezoid'))).toBeUndefined();
  expect(leftOf(call('x', 'simpson'), call('y', 'trapezoid'))).toBeUndefined();
  expect(leftOf(call('x', 'simpson'), call('y', 'simpson'))).toBeUndefined();
  expect(
    leftOf(call('x', 'simpson'), call('x', 'trapezoid'), call('y', 'simpson'), call('y', 'trapezoid')),
  ).toBeUndefined();
});

it('is none of what may be any text', () => {
  expect(leftOf(call('x', 'simpson'), call('y', 'simpson'), call('y', 'simpson', 1))).toBeUndefined();
});
