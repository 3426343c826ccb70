/**
 * The waiting lines in front of the engine: bounded, fair between callers, and paused while there is no engine.
 *
 * Keys take turns (round robin), so one caller with a hundred calls delays another by one call, not by a hundred.
 * Within a key the order is the order of arrival. A call for n choices takes as many sequences as it needs; the line
 * waits for them rather than letting small calls overtake, or a big one might never start.
 *
 * Batch calls have a line of their own, behind the live one: none starts while a live call waits, not even in a place
 * that the live call is too big for. One that runs already is not interrupted. Each line has the limit for itself, so
 * waiting batch calls never make a live one be refused.
 *
 * Where other weights wait for the memory of these (fleet.ts), the door closes behind those who came first: who comes
 * later waits for the next turn of these weights, or a busy model would keep a waiting one out for ever.
 */
import { StudioError } from '../../core/errors.ts';
import type { CallContext, Clock } from '../../core/ports.ts';

/** A call's right to use the engine. `release` may be called more than once; only the first counts. */
export interface Slot {
  readonly queueMs: number;
  /** How many of its line were before it when it came. */
  readonly callsAhead: number;
  release(): void;
}

/** Until when somebody must have come, by the clock of the queue, to be let in. */
export interface Door {
  readonly liveUntilMs: number;
  readonly batchUntilMs: number;
}

export const OPEN_DOOR: Door = { liveUntilMs: Number.POSITIVE_INFINITY, batchUntilMs: Number.POSITIVE_INFINITY };

export interface FairQueueOptions {
  /** Calls that may wait in one line; one more is refused. */
  readonly limit: number;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** Who wants in. */
export interface Entrant {
  readonly keyId: string;
  /** Sequences the call needs. */
  readonly weight: number;
  readonly priority: CallContext['priority'];
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly keyId: string;
  readonly weight: number;
  readonly enteredAtMs: number;
  readonly callsAhead: number;
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
  readonly #live = new Line();
  readonly #batch = new Line();
  #capacity = 0;
  #used = 0;
  #isPaused = true;
  #door = OPEN_DOOR;
  #closed: StudioError | undefined;
  #meanDurationMs = FIRST_GUESS_MS;

  constructor(options: FairQueueOptions) {
    this.#limit = options.limit;
    this.#clock = options.clock;
  }

  get waiting(): number {
    return this.#live.waiting + this.#batch.waiting;
  }

  get used(): number {
    return this.#used;
  }

  waitingOf(priority: CallContext['priority']): number {
    return this.#lineOf(priority).waiting;
  }

  /** When the one came who has waited longest; undefined when nobody waits. */
  oldestOf(priority: CallContext['priority']): number | undefined {
    return this.#lineOf(priority).oldestMs;
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

  /** Lets in only who came in time. */
  setDoor(door: Door): void {
    this.#door = door;
    this.#serve();
  }

  /** Refuses everybody who waits and everybody who comes, with this error. */
  close(error: StudioError): void {
    this.#closed = error;
    for (const waiter of [...this.#live.clear(), ...this.#batch.clear()]) waiter.refuse(error);
  }

  /**
   * Waits for `weight` sequences. Rejects with `queue-full` when the line is full, with the closing error when closed.
   * Resolves undefined when `signal` aborts first: the call has left the line.
   */
  enter({ keyId, weight, priority, signal }: Entrant): Promise<Slot | undefined> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal.aborted) return Promise.resolve(undefined);
    const line = this.#lineOf(priority);
    if (line.waiting >= this.#limit && !this.#hasRoomFor(weight)) return Promise.reject(this.#fullError(priority));
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        resolve(undefined);
        // The one who left may have been the big call that everybody waited for.
        if (line.remove(waiter)) this.#serve();
      };
      const waiter: Waiter = {
        keyId,
        weight,
        enteredAtMs: this.#clock.monotonic(),
        callsAhead: line.waiting,
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
      line.add(waiter);
      this.#serve();
    });
  }

  /** Whole seconds until a call that is refused now may hope to be served. A live one waits for no batch call's turn. */
  retryAfterSeconds(priority: CallContext['priority'] = 'live'): number {
    const ahead = priority === 'live' ? this.#live.waiting : this.waiting;
    const turns = (ahead + 1) / Math.max(1, this.#capacity);
    const seconds = Math.ceil((turns * this.#meanDurationMs) / 1_000);
    return Math.min(MAX_RETRY_SECONDS, Math.max(MIN_RETRY_SECONDS, seconds));
  }

  #fullError(priority: CallContext['priority']): StudioError {
    return new StudioError('queue-full', undefined, { retryAfterSeconds: this.retryAfterSeconds(priority) });
  }

  /** With a limit of 0 nobody may wait, but a call that would start at once does not. */
  #hasRoomFor(weight: number): boolean {
    return !this.#isPaused && this.#door === OPEN_DOOR && this.waiting === 0 && this.#fits(weight);
  }

  #lineOf(priority: CallContext['priority']): Line {
    return priority === 'live' ? this.#live : this.#batch;
  }

  /** A call heavier than the engine runs alone. */
  #fits(weight: number): boolean {
    return this.#used + Math.min(weight, this.#capacity) <= this.#capacity;
  }

  #serve(): void {
    while (!this.#isPaused) {
      const isLive = this.#live.waiting > 0;
      const line = isLive ? this.#live : this.#batch;
      const waiter = line.next(isLive ? this.#door.liveUntilMs : this.#door.batchUntilMs);
      if (!waiter || !this.#fits(waiter.weight)) return;
      line.take(waiter);
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
      callsAhead: waiter.callsAhead,
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

/** Waiting calls of one priority; keys take turns. */
class Line {
  /** By key; a key's place in the map is its turn. */
  readonly #keys = new Map<string, Waiter[]>();
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  get oldestMs(): number | undefined {
    let oldest: number | undefined;
    for (const [first] of this.#keys.values())
      if (first && (oldest === undefined || first.enteredAtMs < oldest)) oldest = first.enteredAtMs;
    return oldest;
  }

  /** Whose turn it is, of those who came until then. */
  next(untilMs: number): Waiter | undefined {
    for (const [first] of this.#keys.values()) if (first && first.enteredAtMs <= untilMs) return first;
    return undefined;
  }

  add(waiter: Waiter): void {
    const calls = this.#keys.get(waiter.keyId);
    if (calls) calls.push(waiter);
    else this.#keys.set(waiter.keyId, [waiter]);
    this.#waiting++;
  }

  /** Lets the first call of a key go in, and sends the key to the back of the round. */
  take({ keyId }: Waiter): void {
    const calls = this.#keys.get(keyId);
    if (!calls) return;
    calls.shift();
    this.#waiting--;
    // Deleting and setting again moves the key behind the others.
    this.#keys.delete(keyId);
    if (calls.length > 0) this.#keys.set(keyId, calls);
  }

  /** False when the call is not in the line. */
  remove(waiter: Waiter): boolean {
    const calls = this.#keys.get(waiter.keyId);
    const index = calls?.indexOf(waiter) ?? -1;
    if (!calls || index < 0) return false;
    calls.splice(index, 1);
    if (calls.length === 0) this.#keys.delete(waiter.keyId);
    this.#waiting--;
    return true;
  }

  /** Sends everybody out of the line. */
  clear(): Waiter[] {
    const waiters = [...this.#keys.values()].flat();
    this.#keys.clear();
    this.#waiting = 0;
    return waiters;
  }
}
