import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrefixStore, type StoredPrefix } from './prefix-store.ts';
import { commonPrefix } from './token-tree.ts';

const row = (length: number, from = 0): number[] => Array.from({ length }, (_, i) => from + i);
let lastId = 0;

function prefix(tokens: readonly number[], changes: Partial<StoredPrefix> = {}): StoredPrefix {
  return {
    id: `p${++lastId}`,
    namespace: 'a',
    tokens: Uint32Array.from(tokens),
    books: { cold: tokens.length, long: tokens.length - (tokens.length % 64), floor: 0 },
    bytes: tokens.length * 10,
    createdAtMs: 0,
    lastUseMs: 0,
    hits: 0,
    savedMs: 0,
    ...changes,
  };
}

function storeOf(...prefixes: readonly StoredPrefix[]): PrefixStore {
  const store = new PrefixStore({ maxAgeMs: 1_000 });
  for (const each of prefixes) store.add(each);
  return store;
}

describe('PrefixStore.find', () => {
  it('finds what has most in common, and of several the shortest', () => {
    const [short, long] = [prefix(row(300)), prefix(row(2_000))];
    const store = storeOf(short, long, prefix(row(400, 7)));
    expect(store.find('a', row(290))).toEqual({ prefix: short, common: 290 });
    expect(store.find('a', [...row(1_500), 9_999])).toEqual({ prefix: long, common: 1_500 });
    expect(store.find('a', row(5, 100))).toBeUndefined();
  });

  it('finds nothing of another namespace', () => {
    const store = storeOf(prefix(row(300), { namespace: 'b' }));
    expect(store.find('a', row(300))).toBeUndefined();
    expect(store.find('b', row(300))?.common).toBe(300);
  });

  it('finds nothing that cannot be cut so far, or is longer than a sequence', () => {
    const whole = prefix(row(300), { books: { cold: 300, long: 256, floor: 300 } });
    expect(storeOf(whole).find('a', row(290))).toBeUndefined();
    expect(storeOf(whole).find('a', row(310))?.common).toBe(300);
    expect(storeOf(whole).find('a', row(310), 299)).toBeUndefined();
  });
});

describe('PrefixStore.add', () => {
  it('makes what a conversation was before superfluous, but not what all begin with', () => {
    const [system, before] = [prefix(row(256)), prefix(row(1_200))];
    const store = storeOf(system, before);
    expect(store.add(prefix(row(2_000)))).toEqual([before]);
    expect(store.has(system.id)).toBe(true);
    expect(store.has(before.id)).toBe(false);
  });

  it('takes the place of the same tokens', () => {
    const [first, second] = [prefix(row(300)), prefix(row(300))];
    const store = storeOf(first);
    expect(store.add(second)).toEqual([first]);
    expect(store.find('a', row(300))?.prefix).toBe(second);
    expect(store.bytes).toBe(second.bytes);
  });

  it('keeps what the longer one has computed otherwise, or ends otherwise', () => {
    const exact = prefix(row(1_000));
    const store = storeOf(exact);
    expect(store.add(prefix(row(1_200), { books: { cold: 500, long: 448, floor: 0 } }))).toEqual([]);
    expect(storeOf(prefix(row(1_000))).add(prefix([...row(900), ...row(400, 5_000)]))).toEqual([]);
    expect(storeOf(exact).add(prefix([...row(950), ...row(400, 5_000)]))).toEqual([exact]);
  });
});

describe('PrefixStore.byLastUse', () => {
  it('lets those go first that nobody pays for, then the oldest', () => {
    const [paid, old, young] = [
      prefix(row(9)),
      prefix(row(9, 1), { lastUseMs: 1 }),
      prefix(row(9, 2), { lastUseMs: 2 }),
    ];
    const order = storeOf(young, paid, old).byLastUse((each) => each === paid);
    expect(order).toEqual([old, young, paid]);
  });

  it('tells what is too old', () => {
    const store = storeOf(prefix(row(9), { lastUseMs: 500 }), prefix(row(9, 1), { lastUseMs: 501 }));
    expect(store.expired(1_500)).toHaveLength(1);
  });
});

it('finds the best of all there are, and never one that begins otherwise', () => {
  const tokens = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 10 });
  const step = fc.record({ tokens, namespace: fc.constantFrom('a', 'b'), isRemoved: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), tokens, (steps, asked) => {
      const store = new PrefixStore({ maxAgeMs: 1_000 });
      for (const { tokens: own, namespace, isRemoved } of steps) {
        if (!isRemoved) store.add(prefix(own, { namespace }));
        else for (const each of [...store.all()].slice(0, 1)) store.remove(each.id);
      }
      const all = [...store.all()];
      expect(store.bytes).toBe(all.reduce((sum, { bytes }) => sum + bytes, 0));
      const found = store.find('a', asked);
      const best = Math.max(
        0,
        ...all.filter(({ namespace }) => namespace === 'a').map((each) => commonPrefix(each.tokens, asked)),
      );
      expect(found?.common ?? 0).toBe(best);
      if (found === undefined) return;
      expect(found.prefix.namespace).toBe('a');
      expect(commonPrefix(found.prefix.tokens, asked)).toBe(found.common);
    }),
    { numRuns: 500 },
  );
});
