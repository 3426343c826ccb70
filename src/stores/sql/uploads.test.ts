import { afterEach, beforeEach, expect, it } from 'vitest';
import { testOwner } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { StoredUpload, UploadStore } from '../../core/uploads.ts';
import type { Database } from './database.ts';
import { createUploadStore } from './uploads.ts';

onEachDatabase((databases) => {
  let database: Database;
  let store: UploadStore;

  beforeEach(async () => {
    database = await databases.open();
    store = createUploadStore(database);
  });
  afterEach(() => database.close());

  function upload(key: string, changes: Partial<StoredUpload> = {}): StoredUpload {
    return {
      key,
      ...testOwner({ region: 'singapore' }),
      model: 'qwen-vl-plus',
      contentType: 'image/png',
      bytes: 12,
      blobId: `blob-of-${key}`,
      expiresAtMs: 1000,
      ...changes,
    };
  }

  it('finds an upload as it was put up', async () => {
    expect(await store.create(upload('a'))).toBe(true);
    expect(await store.find('a')).toEqual(upload('a'));
    expect(await store.find('b')).toBeUndefined();
  });

  it('never overwrites', async () => {
    await store.create(upload('a'));
    expect(await store.create(upload('a', { blobId: 'another' }))).toBe(false);
    expect((await store.find('a'))?.blobId).toBe('blob-of-a');
  });

  it('takes out what has expired, and nothing else', async () => {
    await store.create(upload('a', { expiresAtMs: 1000 }));
    await store.create(upload('b', { expiresAtMs: 1001 }));
    expect(await store.takeExpired(1000)).toEqual([upload('a', { expiresAtMs: 1000 })]);
    expect(await store.find('a')).toBeUndefined();
    expect(await store.find('b')).toEqual(upload('b', { expiresAtMs: 1001 }));
    expect(await store.takeExpired(1000)).toEqual([]);
  });
});
