/** What every kind of blob store does alike while bytes pass: naming, measuring, stopping at the limit. */
import { createHash, randomBytes } from 'node:crypto';
import { StudioError } from '../core/errors.ts';

/** Counts and hashes what passes, and stops it at the limit. */
export class Measure {
  readonly #maxBytes: number;
  readonly #hash = createHash('md5');
  bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  async *pass(source: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
      this.bytes += bytes.length;
      if (this.bytes > this.#maxBytes) throw new StudioError('body-too-large');
      this.#hash.update(bytes);
      yield bytes;
    }
  }

  md5(): string {
    return this.#hash.digest('base64');
  }
}

/** Nobody can guess it: it is also the secret that download addresses are signed with. */
export function newBlobId(): string {
  return randomBytes(16).toString('hex');
}
