/** The cache of the configuration, for the commands that look at it: of the server that runs, or the folder it left. */
import path from 'node:path';
import type { CacheView, ClearedCacheView } from '../admin/cache-routes.ts';
import type { Config } from '../config.ts';
import { askAdmin } from './admin-client.ts';

/** What is kept now; `isServed` when a server has told. */
export async function readCache(config: Config): Promise<CacheView & { readonly isServed: boolean }> {
  const told = await askAdmin<CacheView>(config, '/admin/cache');
  if (told) return { ...told, isServed: true };
  const { readCacheFolder } = await import('../backends/embedded/cache-folder.ts');
  return {
    items: [{ backend: 'embedded', ...(await readCacheFolder(folderOf(config), Date.now())) }],
    isServed: false,
  };
}

/** Forgets it. */
export async function clearCache(config: Config): Promise<ClearedCacheView> {
  const told = await askAdmin<ClearedCacheView>(config, '/admin/cache', 'DELETE');
  if (told) return told;
  const { clearCacheFolder } = await import('../backends/embedded/cache-folder.ts');
  return { items: [{ backend: 'embedded', ...(await clearCacheFolder(folderOf(config))) }] };
}

function folderOf({ home }: Config): string {
  return path.join(home, 'cache');
}
