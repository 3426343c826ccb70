/**
 * The context cache: what of a request's prompt may be kept for later calls and found again ("Context cache";
 * docs/context-cache.md, docs/decisions/0018).
 *
 * The rules that need only the request are here and in `pipeline/features/context-cache.ts`. How many tokens a prefix has,
 * and whether it is there, only the backend knows that reads it.
 */
import type { ContentPart, GenerationRequest } from './generation.ts';

/** How the prompt of one call is cached. Set by the pipeline; a backend that keeps no prompts does not look at it. */
export interface ContextCache {
  /**
   * - `explicit`: the caller's marks make blocks, and only blocks are found;
   * - `session`: the whole prompt is a block, as if its end were marked, and a block of any length back is found;
   * - `implicit`: whatever need not be computed again is found;
   * - `off`: the model has no cache to tell of. A backend may still save itself work, and tells nothing.
   */
  readonly mode: 'explicit' | 'session' | 'implicit' | 'off';
  /** Of whose prompts it is. What was kept under one name is never found under another. */
  readonly namespace: string;
  /** A shorter prefix is neither kept by a mark nor told as found. */
  readonly minTokens: number;
  /** How long a block lives; each hit begins its life anew. */
  readonly lifetimeMs: number;
}

/** A piece of the prompt that a block may end with. Reasoning is none: it may be gone from the next prompt. */
export interface CacheBlock {
  /** -1: in the instructions. */
  readonly turn: number;
  readonly part: number;
  readonly content: Exclude<ContentPart, { type: 'reasoning' }>;
}

/** The pieces of a request in the order of the prompt, tools aside, which come before all of them. */
export function cacheBlocksOf({
  instructions,
  turns,
}: Pick<GenerationRequest, 'instructions' | 'turns'>): CacheBlock[] {
  const blocks: CacheBlock[] = [];
  const add = (turn: number, parts: readonly ContentPart[]): void => {
    for (const [part, content] of parts.entries()) {
      if (content.type !== 'reasoning') blocks.push({ turn, part, content });
    }
  };
  add(-1, instructions);
  for (const [index, { parts }] of turns.entries()) add(index, parts);
  return blocks;
}

/** A place where this call makes a block, and where it looks for an older one; numbers of blocks. */
export interface MarkedBlock {
  readonly block: number;
  /** Descending, without `block` itself, which is looked at first. */
  readonly lookBack: readonly number[];
}

/** "Context cache", explicit cache: more marks than these are no error, the last ones count. */
export const MAX_CACHE_MARKS = 4;
/** The same page: how many blocks before a mark are looked at. */
export const LOOK_BACK_BLOCKS = 20;

/** The marks that count, in the order of the prompt. */
export function markedBlocksOf(blocks: readonly CacheBlock[], mode: ContextCache['mode']): MarkedBlock[] {
  switch (mode) {
    case 'off':
    case 'implicit':
      return [];
    case 'session':
      return blocks.length === 0 ? [] : [markedBlock(blocks.length - 1, blocks.length)];
    case 'explicit': {
      const marked = [...blocks.keys()].filter((index) => isMarked(blocks[index]));
      return marked.slice(-MAX_CACHE_MARKS).map((index) => markedBlock(index, LOOK_BACK_BLOCKS));
    }
    default:
      return mode satisfies never;
  }
}

function isMarked(block: CacheBlock | undefined): boolean {
  return block !== undefined && hasMark(block.content);
}

function hasMark(piece: object): boolean {
  return 'cacheMark' in piece && piece.cacheMark !== undefined;
}

function markedBlock(block: number, reach: number): MarkedBlock {
  const count = Math.min(block, reach);
  return { block, lookBack: Array.from({ length: count }, (_, index) => block - 1 - index) };
}

/** Whether any piece that may carry a mark does. Tools may not: a mark on one is read and means nothing. */
export function hasCacheMarks(request: Pick<GenerationRequest, 'instructions' | 'turns'>): boolean {
  return cacheBlocksOf(request).some(isMarked);
}

/** The request with those marks only that count in this mode; the very same request where it has no others. */
export function withMarksOf(request: GenerationRequest, mode: ContextCache['mode']): GenerationRequest {
  const blocks = cacheBlocksOf(request);
  const counting = mode === 'explicit' ? markedBlocksOf(blocks, mode) : [];
  const kept = new Set<object | undefined>(counting.map(({ block }) => blocks[block]?.content));
  const hasOthers = blocks.some((block) => isMarked(block) && !kept.has(block.content));
  if (!hasOthers && !request.tools.some(hasMark)) return request;
  const stripped = <Piece extends object>(piece: Piece): Piece =>
    hasMark(piece) && !kept.has(piece) ? { ...piece, cacheMark: undefined } : piece;
  return {
    ...request,
    instructions: request.instructions.map((part) => stripped(part)),
    turns: request.turns.map((turn) => ({ ...turn, parts: turn.parts.map((part) => stripped(part)) })),
    tools: request.tools.map((tool) => stripped(tool)),
  };
}

/** What one prefix in a cache is and what it was good for, for administrators. Holds nothing of its text. */
export interface CacheEntryInfo {
  readonly id: string;
  readonly kind: 'explicit' | 'implicit';
  readonly namespace: string;
  readonly tokens: number;
  /** 0 where it takes no room of its own. */
  readonly bytes: number;
  readonly hits: number;
  /** Computing time that its hits saved. */
  readonly savedMs: number;
  readonly createdAtMs: number;
  readonly lastUseMs: number;
  /** Absent: it is kept as long as there is room. */
  readonly expiresAtMs?: number | undefined;
}

export interface CacheTotals {
  readonly entries: number;
  readonly bytes: number;
  /** What it may grow to; absent where nothing bounds it. */
  readonly maxBytes?: number | undefined;
  readonly hits: number;
  readonly savedMs: number;
}

export interface PromptCacheReport {
  readonly entries: readonly CacheEntryInfo[];
  readonly totals: CacheTotals;
}

/** The prompts a backend keeps. */
export interface PromptCache {
  report(): Promise<PromptCacheReport>;
  /** Forgets everything that no running call needs, and says how much that was. */
  clear(): Promise<{ readonly entries: number; readonly bytes: number }>;
}
