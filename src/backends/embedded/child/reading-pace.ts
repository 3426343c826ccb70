/**
 * How many tokens are read in one batch.
 *
 * A batch is a pause for everybody who streams, so while somebody does, a batch reads only what takes a fraction of a
 * second on this machine, with these weights, this far into a prompt: as measured, since all three differ by factors.
 */
import { LONG_PIECE, MAX_LONG } from './batch-plan.ts';

/** How long a batch may take while somebody streams. The aim is 0.4 s between two tokens; the rest is for surprises. */
const AIM_MS = 300;
/** Below it the weights are read more for less. */
const MIN_SLICE = 8;
/** Weight of the newest step in the running means: what got slower is believed sooner than what got faster. */
const SLOWER = 0.5;
const FASTER = 0.2;
/** What one more stream adds to a step, in steps of one stream. */
const COST_OF_A_STREAM = 0.5;

/** What a batch held: tokens by entry, one of each stream, more of each reader. */
type Batch = readonly { readonly tokens: readonly number[] }[];

export class ReadingPace {
  #streamMs: number;
  #tokenMs: number;

  /** `stepMs`: what a step of one stream takes, until better is known. */
  constructor(stepMs: number) {
    this.#streamMs = stepMs;
    // Measured on two models of 0.5 and 1.5 billion parameters: 7 tokens read cost a step of one stream.
    this.#tokenMs = stepMs / 7;
  }

  /** What reading a token takes. */
  get tokenMs(): number {
    return this.#tokenMs;
  }

  /** Tokens that the next batch may read beside so many streams. */
  sliceBeside(streams: number): number {
    if (streams === 0) return MAX_LONG;
    const tokens = Math.floor((AIM_MS - this.#stepOf(streams)) / this.#tokenMs);
    return Math.max(MIN_SLICE, Math.min(LONG_PIECE, tokens));
  }

  /** Hears what a batch took. */
  note(batch: Batch, tookMs: number): void {
    const streams = batch.filter(({ tokens }) => tokens.length === 1).length;
    const read = batch.reduce((sum, { tokens }) => sum + (tokens.length > 1 ? tokens.length : 0), 0);
    if (read === 0) this.#streamMs = mean(this.#streamMs, (this.#streamMs * tookMs) / this.#stepOf(streams));
    else if (read >= MIN_SLICE)
      this.#tokenMs = mean(this.#tokenMs, Math.max(0.01, tookMs - this.#stepOf(streams)) / read);
  }

  #stepOf(streams: number): number {
    return streams === 0 ? 0 : this.#streamMs * (1 + COST_OF_A_STREAM * (streams - 1));
  }
}

function mean(before: number, newest: number): number {
  return before + (newest > before ? SLOWER : FASTER) * (newest - before);
}
