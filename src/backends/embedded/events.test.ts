import { describe, expect, it } from 'vitest';
import { testContext } from '../../../test/support/context.ts';
import type { ContextCache } from '../../core/context-cache.ts';
import { plainRequest } from '../../core/generation.ts';
import { JobEvents } from './events.ts';

describe('the counts of the context cache', () => {
  const mark = (tokens: number, hitTokens: number, createdTokens: number) => ({ tokens, hitTokens, createdTokens });
  type Marks = ReturnType<typeof mark>[];
  const COUNTS = { output: 0, reasoning: 0 };
  const TIMINGS = { promptMs: 1, firstTokenMs: 1, totalMs: 1 };

  /** What is told at the beginning and at the end. */
  function inputsOf(mode: ContextCache['mode'] | undefined, accepted: Marks, done?: Marks, cachedTokens = 1500) {
    const contextCache = mode && { mode, namespace: 'n', minTokens: 256, lifetimeMs: 300_000 };
    const events = new JobEvents({ ...plainRequest('m', []), contextCache }, testContext());
    const all = [
      ...events.push({ type: 'accepted', jobId: 'j', promptTokens: 3000, cachedTokens, cache: { marks: accepted } }),
      ...events.push({
        type: 'done',
        jobId: 'j',
        ending: 'completed',
        timings: TIMINGS,
        counts: COUNTS,
        cache: done && { marks: done },
      }),
    ];
    return all.flatMap((event) => ('usage' in event ? [event.usage.input] : []));
  }

  it('are those of blocks where marks were set, whatever the engine saved itself', () => {
    const marks = [mark(1200, 1200, 0), mark(1500, 1200, 300)];
    for (const mode of ['explicit', 'session'] as const)
      expect(inputsOf(mode, marks, marks)).toMatchObject([
        { total: 3000, cachedRead: 1200, markedRead: 1200, cacheWritten: 300 },
        { total: 3000, cachedRead: 1200, markedRead: 1200, cacheWritten: 300 },
      ]);
  });

  it('tell as written at the end what was written', () => {
    const planned = [mark(1200, 0, 1200), mark(1500, 0, 300)];
    expect(inputsOf('explicit', planned, [mark(1200, 0, 1200), mark(1500, 0, 0)])[1]?.cacheWritten).toBe(1200);
    expect(inputsOf('explicit', planned)).toMatchObject([{ cacheWritten: 1500 }, { cacheWritten: 0 }]);
  });

  it('never count a token as found and as written', () => {
    const marks = [mark(1200, 0, 1200), mark(2500, 2000, 500)];
    expect(inputsOf('explicit', marks, marks)[1]).toMatchObject({ cachedRead: 2000, cacheWritten: 500 });
    const covered = [mark(1200, 0, 1200), mark(2000, 2000, 0)];
    expect(inputsOf('explicit', covered, covered)[1]).toMatchObject({ cachedRead: 2000, cacheWritten: 0 });
  });

  it('are what the engine did not compute where nothing was marked, from the smallest prefix on', () => {
    expect(inputsOf('implicit', [])[1]).toMatchObject({ cachedRead: 1500, cacheWritten: 0 });
    expect(inputsOf('implicit', [])[1]).not.toHaveProperty('markedRead');
    expect(inputsOf('implicit', [], undefined, 255)[1]).toMatchObject({ cachedRead: 0 });
    expect(inputsOf('off', [])[1]).toMatchObject({ cachedRead: 0 });
    expect(inputsOf(undefined, [], undefined, 4)[1]).toMatchObject({ cachedRead: 4 });
  });
});
