import { expect, it } from 'vitest';
import type { Json } from '../../../core/generation.ts';
import { compileArgumentsSchema } from '../constraints/index.ts';
import { leftOfGrid } from './grids.ts';
import { goingOn, listedArguments } from './listed-arguments.ts';

const properties = {
  of: { type: 'string' },
  from: { type: 'integer' },
  by: { type: 'string', enum: ['simpson', 'trapezoid'] },
};
const listed = listedArguments('integrate', { properties }, { properties });

const leftOf = (...inputs: readonly Json[]): unknown => listed && leftOfGrid(listed, inputs, '');
const call = (of: string, by: string, from = 0): Json => ({ of, from, by });

it('asks the second thing both ways, as the first', () => {
  expect(leftOf(call('x', 'simpson'), call('x', 'trapezoid'), call('y', 'simpson', 2))).toEqual({
    of: { is: 'y' },
    from: { is: 2 },
    by: { is: 'trapezoid' },
  });
  expect(leftOf(call('x', 'simpson'), call('y', 'simpson'), call('y', 'trapezoid'))).toMatchObject({ of: { is: 'x' } });
});

it('holds whatever the other arguments are', () => {
  const own = { of: { type: 'array' }, deep: { type: 'boolean' }, by: properties.by };
  const listed = listedArguments('sort', { properties: own }, { type: 'object', properties: own, required: ['of'] });
  const next =
    listed &&
    leftOfGrid(
      listed,
      [
        { of: [2, 1], deep: true, by: 'simpson' },
        { of: [2, 1], deep: true, by: 'trapezoid' },
        { of: [4, 3], deep: false, by: 'simpson' },
      ],
      '',
    );
  const held = listed && next && goingOn(listed, next);
  expect(held?.required).toEqual(['of', 'deep', 'by']);
  expect(held?.properties).toMatchObject({ of: { const: [4, 3] }, deep: { const: false }, by: { const: 'trapezoid' } });
  expect(() => held && compileArgumentsSchema(held)).not.toThrow();
});

it('is whole, or none', () => {
  expect(leftOf(call('x', 'simpson'), call('x', 'trapezoid'))).toBeUndefined();
  expect(leftOf(call('x', 'simpson'), call('y', 'trapezoid'))).toBeUndefined();
  expect(leftOf(call('x', 'simpson'), call('y', 'simpson'))).toBeUndefined();
  expect(
    leftOf(call('x', 'simpson'), call('x', 'trapezoid'), call('y', 'simpson'), call('y', 'trapezoid')),
  ).toBeUndefined();
});

it('is none of what may be any text, unless the request wants each', () => {
  const calls = [call('x', 'simpson'), call('x', 'simpson', 1), call('y', 'simpson')];
  expect(leftOf(...calls)).toBeUndefined();
  const left = listed && leftOfGrid(listed, calls, 'Integrate both from 0 and from 1');
  expect(left).toMatchObject({ of: { is: 'y' }, from: { is: 1 } });
  const flags = [
    { of: 'x', deep: true },
    { of: 'x', deep: false },
    { of: 'y', deep: true },
  ];
  expect(listed && leftOfGrid(listed, flags, 'A description of each')).toBeUndefined();
  expect(leftOf(call('x', 'simpson'), call('y', 'simpson'), call('y', 'simpson', 1))).toBeUndefined();
});
