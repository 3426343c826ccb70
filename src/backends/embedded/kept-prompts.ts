/**
 * All prompts that local models keep: engines that are loaded are asked, as they know what is warm and what was found since
 * they wrote it down; what the others have left lies in the folder.
 */
import type { CacheEntryInfo, PromptCache, PromptCacheReport } from '../../core/context-cache.ts';
import { type EntryFiles, entryFilesIn, readCacheFolder, removeEntryFiles } from './cache-folder.ts';

export interface KeptPromptsOptions {
  /** The caches of the engines that are loaded at the moment. */
  readonly loaded: () => readonly PromptCache[];
  /** Absent: nothing is kept on disk. */
  readonly folder: string | undefined;
  readonly now: () => number;
}

export function keptPrompts({ loaded, folder, now }: KeptPromptsOptions): PromptCache {
  return {
    report: async () => {
      const reports = await Promise.all(loaded().map((cache) => cache.report()));
      if (folder === undefined) return joined(reports);
      const told = new Set(reports.flatMap(({ entries }) => entries.map(({ id }) => id)));
      const { entries } = await readCacheFolder(folder, now());
      return joined([...reports, reportOf(entries.filter(({ id }) => !told.has(id)))]);
    },
    clear: async () => {
      const caches = loaded();
      const others = folder === undefined ? [] : await filesOfOthers(folder, caches);
      const cleared = await Promise.all(caches.map((cache) => cache.clear()));
      for (const files of others) await removeEntryFiles(files);
      return {
        entries: sum(cleared, ({ entries }) => entries) + others.length,
        bytes: sum(cleared, ({ bytes }) => bytes) + sum(others, ({ bytes }) => bytes),
      };
    },
  };
}

/** Files that no loaded engine has: under a running call no file must go, so each engine clears its own. */
async function filesOfOthers(folder: string, loaded: readonly PromptCache[]): Promise<readonly EntryFiles[]> {
  const reports = await Promise.all(loaded.map((cache) => cache.report()));
  const told = new Set(reports.flatMap(({ entries }) => entries.map(({ id }) => id)));
  const files = await entryFilesIn(folder);
  const own = new Set(files.filter(({ id }) => told.has(id)).map(({ fingerprint }) => fingerprint));
  return files.filter(({ fingerprint }) => !own.has(fingerprint));
}

function reportOf(entries: readonly CacheEntryInfo[]): PromptCacheReport {
  return {
    entries,
    totals: {
      entries: entries.length,
      bytes: sum(entries, ({ bytes }) => bytes),
      hits: sum(entries, ({ hits }) => hits),
      savedMs: sum(entries, ({ savedMs }) => savedMs),
    },
  };
}

/** The engines share the folder and its cap. */
function joined(reports: readonly PromptCacheReport[]): PromptCacheReport {
  const totals = reports.map((report) => report.totals);
  const caps = totals.flatMap(({ maxBytes }) => maxBytes ?? []);
  return {
    entries: reports.flatMap(({ entries }) => entries),
    totals: {
      entries: sum(totals, ({ entries }) => entries),
      bytes: sum(totals, ({ bytes }) => bytes),
      ...(caps.length > 0 ? { maxBytes: Math.max(...caps) } : {}),
      hits: sum(totals, ({ hits }) => hits),
      savedMs: sum(totals, ({ savedMs }) => savedMs),
    },
  };
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
