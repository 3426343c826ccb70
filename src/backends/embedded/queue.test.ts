import { describe, expect, it } from 'vitest';
import { StudioError } from '../../core/errors.ts';
import { type Entrant, FairQueue, OPEN_DOOR, type Slot } from './queue.ts';

const never = new AbortController().signal;

function queueOf(limit = 10, capacity = 1): { queue: FairQueue; clock: { now: number } } {
  const clock = { now: 0 };
  const queue = new FairQueue({ limit, clock: { monotonic: () => clock.now } });
  if (capacity > 0) queue.open(capacity);
  return { queue, clock };
}

function entrant(keyId: string, changes: Partial<Entrant> = {}): Entrant {
  return { keyId, weight: 1, priority: 'live', signal: never, ...changes };
}

/** Enters calls and writes down the order of admission; each frees its place when told. */
class Line {
  readonly order: string[] = [];
  readonly slots = new Map<string, Slot>();
  readonly queue: FairQueue;

  constructor(queue: FairQueue) {
    this.queue = queue;
  }

  enter(keyId: string, label: string, changes: Partial<Entrant> = {}): Promise<void> {
    return this.queue.enter(entrant(keyId, changes)).then((slot) => {
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
    const refused = queue.enter(entrant('c'));
    await expect(refused).rejects.toMatchObject({ code: 'queue-full', retryAfterSeconds: 15 });
    expect(queue.waiting).toBe(2);

    // Quick calls make the estimate shorter, down to a second.
    clock.now = 0;
    for (const label of ['running', 'first', 'second']) await line.release(label);
    for (let index = 0; index < 40; index++) (await queue.enter(entrant('a')))?.release();
    expect(queue.retryAfterSeconds()).toBe(1);
  });

  it('never asks anybody to wait longer than 30 seconds', async () => {
    const { queue, clock } = queueOf(5, 1);
    const slot = await queue.enter(entrant('a'));
    clock.now = 10_000_000;
    slot?.release();
    expect(queue.retryAfterSeconds()).toBe(30);
  });

  it('lets an aborted call leave and gives its place to the next', async () => {
    const { queue } = queueOf(2, 1);
    const line = new Line(queue);
    const leaver = new AbortController();
    void line.enter('a', 'running');
    void line.enter('b', 'leaver', { signal: leaver.signal });
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
    void line.enter('b', 'big', { weight: 2, signal: big.signal });
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
    void line.enter('a', 'three', { weight: 3 });
    void line.enter('b', 'nine', { weight: 9 });
    void line.enter('c', 'one');
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
    const waiting = queue.enter(entrant('a'));
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
    const waiting = queue.enter(entrant('a'));
    const error = new StudioError('shutting-down');
    queue.close(error);
    await expect(waiting).rejects.toBe(error);
    await expect(queue.enter(entrant('a'))).rejects.toBe(error);
  });

  it('never holds more than its capacity and loses no place, whatever comes and goes', async () => {
    const { queue } = queueOf(1_000, 3);
    let most = 0;
    const calls = Array.from({ length: 60 }, async (_, index) => {
      const leaver = new AbortController();
      const priority = index % 3 === 0 ? 'batch' : 'live';
      const entered = queue.enter(
        entrant(`key-${index % 7}`, { weight: 1 + (index % 4), signal: leaver.signal, priority }),
      );
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

  it('lets batch calls in only when no live call waits, and keys take turns among them too', async () => {
    const { queue } = queueOf();
    const line = new Line(queue);
    const batch = { priority: 'batch' } as const;
    void line.enter('a', 'running');
    void line.enter('a', 'batch a1', batch);
    void line.enter('a', 'batch a2', batch);
    void line.enter('b', 'batch b1', batch);
    void line.enter('b', 'live b1');
    void line.enter('a', 'live a1');
    await settled();
    await line.release('running');
    await line.release('live b1');
    // It comes while a batch call would be next.
    void line.enter('c', 'live c1');
    for (const label of ['live a1', 'live c1', 'batch a1', 'batch b1']) await line.release(label);
    expect(line.order.slice(1)).toEqual(['live b1', 'live a1', 'live c1', 'batch a1', 'batch b1', 'batch a2']);
  });

  it('does not interrupt a batch call that runs', async () => {
    const { queue } = queueOf();
    const line = new Line(queue);
    void line.enter('a', 'batch', { priority: 'batch' });
    await settled();
    void line.enter('b', 'live');
    await settled();
    expect(line.order).toEqual(['batch']);
    await line.release('batch');
    expect(line.order).toEqual(['batch', 'live']);
  });

  it('keeps a place free for a big live call rather than giving it to a small batch call', async () => {
    const { queue } = queueOf(10, 2);
    const line = new Line(queue);
    void line.enter('a', 'running');
    void line.enter('b', 'big live', { weight: 2 });
    void line.enter('c', 'small batch', { priority: 'batch' });
    await settled();
    expect(line.order).toEqual(['running']);
    await line.release('running');
    expect(line.order).toEqual(['running', 'big live']);
    await line.release('big live');
    expect(line.order).toEqual(['running', 'big live', 'small batch']);
  });

  it('counts neither line against the limit of the other', async () => {
    const { queue } = queueOf(2, 1);
    const line = new Line(queue);
    const batch = { priority: 'batch' } as const;
    void line.enter('a', 'running');
    for (const label of ['batch 1', 'batch 2']) void line.enter('a', label, batch);
    for (const label of ['live 1', 'live 2']) void line.enter('b', label);
    await settled();
    expect(queue.waiting).toBe(4);
    // A live call waits for the live ones in front of it, a batch call for all.
    await expect(queue.enter(entrant('c'))).rejects.toMatchObject({ code: 'queue-full', retryAfterSeconds: 15 });
    await expect(queue.enter(entrant('c', batch))).rejects.toMatchObject({ code: 'queue-full', retryAfterSeconds: 25 });
    for (const label of ['running', 'live 1', 'live 2', 'batch 1']) await line.release(label);
    expect(line.order).toEqual(['running', 'live 1', 'live 2', 'batch 1', 'batch 2']);
  });

  it('refuses waiting batch calls too when it is closed, and lets one leave', async () => {
    const { queue } = queueOf(10, 0);
    const leaver = new AbortController();
    const leaving = queue.enter(entrant('a', { priority: 'batch', signal: leaver.signal }));
    const waiting = queue.enter(entrant('a', { priority: 'batch' }));
    leaver.abort();
    expect(await leaving).toBeUndefined();
    const error = new StudioError('shutting-down');
    queue.close(error);
    await expect(waiting).rejects.toBe(error);
    expect(queue.waiting).toBe(0);
  });

  it('closes its door behind those who came in time, whatever key they have, and opens it again', async () => {
    const { queue, clock } = queueOf(10, 1);
    const line = new Line(queue);
    for (const [label, at] of [
      ['a1', 1],
      ['a2', 2],
      ['b1', 3],
      ['a3', 4],
      ['b2', 5],
    ] as const) {
      clock.now = at;
      void line.enter(label.slice(0, 1), label);
    }
    void line.enter('c', 'batch', { priority: 'batch' });
    queue.setDoor({ liveUntilMs: 3, batchUntilMs: Number.NEGATIVE_INFINITY });
    await settled();
    for (const label of ['a1', 'a2', 'b1']) await line.release(label);
    expect(line.order).toEqual(['a1', 'a2', 'b1']);
    expect([queue.used, queue.waitingOf('live'), queue.oldestOf('live')]).toEqual([0, 2, 4]);
    queue.setDoor(OPEN_DOOR);
    await settled();
    for (const label of ['a3', 'b2', 'batch']) await line.release(label);
    expect(line.order).toEqual(['a1', 'a2', 'b1', 'a3', 'b2', 'batch']);
    expect(queue.oldestOf('live')).toBeUndefined();
  });

  it('tells how many of its line were before a call', async () => {
    const { queue } = queueOf(10, 1);
    const line = new Line(queue);
    for (const label of ['first', 'second', 'third']) void line.enter(label, label);
    void line.enter('x', 'batch', { priority: 'batch' });
    await settled();
    for (const label of ['first', 'second', 'third', 'batch']) await line.release(label);
    expect([...line.slots].map(([label, { callsAhead }]) => [label, callsAhead])).toEqual([
      ['first', 0],
      ['second', 0],
      ['third', 1],
      ['batch', 0],
    ]);
  });
});
