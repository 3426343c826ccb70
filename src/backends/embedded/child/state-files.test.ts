import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clearCacheFolder, readCacheFolder, type StateRecord } from '../cache-folder.ts';
import { StateFiles } from './state-files.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'atelier-states-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const CELLS = 'the cells of a prefix';
/** No process has it. */
const NOBODY = 4_194_305;

function record(id: string, changes: Partial<StateRecord> = {}): Omit<StateRecord, 'digest'> {
  return {
    id,
    namespace: 'a',
    tokens: Uint32Array.of(1, 2, 3, 151_645),
    books: { cold: 4, floor: 0 },
    bytes: CELLS.length,
    createdAtMs: 5,
    lastUseMs: 6,
    hits: 7,
    savedMs: 8,
    blocks: [{ tokens: 3, lifetimeMs: 300, expiresAtMs: 900 }],
    ...changes,
  };
}

async function filled(fingerprint = 'f'): Promise<StateFiles> {
  const files = new StateFiles(root, fingerprint);
  await files.open();
  writeFileSync(files.temporaryCells('one'), CELLS);
  await files.commit(record('one'));
  return files;
}

const folder = (): string => path.join(root, 'f');
const opened = (): Promise<StateRecord[]> => new StateFiles(root, 'f').open();

describe('StateFiles', () => {
  it('finds an entry again as it was made', async () => {
    const files = await filled();
    const [found] = await opened();
    expect(found).toEqual({ ...record('one'), digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(found && (await files.isWhole(found))).toBe(true);
    expect(readdirSync(folder()).toSorted()).toEqual(['one.entry', 'one.kv']);
    expect(statSync(folder()).mode & 0o077).toBe(0);
  });

  it('knows damaged cells, whatever was done to them', async () => {
    const files = await filled();
    const [found] = await opened();
    if (!found) throw new Error('no entry');
    for (const cells of [CELLS.replace('cells', 'sells'), CELLS.slice(1), `${CELLS}x`]) {
      writeFileSync(files.cells('one'), cells);
      expect(await files.isWhole(found)).toBe(false);
    }
    rmSync(files.cells('one'));
    expect(await files.isWhole(found)).toBe(false);
  });

  it('removes an entry that is damaged, of another format, or without its cells', async () => {
    const damage: ((entry: string, cells: string) => void)[] = [
      (entry) => writeFileSync(entry, readFileSync(entry).fill(0, 10, 11)),
      (entry) => writeFileSync(entry, readFileSync(entry).subarray(0, -1)),
      (entry) => writeFileSync(entry, ''),
      (entry) => rmSync(entry),
      (_, cells) => rmSync(cells),
      (_, cells) => writeFileSync(cells, CELLS.slice(1)),
    ];
    for (const damaged of damage) {
      const files = await filled();
      damaged(path.join(folder(), 'one.entry'), files.cells('one'));
      expect(await opened()).toEqual([]);
      expect(readdirSync(folder())).toEqual([]);
    }
  });

  it('does not take an entry that was made for another engine', async () => {
    await filled('other');
    const files = new StateFiles(root, 'f');
    await files.open();
    for (const name of ['one.entry', 'one.kv']) {
      writeFileSync(path.join(folder(), name), readFileSync(path.join(root, 'other', name)));
    }
    expect(await opened()).toEqual([]);
    expect(readdirSync(path.join(root, 'other'))).toHaveLength(2);
    expect(await files.foreign()).toMatchObject([{ fingerprint: 'other', id: 'one' }]);
  });

  it('removes what a killed process left, and nothing that a living one writes', async () => {
    await filled();
    const left = [`two.kv.${NOBODY}`, `one.entry.${NOBODY}`, `three.kv.${process.pid}`, 'four.kv'];
    for (const name of [...left, `five.kv.${process.ppid}`]) writeFileSync(path.join(folder(), name), 'x');
    expect(await opened()).toHaveLength(1);
    expect(readdirSync(folder()).toSorted()).toEqual([`five.kv.${process.ppid}`, 'one.entry', 'one.kv']);
  });

  it('makes changes of an entry one after the other', async () => {
    const files = await filled();
    const [found] = await opened();
    if (!found) throw new Error('no entry');
    const changes = [1, 2, 3].map((hits) => files.rewrite({ ...found, hits }));
    void files.remove('one');
    const last = files.rewrite({ ...found, hits: 9 });
    await Promise.all([...changes, last, files.settled()]);
    expect(readdirSync(folder())).toEqual(['one.entry']);
  });
});

describe('a cache folder without an engine', () => {
  it('is read and cleared', async () => {
    await filled('f');
    await filled('g');
    writeFileSync(path.join(root, 'weights-digests.json'), '{}');
    writeFileSync(path.join(folder(), `two.kv.${NOBODY}`), 'left');
    const report = await readCacheFolder(root, 0);
    expect(report.totals).toMatchObject({ entries: 2, hits: 14, savedMs: 16 });
    expect(report.entries[0]).toMatchObject({ id: 'one', kind: 'explicit', tokens: 4, expiresAtMs: 900 });
    expect((await readCacheFolder(root, 900)).entries[0]?.kind).toBe('implicit');
    expect(await clearCacheFolder(root)).toEqual({ entries: 3, bytes: report.totals.bytes });
    expect((await readCacheFolder(root, 0)).totals).toMatchObject({ entries: 0, bytes: 0 });
    expect(readdirSync(folder())).toEqual([]);
  });

  it('may be no folder at all', async () => {
    expect((await readCacheFolder(path.join(root, 'none'), 0)).entries).toEqual([]);
    expect(await clearCacheFolder(path.join(root, 'none'))).toEqual({ entries: 0, bytes: 0 });
  });
});
