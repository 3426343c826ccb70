import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commonPrefix, TokenTree } from './token-tree.ts';

const row = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 12 });

function treeOf(rows: readonly (readonly number[])[]): TokenTree<string> {
  const tree = new TokenTree<string>();
  for (const tokens of rows) tree.set(tokens, tokens.join());
  return tree;
}

describe('TokenTree', () => {
  it('finds what has most in common, and all of it', () => {
    const tree = treeOf([[1, 2, 3], [1, 2, 3, 4, 5], [1, 2, 9], [7]]);
    expect(tree.nearest([1, 2, 3, 4, 8])).toEqual({ common: 4, values: ['1,2,3,4,5'] });
    const two = tree.nearest([1, 2, 0]);
    expect({ ...two, values: two.values.toSorted() }).toEqual({ common: 2, values: ['1,2,3', '1,2,3,4,5', '1,2,9'] });
    expect(tree.nearest([5]).common).toBe(0);
  });

  it('tells the rows that another begins with', () => {
    const tree = treeOf([[1], [1, 2], [1, 2, 3, 4], [1, 5]]);
    expect([...tree.prefixesOf([1, 2, 3])]).toEqual(['1', '1,2']);
    expect([...tree.prefixesOf([2])]).toEqual([]);
  });

  it('keeps one value a row', () => {
    const tree = treeOf([[1, 2]]);
    tree.set([1, 2], 'other');
    expect(tree.size).toBe(1);
    expect(tree.get([1, 2])).toBe('other');
    expect(tree.delete([1])).toBe(false);
    expect(tree.delete([1, 2])).toBe(true);
    expect(tree.delete([1, 2])).toBe(false);
    expect([...tree.values()]).toEqual([]);
  });

  it('agrees with a list, whatever is put in and taken out', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ row, isKept: fc.boolean() }), { maxLength: 40 }), row, (steps, asked) => {
        const tree = new TokenTree<string>();
        const list = new Map<string, number[]>();
        for (const { row: tokens, isKept } of steps) {
          if (isKept) {
            tree.set(tokens, tokens.join());
            list.set(tokens.join(), tokens);
          } else expect(tree.delete(tokens)).toBe(list.delete(tokens.join()));
        }
        expect(tree.size).toBe(list.size);
        expect([...tree.values()].toSorted()).toEqual([...list.keys()].toSorted());
        const common = Math.max(0, ...[...list.values()].map((tokens) => commonPrefix(tokens, asked)));
        const nearest = tree.nearest(asked);
        const best = [...list].filter(([, tokens]) => commonPrefix(tokens, asked) >= common).map(([key]) => key);
        expect({ common: nearest.common, values: nearest.values.toSorted() }).toEqual({
          common,
          values: best.toSorted(),
        });
        const prefixes = [...list].filter(([, tokens]) => commonPrefix(tokens, asked) === tokens.length);
        expect([...tree.prefixesOf(asked)]).toEqual(
          prefixes.toSorted(([, a], [, b]) => a.length - b.length).map(([key]) => key),
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe('commonPrefix', () => {
  it('counts equal tokens at the beginning', () => {
    expect(commonPrefix([1, 2, 3], [1, 2, 4])).toBe(2);
    expect(commonPrefix([], [1])).toBe(0);
    expect(commonPrefix([1], Uint32Array.of(1))).toBe(1);
  });
});
