import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock } from '../../test/support/context.ts';
import { onEachDatabase } from '../../test/support/databases.ts';
import { StudioError } from '../core/errors.ts';
import type { BlobStore } from '../core/files.ts';
import { openBlobStore, readBlobFolder } from './blobs.ts';
import { withRestored } from './restored-blobs.ts';
import { createBlobTable } from './sql/blobs.ts';
import type { Database } from './sql/database.ts';

async function* pieces(...parts: (string | Uint8Array | Error)[]): AsyncGenerator<string | Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield part;
  }
}

async function bytesOf(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const piece of bytes) chunks.push(piece);
  return Buffer.concat(chunks);
}

const textOf = async (bytes: AsyncIterable<Uint8Array>) => (await bytesOf(bytes)).toString();

/** Many pieces of odd sizes, over the ends of whatever the store keeps together. */
function largeSource(): { readonly whole: Buffer; source(): AsyncGenerator<Uint8Array> } {
  const whole = Buffer.alloc(3 * 1024 * 1024 + 17);
  for (let index = 0; index < whole.length; index++) whole[index] = (index * 31 + (index >> 8)) & 0xff;
  return {
    whole,
    async *source() {
      const reused = Buffer.alloc(700_001);
      for (let start = 0; start < whole.length; start += reused.length) {
        const length = whole.copy(reused, 0, start);
        yield reused.subarray(0, length);
      }
    },
  };
}

/** What holds wherever blobs are kept. `idsThere` are the blobs there are, whole and half ones. */
function keepsBlobs(open: () => Promise<BlobStore>, idsThere: () => Promise<readonly string[]>): void {
  describe('a blob', () => {
    it('comes back as it was written, with its length and MD5', async () => {
      const blobs = await open();
      const { blobId, bytes, md5 } = await blobs.write(pieces('né', new Uint8Array([0, 10]), '文'), 100);
      expect(bytes).toBe(8);
      expect(md5).toBe(createHash('md5').update('né\0\n文').digest('base64'));
      expect(await textOf(blobs.read(blobId))).toBe('né\0\n文');
    });

    it('may be empty, and as long as the limit', async () => {
      const blobs = await open();
      const empty = await blobs.write(pieces(), 0);
      expect(await textOf(blobs.read(empty.blobId))).toBe('');
      expect(await blobs.write(pieces('abc'), 3)).toMatchObject({ bytes: 3 });
    });

    it('may be large, and is read piece by piece', async () => {
      const blobs = await open();
      const { whole, source } = largeSource();
      const { blobId, bytes, md5 } = await blobs.write(source(), 1e9);
      expect([bytes, md5]).toEqual([whole.length, createHash('md5').update(whole).digest('base64')]);
      expect((await bytesOf(blobs.read(blobId))).equals(whole)).toBe(true);
      for await (const piece of blobs.read(await blobs.copy(blobId))) {
        expect(piece.length).toBeLessThan(whole.length);
        break;
      }
    });

    it('leaves nothing when it is too long, or when its source breaks', async () => {
      const blobs = await open();
      await expect(blobs.write(pieces('ab', 'cd'), 3)).rejects.toMatchObject({ code: 'body-too-large' });
      const left = new Error('the client left');
      await expect(blobs.write(pieces('ab', left), 10)).rejects.toBe(left);
      expect(await idsThere()).toEqual([]);
    });

    it('can be copied, and each is deleted by itself', async () => {
      const blobs = await open();
      const { blobId } = await blobs.write(pieces('abc'), 10);
      const copyId = await blobs.copy(blobId);
      await blobs.delete(blobId);
      await blobs.delete(blobId);
      expect(await textOf(blobs.read(copyId))).toBe('abc');
      await expect(textOf(blobs.read(blobId))).rejects.toMatchObject({ code: 'not-found' });
      await expect(blobs.copy(blobId)).rejects.toBeInstanceOf(StudioError);
    });
  });
}

describe('in a folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), 'atelier-blobs-')), 'blobs');
  });
  afterEach(() => rmSync(path.dirname(folder), { recursive: true, force: true }));

  const names = () => readdirSync(folder, { recursive: true }).sort();

  keepsBlobs(
    () => openBlobStore(folder),
    async () => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name !== 'incoming'),
  );

  it('a blob is readable by its owner only', async () => {
    const { blobId } = await (await openBlobStore(folder)).write(pieces('a'), 10);
    if (process.platform !== 'win32') expect(statSync(path.join(folder, blobId)).mode & 0o077).toBe(0);
  });

  it('a blob has no name of its own until it is whole', async () => {
    const blobs = await openBlobStore(folder);
    const seen: unknown[] = [];
    async function* source(): AsyncGenerator<string> {
      yield 'a';
      seen.push(...readdirSync(folder));
    }
    await blobs.write(source(), 10);
    expect(seen).toEqual(['incoming']);
  });

  it('a blob is never looked for outside of it', async () => {
    const blobs = await openBlobStore(folder);
    writeFileSync(path.join(folder, '..', 'secret'), 'x');
    await expect(textOf(blobs.read('../secret'))).rejects.toMatchObject({ code: 'not-found' });
    await blobs.delete('../secret');
    expect(readdirSync(path.join(folder, '..'))).toContain('secret');
  });

  it('what a killed process left is gone after the next start: half a blob, and whole ones that nobody knows of', async () => {
    const { blobId: known } = await (await openBlobStore(folder)).write(pieces('known'), 10);
    await (await openBlobStore(folder)).write(pieces('unknown'), 10);
    mkdirSync(path.join(folder, 'incoming'), { recursive: true });
    writeFileSync(path.join(folder, 'incoming', 'half'), 'x');
    const blobs = await openBlobStore(folder);
    expect(await blobs.deleteAllBut(new Set([known]))).toBe(1);
    expect(names()).toEqual([known, 'incoming'].sort());
  });

  it('a reader beside a server touches nothing of it', async () => {
    const { blobId } = await (await openBlobStore(folder)).write(pieces('known'), 10);
    writeFileSync(path.join(folder, 'incoming', 'half'), 'x');
    expect(await textOf(readBlobFolder(folder).read(blobId))).toBe('known');
    expect(names()).toContain(path.join('incoming', 'half'));
  });
});

describe('in a database', () => {
  onEachDatabase((databases) => {
    let database: Database;
    let clock: ReturnType<typeof fixedClock>;
    beforeEach(async () => {
      database = await databases.open();
      clock = fixedClock();
    });
    afterEach(() => database.close());

    const open = async () => createBlobTable(database, clock);
    const idsThere = async () => {
      const chunks = await database.queries.selectFrom('blob_chunks').select('blob as id').distinct().execute();
      const rows = await database.queries.selectFrom('blobs').select('id').execute();
      return [...new Set([...chunks, ...rows].map(({ id }) => id))];
    };
    keepsBlobs(open, idsThere);

    it('a blob is not there until it is whole', async () => {
      const blobs = await open();
      let blobId = '';
      async function* source(): AsyncGenerator<Uint8Array> {
        yield Buffer.alloc(1024 * 1024);
        [blobId = ''] = await idsThere();
        await expect(bytesOf(blobs.read(blobId))).rejects.toMatchObject({ code: 'not-found' });
        await expect(blobs.copy(blobId)).rejects.toMatchObject({ code: 'not-found' });
      }
      await blobs.write(source(), 1e9);
      expect(await bytesOf(blobs.read(blobId))).toHaveLength(1024 * 1024);
    });

    it('a reader is told when a blob is deleted under it', async () => {
      const blobs = await open();
      const { blobId } = await blobs.write(pieces(Buffer.alloc(1024 * 1024), 'end'), 1e9);
      const reading = blobs.read(blobId)[Symbol.asyncIterator]();
      await reading.next();
      await blobs.delete(blobId);
      await expect(reading.next()).rejects.toMatchObject({ code: 'not-found' });
    });

    it('what killed processes left is gone a day later: before that it may be what another server is writing', async () => {
      const blobs = await open();
      const { blobId: known } = await blobs.write(pieces('known'), 10);
      const { blobId: unknown } = await blobs.write(pieces('unknown'), 10);
      await database.queries.updateTable('blobs').set({ is_whole: 0 }).where('id', '=', unknown).execute();
      clock.advance(86_400_000);
      expect(await blobs.deleteAllBut(new Set([known]))).toBe(0);
      clock.advance(1);
      expect(await blobs.deleteAllBut(new Set([known]))).toBe(1);
      expect(await idsThere()).toEqual([known]);
    });

    it('those of a restored backup are read, copied and deleted like those of the folder', async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'atelier-blobs-'));
      const table = await open();
      await table.put(
        'f'.repeat(32),
        (async function* () {
          yield Buffer.from('of the backup');
        })(),
      );
      const blobs = withRestored(await openBlobStore(folder), table);
      const { blobId } = await blobs.write(pieces('new'), 10);
      expect(await textOf(blobs.read(blobId))).toBe('new');
      expect(await textOf(blobs.read('f'.repeat(32)))).toBe('of the backup');
      const copyId = await blobs.copy('f'.repeat(32));
      await blobs.delete('f'.repeat(32));
      expect(await idsThere()).toEqual([]);
      expect(await textOf(blobs.read(copyId))).toBe('of the backup');
      await expect(textOf(blobs.read('f'.repeat(32)))).rejects.toMatchObject({ code: 'not-found' });
      rmSync(folder, { recursive: true, force: true });
    });
  });
});
