/**
 * Jobs that begin with a prefix from the disk. Its file is looked at beside the loop, for hashing a long one takes its time;
 * what is whole is loaded between two batches. The sequences are taken meanwhile.
 */
import type { ExplicitCache } from './explicit-cache.ts';
import type { Job } from './job.ts';
import { leastRecentlyUsed } from './least-recently-used.ts';
import type { PrefixCache } from './prefix-cache.ts';
import type { FoundPrefix } from './prefix-store.ts';
import type { SequencePool } from './sequence-pool.ts';
import type { SequenceSaver } from './sequence-saver.ts';
import type { Sequence, SequencePlan } from './sequences.ts';
import { commonPrefix } from './token-tree.ts';

/** A job whose prefix is being fetched. */
export interface Restore {
  readonly job: Job;
  readonly target: Sequence;
  readonly others: readonly Sequence[];
  readonly found: FoundPrefix;
  /** Of the file; undefined while it is being looked at. */
  isWhole: boolean | undefined;
  readonly looked: Promise<void>;
}

export interface PrefixRestoresOptions {
  readonly cache: PrefixCache;
  readonly explicit: ExplicitCache;
  readonly pool: SequencePool;
  readonly saver: Pick<SequenceSaver, 'beforeLoss'>;
  /** Has all copies made that are not yet. */
  readonly makeCopies: () => Promise<void>;
  /** Gives a sequence back. */
  readonly release: (sequence: Sequence) => void;
}

export class PrefixRestores {
  readonly #options: PrefixRestoresOptions;
  #running: readonly Restore[] = [];

  constructor(options: PrefixRestoresOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#running.length === 0;
  }

  /** What to fetch for a job rather than to go on from what its sequence would hold. */
  worthFetching(job: Job, { target, copyFrom, keep }: SequencePlan): FoundPrefix | undefined {
    const { cache, explicit } = this.#options;
    if (!job.usesDisk) return undefined;
    const found = cache.find(job.namespace, job.base, keep);
    if (found !== undefined || job.marks.length === 0) return found;
    // A caller pays for a block, so it is fetched even where little is gained.
    const source = copyFrom ?? target;
    const warm = source.namespace === job.namespace ? commonPrefix(source.tokens, job.prompt) : 0;
    const stored = cache.storedOf(job.namespace, job.base);
    if (stored === undefined || stored.common <= warm) return undefined;
    return explicit.hitTokens(job, stored.common) > explicit.hitTokens(job, warm) ? stored : undefined;
  }

  /** Takes `wanted` sequences for the job, as far as there are, and has the file looked at. */
  begin(job: Job, plan: SequencePlan, found: FoundPrefix, wanted: number): void {
    const { cache, pool } = this.#options;
    // What the best sequence holds is mostly in the file, too.
    const isCovered = plan.copyFrom === undefined && plan.keep > 0 && plan.keep * 2 >= plan.target.tokens.length;
    const target = isCovered ? plan.target : (leastRecentlyUsed(pool.free) ?? plan.target);
    const others = pool.freeBeside(target, wanted - 1);
    for (const sequence of [target, ...others]) pool.take(sequence);
    const looked = cache.isWhole(found.prefix).then((isWhole) => {
      restore.isWhole = isWhole;
    });
    const restore: Restore = { job, target, others, found, isWhole: undefined, looked };
    this.#running = [...this.#running, restore];
  }

  /** The job has ended; its sequences are given back. */
  endOf(job: Job): void {
    const restore = this.#running.find((other) => other.job === job);
    if (restore !== undefined) this.#end(restore);
  }

  /** Loads what has been looked at, and tells of each whether its prefix is there; its sequences are free again then. */
  async finish(onFinished: (restore: Restore, isRestored: boolean) => void): Promise<void> {
    for (const restore of this.#running.filter(({ isWhole }) => isWhole !== undefined)) {
      const isRestored = restore.isWhole === true && (await this.#load(restore));
      if (restore.job.isEnded) continue;
      this.#end(restore);
      if (!isRestored) this.#options.cache.drop(restore.found.prefix);
      onFinished(restore, isRestored);
    }
  }

  /** Resolves when a file has been looked at. */
  async looked(): Promise<void> {
    await Promise.race(this.#running.map(({ looked }) => looked));
  }

  #end(restore: Restore): void {
    const { cache, release } = this.#options;
    this.#running = this.#running.filter((other) => other !== restore);
    cache.letGo(restore.found.prefix);
    for (const sequence of [restore.target, ...restore.others]) release(sequence);
  }

  async #load({ job, target, others, found }: Restore): Promise<boolean> {
    const { cache, pool, saver, makeCopies } = this.#options;
    for (const sequence of [target, ...others]) await saver.beforeLoss(sequence, 0);
    await makeCopies();
    if (job.isEnded) return false;
    pool.empty(target);
    if (await cache.load(found.prefix, target)) return true;
    pool.empty(target);
    return false;
  }
}
