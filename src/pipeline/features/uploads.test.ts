import { beforeEach, describe, expect, it } from 'vitest';
import { testContext, testOwner } from '../../../test/support/context.ts';
import { collect, recordingNext, textAnswer } from '../../../test/support/streams.ts';
import { noBlobs, noUploads } from '../../../test/support/wires.ts';
import { StudioError } from '../../core/errors.ts';
import type { BlobStore } from '../../core/files.ts';
import { type ContentPart, plainRequest, type Turn } from '../../core/generation.ts';
import type { StoredUpload, UploadStore } from '../../core/uploads.ts';
import { uploads } from './uploads.ts';

const context = testContext();
const MEBIBYTE = 1024 * 1024;
let known: Map<string, StoredUpload>;
let reads: string[];

const store: UploadStore = { ...noUploads, find: async (key) => known.get(key) };
const blobs: BlobStore = {
  ...noBlobs,
  async *read(blobId) {
    reads.push(blobId);
    if (blobId === 'lost') throw new StudioError('not-found');
    yield Buffer.from('c');
    yield Buffer.from('at');
  },
};
const feature = uploads({ uploads: store, uploadBlobs: blobs });

beforeEach(() => {
  known = new Map();
  reads = [];
});

function keep(key: string, changes: Partial<StoredUpload> = {}): string {
  known.set(key, {
    key,
    ...testOwner(),
    model: 'qwen-vl-plus',
    contentType: 'image/png',
    bytes: 3,
    blobId: 'blob',
    expiresAtMs: context.clock.now() + 1,
    ...changes,
  });
  return `oss://${key}`;
}

const requestOf = (...parts: readonly ContentPart[]) =>
  plainRequest('qwen-vl-plus', [
    { role: 'system', parts: [{ type: 'text', text: 'oss://is only text here' }] },
    { role: 'user', parts },
  ]);

async function passed(...parts: readonly ContentPart[]): Promise<readonly Turn[]> {
  const { next, requests } = recordingNext(textAnswer(['ok']));
  await collect(feature.apply(requestOf(...parts), context, next));
  return requests[0]?.turns ?? [];
}

const CAT = 'data:image/png;base64,Y2F0';

describe('uploads', () => {
  it('passes requests without uploads as they are', () => {
    const request = requestOf({ type: 'image', url: 'https://example.com/a.png' }, { type: 'text', text: 'oss://x' });
    const answer = recordingNext(textAnswer(['ok'])).next(request, context);
    expect(feature.apply(request, context, (same) => (same === request ? answer : fail()))).toBe(answer);
  });

  it('puts the bytes in the place of every URL, in every kind of part', async () => {
    const url = keep('d/cat.png');
    const turns = await passed(
      { type: 'image', url, minPixels: 4 },
      { type: 'video', url, fps: 2 },
      { type: 'video', frames: [url, 'https://example.com/b.png', url] },
      { type: 'audio', url, format: 'wav' },
      { type: 'file', url },
      { type: 'file', fileId: 'file-fe-1' },
      { type: 'tool-result', callId: 'c', isError: false, parts: [{ type: 'image', url }] },
      { type: 'text', text: url },
    );
    expect(turns[1]?.parts).toEqual([
      { type: 'image', url: CAT, minPixels: 4 },
      { type: 'video', url: CAT, fps: 2 },
      { type: 'video', frames: [CAT, 'https://example.com/b.png', CAT] },
      { type: 'audio', url: CAT, format: 'wav' },
      { type: 'file', url: CAT },
      { type: 'file', fileId: 'file-fe-1' },
      { type: 'tool-result', callId: 'c', isError: false, parts: [{ type: 'image', url: CAT }] },
      { type: 'text', text: url },
    ]);
    expect(reads).toEqual(['blob']);
  });

  it.each<[string, Partial<StoredUpload> | undefined]>([
    ['is not known', undefined],
    ['has expired', { expiresAtMs: context.clock.now() }],
    ['is of another workspace', { workspaceId: 'other' }],
    ['is of another region', { region: 'singapore' }],
    ['was put up for another model', { model: 'qwen-vl-max' }],
    ['is swept at this moment', { blobId: 'lost' }],
  ])('refuses an upload that %s, before anything is generated', async (_name, changes) => {
    const url = changes ? keep('k', changes) : 'oss://k';
    await expect(passed({ type: 'image', url })).rejects.toMatchObject({
      code: 'invalid-parameter',
      message: '<400> InternalError.Algo.InvalidParameter: Failed to download multimodal content.',
    });
  });

  it('reads nothing as long as anything is wrong', async () => {
    const url = keep('a');
    await expect(passed({ type: 'image', url }, { type: 'image', url: 'oss://b' })).rejects.toThrow();
    const large = keep('c', { bytes: 48 * MEBIBYTE - 2 });
    await expect(passed({ type: 'image', url }, { type: 'image', url: large })).rejects.toThrow(
      'Multimodal file size is too large',
    );
    expect(reads).toEqual([]);
    keep('c', { bytes: 48 * MEBIBYTE - 3 });
    await passed({ type: 'image', url }, { type: 'image', url: large });
    expect(reads).toHaveLength(2);
  });
});

function fail(): never {
  throw new Error('another request was passed on');
}
