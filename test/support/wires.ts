/** What a wire's registration and its resource routes are given, for tests. */

import type { BatchStore } from '../../src/core/batches.ts';
import { StudioError } from '../../src/core/errors.ts';
import type { BlobStore, FileStore } from '../../src/core/files.ts';
import type { UploadStore } from '../../src/core/uploads.ts';
import type { BodyPart, ResourceReply, ResourceRequest, Wire, WirePorts } from '../../src/protocols/protocol.ts';
import { RunningCalls } from '../../src/protocols/running-calls.ts';
import { countingIds, fixedClock, silentLog, testContext } from './context.ts';

/** Keeps nothing. */
const noFiles: FileStore = {
  create: () => Promise.reject(new StudioError('internal')),
  createWithin: async () => ({ files: 0, bytes: 0 }),
  find: async () => undefined,
  list: async () => ({ files: [], hasMore: false }),
  usage: async () => ({ files: 0, bytes: 0 }),
  delete: async () => false,
};

const noBatches: BatchStore = {
  create: () => Promise.reject(new StudioError('internal')),
  find: async () => undefined,
  list: async () => ({ batches: [], hasMore: false }),
  claimUnfinished: async () => [],
  update: async () => false,
  finish: async () => false,
  async addResults() {},
  results: async () => [],
  doneLines: async () => new Set(),
};

export const noUploads: UploadStore = {
  create: async () => false,
  find: async () => undefined,
  takeExpired: async () => [],
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
    findCard: (id) => overrides.findModel?.(id, testContext().account)?.card ?? overrides.catalogue?.find(id),
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
      async create() {},
      find: async () => undefined,
      list: async () => ({ tasks: [], total: 0 }),
      cancel: async () => false,
      async removeEnded() {},
    },
    temporaryKeys: { createTemporary: async () => undefined },
    responses: {
      async create() {},
      update: async () => false,
      find: async () => undefined,
      chain: async () => [],
      delete: async () => false,
      unfinished: async () => [],
      async deleteExpired() {},
    },
    conversations: {
      async create() {},
      find: async () => undefined,
      setMetadata: async () => false,
      delete: async () => false,
      items: async () => ({ items: [], lastSequence: 0 }),
      append: async () => false,
      list: async () => undefined,
      findItem: async () => undefined,
      deleteItem: async () => false,
      async deleteUnusedSince() {},
      holdTurn: async () => true,
      async endTurn() {},
    },
    sealer: { seal: (_owner, text) => text, open: (_owner, sealed) => sealed },
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
    account: { keyId: 'key-1', name: 'test', workspaceId: 'default', region: 'beijing' },
    requestId: 'r',
    origin: 'http://127.0.0.1:8787',
    ...request,
    parts: partsOf(request.parts ?? []),
  });
}
