/** The marks of jobs: what they find among the blocks, and what they add to them. */
import type { CachePlan, CacheReport } from '../engine-protocol.ts';
import { BLOCK_LIFETIME_MS, type CacheBlocks, MIN_BLOCK_TOKENS, reportOf } from './cache-blocks.ts';
import type { Job } from './job.ts';
import type { PrefixCache } from './prefix-cache.ts';
import type { Sequence } from './sequences.ts';

export interface ExplicitCacheOptions {
  readonly blocks: CacheBlocks;
  /** Where the cells of blocks outlive their sequences. */
  readonly cache: PrefixCache | undefined;
  readonly now: () => number;
}

export class ExplicitCache {
  readonly #blocks: CacheBlocks;
  readonly #cache: PrefixCache | undefined;
  readonly #now: () => number;

  constructor({ blocks, cache, now }: ExplicitCacheOptions) {
    this.#blocks = blocks;
    this.#cache = cache;
    this.#now = now;
  }

  /** What a job's marks find when so many of its tokens are there. Undefined for a plan without marks' books. */
  reportOf(job: Job, there: number): CacheReport | undefined {
    const { cache } = job.plan;
    if (cache?.mode !== 'explicit') return undefined;
    const blocks = this.#blocks.within(cache.namespace, job.prompt, this.#now()).map(({ tokens }) => tokens);
    return reportOf(job.marks, { blocks, there, minTokens: minTokensOf(cache) });
  }

  /** The most that any mark finds. */
  hitTokens(job: Job, there: number): number {
    return hitTokensOf(this.reportOf(job, there));
  }

  /** The job begins: what its marks found lives anew. */
  begin(job: Job, there: number): CacheReport | undefined {
    const report = this.reportOf(job, there);
    const found = new Set(report?.marks.map(({ hitTokens }) => hitTokens));
    this.#keep(
      job,
      [...found].filter((tokens) => tokens > 0),
    );
    return report;
  }

  /** Its answer is complete: its marks are blocks now. `sequence` is one that holds the prompt. */
  complete(job: Job, sequence: Pick<Sequence, 'blockTokens'>): CacheReport | undefined {
    const { cache } = job.plan;
    if (cache === undefined || job.cacheReport === undefined) return undefined;
    const lengths = job.marks.map(({ tokens }) => tokens).filter((tokens) => tokens >= minTokensOf(cache));
    this.#keep(job, lengths);
    sequence.blockTokens = Math.max(sequence.blockTokens, ...lengths);
    return job.cacheReport;
  }

  #keep({ plan, prompt }: Job, lengths: readonly number[]): void {
    if (plan.cache === undefined || lengths.length === 0) return;
    const { namespace, lifetimeMs = BLOCK_LIFETIME_MS } = plan.cache;
    const life = { lifetimeMs, expiresAtMs: this.#now() + lifetimeMs };
    for (const tokens of lengths) this.#blocks.keep(namespace, prompt.slice(0, tokens), life);
    const stored = this.#cache?.storedOf(namespace, prompt);
    if (stored !== undefined && stored.common >= Math.max(...lengths)) this.#cache?.noteUse(stored.prefix);
  }
}

function minTokensOf({ minTokens = MIN_BLOCK_TOKENS }: CachePlan): number {
  return minTokens;
}

function hitTokensOf(report: CacheReport | undefined): number {
  return Math.max(0, ...(report?.marks ?? []).map(({ hitTokens }) => hitTokens));
}
