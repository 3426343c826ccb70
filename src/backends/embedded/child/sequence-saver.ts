/**
 * Decides which sequences are written to disk and when: those that have been free for a while, those about to be given
 * up, and all at the end. It runs between two batches, so that nothing is computed while a file is written.
 */
import type { PrefixCache } from './prefix-cache.ts';
import type { Sequence } from './sequences.ts';

/**
 * How long a sequence has to be free before it is written: an agent's next turn comes within a second, and goes on where
 * this one ended. With little to lose it is worth waiting longer.
 */
export interface SaveDelays {
  readonly much: number;
  readonly some: number;
}

const SAVE_DELAYS: SaveDelays = { much: 1_000, some: 10_000 };
/** While somebody streams, a sequence that takes longer to write waits until nobody does. */
const MAX_STALL_MS = 150;
/** How long the last writes before the end may take; the parent kills a child that does not end. */
const LAST_SAVES_MS = 1_000;
const NEVER = Number.POSITIVE_INFINITY;

export interface SequenceSaverOptions {
  readonly sequences: readonly Sequence[];
  readonly cache: PrefixCache;
  readonly delays?: SaveDelays | undefined;
  /** Has the copies between sequences made; a file would hold what was there before. */
  readonly makeCopies: () => Promise<void>;
}

export class SequenceSaver {
  readonly #sequences: readonly Sequence[];
  readonly #cache: PrefixCache;
  readonly #delays: SaveDelays;
  readonly #makeCopies: () => Promise<void>;

  constructor({ sequences, cache, delays, makeCopies }: SequenceSaverOptions) {
    this.#sequences = sequences;
    this.#cache = cache;
    this.#delays = delays ?? SAVE_DELAYS;
    this.#makeCopies = makeCopies;
  }

  /** A sequence has become free. */
  noteFree(sequence: Sequence): void {
    const need = this.#cache.needOf(sequence);
    sequence.saveDueMs = need === 'none' ? NEVER : performance.now() + this.#delays[need];
  }

  /** When the next sequence is due. */
  get nextDueMs(): number {
    return Math.min(...this.#sequences.map(({ saveDueMs }) => saveDueMs));
  }

  /** Writes a sequence that is due, if nobody waits too long for it. False: there was none. */
  async saveOne({ isBusy }: { readonly isBusy: boolean }): Promise<boolean> {
    const nowMs = performance.now();
    const due = this.#sequences.find(
      (sequence) =>
        sequence.isFree && sequence.saveDueMs <= nowMs && (!isBusy || this.#cache.stallMs(sequence) <= MAX_STALL_MS),
    );
    if (due !== undefined) await this.#save(due);
    return due !== undefined;
  }

  /** Before all but the first `keep` tokens of a sequence are given up. */
  async beforeLoss(sequence: Sequence, keep: number): Promise<void> {
    const lost = sequence.tokens.length - keep;
    if (lost >= this.#cache.minTokens || keep < sequence.blockTokens) await this.#save(sequence);
  }

  /** Before all of them are given up. */
  async saveAll(): Promise<void> {
    const startedMs = performance.now();
    for (const sequence of this.#sequences) {
      if (performance.now() - startedMs < LAST_SAVES_MS) await this.#save(sequence);
    }
    await this.#cache.settled();
  }

  async #save(sequence: Sequence): Promise<void> {
    sequence.saveDueMs = NEVER;
    if (this.#cache.needOf(sequence) === 'none') return;
    await this.#makeCopies();
    await this.#cache.save(sequence);
  }
}
