/** `/admin/cache`: the prompts that backends keep, and how to be rid of them. What they say is told to nobody. */
import { z } from 'zod';
import type { PromptCache, PromptCacheReport } from '../core/context-cache.ts';
import type { AdminResource } from './api.ts';
import { queryOf } from './read.ts';

/** A backend that keeps prompts. */
export interface KeptPrompts {
  /** Its id, as in `x-atelier-backend`. */
  readonly backend: string;
  readonly cache: PromptCache;
}

export interface CacheView {
  readonly items: readonly (PromptCacheReport & { readonly backend: string })[];
}

export interface ClearedCacheView {
  readonly items: readonly { readonly backend: string; readonly entries: number; readonly bytes: number }[];
}

const nothing = z.strictObject({});

export function cacheResources(caches: readonly KeptPrompts[]): AdminResource[] {
  return [
    {
      method: 'GET',
      path: '/cache',
      handle: async ({ query }) => {
        queryOf(query, nothing);
        const items = caches.map(async ({ backend, cache }) => ({ backend, ...(await cache.report()) }));
        const body: CacheView = { items: await Promise.all(items) };
        return { status: 200, body };
      },
    },
    {
      method: 'DELETE',
      path: '/cache',
      handle: async ({ query }) => {
        queryOf(query, nothing);
        const items = caches.map(async ({ backend, cache }) => ({ backend, ...(await cache.clear()) }));
        const body: ClearedCacheView = { items: await Promise.all(items) };
        return { status: 200, body };
      },
    },
  ];
}
