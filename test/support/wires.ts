/** What a wire's registration and its resource routes are given, for tests. */

import type { BatchStore } from '../../src/core/batches.ts';
import { StudioError } from '../../src/core/errors.ts';
import type { BlobStore, FileStore } from '../../src/core/files.ts';
import type { UploadStore } from '../../src/core/uploads.ts';
import type { BodyPart, ResourceReply, ResourceRequest, Wire, WirePorts } from '../../src/protocols/protocol.ts';
import { RunningCalls } from '../../src/protocols/running-calls.ts';
import { countingIds, fixedClock, silentLog } from './context.ts';

/** Keeps nothing. */
const noFiles: FileStore = {
  create: () => {
    throw new StudioError('internal');
  },
  find: () => undefined,
  list: () => ({ files: [], hasMore: false }),
  usage: () => ({ files: 0, bytes: 0 }),
  delete: () => false,
};

const noBatches: BatchStore = {
  create: () => {
    throw new StudioError('internal');
  },
  find: () => undefined,
  list: () => ({ batches: [], hasMore: false }),
  unfinished: () => [],
  update: () => false,
  finish: () => false,
  addResults() {},
  results: () => [],
  doneLines: () => new Set(),
};

export const noUploads: UploadStore = {
  create: () => false,
  find: () => undefined,
  blobIds: () => new Set(),
  takeExpired: () => [],
};

/** Holds nothing and takes nothing. */
export const noBlobs: BlobStore = {
  write: () => Promise.reject(new StudioError('body-too-large')),
  copy: () => Promise.reject(new StudioError('not-found')),
  read: () => partsOf([]) as AsyncIterable<never>,
  delete: async () => {},
  deleteAllBut: async () => 0,
};

/** Ports that know no model and can do nothing; override what the test is about. */
export function testWirePorts(overrides: Partial<WirePorts> = {}): WirePorts {
  const cannot = async (): Promise<never> => {
    throw new StudioError('model-not-supported');
  };
  return {
    clock: fixedClock(),
    ids: countingIds(),
    log: silentLog,
    catalogue: { find: () => undefined, list: () => [] },
    listModels: () => [],
    findModel: () => undefined,
    tokens: { countInput: cannot, tokenise: cannot },
    files: noFiles,
    blobs: noBlobs,
    fileQuota: { maxFiles: 0, maxBytes: 0 },
    batches: noBatches,
    batchConcurrency: 1,
    webhooks: { post: async () => {} },
    uploads: noUploads,
    uploadBlobs: noBlobs,
    tasks: {
      create() {},
      find: () => undefined,
      list: () => ({ tasks: [], total: 0 }),
      cancel: () => false,
      removeEnded() {},
    },
    temporaryKeys: { createTemporary: () => undefined },
    responses: {
      create() {},
      update() {},
      find: () => undefined,
      chain: () => [],
      delete: () => false,
      unfinished: () => [],
      deleteExpired() {},
    },
    conversations: {
      create() {},
      find: () => undefined,
      setMetadata: () => false,
      delete: () => false,
      items: () => ({ items: [], lastSequence: 0 }),
      append: () => false,
      list: () => undefined,
      findItem: () => undefined,
      deleteItem: () => false,
      deleteUnusedSince() {},
    },
    sealer: { seal: (_workspaceId, text) => text, open: (_workspaceId, sealed) => sealed },
    responseRetentionMs: 7 * 86_400_000,
    conversationRetentionMs: 7 * 86_400_000,
    running: new RunningCalls(),
    callWire: () => undefined,
    ...overrides,
  };
}

async function* partsOf(parts: readonly BodyPart[]): AsyncGenerator<BodyPart> {
  yield* parts;
}

/** Calls a resource route of a wire as the HTTP layer would. `path` is the route's pattern. */
export async function callResource(
  wire: Pick<Wire, 'resources'>,
  method: string,
  path: string,
  request: Partial<Omit<ResourceRequest, 'parts'>> & { readonly parts?: readonly BodyPart[] } = {},
): Promise<ResourceReply> {
  const route = wire.resources.find((each) => each.method === method && each.path === path);
  if (!route) throw new Error(`no route ${method} ${path}`);
  return route.handle({
    params: {},
    query: new URLSearchParams(),
    headers: {},
    body: undefined,
    account: { keyId: 'key-1', name: 'test', workspaceId: 'default' },
    requestId: 'r',
    origin: 'http://127.0.0.1:8787',
    ...request,
    parts: partsOf(request.parts ?? []),
  });
}
