import { afterEach, expect, test, vi } from 'vitest';
import { fixedClock } from '../../../test/support/context.ts';
import { TurnLocks } from './turn-locks.ts';

const never = new AbortController().signal;

afterEach(() => {
  vi.useRealTimers();
});

/** Conversations that are held in the memory of this test, by whoever asks. */
function sharedConversations() {
  const clock = fixedClock();
  const turns = new Map<string, { turnId: string; untilMs: number }>();
  const conversations = {
    holdTurn: async (id: string, turnId: string, { nowMs, untilMs }: { nowMs: number; untilMs: number }) => {
      const turn = turns.get(id);
      if (turn && turn.turnId !== turnId && turn.untilMs > nowMs) return false;
      turns.set(id, { turnId, untilMs });
      return true;
    },
    endTurn: async (id: string, turnId: string) => {
      if (turns.get(id)?.turnId === turnId) turns.delete(id);
    },
  };
  return { clock, conversations, locks: () => new TurnLocks(conversations, clock) };
}

/** Lets everything run that waits for nothing. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('turns of one conversation follow each other, those of others do not wait', async () => {
  const locks = sharedConversations().locks();
  const order: string[] = [];
  const first = await locks.acquire('a', '1', never);
  const waiting = ['second', 'third'].map(async (name) => {
    const release = await locks.acquire('a', name, never);
    order.push(name);
    return release;
  });
  await (await locks.acquire('b', '2', never))();
  await settled();
  expect(order).toEqual([]);
  await first();
  await settled();
  expect(order).toEqual(['second']);
  await (await waiting[0])?.();
  await settled();
  expect(order).toEqual(['second', 'third']);
  await (await waiting[1])?.();
});

test('who gives up lets the next one in, in its turn', async () => {
  const locks = sharedConversations().locks();
  const first = await locks.acquire('a', '1', never);
  const leaving = new AbortController();
  const second = locks.acquire('a', '2', leaving.signal);
  let hasThird = false;
  const third = locks.acquire('a', '3', never).then((release) => {
    hasThird = true;
    return release;
  });
  leaving.abort();
  await expect(second).rejects.toThrow('Another turn of this conversation is running.');
  await settled();
  expect(hasThird).toBe(false);
  await first();
  await (await third)();
  await (await locks.acquire('a', '4', never))();
});

test('who has gone already does not wait', async () => {
  const locks = sharedConversations().locks();
  const first = await locks.acquire('a', '1', never);
  await expect(locks.acquire('a', '2', AbortSignal.abort())).rejects.toThrow();
  await first();
});

test('a turn waits for that of another server, which holds on as long as it goes on', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const { clock, locks } = sharedConversations();
  const [here, there] = [locks(), locks()];
  const release = await here.acquire('a', '1', never);
  for (let seconds = 0; seconds < 60; seconds += 10) {
    clock.advance(10_000);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  const leaving = new AbortController();
  const left = there.acquire('a', '2', leaving.signal);
  leaving.abort();
  await expect(left).rejects.toThrow('Another turn of this conversation is running.');
  const next = there.acquire('a', '3', never);
  await release();
  await (await next)();
});

test('a turn that nothing is heard of any more keeps nobody', async () => {
  const { clock, conversations, locks } = sharedConversations();
  await conversations.holdTurn('a', 'of a killed server', { nowMs: clock.now(), untilMs: clock.now() + 30_000 });
  clock.advance(30_000);
  await (await locks().acquire('a', '1', never))();
});
