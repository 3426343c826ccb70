/**
 * The sequences of a context: who has which, and the native operations that change what they hold, each with its books.
 * Not to be called while a batch is being computed.
 */
import type { DecodingEngine } from './binding.ts';
import { leastRecentlyUsed } from './least-recently-used.ts';
import { Sequence } from './sequences.ts';

type SequenceOperations = Pick<DecodingEngine, 'trim' | 'clear' | 'copy'>;

export class SequencePool {
  readonly all: readonly Sequence[];
  readonly #engine: SequenceOperations;
  /** Sequences that are copies, made natively only with the next batch. */
  readonly #unmadeCopies = new Set<Sequence>();
  #uses = 0;

  constructor(engine: SequenceOperations, count: number) {
    this.#engine = engine;
    this.all = Array.from({ length: count }, (_, id) => new Sequence(id));
  }

  get free(): readonly Sequence[] {
    return this.all.filter(({ isFree }) => isFree);
  }

  /** Copies that hold what was there before until a batch is computed. */
  get unmadeCopies(): readonly Sequence[] {
    return [...this.#unmadeCopies];
  }

  /** A batch was computed, and all copies with it. */
  noteBatch(): void {
    this.#unmadeCopies.clear();
  }

  take(sequence: Sequence): void {
    sequence.isFree = false;
    sequence.lastUse = ++this.#uses;
  }

  release(sequence: Sequence): void {
    sequence.isFree = true;
    sequence.lastUse = ++this.#uses;
  }

  /** The free sequences whose loss hurts least, fewer where there are not so many. */
  freeBeside(target: Sequence, count: number): Sequence[] {
    const chosen: Sequence[] = [];
    while (chosen.length < count) {
      const next = leastRecentlyUsed(this.free.filter((other) => other !== target && !chosen.includes(other)));
      if (next === undefined) break;
      chosen.push(next);
    }
    return chosen;
  }

  async copy(source: Sequence, target: Sequence): Promise<void> {
    await this.#engine.copy(target.id, source.id);
    target.copyFrom(source);
    this.#unmadeCopies.add(target);
  }

  /** Keeps the first `length` tokens; architectures that cannot go back start from nothing. */
  trim(sequence: Sequence, length: number): void {
    if (sequence.tokens.length <= length) return;
    if (this.#engine.trim(sequence.id, length)) sequence.cutTo(length);
    else this.empty(sequence);
  }

  empty(sequence: Sequence): void {
    this.#engine.clear(sequence.id);
    sequence.cutTo(0);
  }
}
