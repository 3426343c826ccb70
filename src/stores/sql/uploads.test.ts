import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StoredUpload, UploadStore } from '../../core/uploads.ts';
import { type Database, openDatabase } from './database.ts';
import { createUploadStore } from './uploads.ts';

let database: Database;
let store: UploadStore;

beforeEach(async () => {
  database = await openDatabase(':memory:');
  store = createUploadStore(database);
});
afterEach(() => database.close());

function upload(key: string, changes: Partial<StoredUpload> = {}): StoredUpload {
  return {
    key,
    workspaceId: 'default',
    model: 'qwen-vl-plus',
    contentType: 'image/png',
    bytes: 12,
    blobId: `blob-of-${key}`,
    expiresAtMs: 1000,
    ...changes,
  };
}

it('finds an upload as it was put up', () => {
  expect(store.create(upload('a'))).toBe(true);
  expect(store.find('a')).toEqual(upload('a'));
  expect(store.find('b')).toBeUndefined();
});

it('never overwrites', () => {
  store.create(upload('a'));
  expect(store.create(upload('a', { blobId: 'another' }))).toBe(false);
  expect(store.find('a')?.blobId).toBe('blob-of-a');
});

it('takes out what has expired, and nothing else', () => {
  store.create(upload('a', { expiresAtMs: 1000 }));
  store.create(upload('b', { expiresAtMs: 1001 }));
  expect(store.takeExpired(1000)).toEqual([upload('a', { expiresAtMs: 1000 })]);
  expect(store.find('a')).toBeUndefined();
  expect(store.blobIds()).toEqual(new Set(['blob-of-b']));
  expect(store.takeExpired(1000)).toEqual([]);
});
