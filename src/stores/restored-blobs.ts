/**
 * The blobs of a folder, and those that came with a restored backup, which carries them in its database. New ones go to the
 * folder; those of the backup stay where they are until they are deleted.
 */
import { StudioError } from '../core/errors.ts';
import type { BlobStore } from '../core/files.ts';

export function withRestored(folder: BlobStore, restored: BlobStore): BlobStore {
  return {
    write: (source, maxBytes) => folder.write(source, maxBytes),
    copy: (blobId) =>
      folder.copy(blobId).catch(async (thrown: unknown) => {
        if (!isMissing(thrown)) throw thrown;
        return (await folder.write(restored.read(blobId), Number.MAX_SAFE_INTEGER)).blobId;
      }),
    async *read(blobId) {
      try {
        yield* folder.read(blobId);
      } catch (thrown) {
        if (!isMissing(thrown)) throw thrown;
        yield* restored.read(blobId);
      }
    },
    delete: async (blobId) => {
      await folder.delete(blobId);
      await restored.delete(blobId);
    },
    deleteAllBut: async (keptIds) => (await folder.deleteAllBut(keptIds)) + (await restored.deleteAllBut(keptIds)),
  };
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof StudioError && thrown.code === 'not-found';
}
