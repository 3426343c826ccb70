/**
 * The keys of this machine's own user, an API key and an admin key: made on the first start and kept in files that only the user
 * can read, so that every start can print settings to paste, and `atelier chat` and the console work at once
 * (docs/decisions/0005-first-key.md).
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { KeyView } from '../admin/contract.ts';
import type { AdminService } from '../admin/service.ts';
import type { Config } from '../config.ts';
import { withFileLock } from '../weights/file-lock.ts';
import { CLI_ACTOR, type DatabaseConfig, withAdmin } from './local-database.ts';

export interface LocalKey {
  readonly secret: string;
  readonly file: string;
  /** Made by this call. */
  readonly isNew: boolean;
  /** A key works in its region only. */
  readonly region: KeyView['region'];
}

export interface LocalKeys {
  /** Undefined when the user has keys but the kept one is gone or revoked: then it is theirs to choose. */
  readonly api: LocalKey | undefined;
  readonly admin: LocalKey | undefined;
}

type Home = Pick<Config, 'home'>;

/** Making keys takes milliseconds; whoever holds the lock this long is stuck. */
const LOCK_TIMEOUT_MS = 40_000;

/** Where the API key of this user is kept. */
export function apiKeyFile(config: Home): string {
  return path.join(config.home, 'api-key');
}

/** Where the admin key of this user is kept. */
export function adminKeyFile(config: Home): string {
  return path.join(config.home, 'admin-key');
}

/** The kept keys; each is made when there is no live one of its kind at all, and nothing is made behind a user's back. */
export async function ensureLocalKeys(config: Home & DatabaseConfig): Promise<LocalKeys> {
  await mkdir(config.home, { recursive: true, mode: 0o700 });
  // Two first starts at once would each see the other's half: its key in the store and not yet in the file.
  return withFileLock(`${apiKeyFile(config)}.lock`, { signal: AbortSignal.timeout(LOCK_TIMEOUT_MS) }, () =>
    withAdmin(config, async ({ service }) => ({
      api: await ensureKey('api', apiKeyFile(config), service),
      admin: await ensureKey('admin', adminKeyFile(config), service),
    })),
  );
}

async function ensureKey(kind: KeyView['kind'], file: string, service: AdminService): Promise<LocalKey | undefined> {
  const kept = await readSecret(file);
  const live = kept === undefined ? undefined : await service.findBySecret(kept);
  if (kept !== undefined && live?.kind === kind) return { secret: kept, file, isNew: false, region: live.region };
  const { items } = await service.listKeys({ kind, state: 'live', limit: 1 });
  if (items.length > 0) return undefined;
  const { key, secret } = await service.createKey(CLI_ACTOR, { kind, name: 'default' });
  await rm(file, { force: true });
  await writeFile(file, `${secret}\n`, { mode: 0o600, flag: 'wx' });
  return { secret, file, isNew: true, region: key.region };
}

/** The kept API key, unchecked; undefined when there is none. */
export async function readLocalKey(config: Home): Promise<string | undefined> {
  return readSecret(apiKeyFile(config));
}

async function readSecret(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim() === '' ? undefined : text.trim();
}
