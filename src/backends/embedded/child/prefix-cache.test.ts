import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CacheBlocks } from './cache-blocks.ts';
import { PrefixCache, type PrefixCacheOptions } from './prefix-cache.ts';
import { Sequence } from './sequences.ts';
import { StateFiles } from './state-files.ts';
import { scriptedEngine } from './testing/letter-model.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'atelier-prefix-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const row = (length: number, from = 0): number[] => Array.from({ length }, (_, i) => (from + i) % 250);
const ENTRY_BYTES = 4_096;

interface Opened {
  readonly cache: PrefixCache;
  readonly blocks: CacheBlocks;
  readonly complaints: string[];
  /** Fills the one sequence as a prompt would and has it written. */
  save(tokens: readonly number[]): Promise<void>;
}

async function opened(changes: Partial<PrefixCacheOptions> = {}): Promise<Opened> {
  const engine = scriptedEngine({ sequences: 1, contextTokens: 10_000, script: () => 0 });
  const blocks = new CacheBlocks();
  const complaints: string[] = [];
  let lastId = 0;
  let nowMs = 0;
  const cache = new PrefixCache({
    engine,
    blocks,
    maxBytes: 1e9,
    maxAgeMs: 1_000,
    bytesPerToken: 10,
    now: () => ++nowMs,
    newId: () => `p${++lastId}`,
    complain: (complaint) => void complaints.push(complaint),
    ...changes,
  });
  await cache.open(new StateFiles(root, 'f'));
  const save = async (tokens: readonly number[]): Promise<void> => {
    const sequence = sequenceOf(tokens);
    engine.clear(0);
    await engine.decode([{ sequence: 0, firstPosition: 0, tokens, logitsAt: [] }]);
    await cache.save(sequence);
    await cache.settled();
  };
  return { cache, blocks, complaints, save };
}

function sequenceOf(tokens: readonly number[]): Sequence {
  const sequence = new Sequence(0);
  sequence.append(tokens, true);
  sequence.namespace = 'a';
  sequence.mayBeStored = true;
  return sequence;
}

describe('PrefixCache.needOf', () => {
  it('says how much would be lost', async () => {
    const { cache, save } = await opened();
    expect(cache.needOf(sequenceOf(row(255)))).toBe('none');
    expect(cache.needOf(sequenceOf(row(256)))).toBe('much');
    await save(row(4_000));
    expect(cache.needOf(sequenceOf(row(4_000)))).toBe('none');
    expect(cache.needOf(sequenceOf(row(4_255)))).toBe('none');
    expect(cache.needOf(sequenceOf(row(4_300)))).toBe('some');
    expect(cache.needOf(sequenceOf(row(4_600)))).toBe('much');
    const paid = sequenceOf(row(4_010));
    paid.blockTokens = 4_005;
    expect(cache.needOf(paid)).toBe('some');
  });

  it('says none where nothing may be stored, or it is not known yet of what', async () => {
    const { cache } = await opened();
    const private_ = sequenceOf(row(500));
    private_.mayBeStored = false;
    expect(cache.needOf(private_)).toBe('none');
  });
});

describe('the cap of a PrefixCache', () => {
  it('lets the least recently used go first, and a block that lives last', async () => {
    const { cache, blocks, save } = await opened({ maxBytes: 3.5 * (ENTRY_BYTES + 1_000 * 14) });
    blocks.keep('a', row(500), { lifetimeMs: 500, expiresAtMs: 500 });
    for (const from of [0, 50, 100, 150]) await save(row(1_000, from));
    const firsts = [0, 50, 100, 150].map((from) => cache.storedOf('a', row(1_000, from))?.common);
    expect(firsts).toEqual([1_000, undefined, 1_000, 1_000]);
    expect(cache.totals().bytes).toBeLessThanOrEqual(cache.totals().maxBytes ?? 0);
  });

  it('counts what other engines left, and deletes it when it is older', async () => {
    mkdirSync(path.join(root, 'other'));
    for (const name of ['x.kv', 'x.entry', 'y.kv.4194305']) {
      const file = path.join(root, 'other', name);
      writeFileSync(file, Buffer.alloc(20_000));
      utimesSync(file, 0, 0);
    }
    const { save } = await opened({ maxBytes: 60_000 });
    await save(row(1_000));
    const left = readdirSync(path.join(root, 'other'));
    expect(left.length).toBeLessThan(3);
    expect(existsSync(path.join(root, 'f', 'p1.entry'))).toBe(true);
  });

  it('gives no prefix more than half', async () => {
    const { cache, save } = await opened({ maxBytes: 30_000 });
    await save(row(2_000));
    expect(cache.totals()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('deletes what was not used for too long', async () => {
    let nowMs = 0;
    const { cache, save } = await opened({ now: () => nowMs });
    await save(row(500));
    nowMs = 999;
    expect(cache.find('a', row(600), 0)?.common).toBe(500);
    nowMs = 1_000;
    expect(cache.find('a', row(600), 0)).toBeUndefined();
    await save(row(500, 100));
    expect(cache.totals().entries).toBe(1);
  });
});

it('stops writing for a while when a write fails, and fails nobody', async () => {
  const { cache, complaints, save } = await opened();
  rmSync(path.join(root, 'f'), { recursive: true });
  await save(row(500));
  await save(row(500, 100));
  expect(complaints).toHaveLength(1);
  expect(cache.totals().entries).toBe(0);
});

it('fetches only what spares enough', async () => {
  const { cache, save } = await opened();
  await save(row(5_000));
  expect(cache.find('a', row(5_100), 0)?.common).toBe(5_000);
  expect(cache.find('a', row(5_100), 4_990)).toBeUndefined();
  // 70 of 5,000: the file is read sooner than 78 tokens are computed, not sooner than 70.
  expect(cache.find('a', [...row(70), ...row(200, 7)], 0)).toBeUndefined();
  expect(cache.find('a', [...row(150), ...row(200, 7)], 0)?.common).toBe(150);
});
