/**
 * Blobs as files in one folder. A blob is written under another name in `incoming/` and renamed when it is whole, so what
 * has a blob's name is complete; what a killed process left behind is thrown away at the next start.
 */
import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { StudioError } from '../core/errors.ts';
import type { BlobStore, StoredBlob } from '../core/files.ts';
import { Measure, newBlobId } from './measured-bytes.ts';

/** Opens (or makes) the folder, readable by its owner only. One server at a time may use it. */
export async function openBlobStore(folder: string): Promise<BlobStore> {
  const incoming = path.join(folder, 'incoming');
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  return new BlobFolder(folder, incoming);
}

/** The blobs of a folder that another process may be using. */
export function readBlobFolder(folder: string): Pick<BlobStore, 'read'> {
  return new BlobFolder(folder, path.join(folder, 'incoming'));
}

/**
 * Flushed, or a power cut after the rename could leave a whole name on half the bytes. Not through a write stream: that
 * opens its file by itself, and may still make it after it was given up and the file removed.
 */
async function writeWhole(file: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const BLOB_ID = /^[0-9a-f]{32}$/;

class BlobFolder implements BlobStore {
  readonly #folder: string;
  readonly #incoming: string;

  constructor(folder: string, incoming: string) {
    this.#folder = folder;
    this.#incoming = incoming;
  }

  async write(source: AsyncIterable<Uint8Array | string>, maxBytes: number): Promise<StoredBlob> {
    const blobId = newBlobId();
    const unfinished = path.join(this.#incoming, blobId);
    const measure = new Measure(maxBytes);
    try {
      await writeWhole(unfinished, measure.pass(source));
      await rename(unfinished, this.#fileOf(blobId));
    } catch (thrown) {
      await rm(unfinished, { force: true });
      throw thrown;
    }
    return { blobId, bytes: measure.bytes, md5: measure.md5() };
  }

  async copy(blobId: string): Promise<string> {
    const copyId = newBlobId();
    try {
      await link(this.#fileOf(blobId), this.#fileOf(copyId));
    } catch (thrown) {
      if (codeOf(thrown) === 'ENOENT') throw new StudioError('not-found');
      // A file system without hard links.
      const unfinished = path.join(this.#incoming, copyId);
      await copyFile(this.#fileOf(blobId), unfinished);
      await rename(unfinished, this.#fileOf(copyId));
    }
    return copyId;
  }

  async *read(blobId: string): AsyncGenerator<Uint8Array> {
    if (!BLOB_ID.test(blobId)) throw new StudioError('not-found');
    try {
      yield* createReadStream(this.#fileOf(blobId)) as AsyncIterable<Uint8Array>;
    } catch (thrown) {
      throw codeOf(thrown) === 'ENOENT' ? new StudioError('not-found') : thrown;
    }
  }

  async delete(blobId: string): Promise<void> {
    if (BLOB_ID.test(blobId)) await rm(this.#fileOf(blobId), { force: true });
  }

  async deleteAllBut(keptIds: ReadonlySet<string>): Promise<number> {
    const lost = (await readdir(this.#folder)).filter((name) => BLOB_ID.test(name) && !keptIds.has(name));
    for (const blobId of lost) await this.delete(blobId);
    return lost.length;
  }

  #fileOf(blobId: string): string {
    return path.join(this.#folder, blobId);
  }
}

function codeOf(thrown: unknown): unknown {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
}
