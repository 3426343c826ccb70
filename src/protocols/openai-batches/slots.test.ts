import { expect, it } from 'vitest';
import { Slots } from './slots.ts';

const never = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('gives its places out in the order of asking', async () => {
  const slots = new Slots(2);
  const order: string[] = [];
  const [first, second] = [await slots.take(never), await slots.take(never)];
  const waiting = ['a', 'b'].map(async (name) => {
    const leave = await slots.take(never);
    order.push(name);
    leave?.();
  });
  await turn();
  expect(order).toEqual([]);
  first?.();
  await Promise.all(waiting);
  expect(order).toEqual(['a', 'b']);
  second?.();
});

it('lets go of who has left, before and while waiting', async () => {
  const slots = new Slots(1);
  expect(await slots.take(AbortSignal.abort())).toBeUndefined();
  const leave = await slots.take(never);
  const left = new AbortController();
  const gone = slots.take(left.signal);
  const patient = slots.take(never);
  left.abort();
  expect(await gone).toBeUndefined();
  leave?.();
  (await patient)?.();
  expect(await slots.take(never)).toBeDefined();
});
