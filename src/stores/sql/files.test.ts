import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileStore, NewFile, StoredFile } from '../../core/files.ts';
import { blobIdsInUse } from './blob-references.ts';
import { type Database, openDatabase } from './database.ts';
import { createFileStore } from './files.ts';

let database: Database;
let files: FileStore;
beforeEach(async () => {
  database = await openDatabase(':memory:');
  files = createFileStore(database);
});
afterEach(() => database.close());

let made = 0;
function add(changes: Partial<NewFile> = {}): StoredFile {
  const id = String(++made);
  return files.create({
    fileId: `file-fe-${id}`,
    workspaceId: 'default',
    keyId: 'key-1',
    name: `${id}.txt`,
    purpose: 'file-extract',
    description: '',
    bytes: 10,
    md5: 'bWQ1',
    blobId: `blob-${id}`,
    createdAtMs: 1000,
    ...changes,
  });
}

const listed = (filter: Partial<Parameters<FileStore['list']>[1]> = {}) => {
  const { files: found, hasMore } = files.list('default', { limit: 10, ...filter });
  return [found.map(({ fileId }) => fileId), hasMore];
};

it('finds a file as it was made, in its own workspace only', () => {
  const file = add({ purpose: undefined, description: 'what it is' });
  expect(files.find('default', file.fileId)).toEqual(file);
  expect(files.find('other', file.fileId)).toBeUndefined();
});

it('never gives a number twice', () => {
  const first = add();
  files.delete('default', first.fileId);
  expect(add().sequence).toBeGreaterThan(first.sequence);
});

it('does not take an id twice', () => {
  const { fileId } = add();
  expect(() => add({ fileId })).toThrow();
  expect(files.usage('default')).toEqual({ files: 1, bytes: 10 });
});

describe('lists', () => {
  it('are newest first, in pages by cursor and by offset', () => {
    const [a, b, c] = [add(), add(), add()].map(({ fileId }) => fileId);
    expect(listed()).toEqual([[c, b, a], false]);
    expect(listed({ limit: 2 })).toEqual([[c, b], true]);
    expect(listed({ limit: 2, afterFileId: b })).toEqual([[a], false]);
    expect(listed({ limit: 1, offset: 1 })).toEqual([[b], true]);
    expect(listed({ afterFileId: 'unknown' })).toEqual([[], false]);
  });

  it('are filtered by purpose and by time, ends included', () => {
    const batch = add({ purpose: 'batch', createdAtMs: 2000 }).fileId;
    const extract = add({ createdAtMs: 3000 }).fileId;
    const native = add({ purpose: undefined, createdAtMs: 4000 }).fileId;
    add({ workspaceId: 'other' });
    expect(listed({ purpose: 'batch' })).toEqual([[batch], false]);
    expect(listed({ hasPurpose: true })).toEqual([[extract, batch], false]);
    expect(listed({ createdAfterMs: 3000 })).toEqual([[native, extract], false]);
    expect(listed({ createdAfterMs: 2000, createdBeforeMs: 3000 })).toEqual([[extract, batch], false]);
  });
});

it('counts what a workspace keeps, and deletes once', () => {
  const { fileId } = add({ bytes: 5 });
  add({ bytes: 7 });
  add({ workspaceId: 'other' });
  expect(files.usage('default')).toEqual({ files: 2, bytes: 12 });
  expect(files.delete('other', fileId)).toBe(false);
  expect(files.delete('default', fileId)).toBe(true);
  expect(files.delete('default', fileId)).toBe(false);
  expect(files.usage('default')).toEqual({ files: 1, bytes: 7 });
  expect(files.usage('nobody')).toEqual({ files: 0, bytes: 0 });
});

it('tells which blobs are in use, whatever table names them', () => {
  add({ blobId: 'a' });
  database.sqlite.exec(`CREATE TABLE later (some_blob_id TEXT); INSERT INTO later VALUES ('b'), (NULL)`);
  expect(blobIdsInUse(database)).toEqual(new Set(['a', 'b']));
});
