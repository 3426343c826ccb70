/** Files as this wire shows them. */
import type { StoredFile } from '../../core/files.ts';
import type { FileList, FileObject } from './schema.ts';

/** A file is whole and readable once it is stored, so there is no other status. */
export function encodeFile(file: StoredFile): FileObject {
  return {
    id: file.fileId,
    object: 'file',
    bytes: file.bytes,
    filename: file.name,
    purpose: file.purpose ?? '',
    status: 'processed',
    created_at: Math.floor(file.createdAtMs / 1000),
  };
}

export function encodeFileList(files: readonly StoredFile[], hasMore: boolean): FileList {
  return { object: 'list', data: files.map(encodeFile), has_more: hasMore };
}
