import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testOwner } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { FileStore, NewFile, StoredFile } from '../../core/files.ts';
import { blobIdsInUse } from './blob-references.ts';
import type { Database } from './database.ts';
import { createFileStore } from './files.ts';

onEachDatabase((databases) => {
  let database: Database;
  let files: FileStore;
  beforeEach(async () => {
    database = await databases.open();
    files = createFileStore(database);
  });
  afterEach(() => database.close());

  const ours = testOwner();
  const notOurs = [testOwner({ workspaceId: 'other' }), testOwner({ region: 'singapore' })];

  let made = 0;
  function newFile(): NewFile {
    const id = String(++made);
    return {
      fileId: `file-fe-${id}`,
      ...ours,
      keyId: 'key-1',
      name: `${id}.txt`,
      purpose: 'file-extract',
      description: '',
      bytes: 10,
      md5: 'bWQ1',
      blobId: `blob-${id}`,
      createdAtMs: 1000,
    };
  }

  const add = (changes: Partial<NewFile> = {}): Promise<StoredFile> => files.create({ ...newFile(), ...changes });

  const listed = async (filter: Partial<Parameters<FileStore['list']>[1]> = {}) => {
    const { files: found, hasMore } = await files.list(ours, { limit: 10, ...filter });
    return [found.map(({ fileId }) => fileId), hasMore];
  };

  it('finds a file as it was made, for its owner only', async () => {
    const file = await add({ purpose: undefined, description: 'what it is' });
    expect(await files.find(ours, file.fileId)).toEqual(file);
    for (const owner of notOurs) expect(await files.find(owner, file.fileId)).toBeUndefined();
  });

  it('never gives a number twice', async () => {
    const first = await add();
    await files.delete(ours, first.fileId);
    expect((await add()).sequence).toBeGreaterThan(first.sequence);
  });

  it('does not take an id twice', async () => {
    const { fileId } = await add();
    await expect(add({ fileId })).rejects.toThrow();
    expect(await files.usage(ours)).toEqual({ files: 1, bytes: 10 });
  });

  describe('lists', () => {
    it('are newest first, in pages by cursor and by offset', async () => {
      const [a, b, c] = [await add(), await add(), await add()].map(({ fileId }) => fileId);
      expect(await listed()).toEqual([[c, b, a], false]);
      expect(await listed({ limit: 2 })).toEqual([[c, b], true]);
      expect(await listed({ limit: 2, afterFileId: b })).toEqual([[a], false]);
      expect(await listed({ limit: 1, offset: 1 })).toEqual([[b], true]);
      expect(await listed({ afterFileId: 'unknown' })).toEqual([[], false]);
    });

    it('are filtered by purpose and by time, ends included', async () => {
      const batch = (await add({ purpose: 'batch', createdAtMs: 2000 })).fileId;
      const extract = (await add({ createdAtMs: 3000 })).fileId;
      const native = (await add({ purpose: undefined, createdAtMs: 4000 })).fileId;
      for (const owner of notOurs) await add(owner);
      expect(await listed({ purpose: 'batch' })).toEqual([[batch], false]);
      expect(await listed({ hasPurpose: true })).toEqual([[extract, batch], false]);
      expect(await listed({ createdAfterMs: 3000 })).toEqual([[native, extract], false]);
      expect(await listed({ createdAfterMs: 2000, createdBeforeMs: 3000 })).toEqual([[extract, batch], false]);
    });
  });

  it('counts what an owner keeps, and deletes once', async () => {
    const { fileId } = await add({ bytes: 5 });
    await add({ bytes: 7 });
    for (const owner of notOurs) await add(owner);
    expect(await files.usage(ours)).toEqual({ files: 2, bytes: 12 });
    for (const owner of notOurs) expect(await files.delete(owner, fileId)).toBe(false);
    expect(await files.delete(ours, fileId)).toBe(true);
    expect(await files.delete(ours, fileId)).toBe(false);
    expect(await files.usage(ours)).toEqual({ files: 1, bytes: 7 });
    expect(await files.usage(testOwner({ region: 'virginia' }))).toEqual({ files: 0, bytes: 0 });
  });

  it('keeps no more than a quota, also when several come at once', async () => {
    const quota = { maxFiles: 3, maxBytes: 25 };
    const within = (bytes: number, owner = ours) => files.createWithin(quota, { ...newFile(), bytes, ...owner });
    const others = notOurs.map((owner) => within(10, owner));
    const kept = await Promise.all([within(10), within(10), within(10), ...others]);
    expect(kept.filter((file) => 'fileId' in file)).toHaveLength(4);
    expect(kept.filter((file) => !('fileId' in file))).toEqual([{ files: 2, bytes: 20 }]);
    expect(await within(5)).toMatchObject({ bytes: 5, ...ours });
    expect(await within(0)).toEqual({ files: 3, bytes: 25 });
  });

  it('takes names with characters that a database cannot keep', async () => {
    const { fileId } = await add({ name: 'a\0b.txt' });
    expect((await files.find(ours, fileId))?.name).toMatch(/^a[\0\ufffd]b\.txt$/);
    expect(await files.find(ours, 'file\0')).toBeUndefined();
  });

  it('tells which blobs are in use, whatever table names them', async () => {
    await add({ blobId: 'a' });
    await sql`CREATE TABLE later (some_blob_id TEXT)`.execute(database.queries);
    await sql`INSERT INTO later VALUES ('b'), (NULL)`.execute(database.queries);
    if (databases.name === 'Postgres') {
      await sql`CREATE SCHEMA another`.execute(database.queries);
      await sql`CREATE TABLE another.theirs (their_blob_id UUID)`.execute(database.queries);
    }
    expect(await blobIdsInUse(database)).toEqual(new Set(['a', 'b']));
    if (databases.name === 'Postgres') await sql`DROP SCHEMA another CASCADE`.execute(database.queries);
  });
});
