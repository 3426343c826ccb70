/** API keys in SQLite. Only hashes are stored; live ones are held in memory, so that a check costs one hash and one look-up. */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock, KeyStore, StoredKey, TemporaryKeys, VerifiedKey } from '../../core/ports.ts';
import type { Database } from './database.ts';
import type { ApiKeysTable, TemporaryKeysTable } from './tables.ts';

/** A key revoked by another process (`atelier keys revoke`) stops working within this time. */
const STALENESS_MS = 500;

export type RandomBytes = (count: number) => Uint8Array;

/** The store of one database. Secrets have the vendor's form: `sk-` or, of temporary keys, `st-`, and 32 hex digits. */
export function createKeyStore(
  database: Database,
  clock: Clock,
  random: RandomBytes = randomBytes,
): KeyStore & TemporaryKeys {
  return new SqliteKeyStore(database, clock, random);
}

/** What a secret's hash leads to. */
interface LiveKey {
  readonly key: VerifiedKey;
  /** Of the secret, which is not the key's own when it is temporary. */
  readonly hash: string;
  readonly expiresAtMs: number;
}

class SqliteKeyStore implements KeyStore, TemporaryKeys {
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  readonly #statements;
  #liveByHash = new Map<string, LiveKey>();
  #dataVersion: number | undefined;
  #checkedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ sqlite }: Database, clock: Clock, random: RandomBytes) {
    this.#clock = clock;
    this.#random = random;
    this.#statements = {
      insert: sqlite.prepare<ApiKeysTable>(
        `INSERT INTO api_keys (id, name, hash, hint, created_at_ms, revoked_at_ms)
         VALUES (@id, @name, @hash, @hint, @created_at_ms, @revoked_at_ms)`,
      ),
      all: sqlite.prepare<[], ApiKeysTable>('SELECT * FROM api_keys ORDER BY created_at_ms, id'),
      revoke: sqlite.prepare<[number, string]>(
        'UPDATE api_keys SET revoked_at_ms = ? WHERE id = ? AND revoked_at_ms IS NULL',
      ),
      insertTemporary: sqlite.prepare<TemporaryKeysTable>(
        'INSERT INTO temporary_keys (hash, parent_id, expires_at_ms) VALUES (@hash, @parent_id, @expires_at_ms)',
      ),
      temporary: sqlite.prepare<[number], TemporaryKeysTable>('SELECT * FROM temporary_keys WHERE expires_at_ms > ?'),
      takeExpired: sqlite
        .prepare<[number], string>('DELETE FROM temporary_keys WHERE expires_at_ms <= ? RETURNING hash')
        .pluck(),
      live: sqlite.prepare<[string], ApiKeysTable>('SELECT * FROM api_keys WHERE id = ? AND revoked_at_ms IS NULL'),
      // Changes whenever another connection has committed; costs about a microsecond.
      dataVersion: sqlite.prepare<[], number>('PRAGMA data_version').pluck(),
    };
  }

  create(name: string): { key: StoredKey; secret: string } {
    const secret = `sk-${hex(this.#random(16))}`;
    const key: StoredKey = {
      id: `key-${hex(this.#random(6))}`,
      name,
      hash: hashOf(secret),
      hint: `${secret.slice(0, 7)}…${secret.slice(-4)}`,
      createdAtMs: this.#clock.now(),
      revokedAtMs: null,
    };
    this.#statements.insert.run({
      id: key.id,
      name: key.name,
      hash: key.hash,
      hint: key.hint,
      created_at_ms: key.createdAtMs,
      revoked_at_ms: null,
    });
    this.#liveByHash.set(key.hash, { key, hash: key.hash, expiresAtMs: Number.POSITIVE_INFINITY });
    return { key, secret };
  }

  list(): StoredKey[] {
    return this.#statements.all.all().map(storedKeyOf);
  }

  revoke(id: string): boolean {
    const hasChanged = this.#statements.revoke.run(this.#clock.now(), id).changes > 0;
    if (hasChanged) this.#load();
    return hasChanged;
  }

  createTemporary(keyId: string, ttlMs: number): { secret: string; expiresAtMs: number } | undefined {
    const parent = this.#statements.live.get(keyId);
    if (!parent) return undefined;
    const now = this.#clock.now();
    for (const hash of this.#statements.takeExpired.all(now)) this.#liveByHash.delete(hash);
    const secret = `st-${hex(this.#random(16))}`;
    const hash = hashOf(secret);
    const expiresAtMs = now + ttlMs;
    this.#statements.insertTemporary.run({ hash, parent_id: keyId, expires_at_ms: expiresAtMs });
    this.#liveByHash.set(hash, { key: { ...storedKeyOf(parent), isTemporary: true }, hash, expiresAtMs });
    return { secret, expiresAtMs };
  }

  verify(secret: string): VerifiedKey | undefined {
    this.#refresh();
    const presented = hashOf(secret);
    const live = this.#liveByHash.get(presented);
    // The look-up compares hashes, which tell a prober nothing of the secret; this holds even if that ever changes.
    if (!live || !timingSafeEqual(Buffer.from(live.hash), Buffer.from(presented))) return undefined;
    return live.expiresAtMs > this.#clock.now() ? live.key : undefined;
  }

  #refresh(): void {
    const now = this.#clock.monotonic();
    if (now - this.#checkedAtMs < STALENESS_MS) return;
    const version = this.#statements.dataVersion.get();
    if (version !== this.#dataVersion) this.#load();
    this.#dataVersion = version;
    this.#checkedAtMs = now;
  }

  #load(): void {
    const liveById = new Map(
      this.list()
        .filter((key) => key.revokedAtMs === null)
        .map((key) => [key.id, key]),
    );
    const liveByHash = new Map<string, LiveKey>();
    for (const key of liveById.values())
      liveByHash.set(key.hash, { key, hash: key.hash, expiresAtMs: Number.POSITIVE_INFINITY });
    for (const row of this.#statements.temporary.all(this.#clock.now())) {
      const parent = liveById.get(row.parent_id);
      if (!parent) continue;
      const key: VerifiedKey = { ...parent, isTemporary: true };
      liveByHash.set(row.hash, { key, hash: row.hash, expiresAtMs: row.expires_at_ms });
    }
    this.#liveByHash = liveByHash;
  }
}

function storedKeyOf(row: ApiKeysTable): StoredKey {
  return {
    id: row.id,
    name: row.name,
    hash: row.hash,
    hint: row.hint,
    createdAtMs: row.created_at_ms,
    revokedAtMs: row.revoked_at_ms,
  };
}

function hashOf(secret: string): string {
  return hash('sha256', secret, 'hex');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
