/**
 * Keys, workspaces and their rules in memory, so that a call costs one hash and two look-ups. What other processes change is
 * noticed by the store's revision; a secret that nobody has shown yet asks the store at once, whoever made it.
 */
import { timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { idMatcher } from '../core/id-pattern.ts';
import type {
  AdminKeys,
  CallPolicy,
  KeyRing,
  PlatformState,
  PlatformStore,
  PlatformWatch,
  StoredKey,
  StoredTemporaryKey,
  StoredWorkspace,
  VerifiedKey,
} from '../core/platform.ts';
import { type Account, ANONYMOUS_KEY_ID, type Clock, type Logger, type TemporaryKeys } from '../core/ports.ts';
import { hashOfSecret, isSecret, isTemporarySecret, makeSecret, type RandomBytes } from '../core/secrets.ts';

/** With a reload after it, well within the second in which a revocation has to hold everywhere. */
const POLL_MS = 400;
/** Whoever shows wrong keys must not hammer the database: one question in this time answers them all. */
const QUESTION_INTERVAL_MS = 50;
/** Unknown temporary keys that one question is about; more at once are a flood, and are refused unasked. */
const MAX_ASKED_KEYS = 1000;
/** Expired temporary keys are forgotten so often. */
const SWEEP_MS = 60_000;

export interface KeyRingPorts {
  readonly store: PlatformStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: RandomBytes | undefined;
  /** Waits, so that tests need not. */
  readonly wait?: ((milliseconds: number) => Promise<void>) | undefined;
}

/** The keys of a store in memory. */
export interface HeldKeyRing extends KeyRing, AdminKeys, TemporaryKeys, PlatformWatch {
  /** Takes over what was changed before this call. Never rejects: what is held stays in force while the store is away. */
  refresh(): Promise<void>;
  /** Refreshes from time to time, until it is closed. */
  watch(): void;
  close(): void;
}

/** Reads the store; rejects when that cannot be done. */
export async function openKeyRing(ports: KeyRingPorts): Promise<HeldKeyRing> {
  return new MemoryKeyRing(ports, await ports.store.load());
}

class MemoryKeyRing implements HeldKeyRing {
  readonly #store: PlatformStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #random: RandomBytes | undefined;
  readonly #wait: (milliseconds: number) => Promise<void>;
  readonly #listeners: ((state: PlatformState) => void)[] = [];

  #state: PlatformState;
  #keys: KeyIndex;
  /** By hash: those that were made or shown here. */
  readonly #temporaryKeys = new Map<string, StoredTemporaryKey>();
  #sweptAtMs: number;

  #timer: NodeJS.Timeout | undefined;
  #reload: Promise<void> = Promise.resolve();
  #nextReload: Promise<void> | undefined;
  #isStoreAway = false;

  #askedHashes = new Set<string>();
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #question: Promise<void> = Promise.resolve();
  #nextQuestion: Promise<void> | undefined;

  constructor({ store, clock, log, random, wait }: KeyRingPorts, state: PlatformState) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#random = random;
    this.#wait = wait ?? ((milliseconds) => delay(milliseconds, undefined, { ref: false }));
    this.#state = state;
    this.#keys = new KeyIndex(state);
    this.#sweptAtMs = clock.monotonic();
  }

  get state(): PlatformState {
    return this.#state;
  }

  onChange(listener: (state: PlatformState) => void): void {
    this.#listeners.push(listener);
    listener(this.#state);
  }

  verify(secret: string): VerifiedKey | undefined | Promise<VerifiedKey | undefined> {
    return this.#lookUp(secret, 'api');
  }

  verifyAdmin(secret: string): StoredKey | undefined | Promise<StoredKey | undefined> {
    return this.#lookUp(secret, 'admin');
  }

  #lookUp(secret: string, kind: StoredKey['kind']): VerifiedKey | undefined | Promise<VerifiedKey | undefined> {
    const hash = hashOfSecret(secret);
    const find = () => (isTemporarySecret(secret) ? this.#temporaryKey(hash) : this.#keys.byHash(hash));
    const found = find();
    if (found) return this.#ifLive(found, kind);
    if (!isSecret(secret)) return undefined;
    return this.#ask(secret, hash).then(() => this.#ifLive(find(), kind));
  }

  #ifLive(key: VerifiedKey | undefined, kind: StoredKey['kind']): VerifiedKey | undefined {
    return key?.kind === kind && isLive(key, this.#clock.now()) ? key : undefined;
  }

  #temporaryKey(hash: string): VerifiedKey | undefined {
    const temporary = this.#temporaryKeys.get(hash);
    if (!temporary || !isSame(temporary.hash, hash) || temporary.expiresAtMs <= this.#clock.now()) return undefined;
    const parent = this.#keys.byId(temporary.parentId);
    return parent && { ...parent, isTemporary: true };
  }

  policyOf({ keyId, workspaceId }: Account): CallPolicy | undefined {
    return keyId === ANONYMOUS_KEY_ID ? ANYTHING : this.#keys.policyOf(keyId, workspaceId, this.#clock.now());
  }

  workspace(id: string): StoredWorkspace | undefined {
    return this.#keys.workspace(id);
  }

  async createTemporary(keyId: string, ttlMs: number): Promise<{ secret: string; expiresAtMs: number } | undefined> {
    const now = this.#clock.now();
    const parent = this.#ifLive(this.#keys.byId(keyId), 'api');
    if (!parent) return undefined;
    const { secret, hash } = makeSecret('temporary', this.#random);
    const key: StoredTemporaryKey = { hash, parentId: keyId, expiresAtMs: now + ttlMs };
    await this.#store.createTemporaryKey(key);
    this.#hold([key]);
    return { secret, expiresAtMs: key.expiresAtMs };
  }

  #hold(keys: readonly StoredTemporaryKey[]): void {
    for (const key of keys) this.#temporaryKeys.set(key.hash, key);
    if (this.#clock.monotonic() - this.#sweptAtMs < SWEEP_MS) return;
    this.#sweptAtMs = this.#clock.monotonic();
    const now = this.#clock.now();
    for (const { hash, expiresAtMs } of this.#temporaryKeys.values())
      if (expiresAtMs <= now) this.#temporaryKeys.delete(hash);
  }

  /** Resolves when the store was asked, after this call, for what is new. */
  #ask(secret: string, hash: string): Promise<void> {
    if (isTemporarySecret(secret) && this.#askedHashes.size < MAX_ASKED_KEYS) this.#askedHashes.add(hash);
    this.#nextQuestion ??= this.#askNext(this.#question);
    return this.#nextQuestion;
  }

  async #askNext(previous: Promise<void>): Promise<void> {
    await previous;
    const waitMs = this.#askedAtMs + QUESTION_INTERVAL_MS - this.#clock.monotonic();
    if (waitMs > 0) await this.#wait(waitMs);
    this.#askedAtMs = this.#clock.monotonic();
    this.#question = this.#nextQuestion ?? previous;
    this.#nextQuestion = undefined;
    const hashes = [...this.#askedHashes];
    this.#askedHashes.clear();
    await this.refresh();
    if (hashes.length > 0)
      await this.#whileStoreAnswers(async () => this.#hold(await this.#store.findTemporaryKeys(hashes)));
  }

  refresh(): Promise<void> {
    // Not the one that is under way: it may have looked before the change that the caller means.
    this.#nextReload ??= this.#reload.then(() => {
      this.#nextReload = undefined;
      this.#reload = this.#whileStoreAnswers(() => this.#takeChanges());
      return this.#reload;
    });
    return this.#nextReload;
  }

  async #takeChanges(): Promise<void> {
    if ((await this.#store.revision()) === this.#state.revision) return;
    this.#state = await this.#store.load();
    this.#keys = new KeyIndex(this.#state);
    for (const listener of this.#listeners) listener(this.#state);
  }

  async #whileStoreAnswers(action: () => Promise<void>): Promise<void> {
    try {
      await action();
      if (this.#isStoreAway) this.#log.info({}, 'keys can be read again');
      this.#isStoreAway = false;
    } catch (thrown) {
      if (!this.#isStoreAway)
        this.#log.warn({ err: thrown }, 'keys cannot be read; those that are known stay in force');
      this.#isStoreAway = true;
    }
  }

  watch(): void {
    this.#timer ??= setInterval(() => void this.refresh(), POLL_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** The look-ups of one state, and what was worked out from it. */
class KeyIndex {
  readonly #byHash = new Map<string, StoredKey>();
  readonly #byId = new Map<string, StoredKey>();
  readonly #workspaces: ReadonlyMap<string, StoredWorkspace>;
  /** By key and workspace: a key of the default workspace may work in others. */
  readonly #policies = new Map<string, CallPolicy>();

  constructor({ keys, workspaces }: PlatformState) {
    for (const key of keys) {
      this.#byHash.set(key.hash, key);
      this.#byId.set(key.id, key);
    }
    this.#workspaces = new Map(
      workspaces.filter(({ deletedAtMs }) => deletedAtMs === null).map((workspace) => [workspace.id, workspace]),
    );
  }

  byHash(hash: string): StoredKey | undefined {
    const key = this.#byHash.get(hash);
    return key && isSame(key.hash, hash) ? key : undefined;
  }

  byId(id: string): StoredKey | undefined {
    return this.#byId.get(id);
  }

  workspace(id: string): StoredWorkspace | undefined {
    return this.#workspaces.get(id);
  }

  policyOf(keyId: string, workspaceId: string, nowMs: number): CallPolicy | undefined {
    const key = this.#byId.get(keyId);
    const workspace = this.#workspaces.get(workspaceId);
    if (!key || !workspace || !isLive(key, nowMs)) return undefined;
    const name = `${keyId} ${workspaceId}`;
    let policy = this.#policies.get(name);
    if (!policy) {
      policy = policyFrom(key, workspace);
      this.#policies.set(name, policy);
    }
    return policy;
  }
}

const ANYTHING: CallPolicy = { mayUse: () => true, limits: {}, keepsBodies: false };

function policyFrom(key: StoredKey, workspace: StoredWorkspace): CallPolicy {
  const [ofKey, ofWorkspace] = [grantOf(key.models), grantOf(workspace.models)];
  return {
    mayUse: (model) => ofKey(model) && ofWorkspace(model),
    limits: key.limits ?? ANYTHING.limits,
    keepsBodies: key.keepsBodies,
  };
}

function grantOf(patterns: readonly string[] | null): (model: string) => boolean {
  if (patterns === null) return () => true;
  const ids = new Set(patterns);
  const matchers = patterns.filter((pattern) => pattern.includes('*')).map(idMatcher);
  return (model) => ids.has(model) || matchers.some((matches) => matches(model));
}

function isLive({ revokedAtMs, expiresAtMs }: StoredKey, nowMs: number): boolean {
  return revokedAtMs === null && (expiresAtMs === null || expiresAtMs > nowMs);
}

/** Look-ups compare hashes, which tell a prober nothing of a secret; this holds even if that ever changes. */
function isSame(stored: string, presented: string): boolean {
  return timingSafeEqual(Buffer.from(stored), Buffer.from(presented));
}
