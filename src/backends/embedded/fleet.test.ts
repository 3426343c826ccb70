/** Several local models over fake engines: who is loaded, who waits, what a caller sees of it. */
import { afterEach, describe, expect, it } from 'vitest';
import type { GenerationEvent } from '../../core/events.ts';
import type { QueueWait } from '../../core/ports.ts';
import { Fleet } from './fleet.ts';
import type { EmbeddedBackend } from './index.ts';
import { ask, collect, contextOf, countingClock, fakeBackend, silentLog } from './testing/harness.ts';

const FOR_EVER = Number.POSITIVE_INFINITY;
const opened: EmbeddedBackend[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((backend) => backend.close()));
});

/** Two models of 6 on a machine for 10; `turnMs` 0: nobody stays for having come last. */
function machine({ keepAliveMs = FOR_EVER, maxBytes = 10 }: { keepAliveMs?: number; maxBytes?: number } = {}) {
  const clock = countingClock();
  const waits: QueueWait[] = [];
  const fleet = new Fleet({ clock, log: silentLog, limitBytes: 10, maxBytes, turnMs: 0 });
  const open = (weightsName: string, loadsAtStart = false): EmbeddedBackend => {
    const backend = fakeBackend('ok', {
      weightsName,
      clock,
      berth: { fleet, bytes: 6, keepAliveMs, loadsAtStart },
      onAdmitted: (wait) => waits.push(wait),
    });
    opened.push(backend);
    return backend;
  };
  const loaded = () => fleet.views().flatMap(({ name, isLoaded }) => (isLoaded ? [name] : []));
  return { fleet, open, loaded, waits };
}

const say = (backend: EmbeddedBackend, overrides = {}) =>
  collect(backend.generate(ask('[[say 2]]'), contextOf(overrides)));

/** Starts a call that holds its place, and gives what ends it. */
async function hold(backend: EmbeddedBackend): Promise<() => Promise<void>> {
  const leaving = new AbortController();
  const stream = backend.generate(ask('[[hold]]'), contextOf({ signal: leaving.signal }))[Symbol.asyncIterator]();
  for (;;) {
    const { value } = (await stream.next()) as { value: GenerationEvent };
    if (value.type === 'text-delta') break;
  }
  return async () => {
    leaving.abort('client-gone');
    while (!(await stream.next()).done);
  };
}

/** Lets everything happen that needs no engine. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate);
}

describe('a fleet', () => {
  it('loads a model at its first call, and not before', async () => {
    const { open, loaded } = machine();
    const [first, second] = [open('first', true), open('second')];
    await first.ready();
    await settled();
    expect(loaded()).toEqual(['first']);
    expect(second.health()).toEqual({ isReady: true, detail: 'not started' });
    expect(second.engineProcessId).toBeUndefined();
  });

  it('ends an idle model for one that is called, and loads it again when it is called', async () => {
    const { open, loaded, fleet } = machine();
    const [first, second] = [open('first', true), open('second')];
    expect((await say(first)).at(-1)).toMatchObject({ type: 'finish', ending: 'completed' });
    expect((await say(second)).at(-1)).toMatchObject({ type: 'finish', ending: 'completed' });
    expect(loaded()).toEqual(['second']);
    expect(first.health()).toEqual({ isReady: true, detail: 'asleep; the next call loads the weights' });
    expect((await say(first)).at(-1)).toMatchObject({ type: 'finish', ending: 'completed' });
    expect(loaded()).toEqual(['first']);
    expect(fleet.views().map(({ loads }) => loads)).toEqual([2, 1]);
  });

  it('waits for a model that is in use, and lets nobody into it who comes later', async () => {
    const { open, loaded } = machine();
    const [first, second] = [open('first', true), open('second')];
    const letGo = await hold(first);
    const other = say(second);
    await settled();
    const late = say(first);
    await settled();
    expect(loaded()).toEqual(['first']);
    expect(first.state()).toMatchObject({ runningCalls: 1, waitingCalls: 1 });
    await letGo();
    const order: string[] = [];
    await Promise.all([other.then(() => order.push('second')), late.then(() => order.push('first'))]);
    expect(order).toEqual(['second', 'first']);
    expect(loaded()).toEqual(['first']);
  });

  it('forgets who leaves while the weights are not loaded', async () => {
    const { open, loaded } = machine();
    const [first, second] = [open('first', true), open('second')];
    const letGo = await hold(first);
    const leaving = new AbortController();
    const gone = say(second, { signal: leaving.signal });
    await settled();
    leaving.abort('client-gone');
    expect((await gone).at(-1)).toMatchObject({ type: 'finish', ending: 'client-gone' });
    expect((await say(first)).at(-1)).toMatchObject({ ending: 'completed' });
    await letGo();
    await settled();
    expect(loaded()).toEqual(['first']);
  });

  it('ends a model at once when it is to be kept for no time', async () => {
    const { open, fleet } = machine({ keepAliveMs: 0 });
    const only = open('only', true);
    await say(only);
    while (fleet.views()[0]?.state.phase !== 'idle') await new Promise(setImmediate);
    expect((await say(only)).at(-1)).toMatchObject({ ending: 'completed' });
  });

  it('refuses a model that no unloading makes room for, in a sentence', async () => {
    const { open, loaded } = machine({ maxBytes: 5 });
    const big = open('big');
    await expect(say(big)).rejects.toMatchObject({
      code: 'overloaded',
      message: expect.stringMatching(
        /^The weights big need 0\.0 GiB of memory, and local models may use .*memoryLimit/,
      ),
    });
    await expect(big.countTokens?.(ask('one'), undefined as never, undefined)).rejects.toMatchObject({
      code: 'overloaded',
    });
    expect(loaded()).toEqual([]);
  });

  it('answers questions of a model that sleeps by loading it', async () => {
    const { open, loaded } = machine();
    const asleep = open('asleep');
    expect(await asleep.tokenise?.('hello', undefined as never)).toEqual([{ id: 0, text: 'plain:hello' }]);
    expect(loaded()).toEqual(['asleep']);
    expect(asleep.promptCache).toBeDefined();
  });

  it('tells how calls waited', async () => {
    const { open, waits } = machine();
    const backend = open('one', true);
    const letGo = [await hold(backend), await hold(backend)];
    const waiting = [say(backend), say(backend, { priority: 'batch' }), say(backend)];
    await settled();
    for (const each of letGo) await each();
    const ends = await Promise.all(waiting);
    expect(waits.map(({ priority, callsAhead }) => [priority, callsAhead])).toEqual([
      ['live', 0],
      ['live', 0],
      ['live', 0],
      ['live', 1],
      ['batch', 0],
    ]);
    expect(ends[2]?.at(-1)).toMatchObject({ timings: { callsAhead: 1 } });
  });
});
