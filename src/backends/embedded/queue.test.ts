import { describe, expect, it } from 'vitest';
import { StudioError } from '../../core/errors.ts';
import { FairQueue, type Slot } from './queue.ts';

const never = new AbortController().signal;

function queueOf(limit = 10, capacity = 1): { queue: FairQueue; clock: { now: number } } {
  const clock = { now: 0 };
  const queue = new FairQueue({ limit, clock: { monotonic: () => clock.now } });
  if (capacity > 0) queue.open(capacity);
  return { queue, clock };
}

/** Enters calls and writes down the order of admission; each frees its place when told. */
class Line {
  readonly order: string[] = [];
  readonly slots = new Map<string, Slot>();
  readonly queue: FairQueue;

  constructor(queue: FairQueue) {
    this.queue = queue;
  }

  enter(keyId: string, label: string, weight = 1, signal = never): Promise<void> {
    return this.queue.enter(keyId, weight, signal).then((slot) => {
      this.order.push(slot ? label : `${label} left`);
      if (slot) this.slots.set(label, slot);
    });
  }

  async release(label: string): Promise<void> {
    this.slots.get(label)?.release();
    await settled();
  }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('FairQueue', () => {
  it('takes turns between keys, in the order of arrival within one', async () => {
    const { queue } = queueOf();
    const line = new Line(queue);
    for (const [key, label] of [
      ['a', 'a1'],
      ['a', 'a2'],
      ['a', 'a3'],
      ['b', 'b1'],
      ['c', 'c1'],
      ['b', 'b2'],
    ] as const) {
      void line.enter(key, label);
    }
    await settled();
    for (const label of ['a1', 'a2', 'b1', 'c1', 'a3']) await line.release(label);
    expect(line.order).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
  });

  it('refuses who comes when the line is full, and says when to come again', async () => {
    const { queue, clock } = queueOf(2, 1);
    const line = new Line(queue);
    void line.enter('a', 'running');
    void line.enter('a', 'first');
    void line.enter('b', 'second');
    await settled();
    const refused = queue.enter('c', 1, never);
    await expect(refused).rejects.toMatchObject({ code: 'queue-full', retryAfterSeconds: 15 });
    expect(queue.waiting).toBe(2);

    // Quick calls make the estimate shorter, down to a second.
    clock.now = 0;
    for (const label of ['running', 'first', 'second']) await line.release(label);
    for (let index = 0; index < 40; index++) (await queue.enter('a', 1, never))?.release();
    expect(queue.retryAfterSeconds()).toBe(1);
  });

  it('never asks anybody to wait longer than 30 seconds', async () => {
    const { queue, clock } = queueOf(5, 1);
    const slot = await queue.enter('a', 1, never);
    clock.now = 10_000_000;
    slot?.release();
    expect(queue.retryAfterSeconds()).toBe(30);
  });

  it('lets an aborted call leave and gives its place to the next', async () => {
    const { queue } = queueOf(2, 1);
    const line = new Line(queue);
    const leaver = new AbortController();
    void line.enter('a', 'running');
    void line.enter('b', 'leaver', 1, leaver.signal);
    void line.enter('c', 'stayer');
    leaver.abort();
    await settled();
    expect(queue.waiting).toBe(1);
    await line.release('running');
    expect(line.order).toEqual(['running', 'leaver left', 'stayer']);
    // Long after its admission an abort changes nothing here.
    leaver.abort();
    expect(queue.used).toBe(1);
  });

  it('lets the rest in when the big call in front of them leaves', async () => {
    const { queue } = queueOf(10, 2);
    const line = new Line(queue);
    const big = new AbortController();
    void line.enter('a', 'running');
    void line.enter('b', 'big', 2, big.signal);
    void line.enter('c', 'small');
    await settled();
    expect(line.order).toEqual(['running']);
    big.abort();
    await settled();
    expect(line.order).toEqual(['running', 'big left', 'small']);
  });

  it('weighs choices, and runs a call heavier than the engine alone', async () => {
    const { queue } = queueOf(10, 4);
    const line = new Line(queue);
    void line.enter('a', 'three', 3);
    void line.enter('b', 'nine', 9);
    void line.enter('c', 'one', 1);
    await settled();
    expect(line.order).toEqual(['three']);
    await line.release('three');
    expect(line.order).toEqual(['three', 'nine']);
    expect(queue.used).toBe(4);
    await line.release('nine');
    expect(line.order).toEqual(['three', 'nine', 'one']);
  });

  it('keeps places while paused and counts the wait', async () => {
    const { queue, clock } = queueOf(10, 0);
    const waiting = queue.enter('a', 1, never);
    clock.now = 250;
    queue.open(1);
    const slot = await waiting;
    expect(slot?.queueMs).toBe(250);
    queue.pause();
    slot?.release();
    slot?.release();
    expect(queue.used).toBe(0);
    const line = new Line(queue);
    void line.enter('a', 'later');
    await settled();
    expect(line.order).toEqual([]);
    queue.open(1);
    await settled();
    expect(line.order).toEqual(['later']);
  });

  it('refuses everybody once it is closed', async () => {
    const { queue } = queueOf(10, 0);
    const waiting = queue.enter('a', 1, never);
    const error = new StudioError('shutting-down');
    queue.close(error);
    await expect(waiting).rejects.toBe(error);
    await expect(queue.enter('a', 1, never)).rejects.toBe(error);
  });

  it('never holds more than its capacity and loses no place, whatever comes and goes', async () => {
    const { queue } = queueOf(1_000, 3);
    let most = 0;
    const calls = Array.from({ length: 60 }, async (_, index) => {
      const leaver = new AbortController();
      const entered = queue.enter(`key-${index % 7}`, 1 + (index % 4), leaver.signal);
      if (index % 5 === 0) leaver.abort();
      const slot = await entered;
      most = Math.max(most, queue.used);
      await settled();
      slot?.release();
    });
    await Promise.all(calls);
    expect(most).toBe(3);
    expect(queue.used).toBe(0);
    expect(queue.waiting).toBe(0);
  });
});
