/** Who calls: the key of a request, in either spelling the service knows. */
import type { IncomingHttpHeaders } from 'node:http';
import { StudioError } from '../core/errors.ts';
import { type Account, DEFAULT_WORKSPACE_ID, type KeyStore, type VerifiedKey } from '../core/ports.ts';

/** Who calls where no key is asked for. */
export const ANYONE: Account = { keyId: 'anonymous', name: 'anonymous', workspaceId: DEFAULT_WORKSPACE_ID };

/**
 * The account of a request, by `Authorization: Bearer` or `x-api-key`; clients that send both are let in when either is
 * good. Throws `missing-api-key` or, for a wrong and a revoked key alike, `invalid-api-key`. `isRequired` false lets
 * everyone in, for local development.
 */
export function authenticate(headers: IncomingHttpHeaders, keys: KeyStore, isRequired: boolean): Account {
  const secrets = secretsOf(headers);
  for (const secret of secrets) {
    const key = keys.verify(secret);
    if (key) return accountOf(key);
  }
  if (!isRequired) return ANYONE;
  throw new StudioError(secrets.length === 0 ? 'missing-api-key' : 'invalid-api-key');
}

function accountOf({ id, name, isTemporary }: VerifiedKey): Account {
  const account = { keyId: id, name, workspaceId: DEFAULT_WORKSPACE_ID };
  return isTemporary ? { ...account, isTemporary } : account;
}

function secretsOf({ authorization, 'x-api-key': apiKey }: IncomingHttpHeaders): string[] {
  const bearer = authorization === undefined ? undefined : /^Bearer\s+(\S+)\s*$/i.exec(authorization)?.[1];
  return [bearer, typeof apiKey === 'string' ? apiKey : undefined].filter((secret) => secret !== undefined);
}
