/** Reads uploads and list queries. */
import { StudioError } from '../../core/errors.ts';
import type { FileFilter, FilePurpose, StoredBlob, StoredFile } from '../../core/files.ts';
import { parseBeijingTime } from '../beijing-time.ts';
import type { BodyPart, ResourceRequest } from '../protocol.ts';
import {
  type FilePorts,
  type FileRefusal,
  keepFile,
  LARGEST_FILE_BYTES,
  newFileId,
  receiveFile,
  sizeLimitOf,
  tooLarge,
  UPLOAD_PURPOSES,
  uploadPurposeOf,
} from '../stored-files.ts';

/** Unconfirmed for the service; see docs/wires/openai-files.md. */
const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 2000;

interface Received {
  readonly name: string;
  readonly blob: StoredBlob;
}

/**
 * Takes an upload in whatever order its parts come. What was written is deleted again when anything is wrong with the
 * request, also when the client leaves in the middle.
 */
export async function receiveUpload(request: ResourceRequest, ports: FilePorts): Promise<StoredFile> {
  const { account } = request;
  let purpose: FilePurpose | undefined;
  let received: Received | undefined;
  try {
    for await (const part of request.parts) {
      if (part.type === 'field' && part.name === 'purpose') purpose = checkedPurpose(part.value);
      if (part.type !== 'file' || part.name !== 'file') continue;
      if (received) throw invalid('file', 'One upload takes one file.');
      received = await receive(part, purpose, request, ports);
    }
    if (!purpose) throw wrongPurpose();
    if (!received) throw invalid('file', "Required parameter 'file' is missing.");
    const { name, blob } = received;
    checkSize(name, blob.bytes, purpose);
    const file = {
      ...blob,
      fileId: newFileId(ports.ids, purpose),
      workspaceId: account.workspaceId,
      region: account.region,
      keyId: account.keyId,
      name,
      purpose,
      description: '',
      createdAtMs: ports.clock.now(),
    };
    return accepted(await keepFile(ports, file));
  } catch (thrown) {
    if (received) await ports.blobs.delete(received.blob.blobId);
    throw thrown;
  }
}

async function receive(
  part: BodyPart & { readonly type: 'file' },
  purpose: FilePurpose | undefined,
  { account }: ResourceRequest,
  ports: FilePorts,
): Promise<Received> {
  const limit = purpose === undefined ? LARGEST_FILE_BYTES : accepted(sizeLimitOf(purpose, part.fileName));
  return { name: part.fileName, blob: accepted(await receiveFile(ports, account, part, limit)) };
}

/** Where the purpose came after the file. */
function checkSize(name: string, bytes: number, purpose: FilePurpose): void {
  const limit = accepted(sizeLimitOf(purpose, name));
  if (bytes > limit) accepted(tooLarge(name, limit));
}

function accepted<Value extends StoredFile | StoredBlob | number>(value: Value | FileRefusal): Value {
  if (typeof value !== 'object' || !('reason' in value)) return value as Value;
  throw new StudioError(value.reason === 'too-large' ? 'body-too-large' : 'invalid-parameter', value.message, {
    param: 'file',
  });
}

function checkedPurpose(text: string): FilePurpose {
  const purpose = uploadPurposeOf(text);
  if (!purpose) throw wrongPurpose();
  return purpose;
}

/** Recorded in 2024 as "'purpose' must be 'file-extract'", when there was no other. */
function wrongPurpose(): StudioError {
  const known = UPLOAD_PURPOSES.map((purpose) => `'${purpose}'`).join(', ');
  return invalid('purpose', `'purpose' must be one of ${known}`);
}

/** Reads a list's query. */
export function decodeListQuery(query: URLSearchParams): FileFilter {
  return {
    hasPurpose: true,
    afterFileId: query.get('after') || undefined,
    limit: decodeLimit(query.get('limit')),
    createdAfterMs: decodeTime(query, 'create_after'),
    createdBeforeMs: decodeTime(query, 'create_before'),
    purpose: query.get('purpose') || undefined,
  };
}

function decodeLimit(text: string | null): number {
  if (text === null || text === '') return DEFAULT_LIMIT;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw invalid('limit', `'limit' must be a whole number from 1 to ${MAX_LIMIT}.`);
  return limit;
}

function decodeTime(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const milliseconds = parseBeijingTime(text);
  if (milliseconds === undefined) throw invalid(name, `'${name}' must have the form yyyyMMdd or yyyyMMddHHmmss.`);
  return milliseconds;
}

function invalid(param: string, message: string): StudioError {
  return new StudioError('invalid-parameter', message, { param });
}
