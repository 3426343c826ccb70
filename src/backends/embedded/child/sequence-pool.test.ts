import { describe, expect, it } from 'vitest';
import { SequencePool } from './sequence-pool.ts';
import type { Sequence } from './sequences.ts';

function poolOf(count: number, canTrim = true): { pool: SequencePool; native: string[] } {
  const native: string[] = [];
  const pool = new SequencePool(
    {
      trim: (sequence, length) => {
        native.push(`trim ${sequence} ${length}`);
        return canTrim;
      },
      clear: (sequence) => void native.push(`clear ${sequence}`),
      copy: async (target, source) => void native.push(`copy ${source} ${target}`),
    },
    count,
  );
  return { pool, native };
}

describe('sequences', () => {
  it('are free until they are taken, and those that hold least that was used lately are chosen first', () => {
    const { pool } = poolOf(4);
    const [a, b, c, d] = pool.all as [Sequence, Sequence, Sequence, Sequence];
    for (const sequence of [c, b, a]) {
      sequence.append([1, 2], true);
      pool.take(sequence);
      pool.release(sequence);
    }
    expect(pool.freeBeside(d, 2)).toEqual([c, b]);
    expect(pool.freeBeside(a, 9)).toEqual([d, c, b]);
    pool.take(d);
    expect(pool.free).toEqual([a, b, c]);
    expect(pool.freeBeside(a, 9)).toEqual([c, b]);
  });

  it('keep as many tokens as they are cut to, or none where the engine cannot cut', () => {
    for (const canTrim of [true, false]) {
      const { pool, native } = poolOf(1, canTrim);
      const [sequence] = pool.all;
      if (!sequence) throw new Error('no sequence');
      sequence.append([1, 2, 3], true);
      pool.trim(sequence, 3);
      expect(native).toEqual([]);
      pool.trim(sequence, 2);
      expect(sequence.tokens).toEqual(canTrim ? [1, 2] : []);
      expect(native).toEqual(canTrim ? ['trim 0 2'] : ['trim 0 2', 'clear 0']);
    }
  });

  it('are unmade copies until a batch is computed', async () => {
    const { pool, native } = poolOf(2);
    const [source, target] = pool.all;
    if (!source || !target) throw new Error('no sequences');
    source.append([5, 6], true);
    await pool.copy(source, target);
    expect(target.tokens).toEqual([5, 6]);
    expect(native).toEqual(['copy 0 1']);
    expect(pool.unmadeCopies).toEqual([target]);
    pool.noteBatch();
    expect(pool.unmadeCopies).toEqual([]);
  });
});
