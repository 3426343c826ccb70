/** Temporary uploads: what a caller puts up for one model and names as `oss://<key>` in its requests. */

/** What is known of an upload; its bytes are a blob. */
export interface StoredUpload {
  /** The object's name, `dashscope-instant/…/file.png`. */
  readonly key: string;
  readonly workspaceId: string;
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
  create(upload: StoredUpload): boolean;
  /** Also one that has expired and was not taken out yet. */
  find(key: string): StoredUpload | undefined;
  blobIds(): ReadonlySet<string>;
  /** Takes out what has expired at `nowMs`. */
  takeExpired(nowMs: number): readonly StoredUpload[];
}
