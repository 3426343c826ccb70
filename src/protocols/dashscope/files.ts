/**
 * The native file service ("File management" of DashScope). It also shows the files of the compatible service, by their
 * own ids.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { StudioError } from '../../core/errors.ts';
import type { FilePurpose, NewFile, StoredBlob, StoredFile } from '../../core/files.ts';
import { REGION_FACTS } from '../../core/regions.ts';
import { formatBeijingTime } from '../beijing-time.ts';
import type { BodyPart, ResourceReply, ResourceRequest, ResourceRoute } from '../protocol.ts';
import {
  contentReply,
  dropFile,
  type FilePorts,
  type FileRefusal,
  fileNotFound,
  keepFile,
  LARGEST_FILE_BYTES,
  receiveFile,
  sizeLimitOf,
  tooLarge,
  uploadPurposeOf,
} from '../stored-files.ts';

const PATH = '/api/v1/files';

/** Recorded; the Python client asks for as many when told nothing. */
const DEFAULT_PAGE_SIZE = 10;
const MAX_PAGE_SIZE = 100;

/** How long a download address works. */
const URL_LIFETIME_MS = 3_600_000;

/** Recorded for a full quota; the others are ours. */
const REFUSAL_CODES: { readonly [reason in FileRefusal['reason']]: string } = {
  'too-many': 'BadRequest.TooMany',
  'too-large': 'BadRequest.TooLarge',
  'no-space': 'BadRequest.TooLarge',
  format: 'BadRequest.UnsupportedFileFormat',
};

/** `POST`, `GET` and `DELETE` of `/files`, and the download addresses that it gives out. */
export function nativeFileRoutes(ports: FilePorts): ResourceRoute[] {
  const fileOf = async ({ account, params }: ResourceRequest): Promise<StoredFile> => {
    const id = params.id ?? '';
    const file = await ports.files.find(account, id);
    if (!file) throw fileNotFound(id);
    return file;
  };
  return [
    { method: 'POST', path: PATH, accepts: 'multipart', handle: (request) => upload(request, ports) },
    { method: 'GET', path: PATH, handle: (request) => list(request, ports) },
    {
      method: 'GET',
      path: `${PATH}/:id`,
      handle: async (request) => {
        const file = encodeDetail(await fileOf(request), request, ports.clock.now());
        return { status: 200, body: { data: file, request_id: request.requestId } };
      },
    },
    {
      method: 'DELETE',
      path: `${PATH}/:id`,
      handle: async (request) => {
        const { fileId } = await fileOf(request);
        await dropFile(ports, request.account, fileId);
        return { status: 200, body: { request_id: request.requestId } };
      },
    },
    { method: 'GET', path: `${PATH}/:id/content`, isPublic: true, handle: (request) => download(request, ports) },
  ];
}

// Upload

interface Received {
  readonly name: string;
  readonly blob: StoredBlob | FileRefusal;
}

/** What one multipart body brought; files and descriptions belong together by their order. */
class UploadForm {
  readonly files: Received[] = [];
  readonly descriptions: string[] = [];
  purpose: string | undefined;
  /** Written, and not yet anybody's. */
  readonly looseBlobs = new Set<string>();

  async receive(part: BodyPart, { account }: ResourceRequest, ports: FilePorts): Promise<void> {
    if (part.type === 'field') {
      if (part.name === 'descriptions') this.descriptions.push(part.value);
      if (part.name === 'purpose') this.purpose = part.value;
      return;
    }
    if (part.name !== 'files') return;
    const blob = await receiveFile(ports, account, part, LARGEST_FILE_BYTES);
    if (!isRefusal(blob)) this.looseBlobs.add(blob.blobId);
    this.files.push({ name: part.fileName, blob });
  }
}

async function upload(request: ResourceRequest, ports: FilePorts): Promise<ResourceReply> {
  const form = new UploadForm();
  try {
    for await (const part of request.parts) await form.receive(part, request, ports);
    const purpose = form.purpose === undefined ? undefined : uploadPurposeOf(form.purpose);
    if (form.purpose !== undefined && !purpose) return WRONG_PURPOSE;
    if (form.files.length === 0) throw new StudioError('invalid-parameter', 'Required parameter(files) missing.');
    const kept: (StoredFile | FileRefusal)[] = [];
    for (const [index, { name, blob }] of form.files.entries()) {
      const description = form.descriptions[index] ?? '';
      const file = isRefusal(blob) ? blob : await keep(name, blob, purpose, description, request, ports);
      if (!isRefusal(file)) form.looseBlobs.delete(file.blobId);
      kept.push(file);
    }
    return { status: 200, body: encodeUploads(form.files, kept, request.requestId) };
  } finally {
    for (const blobId of form.looseBlobs) await ports.blobs.delete(blobId);
  }
}

async function keep(
  name: string,
  blob: StoredBlob,
  purpose: FilePurpose | undefined,
  description: string,
  { account }: ResourceRequest,
  ports: FilePorts,
): Promise<StoredFile | FileRefusal> {
  if (purpose !== undefined) {
    const limit = sizeLimitOf(purpose, name);
    if (typeof limit !== 'number') return limit;
    if (blob.bytes > limit) return tooLarge(name, limit);
  }
  const file: NewFile = {
    ...blob,
    fileId: ports.ids.uuid(),
    workspaceId: account.workspaceId,
    region: account.region,
    keyId: account.keyId,
    name,
    purpose,
    description,
    createdAtMs: ports.clock.now(),
  };
  return keepFile(ports, file);
}

function isRefusal(value: StoredFile | StoredBlob | FileRefusal | undefined): value is FileRefusal {
  return value !== undefined && 'reason' in value;
}

function encodeUploads(
  received: readonly Received[],
  kept: readonly (StoredFile | FileRefusal)[],
  requestId: string,
): object {
  const uploaded: object[] = [];
  const failed: object[] = [];
  for (const [index, each] of kept.entries()) {
    const name = received[index]?.name ?? '';
    if (isRefusal(each)) failed.push({ name, code: REFUSAL_CODES[each.reason], message: each.message });
    else uploaded.push({ name, file_id: each.fileId });
  }
  return { data: { uploaded_files: uploaded, failed_uploads: failed }, request_id: requestId };
}

/** Recorded: this one error of the native service has the compatible service's envelope. */
const WRONG_PURPOSE: ResourceReply = {
  status: 400,
  body: {
    error: {
      message: "'purpose' must be 'file-extract'",
      type: 'invalid_request_error',
      param: 'purpose',
      code: null,
    },
  },
};

// List and detail

async function list({ account, query, origin, requestId }: ResourceRequest, ports: FilePorts): Promise<ResourceReply> {
  const pageNo = decodePage(query, 'page_no', 1, Number.MAX_SAFE_INTEGER);
  const pageSize = decodePage(query, 'page_size', DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
  const offset = (pageNo - 1) * pageSize;
  const filter = { limit: pageSize, offset: Math.min(offset, 2 ** 53 - 1) };
  const { files } = await ports.files.list(account, filter);
  const { files: total } = await ports.files.usage(account);
  const data = {
    total,
    page_no: pageNo,
    page_size: pageSize,
    files: files.map((file) => encodeDetail(file, { origin }, ports.clock.now())),
  };
  return { status: 200, body: { data, request_id: requestId } };
}

function decodePage(query: URLSearchParams, name: string, fallback: number, max: number): number {
  const text = query.get(name);
  if (text === null || text === '') return fallback;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new StudioError('invalid-parameter', `Parameter ${name} is not valid.`, { param: name });
}

/** Key order as recorded; a native upload has no purpose, and then no key for it. */
function encodeDetail(file: StoredFile, { origin }: Pick<ResourceRequest, 'origin'>, nowMs: number): object {
  return {
    id: file.sequence,
    name: file.name,
    description: file.description,
    purpose: file.purpose,
    size: file.bytes,
    md5: file.md5,
    region: REGION_FACTS[file.region].vendorIds[0],
    file_id: file.fileId,
    url: signedUrl(file, origin, nowMs + URL_LIFETIME_MS),
    user_id: file.workspaceId,
    api_key_id: file.keyId,
    gmt_create: formatBeijingTime(file.createdAtMs),
  };
}

// Download addresses

function signedUrl(file: StoredFile, origin: string, expiresAtMs: number): string {
  const query = new URLSearchParams({
    Workspace: file.workspaceId,
    Expires: String(Math.floor(expiresAtMs / 1000)),
    Signature: signatureOf(file, Math.floor(expiresAtMs / 1000)),
  });
  return `${origin}${PATH}/${encodeURIComponent(file.fileId)}/content?${query}`;
}

/** The blob's id is random and never shown, so it can be the secret: nothing else has to be kept. */
function signatureOf({ blobId, fileId, workspaceId, region }: StoredFile, expiresAtSeconds: number): string {
  const signed = [workspaceId, region, fileId, expiresAtSeconds].join('\n');
  return createHmac('sha256', blobId).update(signed).digest('base64url');
}

async function download({ account, params, query }: ResourceRequest, ports: FilePorts): Promise<ResourceReply> {
  // Whoever asks: the address leads to the region of the file.
  const owner = { workspaceId: query.get('Workspace') ?? '', region: account.region };
  const file = await ports.files.find(owner, params.id ?? '');
  const expiresAtSeconds = Number(query.get('Expires'));
  const presented = Buffer.from(query.get('Signature') ?? '');
  const expected = Buffer.from(file ? signatureOf(file, expiresAtSeconds) : '');
  const isSigned = file && presented.length === expected.length && timingSafeEqual(presented, expected);
  // One answer for all, so that nobody learns which files there are.
  if (!isSigned || ports.clock.now() > expiresAtSeconds * 1000) throw new StudioError('access-denied');
  return contentReply(ports, file);
}
