/**
 * How many threads compute a batch.
 *
 * The native threads wait for each other some two hundred times a token, and in busy loops. As long as each has a core
 * to itself that is fastest; when anything else on the machine wants one of those cores, the others spin until the
 * system gives it back, and a token takes 10 to 50 times as long (measured: 35 ms alone, 1,200 ms beside one busy
 * process on two cores; 65 ms with one thread). So when steps get slow beyond reason, threads are given up, and tried
 * again after a while.
 *
 * Where several engines compute, each is told how many they are and keeps to its part of the cores from the start:
 * finding out by slow steps would cost both of them seconds, again and again.
 *
 * A quiet machine never changes its number of threads. That matters: beyond 512 tokens of context the number decides how
 * the attention of a single stream is rounded.
 */

/** So many times what a step should take is beyond reason; a long context alone may double it. */
const SLOW_FACTOR = 3;
/** One slow step is an accident. */
const SLOW_STEPS = 2;
/** Steps in a row that show that the machine is quiet again. */
const GOOD_STEPS = 16;
const FIRST_PAUSE_MS = 2_000;
const MAX_PAUSE_MS = 32_000;
/** A try that fails costs a slow step, 5 s where a prompt is being read; it may cost this part of the time. */
const PAUSE_PER_SLOW_MS = 10;
/** What one more stream adds to a step, in steps of one stream. */
const COST_OF_A_STREAM = 0.5;
/** What a prompt's token costs, in the same measure: 64 tokens take as long as 9 steps (0.5B and 1.5B, two cores). */
const COST_OF_A_PROMPT_TOKEN = 1 / 7;
/** Weight of the newest step in the running mean. */
const SMOOTHING = 0.1;

export class ThreadGovernor {
  /** Fewer and fewer threads; the first gives one core away. */
  readonly #levels: readonly number[];
  readonly #now: () => number;
  /** What a step of one stream should take. */
  #expectedMs: number;
  #level = 0;
  #engines = 1;
  #slowSteps = 0;
  #goodSteps = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #retryAtMs = Number.POSITIVE_INFINITY;

  /** `singleThreadMs` is what a step takes with one thread, which no other process can hold up for long. */
  constructor(threads: number, singleThreadMs: number, now: () => number = () => performance.now()) {
    this.#levels = [...new Set([threads, threads - 1, Math.ceil(threads / 2), 1])].filter((level) => level > 0);
    this.#expectedMs = singleThreadMs;
    this.#now = now;
  }

  /** For the next batch. */
  get threads(): number {
    if (this.#level > 0 && this.#now() >= this.#retryAtMs) {
      this.#level--;
      this.#retryAtMs = Number.POSITIVE_INFINITY;
      // One slow step is enough to know that it was too early.
      this.#slowSteps = SLOW_STEPS - 1;
      this.#goodSteps = 0;
    }
    return Math.min(this.#levels[this.#level] ?? 1, this.#part);
  }

  /** What a step of one stream takes. */
  get stepMs(): number {
    return this.#expectedMs;
  }

  /** So many engines compute at the moment, this one among them. */
  share(engines: number): void {
    if (engines === this.#engines) return;
    this.#engines = engines;
    // What a step takes with another number of threads is to be seen, not to be blamed on anybody.
    this.#slowSteps = 0;
    this.#goodSteps = 0;
  }

  get #part(): number {
    return Math.max(1, Math.floor((this.#levels[0] ?? 1) / this.#engines));
  }

  /** Hears what a batch took. */
  note(batch: readonly { readonly tokens: readonly number[] }[], tookMs: number): void {
    const stepMs = tookMs / stepsOf(batch);
    if (stepMs > SLOW_FACTOR * this.#expectedMs) {
      this.#slow(tookMs);
      return;
    }
    this.#slowSteps = 0;
    this.#expectedMs += SMOOTHING * (stepMs - this.#expectedMs);
    if (++this.#goodSteps < GOOD_STEPS) return;
    if (this.#level === 0) this.#pauseMs = FIRST_PAUSE_MS;
    else if (this.#retryAtMs === Number.POSITIVE_INFINITY) this.#retryAtMs = this.#now();
  }

  #slow(tookMs: number): void {
    this.#goodSteps = 0;
    if (++this.#slowSteps < SLOW_STEPS || this.#level === this.#levels.length - 1) return;
    this.#level++;
    this.#slowSteps = 0;
    this.#retryAtMs = this.#now() + Math.max(this.#pauseMs, PAUSE_PER_SLOW_MS * tookMs);
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
  }
}

/** What a batch should cost, in steps of one stream. */
function stepsOf(batch: readonly { readonly tokens: readonly number[] }[]): number {
  const streams = batch.filter(({ tokens }) => tokens.length === 1).length;
  const prompts = batch.reduce((sum, { tokens }) => sum + (tokens.length > 1 ? tokens.length : 0), 0);
  const streaming = streams === 0 ? 0 : 1 + COST_OF_A_STREAM * (streams - 1);
  return Math.max(1, streaming + COST_OF_A_PROMPT_TOKEN * prompts);
}
