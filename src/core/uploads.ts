/** Temporary uploads: what a caller puts up for one model and names as `oss://<key>` in its requests. */

import type { Owner } from './ports.ts';

/** What is known of an upload; its bytes are a blob. */
export interface StoredUpload extends Owner {
  /** The object's name, `dashscope-instant/…/file.png`. */
  readonly key: string;
  /** The only model that may read it. */
  readonly model: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly blobId: string;
  readonly expiresAtMs: number;
}

/** Facts of uploads. Blobs are the caller's to delete. */
export interface UploadStore {
  /** False when the key is taken; nothing is changed then. */
  create(upload: StoredUpload): Promise<boolean>;
  /** Also one that has expired and was not taken out yet. */
  find(key: string): Promise<StoredUpload | undefined>;
  /** Takes out what has expired at `nowMs`. */
  takeExpired(nowMs: number): Promise<readonly StoredUpload[]>;
}
