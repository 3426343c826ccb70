import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CacheEntryInfo, PromptCache } from '../../core/context-cache.ts';
import { encodeEntry, entryFilesIn } from './cache-folder.ts';
import { keptPrompts } from './kept-prompts.ts';

const NOW = 1_770_000_000_000;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atelier-kept-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A prefix on disk, as an engine of that fingerprint leaves it. */
function keep(fingerprint: string, id: string, hits: number): void {
  mkdirSync(join(folder, fingerprint), { recursive: true });
  const cells = 'x'.repeat(1000);
  const record = {
    id,
    namespace: 'default/beijing/qwen-plus',
    tokens: Uint32Array.from([1, 2, 3]),
    books: {},
    bytes: cells.length,
    digest: '',
    createdAtMs: NOW - 9,
    lastUseMs: NOW - 5,
    hits,
    savedMs: hits * 100,
    blocks: [],
  };
  writeFileSync(join(folder, fingerprint, `${id}.kv`), cells);
  writeFileSync(join(folder, fingerprint, `${id}.entry`), encodeEntry(record, { fingerprint }));
}

/** A loaded engine that knows more of its prefix than the disk does. */
function engine(id: string): PromptCache & { isCleared: boolean } {
  const entry = {
    id,
    kind: 'implicit',
    namespace: 'n',
    tokens: 3,
    bytes: 1000,
    hits: 7,
    savedMs: 700,
  } as CacheEntryInfo;
  const self = {
    isCleared: false,
    report: async () => ({
      entries: [entry],
      totals: { entries: 1, bytes: 1000, maxBytes: 5000, hits: 7, savedMs: 700 },
    }),
    clear: async () => {
      self.isCleared = true;
      return { entries: 1, bytes: 1000 };
    },
  };
  return self;
}

describe('prompts of local models', () => {
  it('are told by the engines that are loaded, and read from disk for the others', async () => {
    keep('one', 'a', 2);
    keep('two', 'b', 3);
    const { entries, totals } = await keptPrompts({ loaded: () => [engine('a')], folder, now: () => NOW }).report();
    expect(entries.map(({ id, hits }) => [id, hits])).toEqual([
      ['a', 7],
      ['b', 3],
    ]);
    expect(totals).toMatchObject({ entries: 2, maxBytes: 5000, hits: 10, savedMs: 1000 });
  });

  it('are forgotten by each loaded engine itself, and removed of the others', async () => {
    keep('one', 'a', 2);
    keep('two', 'b', 3);
    const loaded = engine('a');
    expect(await keptPrompts({ loaded: () => [loaded], folder, now: () => NOW }).clear()).toMatchObject({ entries: 2 });
    expect(loaded.isCleared).toBe(true);
    expect((await entryFilesIn(folder)).map(({ id }) => id)).toEqual(['a']);
  });

  it('are none where nothing is kept on disk and nothing is loaded', async () => {
    const none = keptPrompts({ loaded: () => [], folder: undefined, now: () => NOW });
    expect(await none.report()).toEqual({ entries: [], totals: { entries: 0, bytes: 0, hits: 0, savedMs: 0 } });
    expect(await none.clear()).toEqual({ entries: 0, bytes: 0 });
  });
});
