/**
 * The waiting line in front of the engine: bounded, fair between callers, and paused while there is no engine.
 *
 * Keys take turns (round robin), so one caller with a hundred calls delays another by one call, not by a hundred.
 * Within a key the order is the order of arrival. A call for n choices takes as many sequences as it needs; the line
 * waits for them rather than letting small calls overtake, or a big one might never start.
 */
import { StudioError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';

/** A call's right to use the engine. `release` may be called more than once; only the first counts. */
export interface Slot {
  readonly queueMs: number;
  release(): void;
}

export interface FairQueueOptions {
  /** Calls that may wait; one more is refused. */
  readonly limit: number;
  readonly clock: Pick<Clock, 'monotonic'>;
}

interface Waiter {
  readonly keyId: string;
  readonly weight: number;
  readonly enteredAtMs: number;
  readonly admit: (slot: Slot) => void;
  readonly refuse: (error: StudioError) => void;
}

/** Bounds of `Retry-After`: never "at once", never so long that nobody believes it. */
const MIN_RETRY_SECONDS = 1;
const MAX_RETRY_SECONDS = 30;
/** Weight of the newest duration in the running mean. */
const DURATION_SMOOTHING = 0.2;
/** What a call is taken to last before any has ended. */
const FIRST_GUESS_MS = 5_000;

export class FairQueue {
  readonly #limit: number;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** Waiting calls by key; a key's place in the map is its turn. */
  readonly #lines = new Map<string, Waiter[]>();
  #waiting = 0;
  #capacity = 0;
  #used = 0;
  #isPaused = true;
  #closed: StudioError | undefined;
  #meanDurationMs = FIRST_GUESS_MS;

  constructor(options: FairQueueOptions) {
    this.#limit = options.limit;
    this.#clock = options.clock;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get used(): number {
    return this.#used;
  }

  /** There are `capacity` sequences to give out. */
  open(capacity: number): void {
    this.#capacity = capacity;
    this.#isPaused = false;
    this.#closed = undefined;
    this.#serve();
  }

  /** Nobody is admitted until `open`; those who wait keep their places. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Refuses everybody who waits and everybody who comes, with this error. */
  close(error: StudioError): void {
    this.#closed = error;
    const waiters = [...this.#lines.values()].flat();
    this.#lines.clear();
    this.#waiting = 0;
    for (const waiter of waiters) waiter.refuse(error);
  }

  /**
   * Waits for `weight` sequences. Rejects with `queue-full` when the line is full, with the closing error when closed.
   * Resolves undefined when `signal` aborts first: the call has left the line.
   */
  enter(keyId: string, weight: number, signal: AbortSignal): Promise<Slot | undefined> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal.aborted) return Promise.resolve(undefined);
    if (this.#waiting >= this.#limit && !this.#hasRoomFor(weight)) return Promise.reject(this.#fullError());
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        resolve(undefined);
        this.#remove(waiter);
      };
      const waiter: Waiter = {
        keyId,
        weight,
        enteredAtMs: this.#clock.monotonic(),
        admit: (slot) => {
          signal.removeEventListener('abort', leave);
          resolve(slot);
        },
        refuse: (error) => {
          signal.removeEventListener('abort', leave);
          reject(error);
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#add(waiter);
      this.#serve();
    });
  }

  /** Whole seconds until a call that is refused now may hope to be served. */
  retryAfterSeconds(): number {
    const turns = (this.#waiting + 1) / Math.max(1, this.#capacity);
    const seconds = Math.ceil((turns * this.#meanDurationMs) / 1_000);
    return Math.min(MAX_RETRY_SECONDS, Math.max(MIN_RETRY_SECONDS, seconds));
  }

  #fullError(): StudioError {
    return new StudioError('queue-full', undefined, { retryAfterSeconds: this.retryAfterSeconds() });
  }

  /** True when a call of this weight would start at once. */
  #hasRoomFor(weight: number): boolean {
    return !this.#isPaused && this.#waiting === 0 && this.#fits(weight);
  }

  /** A call heavier than the engine runs alone. */
  #fits(weight: number): boolean {
    return this.#used + Math.min(weight, this.#capacity) <= this.#capacity;
  }

  #add(waiter: Waiter): void {
    const line = this.#lines.get(waiter.keyId);
    if (line) line.push(waiter);
    else this.#lines.set(waiter.keyId, [waiter]);
    this.#waiting++;
  }

  #remove(waiter: Waiter): void {
    const line = this.#lines.get(waiter.keyId);
    const index = line?.indexOf(waiter) ?? -1;
    if (!line || index < 0) return;
    line.splice(index, 1);
    if (line.length === 0) this.#lines.delete(waiter.keyId);
    this.#waiting--;
    // The one who left may have been the big call that everybody waited for.
    this.#serve();
  }

  #serve(): void {
    while (!this.#isPaused) {
      const turn = this.#lines.entries().next().value;
      if (!turn) return;
      const [keyId, line] = turn;
      const waiter = line[0];
      if (!waiter || !this.#fits(waiter.weight)) return;
      line.shift();
      this.#waiting--;
      // To the back of the round: deleting and setting again moves the key behind the others.
      this.#lines.delete(keyId);
      if (line.length > 0) this.#lines.set(keyId, line);
      this.#admit(waiter);
    }
  }

  #admit(waiter: Waiter): void {
    const weight = Math.min(waiter.weight, this.#capacity);
    const admittedAtMs = this.#clock.monotonic();
    this.#used += weight;
    let isHeld = true;
    waiter.admit({
      queueMs: admittedAtMs - waiter.enteredAtMs,
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#used -= weight;
        const durationMs = this.#clock.monotonic() - admittedAtMs;
        this.#meanDurationMs += DURATION_SMOOTHING * (durationMs - this.#meanDurationMs);
        this.#serve();
      },
    });
  }
}
