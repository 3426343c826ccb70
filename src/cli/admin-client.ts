/** Asks the administration of a server of this configuration, with the admin key of this user. */
import { readFile } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { adminKeyFile } from './api-key.ts';
import { localUrl } from './local-server.ts';

const ASK_TIMEOUT_MS = 2000;

/** Undefined when no such server answers, or not to this user. `path` begins with `/admin`. */
export async function askAdmin<View>(config: Config, path: string, method = 'GET'): Promise<View | undefined> {
  const secret = await readFile(adminKeyFile(config), 'utf8').catch(() => undefined);
  if (secret === undefined) return undefined;
  try {
    const response = await fetch(`${await localUrl(config)}${path}`, {
      method,
      headers: { authorization: `Bearer ${secret.trim()}` },
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    return response.ok ? ((await response.json()) as View) : undefined;
  } catch {
    return undefined;
  }
}
