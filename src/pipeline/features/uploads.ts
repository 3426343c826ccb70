/**
 * Puts the bytes of temporary uploads in the place of their `oss://` URLs, which no backend could read. They go along as
 * data URIs: that is the one form that every server behind a model takes. Requests without such URLs pass untouched.
 */
import { StudioError } from '../../core/errors.ts';
import type { BlobStore } from '../../core/files.ts';
import type { ContentPart, GenerationRequest, Turn } from '../../core/generation.ts';
import type { CallContext } from '../../core/ports.ts';
import type { StoredUpload, UploadStore } from '../../core/uploads.ts';
import type { Feature, Generate } from '../feature.ts';

export interface UploadsPorts {
  readonly uploads: UploadStore;
  readonly uploadBlobs: BlobStore;
}

const SCHEME = 'oss://';

/** What the uploads of one request may hold together: in base64 as much as a request body with media (64 MiB). */
const MAX_INLINE_BYTES = 48 * 1024 * 1024;

export function uploads(ports: UploadsPorts): Feature {
  return {
    name: 'uploads',
    apply(request, context, next) {
      const urls = new Set<string>();
      mapUrls(request, (url) => {
        if (url.startsWith(SCHEME)) urls.add(url);
        return url;
      });
      return urls.size === 0 ? next(request, context) : readAndGenerate(request, context, next, [...urls], ports);
    },
  };
}

async function* readAndGenerate(
  request: GenerationRequest,
  context: CallContext,
  next: Generate,
  urls: readonly string[],
  ports: UploadsPorts,
) {
  // All are looked up before the first is read.
  const found: { readonly url: string; readonly upload: StoredUpload }[] = [];
  for (const url of urls) found.push({ url, upload: await findUpload(url, request.model, context, ports) });
  const bytes = found.reduce((sum, { upload }) => sum + upload.bytes, 0);
  if (bytes > MAX_INLINE_BYTES) throw refused('Multimodal file size is too large');
  const dataUris = new Map<string, string>();
  for (const { url, upload } of found) dataUris.set(url, await dataUriOf(upload, ports.uploadBlobs));
  yield* next(
    mapUrls(request, (url) => dataUris.get(url) ?? url),
    context,
  );
}

/** The service does not say which of these it was: unknown, expired, of another owner or for another model. */
async function findUpload(
  url: string,
  model: string,
  context: CallContext,
  ports: UploadsPorts,
): Promise<StoredUpload> {
  const upload = await ports.uploads.find(url.slice(SCHEME.length));
  const { workspaceId, region } = context.account;
  const isOurs = upload?.workspaceId === workspaceId && upload.region === region && upload.model === model;
  if (!isOurs || upload.expiresAtMs <= context.clock.now()) throw refused(NOT_DOWNLOADED);
  return upload;
}

/** "Error messages"; the prefix is in recorded bodies. */
function refused(text: string, cause?: unknown): StudioError {
  return new StudioError('invalid-parameter', `<400> InternalError.Algo.InvalidParameter: ${text}`, { cause });
}

const NOT_DOWNLOADED = 'Failed to download multimodal content.';

async function dataUriOf({ blobId, contentType }: StoredUpload, blobs: BlobStore): Promise<string> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of blobs.read(blobId)) pieces.push(piece);
  } catch (thrown) {
    // Swept between the look-up and now.
    if (thrown instanceof StudioError && thrown.code === 'not-found') throw refused(NOT_DOWNLOADED, thrown);
    throw thrown;
  }
  return `data:${contentType};base64,${Buffer.concat(pieces).toString('base64')}`;
}

/** The request with every URL of its parts changed; the same turns where nothing did. */
function mapUrls(request: GenerationRequest, change: (url: string) => string): GenerationRequest {
  const turns = mapChanged(request.turns, (turn): Turn => {
    const parts = mapChanged(turn.parts, (part) => mapPart(part, change));
    return parts === turn.parts ? turn : { ...turn, parts };
  });
  return turns === request.turns ? request : { ...request, turns };
}

function mapPart(part: ContentPart, change: (url: string) => string): ContentPart {
  switch (part.type) {
    case 'image':
    case 'audio':
      return withUrl(part, change(part.url));
    case 'file':
      return part.url === undefined ? part : withUrl(part, change(part.url));
    case 'video': {
      const frames = part.frames && mapChanged(part.frames, change);
      const changed = frames === part.frames ? part : { ...part, frames };
      return changed.url === undefined ? changed : withUrl(changed, change(changed.url));
    }
    case 'tool-result': {
      const parts = mapChanged(part.parts, (inner) => mapPart(inner, change) as typeof inner);
      return parts === part.parts ? part : { ...part, parts };
    }
    case 'text':
    case 'reasoning':
    case 'tool-call':
      return part;
    default:
      return part satisfies never;
  }
}

function withUrl<Part extends { readonly url?: string | undefined }>(part: Part, url: string): Part {
  return url === part.url ? part : { ...part, url };
}

function mapChanged<Item>(items: readonly Item[], change: (item: Item) => Item): readonly Item[] {
  let changed: Item[] | undefined;
  items.forEach((item, index) => {
    const other = change(item);
    if (other === item) return;
    changed ??= [...items];
    changed[index] = other;
  });
  return changed ?? items;
}
