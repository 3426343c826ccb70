/** Files that callers upload and that the server makes: bytes in a blob store, facts in a file store. */

import type { Owner } from './ports.ts';

/** Bytes on disk, written once. */
export interface StoredBlob {
  readonly blobId: string;
  readonly bytes: number;
  /** MD5 of the bytes, base64, as the native file service tells it. */
  readonly md5: string;
}

/** Keeps bytes. Nothing of a blob is ever held in memory as a whole. */
export interface BlobStore {
  /**
   * Writes a stream to disk; whole or not at all, also when the process dies in the middle. Throws `body-too-large` past
   * `maxBytes`, and whatever the source throws; nothing is left behind then.
   */
  write(source: AsyncIterable<Uint8Array | string>, maxBytes: number): Promise<StoredBlob>;
  /** Another blob of the same bytes, to be deleted by itself. Throws `not-found` when there is no such blob. */
  copy(blobId: string): Promise<string>;
  /** Throws `not-found` when there is no such blob. */
  read(blobId: string): AsyncIterable<Uint8Array>;
  /** Nothing happens when there is no such blob. */
  delete(blobId: string): Promise<void>;
  /**
   * Deletes what a killed process wrote and nobody knows of; to be called before anything is written here. What another
   * server may be writing stays. Returns how many blobs that were.
   */
  deleteAllBut(keptIds: ReadonlySet<string>): Promise<number>;
}

export type FilePurpose = 'file-extract' | 'batch' | 'fine-tune' | 'batch_output';

/** What is known of a file. */
export interface StoredFile extends Owner {
  /** As on the wire: `file-fe-…`, `file-batch-…`, `file-batch_output-…`, or a uuid for native uploads. */
  readonly fileId: string;
  /** Counts up over all files: the native service's integer id and the order of lists. */
  readonly sequence: number;
  readonly keyId: string;
  readonly name: string;
  /** Absent for native uploads, which have none. */
  readonly purpose: FilePurpose | undefined;
  readonly description: string;
  readonly bytes: number;
  readonly md5: string;
  readonly blobId: string;
  readonly createdAtMs: number;
}

export type NewFile = Omit<StoredFile, 'sequence'>;

export interface FileFilter {
  readonly purpose?: string | undefined;
  /** Leaves native uploads out, which the compatible service does not show. */
  readonly hasPurpose?: true | undefined;
  readonly createdAfterMs?: number | undefined;
  readonly createdBeforeMs?: number | undefined;
  /** Only files older than this one, in the order of the list. */
  readonly afterFileId?: string | undefined;
  readonly limit: number;
  readonly offset?: number | undefined;
}

/** What the files of an owner may come to. */
export interface FileQuota {
  readonly maxFiles: number;
  readonly maxBytes: number;
}

/** What an owner keeps. */
export interface FileUsage {
  readonly files: number;
  readonly bytes: number;
}

/** Facts of files. Lists are newest first. */
export interface FileStore {
  create(file: NewFile): Promise<StoredFile>;
  /** As `create`, unless its owner would keep more than the quota then: what it keeps now is told instead. */
  createWithin(quota: FileQuota, file: NewFile): Promise<StoredFile | FileUsage>;
  find(owner: Owner, fileId: string): Promise<StoredFile | undefined>;
  list(owner: Owner, filter: FileFilter): Promise<{ readonly files: readonly StoredFile[]; readonly hasMore: boolean }>;
  usage(owner: Owner): Promise<FileUsage>;
  /** The blob is the caller's to delete. False when there was no such file. */
  delete(owner: Owner, fileId: string): Promise<boolean>;
}
