/**
 * What the administrator rules: workspaces, keys, grants, limits, budgets, prices. The store keeps it; each server holds it
 * in memory (`KeyRing`, `PriceBook`) and notices within a second what another has changed, by the store's revision.
 */
import type { Account } from './ports.ts';
import type { ModelPrices } from './prices.ts';
import type { Region } from './regions.ts';

/** A hard stop: no call is let in once as much was spent. */
export interface Budget {
  /** Nano-yuan. */
  readonly nano: number;
  /** Of a calendar month of Beijing, or of all time. */
  readonly period: 'month' | 'total';
}

/** What the administrator sets for a key, over what the service has for everybody; absent: that. */
export interface KeyLimits {
  readonly requestsPerSecond?: number | undefined;
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
  readonly concurrentStreams?: number | undefined;
}

export interface StoredWorkspace {
  /** `default`, `ws-` and 16 hex digits, or one that was asked for: the label of a host name. */
  readonly id: string;
  readonly name: string;
  /** Ids and patterns (`qwen3-*`) its keys may call; null: all. */
  readonly models: readonly string[] | null;
  readonly budget: Budget | null;
  readonly createdAtMs: number;
  readonly deletedAtMs: number | null;
}

/** An API key as stored, or an admin key (`kind`), which opens `/admin` and nothing else. The secret itself is never kept. */
export interface StoredKey {
  readonly id: string;
  readonly kind: 'api' | 'admin';
  readonly name: string;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  /** The first and last characters, for people. */
  readonly hint: string;
  readonly region: Region;
  readonly workspaceId: string;
  /** Ids and patterns it may call, besides what its workspace may; null: all. */
  readonly models: readonly string[] | null;
  readonly budget: Budget | null;
  readonly limits: KeyLimits | null;
  /** Requests and replies are kept, redacted, for as long as `retention.bodiesDays`. */
  readonly keepsBodies: boolean;
  readonly expiresAtMs: number | null;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
}

/** A key whose secret was shown. */
export interface VerifiedKey extends StoredKey {
  readonly isTemporary?: true | undefined;
}

/** A price the administrator has set. The newest that is valid when a call begins holds, before the catalogue's. */
export interface PriceOverride {
  readonly model: string;
  /** Null: in every region. */
  readonly region: Region | null;
  readonly validFromMs: number;
  /** Null: from then on the catalogue's hold again. */
  readonly prices: ModelPrices | null;
}

/** A short-lived secret that stands for a key. There may be very many: servers look them up when they are shown. */
export interface StoredTemporaryKey {
  readonly hash: string;
  readonly parentId: string;
  readonly expiresAtMs: number;
}

/** Everything a server holds in memory. */
export interface PlatformState {
  readonly revision: number;
  readonly workspaces: readonly StoredWorkspace[];
  readonly keys: readonly StoredKey[];
  readonly prices: readonly PriceOverride[];
  /** Models whose calls stop when the free quota is used up, instead of being paid for; `*` is every model. */
  readonly freeTierOnly: readonly string[];
}

export interface AuditRow {
  readonly sequence: number;
  readonly atMs: number;
  /** The admin key's id, or `cli`. */
  readonly actor: string;
  /** `keys.create`, `workspaces.update`… */
  readonly action: string;
  /** The id of what was changed. */
  readonly subject: string;
  /** What it was changed to; never a secret. */
  readonly details: { readonly [name: string]: unknown };
}

/** Keeps it. Every change that has an actor is one transaction with its audit row and a higher revision. */
export interface PlatformStore {
  revision(): Promise<number>;
  load(): Promise<PlatformState>;
  /**
   * Throws `conflict` when another workspace has the id, also a deleted one, as what it kept may still be there; and when
   * another live one has the name. So does a change of the name.
   */
  createWorkspace(actor: string, workspace: StoredWorkspace): Promise<void>;
  /** False when there is no such workspace, or it is deleted. */
  updateWorkspace(
    actor: string,
    id: string,
    changes: Partial<Pick<StoredWorkspace, 'name' | 'models' | 'budget' | 'deletedAtMs'>>,
  ): Promise<boolean>;
  createKey(actor: string, key: StoredKey): Promise<void>;
  /** False when there is no such key, or it is revoked. */
  updateKey(
    actor: string,
    id: string,
    changes: Partial<
      Pick<StoredKey, 'name' | 'models' | 'budget' | 'limits' | 'keepsBodies' | 'expiresAtMs' | 'revokedAtMs'>
    >,
  ): Promise<boolean>;
  /** Forgets expired ones on the way. */
  createTemporaryKey(key: StoredTemporaryKey): Promise<void>;
  findTemporaryKeys(hashes: readonly string[]): Promise<readonly StoredTemporaryKey[]>;
  addPrice(actor: string, price: PriceOverride): Promise<void>;
  setFreeTierOnly(actor: string, models: readonly string[]): Promise<void>;
  /** Newest first. */
  audit(page: { readonly limit: number; readonly beforeSequence?: number | undefined }): Promise<readonly AuditRow[]>;
}

/** What a key and its workspace may do, looked up at each call: an account may be older than the newest rules. */
export interface CallPolicy {
  mayUse(model: string): boolean;
  readonly limits: KeyLimits;
  readonly keepsBodies: boolean;
}

/** What is held in memory, for whatever else is worked out from it: prices, budgets, switches. */
export interface PlatformWatch {
  readonly state: PlatformState;
  /** Called at once, and after every change, by whichever process. */
  onChange(listener: (state: PlatformState) => void): void;
}

/** Opens the administration. An API key is no admin key, and the other way round. */
export interface AdminKeys {
  /** As `KeyRing.verify`. */
  verifyAdmin(secret: string): StoredKey | undefined | Promise<StoredKey | undefined>;
}

/** The keys in memory. */
export interface KeyRing {
  /**
   * The live key of a secret, for a temporary one the key it was made from; compares in constant time. A promise where the
   * secret is not known yet and the store is asked whether it is new.
   */
  verify(secret: string): VerifiedKey | undefined | Promise<VerifiedKey | undefined>;
  /** Undefined when key or workspace are not live any more. Anyone's (no key asked for) is everything. */
  policyOf(account: Account): CallPolicy | undefined;
  /** Undefined when there is no such workspace, or it is deleted. */
  workspace(id: string): StoredWorkspace | undefined;
}

/** The prices in memory. */
export interface PriceBook {
  /** What a model costs in a region for a call that begins at a time; undefined: nothing. */
  pricesOf(call: { readonly model: string; readonly region: Region; readonly atMs: number }): ModelPrices | undefined;
}

/** Refuses calls that nobody would pay for. */
export interface Funds {
  /**
   * Throws `quota-exceeded` when a budget of the key or the workspace is spent, `free-tier-exhausted` when the model's free
   * quota is used up and it may not be paid for.
   */
  check(call: { readonly account: Account; readonly model: string; readonly priority: 'live' | 'batch' }): void;
}
