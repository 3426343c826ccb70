/** Who calls: the key of a request, in either spelling the service knows. */
import type { IncomingHttpHeaders } from 'node:http';
import { StudioError } from '../core/errors.ts';
import type { Account, KeyStore } from '../core/ports.ts';

const ANYONE: Account = { keyId: 'anonymous', name: 'anonymous' };

/**
 * The account of a request. Throws `invalid-api-key` for a missing, wrong or revoked key alike, as the service does
 * (openai-chat §18.2). `isRequired` false lets everyone in, for local development.
 */
export function authenticate(headers: IncomingHttpHeaders, keys: KeyStore, isRequired: boolean): Account {
  const secret = secretOf(headers);
  const key = secret === undefined ? undefined : keys.verify(secret);
  if (key) return { keyId: key.id, name: key.name };
  if (!isRequired) return ANYONE;
  throw new StudioError('invalid-api-key');
}

function secretOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined) {
    const match = /^Bearer\s+(\S+)\s*$/i.exec(authorization);
    if (match) return match[1];
  }
  const apiKey = headers['x-api-key'];
  return typeof apiKey === 'string' ? apiKey : undefined;
}
