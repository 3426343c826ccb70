/**
 * Blobs in the database, in pieces of a mebibyte: where servers share a Postgres, what is uploaded to one is read from
 * another; and in a backup, which is one file. A blob is marked as whole when its last piece is there.
 */
import { StudioError } from '../../core/errors.ts';
import type { BlobStore, StoredBlob } from '../../core/files.ts';
import type { Clock } from '../../core/ports.ts';
import { Measure, newBlobId } from '../measured-bytes.ts';
import type { Database } from './database.ts';

const CHUNK_BYTES = 1024 * 1024;

/** What nobody refers to may be about to be referred to: an upload whose file is made next, on whichever server. */
const LOST_AFTER_MS = 24 * 60 * 60 * 1000;

export interface BlobTable extends BlobStore {
  /** Writes a blob under a given id, whole or not at all. */
  put(blobId: string, source: AsyncIterable<Uint8Array>): Promise<void>;
}

/** The blobs of one database. */
export function createBlobTable(database: Database, clock: Clock): BlobTable {
  return new SqlBlobTable(database, clock);
}

class SqlBlobTable implements BlobTable {
  readonly #queries: Database['queries'];
  readonly #clock: Clock;

  constructor({ queries }: Database, clock: Clock) {
    this.#queries = queries;
    this.#clock = clock;
  }

  async write(source: AsyncIterable<Uint8Array | string>, maxBytes: number): Promise<StoredBlob> {
    const blobId = newBlobId();
    const measure = new Measure(maxBytes);
    await this.put(blobId, measure.pass(source));
    return { blobId, bytes: measure.bytes, md5: measure.md5() };
  }

  async put(blobId: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const row = { id: blobId, is_whole: 0, created_at_ms: this.#clock.now() };
    await this.#queries.insertInto('blobs').values(row).execute();
    try {
      let number = 0;
      for await (const bytes of inChunks(source))
        await this.#queries.insertInto('blob_chunks').values({ blob: blobId, number: number++, bytes }).execute();
      await this.#queries.updateTable('blobs').set({ is_whole: 1 }).where('id', '=', blobId).execute();
    } catch (thrown) {
      // What cannot be deleted either is taken out a day later.
      await this.delete(blobId).catch(() => {});
      throw thrown;
    }
  }

  async copy(blobId: string): Promise<string> {
    await this.#mustHave(blobId);
    const copyId = newBlobId();
    await this.#queries.transaction().execute(async (transaction) => {
      const row = { id: copyId, is_whole: 1, created_at_ms: this.#clock.now() };
      await transaction.insertInto('blobs').values(row).execute();
      await transaction
        .insertInto('blob_chunks')
        .columns(['blob', 'number', 'bytes'])
        .expression(({ selectFrom, val }) =>
          selectFrom('blob_chunks')
            .select([val(copyId).as('copy'), 'number', 'bytes'])
            .where('blob', '=', blobId),
        )
        .execute();
    });
    return copyId;
  }

  async *read(blobId: string): AsyncGenerator<Uint8Array> {
    await this.#mustHave(blobId);
    for (let number = 0; ; number++) {
      const chunk = await this.#queries
        .selectFrom('blob_chunks')
        .select('bytes')
        .where('blob', '=', blobId)
        .where('number', '=', number)
        .executeTakeFirst();
      if (!chunk) break;
      yield chunk.bytes;
    }
    // Without its end it was deleted while it was read.
    await this.#mustHave(blobId);
  }

  async #mustHave(blobId: string): Promise<void> {
    const row = await this.#queries
      .selectFrom('blobs')
      .select('id')
      .where('id', '=', blobId)
      .where('is_whole', '=', 1)
      .executeTakeFirst();
    if (!row) throw new StudioError('not-found');
  }

  async delete(blobId: string): Promise<void> {
    await this.#queries.transaction().execute(async (transaction) => {
      await transaction.deleteFrom('blobs').where('id', '=', blobId).execute();
      await transaction.deleteFrom('blob_chunks').where('blob', '=', blobId).execute();
    });
  }

  async deleteAllBut(keptIds: ReadonlySet<string>): Promise<number> {
    const old = await this.#queries
      .selectFrom('blobs')
      .select('id')
      .where('created_at_ms', '<', this.#clock.now() - LOST_AFTER_MS)
      .execute();
    const lost = old.filter(({ id }) => !keptIds.has(id));
    for (const { id } of lost) await this.delete(id);
    return lost.length;
  }
}

/** The same bytes in pieces of one size, but for the last. */
async function* inChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    let rest = piece;
    while (length + rest.length >= CHUNK_BYTES) {
      const room = CHUNK_BYTES - length;
      yield Buffer.concat([...pieces, rest.subarray(0, room)]);
      rest = rest.subarray(room);
      pieces = [];
      length = 0;
    }
    // A copy: whoever gave the piece may write over it.
    if (rest.length > 0) pieces.push(Buffer.from(rest));
    length += rest.length;
  }
  if (length > 0) yield Buffer.concat(pieces);
}
