import { expect, test } from 'vitest';
import { TurnLocks } from './turn-locks.ts';

const never = new AbortController().signal;

/** Lets everything run that waits for nothing. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('turns of one conversation follow each other, those of others do not wait', async () => {
  const locks = new TurnLocks();
  const order: string[] = [];
  const first = await locks.acquire('a', never);
  const waiting = ['second', 'third'].map(async (name) => {
    const release = await locks.acquire('a', never);
    order.push(name);
    return release;
  });
  (await locks.acquire('b', never))();
  await settled();
  expect(order).toEqual([]);
  first();
  await settled();
  expect(order).toEqual(['second']);
  (await waiting[0])?.();
  await settled();
  expect(order).toEqual(['second', 'third']);
});

test('who gives up lets the next one in, in its turn', async () => {
  const locks = new TurnLocks();
  const first = await locks.acquire('a', never);
  const leaving = new AbortController();
  const second = locks.acquire('a', leaving.signal);
  let hasThird = false;
  const third = locks.acquire('a', never).then((release) => {
    hasThird = true;
    return release;
  });
  leaving.abort();
  await expect(second).rejects.toThrow('Another turn of this conversation is running.');
  await settled();
  expect(hasThird).toBe(false);
  first();
  (await third)();
  (await locks.acquire('a', never))();
});

test('who has gone already does not wait', async () => {
  const locks = new TurnLocks();
  await locks.acquire('a', never);
  await expect(locks.acquire('a', AbortSignal.abort())).rejects.toThrow();
});
