/**
 * The key of this machine's own user: made on the first start and kept in a file that only the user can read, so that
 * every start can print settings to paste and `atelier chat` works at once (docs/decisions/0005-first-key.md).
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config.ts';
import { withFileLock } from '../weights/file-lock.ts';
import { withKeyStore } from './local-database.ts';

export interface LocalKey {
  readonly secret: string;
  readonly file: string;
  /** Made by this call. */
  readonly isNew: boolean;
}

/** Making a key takes milliseconds; whoever holds the lock this long is stuck. */
const LOCK_TIMEOUT_MS = 40_000;

/** Where the key of this user is kept. */
export function apiKeyFile(config: Pick<Config, 'home'>): string {
  return path.join(config.home, 'api-key');
}

/**
 * The kept key, made when the store has none at all. Undefined when the user has keys but the kept one is gone or
 * revoked: then it is theirs to choose, and nothing is made behind their back.
 */
export async function ensureLocalKey(config: Pick<Config, 'home'>): Promise<LocalKey | undefined> {
  const file = apiKeyFile(config);
  await mkdir(config.home, { recursive: true, mode: 0o700 });
  // Two first starts at once would each see the other's half: its key in the store and not yet in the file.
  return withFileLock(`${file}.lock`, { signal: AbortSignal.timeout(LOCK_TIMEOUT_MS) }, () =>
    withKeyStore(config, async (keys) => {
      const kept = await readSecret(file);
      if (kept !== undefined && keys.verify(kept)) return { secret: kept, file, isNew: false };
      if (keys.list().some((key) => key.revokedAtMs === null)) return undefined;
      const { secret } = keys.create('default');
      await rm(file, { force: true });
      await writeFile(file, `${secret}\n`, { mode: 0o600, flag: 'wx' });
      return { secret, file, isNew: true };
    }),
  );
}

/** The kept key, unchecked; undefined when there is none. */
export async function readLocalKey(config: Pick<Config, 'home'>): Promise<string | undefined> {
  return readSecret(apiKeyFile(config));
}

async function readSecret(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim() === '' ? undefined : text.trim();
}
