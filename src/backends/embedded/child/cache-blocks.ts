/**
 * The books of the explicit cache: which prefixes are blocks, and how long they live. Pure.
 *
 * A block is a promise about tokens, not a file: a caller marked this prefix, so its next use within five minutes is a
 * hit. Whether the cells are there the caller of these books sees when it has looked for them.
 */
import type { StoredBlock } from '../cache-folder.ts';
import type { CachePlan, CacheReport, MarkReport } from '../engine-protocol.ts';
import { type TokenRow, TokenTree } from './token-tree.ts';

interface Block {
  readonly row: TokenRow;
  readonly tokens: number;
  lifetimeMs: number;
  expiresAtMs: number;
}

/** A mark in tokens. */
export interface TokenMark {
  /** Of the prefix up to it. */
  readonly tokens: number;
  /** Where an older block may end that it finds, its own place included. */
  readonly ends: ReadonlySet<number>;
}

/** "Context cache", explicit cache: a shorter prefix becomes no block, and a block lives five minutes. */
export const MIN_BLOCK_TOKENS = 1_024;
export const BLOCK_LIFETIME_MS = 300_000;

/** The marks of a plan in tokens; `ends[n]` is how many tokens the first n segments of its prompt are. */
export function tokenMarksOf(plan: CachePlan | undefined, ends: readonly number[]): TokenMark[] {
  if (plan?.mode !== 'explicit') return [];
  const place = (segments: number): number => ends[Math.min(segments, ends.length - 1)] ?? 0;
  return (plan.marks ?? []).map(({ segments, lookBack }) => ({
    tokens: place(segments),
    ends: new Set([segments, ...lookBack].map(place)),
  }));
}

export class CacheBlocks {
  /** By namespace. */
  readonly #trees = new Map<string, TokenTree<Block>>();

  /** Makes a block of a row, or begins its life anew. */
  keep(namespace: string, row: TokenRow, life: { readonly lifetimeMs: number; readonly expiresAtMs: number }): void {
    const tree = this.#trees.get(namespace) ?? new TokenTree<Block>();
    this.#trees.set(namespace, tree);
    const known = tree.get(row);
    if (known === undefined) tree.set(row, { row, tokens: row.length, ...life });
    else {
      known.lifetimeMs = life.lifetimeMs;
      known.expiresAtMs = Math.max(known.expiresAtMs, life.expiresAtMs);
    }
  }

  /** The living blocks that a row begins with, the shortest first. */
  within(namespace: string, row: TokenRow, nowMs: number): StoredBlock[] {
    const tree = this.#trees.get(namespace);
    const living = [...(tree?.prefixesOf(row) ?? [])].filter(({ expiresAtMs }) => expiresAtMs > nowMs);
    return living.map(({ tokens, lifetimeMs, expiresAtMs }) => ({ tokens, lifetimeMs, expiresAtMs }));
  }

  /** Forgets what has lived. */
  prune(nowMs: number): void {
    for (const [namespace, tree] of this.#trees) {
      for (const { row, expiresAtMs } of [...tree.values()]) if (expiresAtMs <= nowMs) tree.delete(row);
      if (tree.size === 0) this.#trees.delete(namespace);
    }
  }

  clear(): void {
    this.#trees.clear();
  }
}

/**
 * What the marks of a prompt find and add. `blocks` are the lengths of the living blocks it begins with; of its tokens
 * `there` need not be computed. Each mark adds what no block before it has ("Context cache": of 1,200 cached and 300 new
 * tokens only the 300 are charged as created).
 */
export function reportOf(
  marks: readonly TokenMark[],
  { blocks, there, minTokens }: { blocks: readonly number[]; there: number; minTokens: number },
): CacheReport {
  const hits = marks.map(({ ends }) =>
    Math.max(0, ...blocks.filter((tokens) => tokens >= minTokens && tokens <= there && ends.has(tokens))),
  );
  let covered = Math.max(0, ...hits);
  const reports = marks.map(({ tokens }, i): MarkReport => {
    const createdTokens = tokens >= minTokens ? Math.max(0, tokens - covered) : 0;
    covered += createdTokens;
    return { tokens, hitTokens: hits[i] ?? 0, createdTokens };
  });
  return { marks: reports };
}
