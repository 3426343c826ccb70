/**
 * Limits on calls (models reference §7; founding document "Rate Limits & Retry"). What is limited is named by a bucket's key
 * (`beijing/qwen-plus/requests`, `key-1/streams`); how much it holds comes along with each question, so that a limit that
 * was changed holds at once. The buckets are in memory, or in a Redis that several servers share.
 */
import type { Account } from './ports.ts';

/** A bucket that is full at first, gives up to `capacity` at once and fills up again at `perSecond`. */
export interface RateLimit {
  readonly bucket: string;
  /** What the caller reads when it is empty. `requests`: QPS and RPM; `tokens`: TPM; `burst`: growth. */
  readonly kind: 'requests' | 'tokens' | 'burst';
  readonly capacity: number;
  readonly perSecond: number;
}

/** So many at once. */
export interface ConcurrencyLimit {
  readonly bucket: string;
  readonly kind: 'concurrency';
  readonly max: number;
}

export type LimitKind = RateLimit['kind'] | ConcurrencyLimit['kind'];

export interface LimitedCall {
  /** In the order in which they refuse. */
  readonly rates: readonly RateLimit[];
  /** Looked at when no rate refuses. */
  readonly concurrency: readonly ConcurrencyLimit[];
  /** What the call takes from buckets of kind `tokens` at first: an estimate of its input. */
  readonly tokens: number;
}

export type Admission =
  | {
      readonly isAdmitted: true;
      /** What each of the call's rates holds now, in their order. */
      readonly levels: readonly number[];
      /** Once, when the call has ended: gives its place back, and takes or gives back the difference to its true tokens. */
      settle(tokens: number): void;
    }
  | {
      readonly isAdmitted: false;
      readonly kind: LimitKind;
      /** Until every bucket holds enough; undefined where nobody can say (concurrency). */
      readonly retryAfterMs: number | undefined;
      readonly levels: readonly number[];
    };

/**
 * Takes from all buckets of a call or from none. A token bucket may go below zero when a call is settled; then it refuses
 * until it has filled up. In memory it answers at once; a store that is away answers from memory, never with a failure.
 */
export interface Limiter {
  admit(call: LimitedCall): Admission | Promise<Admission>;
  /** What is left of a rate, for `atelier limits`. */
  remaining(rate: RateLimit): number | Promise<number>;
  close(): Promise<void>;
}

/**
 * What a call takes from a bucket. A prompt that is larger than all the bucket can ever hold takes all of it, as it would
 * never be let in otherwise; the rest is taken when the call is settled.
 */
export function costOf({ kind, capacity }: RateLimit, tokens: number): number {
  return kind === 'tokens' ? Math.min(tokens, Math.max(capacity, 1)) : 1;
}

/** What is left of a limit, as the headers of a reply tell it. */
export interface RateLeft {
  readonly limit: number;
  /** Whole, never negative. */
  readonly remaining: number;
  /** Until it is full again. */
  readonly resetMs: number;
}

/** Of a call: of each kind the limit that will refuse first; a kind that nothing limits is absent. */
export interface RateLimits {
  readonly requests?: RateLeft | undefined;
  readonly tokens?: RateLeft | undefined;
}

/** A rate and what is left of it now. */
export type RateWithLevel = RateLimit & { readonly remaining: number };

/** What limits calls of a model by a key; undefined when nothing limits calls at all. */
export type LimitsLeft = (asked: {
  readonly account: Account;
  readonly model: string;
}) => Promise<readonly RateWithLevel[] | undefined>;

/**
 * Lets a WebSocket in: it takes a place among the streams of its client while it is open, and the calls on it take none
 * of their own. Throws `concurrency-limited` when no place is left. Gives what is to be called when it has closed.
 */
export type AdmitSocket = (account: Account) => (() => void) | Promise<() => void>;
