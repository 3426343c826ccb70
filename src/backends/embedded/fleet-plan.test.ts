import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FleetMember, type FleetPlan, planFleet } from './fleet-plan.ts';
import { OPEN_DOOR } from './queue.ts';

const NEVER = Number.POSITIVE_INFINITY;
const limits = { bytes: 10, turnMs: 100 };

function member(name: string, overrides: Partial<FleetMember> = {}): FleetMember {
  return {
    name,
    bytes: 6,
    phase: 'asleep',
    isInUse: false,
    oldestLiveMs: undefined,
    oldestBatchMs: undefined,
    loadedAtMs: 0,
    lastUseMs: 0,
    keepAliveMs: NEVER,
    ...overrides,
  };
}

const loaded = (name: string, overrides: Partial<FleetMember> = {}) => member(name, { phase: 'loaded', ...overrides });

function plan(members: readonly FleetMember[], nowMs = 1_000): Omit<FleetPlan, 'doors'> & { closed: object } {
  const { doors, ...rest } = planFleet(members, limits, nowMs);
  return { ...rest, closed: Object.fromEntries([...doors].filter(([, door]) => door !== OPEN_DOOR)) };
}

describe('planFleet', () => {
  it('loads what is called and fits beside the others', () => {
    const small = member('small', { bytes: 4, oldestLiveMs: 900 });
    expect(plan([loaded('big'), small])).toMatchObject({ wake: ['small'], sleep: [], closed: {} });
    expect(plan([loaded('big'), member('small', { bytes: 4 })])).toMatchObject({ wake: [], sleep: [] });
  });

  it('ends the least recently used that nobody uses, and loads once its memory is free', () => {
    const wanted = member('c', { bytes: 5, oldestLiveMs: 900 });
    const old = loaded('a', { bytes: 5, lastUseMs: 10 });
    const recent = loaded('b', { bytes: 5, lastUseMs: 20 });
    expect(plan([recent, old, wanted])).toMatchObject({ wake: [], sleep: ['a'] });
    expect(plan([recent, { ...old, phase: 'ending' }, wanted])).toMatchObject({ wake: [], sleep: [] });
    expect(plan([recent, { ...old, phase: 'asleep' }, wanted])).toMatchObject({ wake: ['c'], sleep: [] });
  });

  it('never ends what is in use; its door closes behind those who came first', () => {
    const busy = loaded('a', { isInUse: true });
    expect(plan([busy, member('b', { oldestLiveMs: 900 })])).toMatchObject({
      wake: [],
      sleep: [],
      closed: { a: { liveUntilMs: 900, batchUntilMs: Number.NEGATIVE_INFINITY } },
    });
  });

  it('does not end what is waited for by a call that came first, nor within its turn', () => {
    const wanted = member('b', { oldestLiveMs: 900 });
    expect(plan([loaded('a', { oldestLiveMs: 800 }), wanted]).sleep).toEqual([]);
    expect(plan([loaded('a', { oldestLiveMs: 950 }), wanted]).sleep).toEqual(['a']);
    expect(plan([loaded('a', { oldestLiveMs: 950, loadedAtMs: 880 }), wanted]).sleep).toEqual([]);
    expect(plan([loaded('a', { loadedAtMs: 980 }), wanted]).sleep).toEqual(['a']);
  });

  it('lets no batch call disturb live ones, and no batch call hold up a live one', () => {
    const batch = member('b', { oldestBatchMs: 100 });
    expect(plan([loaded('a', { oldestLiveMs: 950 }), batch])).toMatchObject({
      sleep: [],
      closed: { a: { liveUntilMs: NEVER, batchUntilMs: 100 } },
    });
    expect(plan([loaded('a', { oldestBatchMs: 50 }), member('b', { oldestLiveMs: 900 })]).sleep).toEqual(['a']);
    expect(plan([batch, member('c', { oldestLiveMs: 990 })])).toMatchObject({ wake: ['c'] });
  });

  it('lets nobody who came later take the room that another waits for', () => {
    const first = member('first', { bytes: 10, oldestLiveMs: 100 });
    const second = member('second', { bytes: 1, oldestLiveMs: 200 });
    expect(plan([loaded('a', { isInUse: true }), first, second]).wake).toEqual([]);
  });

  it('keeps an idle one while another that has to go too is busy', () => {
    const wanted = member('c', { bytes: 10, oldestLiveMs: 900 });
    const members = [loaded('a', { bytes: 4, isInUse: true }), loaded('b', { bytes: 4 }), wanted];
    expect(plan(members)).toMatchObject({ sleep: [], closed: { a: {} } });
  });

  it('loads a model that is larger than the limit only alone', () => {
    const huge = member('huge', { bytes: 50, oldestLiveMs: 900 });
    expect(plan([huge]).wake).toEqual(['huge']);
    expect(plan([loaded('a', { bytes: 1 }), huge])).toMatchObject({ wake: [], sleep: ['a'] });
  });

  it('ends what nobody has used for its time, and says when to look again', () => {
    const soon = loaded('soon', { bytes: 1, lastUseMs: 500, keepAliveMs: 700 });
    const over = loaded('over', { bytes: 1, lastUseMs: 500, keepAliveMs: 500 });
    const used = loaded('used', { bytes: 1, isInUse: true, keepAliveMs: 0 });
    expect(plan([soon, over, used, loaded('for ever', { bytes: 1 })])).toMatchObject({
      sleep: ['over'],
      reviewAtMs: 1_200,
    });
  });
});

/** A machine without engines: weights load and end at once, calls come and last as the run says. */
describe('a fleet over a long time', () => {
  const names = ['a', 'b', 'c'];
  interface Call {
    readonly model: string;
    readonly atMs: number;
    readonly lastsMs: number;
    readonly isLive: boolean;
  }
  const callOf = fc.record({
    model: fc.constantFrom(...names),
    atMs: fc.integer({ min: 0, max: 3_000 }),
    lastsMs: fc.integer({ min: 1, max: 60 }),
    isLive: fc.boolean(),
  });

  it('serves every call, never exceeds the memory, and ends nothing that is in use', () => {
    fc.assert(
      fc.property(fc.array(callOf, { maxLength: 60 }), (calls) => {
        expect(simulate(calls)).toBe(calls.length);
      }),
      { numRuns: 25 },
    );
  });

  it('serves a call in time although another model is called without a pause', () => {
    const flood = Array.from({ length: 160 }, (_, i) => ({ model: 'a', atMs: i * 12, lastsMs: 20, isLive: true }));
    const one = { model: 'b', atMs: 500, lastsMs: 20, isLive: true };
    const ends = new Map<Call, number>();
    expect(simulate([...flood, one], ends, 10)).toBe(161);
    expect(ends.get(one)).toBeLessThan(700);
  });

  function simulate(calls: readonly Call[], ends = new Map<Call, number>(), bytes = 5): number {
    const models = new Map(names.map((name) => [name, { phase: 'asleep' as FleetMember['phase'], loadedAtMs: 0 }]));
    const waiting: Call[] = [];
    const running: { call: Call; endsAtMs: number }[] = [];
    for (let nowMs = 0; nowMs < 20_000 && ends.size < calls.length; nowMs++) {
      waiting.push(...calls.filter(({ atMs }) => atMs === nowMs));
      for (const done of running.filter(({ endsAtMs }) => endsAtMs <= nowMs)) {
        running.splice(running.indexOf(done), 1);
        ends.set(done.call, nowMs);
      }
      const members = names.map((name) => {
        const oldest = (isLive: boolean) =>
          waiting.filter((call) => call.model === name && call.isLive === isLive).map(({ atMs }) => atMs)[0];
        return member(name, {
          bytes,
          ...models.get(name),
          isInUse: running.some(({ call }) => call.model === name),
          oldestLiveMs: oldest(true),
          oldestBatchMs: oldest(false),
          lastUseMs: nowMs,
        });
      });
      const { wake, sleep, doors } = planFleet(members, limits, nowMs);
      for (const name of sleep) {
        expect(running.some(({ call }) => call.model === name)).toBe(false);
        models.set(name, { phase: 'asleep', loadedAtMs: 0 });
      }
      for (const name of wake) models.set(name, { phase: 'loaded', loadedAtMs: nowMs });
      expect([...models.values()].filter(({ phase }) => phase === 'loaded').length * bytes).toBeLessThanOrEqual(10);
      for (const [name, { phase }] of models) {
        const door = doors.get(name) ?? OPEN_DOOR;
        for (const call of waiting.filter(({ model }) => model === name && phase === 'loaded')) {
          const isOpen = call.atMs <= (call.isLive ? door.liveUntilMs : door.batchUntilMs);
          const isBehindLive = !call.isLive && waiting.some((other) => other.model === name && other.isLive);
          if (!isOpen || isBehindLive || running.filter(({ call: { model } }) => model === name).length >= 2) continue;
          waiting.splice(waiting.indexOf(call), 1);
          running.push({ call, endsAtMs: nowMs + call.lastsMs });
        }
      }
    }
    return ends.size;
  }
});
