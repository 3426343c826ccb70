/**
 * What limits a call: the model's allowance, which all keys of the account share, and what the administrator gave the key.
 * "Rate limits" (models reference §7): requests, then tokens, then growth; the founding document has the calls a second
 * and the streams.
 */
import type { ConcurrencyLimit, Limiter, RateLeft, RateLimit, RateLimits } from '../core/limits.ts';
import type { ModelLimits } from '../core/models.ts';
import type { KeyLimits, KeyRing } from '../core/platform.ts';
import type { Account } from '../core/ports.ts';

/** What limits calls, and for whom. */
export interface LimitPorts {
  readonly policies: Pick<KeyRing, 'policyOf'>;
  /** Absent: nothing is limited. */
  readonly limits?: { readonly limiter: Limiter; readonly settings: LimitSettings } | undefined;
  /** The model that another name stands for, which is what has limits. */
  readonly modelOf?: ((id: string) => string) | undefined;
}

export interface LimitSettings {
  readonly requestsPerSecond: number;
  readonly concurrentStreams: number;
  /** Models are held to the catalogue's calls and tokens a minute. */
  readonly catalogue: boolean;
  /** Calls of a model that may come at once; 0: as many as the other limits let through. */
  readonly burst: number;
}

/** Ids that draw on the allowance of another ("Rate limits"); every other id, aliases and snapshots too, has its own. */
const SHARED_ALLOWANCES: ReadonlyMap<string, string> = new Map([['kimi/kimi-k2.5', 'kimi/kimi-k2.6']]);

const MINUTE_SECONDS = 60;

/** Callers × models whose limits are kept made up. */
const MOST_KEPT = 10_000;

interface Kept {
  readonly model: ModelLimits | undefined;
  readonly key: KeyLimits;
  readonly rates: readonly RateLimit[];
}

/** Makes up the limits of calls. They are kept while nobody changes them: a call makes no objects and no texts for them. */
export class CallLimits {
  readonly #settings: LimitSettings;
  readonly #rates = new Map<string, Kept>();
  readonly #streams = new Map<string, readonly [ConcurrencyLimit]>();

  constructor(settings: LimitSettings) {
    this.#settings = settings;
  }

  /** In the order in which they refuse. */
  ratesOf(account: Account, model: string, limits: ModelLimits | undefined, key: KeyLimits): readonly RateLimit[] {
    const name = `${account.region}/${model} ${account.keyId}`;
    const kept = this.#rates.get(name);
    if (kept && kept.model === limits && kept.key === key) return kept.rates;
    const allowance = `${account.region}/${SHARED_ALLOWANCES.get(model) ?? model}`;
    const catalogue = this.#settings.catalogue ? limits : undefined;
    const rates = [
      ...this.#requestRates(allowance, catalogue, keyBucket(account), key),
      ...tokenRates(allowance, catalogue, keyBucket(account), key),
      ...this.#growth(allowance),
    ];
    if (this.#rates.size >= MOST_KEPT) this.#rates.clear();
    this.#rates.set(name, { model: limits, key, rates });
    return rates;
  }

  /** The places of streams and sockets, which are the key's. */
  placesOf(account: Account, key: KeyLimits): readonly ConcurrencyLimit[] {
    const max = key.concurrentStreams ?? this.#settings.concurrentStreams;
    const kept = this.#streams.get(account.keyId);
    if (kept && kept[0].max === max) return kept;
    const places = [{ bucket: `${keyBucket(account)}/streams`, kind: 'concurrency', max }] as const;
    if (this.#streams.size >= MOST_KEPT) this.#streams.clear();
    this.#streams.set(account.keyId, places);
    return places;
  }

  #requestRates(allowance: string, model: ModelLimits | undefined, keyed: string, key: KeyLimits): RateLimit[] {
    const { requestsPerSecond } = this.#settings;
    return [
      rate(`${allowance}/second`, 'requests', requestsPerSecond, 1),
      ...windowOf(`${allowance}/requests`, 'requests', model?.requestWindow, model?.requestsPerMinute),
      ...windowOf(`${keyed}/second`, 'requests', perSecond(key.requestsPerSecond), undefined),
      ...windowOf(`${keyed}/requests`, 'requests', undefined, key.requestsPerMinute),
    ];
  }

  /** A surge is refused although a second would have room for it; at an even pace as many pass as a second may have. */
  #growth(allowance: string): RateLimit[] {
    const { burst, requestsPerSecond } = this.#settings;
    if (burst === 0) return [];
    return [{ bucket: `${allowance}/burst`, kind: 'burst', capacity: burst, perSecond: requestsPerSecond }];
  }
}

function tokenRates(allowance: string, model: ModelLimits | undefined, keyed: string, key: KeyLimits): RateLimit[] {
  return [
    ...windowOf(`${allowance}/tokens`, 'tokens', model?.tokenWindow, model?.tokensPerMinute),
    ...windowOf(`${keyed}/tokens`, 'tokens', undefined, key.tokensPerMinute),
  ];
}

function keyBucket({ keyId }: Account): string {
  return `key/${keyId}`;
}

function rate(bucket: string, kind: RateLimit['kind'], count: number, seconds: number): RateLimit {
  return { bucket, kind, capacity: count, perSecond: count / seconds };
}

/** The window is how long an allowance is gathered for: so much may come at once. Without one it is the minute. */
function windowOf(
  bucket: string,
  kind: RateLimit['kind'],
  window: ModelLimits['requestWindow'] | undefined,
  perMinute: number | null | undefined,
): RateLimit[] {
  if (window) return [rate(bucket, kind, window.count, window.seconds)];
  return typeof perMinute === 'number' ? [rate(bucket, kind, perMinute, MINUTE_SECONDS)] : [];
}

function perSecond(count: number | undefined): ModelLimits['requestWindow'] {
  return count === undefined ? null : { count, seconds: 1 };
}

/** What the headers of a reply tell: of each kind the limit that has the least left. */
export function leftOf(rates: readonly RateLimit[], levels: readonly number[]): RateLimits {
  let requests: RateLeft | undefined;
  let tokens: RateLeft | undefined;
  for (const [index, each] of rates.entries()) {
    const level = levels[index] ?? 0;
    const known = each.kind === 'tokens' ? tokens : requests;
    if (each.kind === 'burst' || (known && known.remaining <= level)) continue;
    const resetMs = ((each.capacity - level) / each.perSecond) * 1000;
    const left: RateLeft = { limit: each.capacity, remaining: Math.max(0, Math.floor(level)), resetMs };
    if (each.kind === 'tokens') tokens = left;
    else requests = left;
  }
  return { requests, tokens };
}
