/** `atelier cache` and `atelier cache clear` */
import type { CacheView } from '../../admin/cache-routes.ts';
import { type ConfigFlags, loadConfig } from '../../config.ts';
import type { CacheEntryInfo } from '../../core/context-cache.ts';
import { clearCache, readCache } from '../local-cache.ts';
import { asTyped, formatBytes, formatSeconds, say, styled, table } from '../terminal.ts';

type CacheFlags = ConfigFlags & { readonly limit: string; readonly json?: boolean };

/** The prompts that are kept, the last used first, and what they were good for. */
export async function cache(flags: CacheFlags): Promise<void> {
  const report = await readCache(loadConfig({ flags }));
  if (flags.json) say(JSON.stringify(report, null, 2));
  else say(cacheText(report, Number(flags.limit) || 0, Date.now()));
}

/** Forgets them. */
export async function clear(flags: ConfigFlags & { readonly json?: boolean }): Promise<void> {
  const { items } = await clearCache(loadConfig({ flags }));
  if (flags.json) {
    say(JSON.stringify({ items }, null, 2));
    return;
  }
  const entries = sum(items, (each) => each.entries);
  if (entries === 0) say('There was nothing to forget.');
  else
    say(`Forgot ${entries} ${entries === 1 ? 'prompt' : 'prompts'}, ${formatBytes(sum(items, (each) => each.bytes))}.`);
}

/** What a person reads; `limit` bounds the rows. */
export function cacheText(
  { items, isServed }: CacheView & { isServed: boolean },
  limit: number,
  nowMs: number,
): string {
  const entries = items.flatMap(({ backend, entries: own }) => own.map((entry) => ({ backend, entry })));
  const totals = items.map((each) => each.totals);
  const bytes = sum(totals, (each) => each.bytes);
  const maxBytes = sum(totals, (each) => each.maxBytes ?? 0);
  const facts = [
    `${entries.length} ${entries.length === 1 ? 'prompt' : 'prompts'}`,
    formatBytes(bytes) + (maxBytes > 0 ? ` of at most ${formatBytes(maxBytes)}` : ''),
    `found ${sum(totals, (each) => each.hits)} times`,
    `${formatSeconds(sum(totals, (each) => each.savedMs) / 1000)} of computing saved`,
  ];
  const shown = entries.toSorted((a, b) => b.entry.lastUseMs - a.entry.lastUseMs).slice(0, limit);
  const rows = shown.map(({ backend, entry }) => [
    backend,
    entry.kind,
    String(entry.tokens),
    formatBytes(entry.bytes),
    String(entry.hits),
    formatSeconds(entry.savedMs / 1000),
    `${formatSeconds((nowMs - entry.lastUseMs) / 1000)} ago`,
    lifeOf(entry, nowMs),
    entry.namespace,
  ]);
  const header = ['by', 'kind', 'tokens', 'size', 'found', 'saved', 'used', 'lives', 'of'];
  const hidden = entries.length - rows.length;
  return [
    ...(rows.length > 0 ? [table(header, rows), ''] : []),
    ...(hidden > 0 ? [styled('dim', asTyped(`${hidden} more: atelier cache --limit ${entries.length}`)), ''] : []),
    `${facts.join(', ')}.`,
    ...(isServed
      ? []
      : [styled('dim', 'No server of this configuration answers; this is what the last one left on disk.')]),
  ].join('\n');
}

/** Blocks of the explicit cache have a life; the rest is kept while there is room. */
function lifeOf({ expiresAtMs }: CacheEntryInfo, nowMs: number): string {
  return expiresAtMs === undefined ? '-' : formatSeconds((expiresAtMs - nowMs) / 1000);
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
