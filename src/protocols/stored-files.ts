/**
 * What both file services (`openai-files`, the native one of `dashscope`) and batches do alike: which files are taken, how
 * they are kept within the quota, and how their bytes go out.
 */
import { StudioError } from '../core/errors.ts';
import type { FilePurpose, FileUsage, NewFile, StoredBlob, StoredFile } from '../core/files.ts';
import type { IdSource, Owner } from '../core/ports.ts';
import type { ResourceReply, WirePorts } from './protocol.ts';

export type FilePorts = Pick<WirePorts, 'clock' | 'ids' | 'files' | 'blobs' | 'fileQuota'>;

const MEBIBYTE = 1024 * 1024;

interface Accepted {
  readonly extensions: readonly string[];
  readonly maxBytes: number;
}

/** "OpenAI compatible - File": formats and sizes a purpose. Pictures are 20 MB on one page and 150 MB on another. */
const ACCEPTED: { readonly [purpose: string]: readonly Accepted[] } = {
  'file-extract': [
    {
      extensions: ['txt', 'docx', 'pdf', 'xlsx', 'epub', 'mobi', 'md', 'csv', 'json'],
      maxBytes: 150 * MEBIBYTE,
    },
    { extensions: ['bmp', 'png', 'jpg', 'jpeg', 'gif'], maxBytes: 20 * MEBIBYTE },
  ],
  batch: [{ extensions: ['jsonl'], maxBytes: 500 * MEBIBYTE }],
  'fine-tune': [{ extensions: ['jsonl'], maxBytes: 300 * MEBIBYTE }],
};

/** The largest file of any purpose; the limit as long as the purpose is not known. */
export const LARGEST_FILE_BYTES = Math.max(
  ...Object.values(ACCEPTED).flatMap((kinds) => kinds.map(({ maxBytes }) => maxBytes)),
);

/** Purposes a caller may upload for. */
export const UPLOAD_PURPOSES = Object.keys(ACCEPTED) as readonly FilePurpose[];

/** Recorded: the ids of a purpose begin so. */
const ID_PREFIXES: { readonly [purpose in FilePurpose]: string } = {
  'file-extract': 'file-fe-',
  batch: 'file-batch-',
  'fine-tune': 'file-ft-',
  batch_output: 'file-batch_output-',
};

/** A purpose that may be uploaded for; undefined for any other text. */
export function uploadPurposeOf(text: string): FilePurpose | undefined {
  return UPLOAD_PURPOSES.find((purpose) => purpose === text);
}

/** The prefix of its purpose and 24 hex digits. The end of a uuid, as its beginning says less. */
export function newFileId(ids: IdSource, purpose: FilePurpose): string {
  return ID_PREFIXES[purpose] + ids.uuid().replaceAll('-', '').slice(-24);
}

/** Why a file is not taken. */
export interface FileRefusal {
  readonly reason: 'format' | 'too-large' | 'too-many' | 'no-space';
  readonly message: string;
}

/**
 * The most bytes a file of this name may have for a purpose, or why it is not taken. A name without an extension is taken:
 * what is in the file is found out by whoever reads it.
 */
export function sizeLimitOf(purpose: FilePurpose, name: string): number | FileRefusal {
  const kinds = ACCEPTED[purpose] ?? [];
  const extension = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase();
  const kind = extension === undefined ? kinds[0] : kinds.find(({ extensions }) => extensions.includes(extension));
  if (kind) return kind.maxBytes;
  const known = kinds.flatMap(({ extensions }) => extensions).join(', ');
  return {
    reason: 'format',
    message: `File [${name}] format is not supported: a file for '${purpose}' is one of ${known}.`,
  };
}

export function tooLarge(name: string, maxBytes: number): FileRefusal {
  return { reason: 'too-large', message: `File [${name}] exceeds size limit (${Math.floor(maxBytes / MEBIBYTE)} MB).` };
}

/** Writes an upload to disk, within its limit and what the quota leaves. */
export async function receiveFile(
  ports: FilePorts,
  owner: Owner,
  file: { readonly fileName: string; readonly bytes: AsyncIterable<Uint8Array> },
  maxBytes: number,
): Promise<StoredBlob | FileRefusal> {
  const used = await ports.files.usage(owner);
  const { maxFiles, maxBytes: maxKept } = ports.fileQuota;
  if (used.files >= maxFiles || used.bytes > maxKept) return quotaRefusal(ports, used);
  const left = maxKept - used.bytes;
  try {
    return await ports.blobs.write(file.bytes, Math.min(maxBytes, left));
  } catch (thrown) {
    if (!(thrown instanceof StudioError) || thrown.code !== 'body-too-large') throw thrown;
    return left < maxBytes ? noSpace(ports) : tooLarge(file.fileName, maxBytes);
  }
}

/** Keeps what was received, unless other uploads have filled the quota meanwhile. The blob is the caller's to delete then. */
export async function keepFile(ports: FilePorts, file: NewFile): Promise<StoredFile | FileRefusal> {
  const kept = await ports.files.createWithin(ports.fileQuota, file);
  return 'fileId' in kept ? kept : quotaRefusal(ports, kept);
}

function quotaRefusal(ports: FilePorts, used: FileUsage): FileRefusal {
  const { maxFiles } = ports.fileQuota;
  // Recorded words.
  if (used.files >= maxFiles)
    return {
      reason: 'too-many',
      message: `Out of number, <${used.files}> of <${maxFiles}> files has been uploaded.`,
    };
  return noSpace(ports);
}

function noSpace({ fileQuota }: FilePorts): FileRefusal {
  return { reason: 'no-space', message: `Out of space, files may take <${fileQuota.maxBytes}> bytes in all.` };
}

/** Deletes a file and its bytes. False when there is none. */
export async function dropFile({ files, blobs }: FilePorts, owner: Owner, fileId: string): Promise<boolean> {
  const file = await files.find(owner, fileId);
  if (!file || !(await files.delete(owner, fileId))) return false;
  await blobs.delete(file.blobId);
  return true;
}

/** The service's words for an id that leads nowhere (it says so where a model is to read a file). */
export function fileNotFound(fileId: string): StudioError {
  return new StudioError('not-found', `File [id:${fileId}] cannot be found.`, { param: 'id' });
}

/** The bytes of a file, as a download. */
export function contentReply({ blobs }: FilePorts, file: StoredFile): ResourceReply {
  const plain = file.name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  return {
    status: 200,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(file.bytes),
      'content-disposition': `attachment; filename="${plain}"; filename*=UTF-8''${encodeURIComponent(file.name)}`,
    },
    stream: blobs.read(file.blobId),
  };
}
