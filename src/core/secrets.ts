/** How the secrets of keys look, and what is kept of them. A secret is shown once and stored nowhere. */
import { hash, randomBytes } from 'node:crypto';

export type RandomBytes = (count: number) => Uint8Array;

/** What stands before the 32 hex digits, as the service writes it; admin keys are ours. */
const PREFIXES = { api: 'sk-', workspace: 'sk-ws-', temporary: 'st-', admin: 'sk-admin-' } as const;

export type SecretKind = keyof typeof PREFIXES;

export interface MadeSecret {
  readonly secret: string;
  /** SHA-256, hex: a secret has 128 random bits, so that nothing slower is needed. */
  readonly hash: string;
  /** What people tell keys apart by. */
  readonly hint: string;
}

export function makeSecret(kind: SecretKind, random: RandomBytes = randomBytes): MadeSecret {
  const digits = randomHex(16, random);
  const secret = PREFIXES[kind] + digits;
  return {
    secret,
    hash: hashOfSecret(secret),
    hint: `${PREFIXES[kind]}${digits.slice(0, 4)}…${digits.slice(-4)}`,
  };
}

export function hashOfSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}

/** Whether a secret might be one that was made here. */
export function isSecret(text: string): boolean {
  return /^(?:sk-(?:ws-|admin-)?|st-)[0-9a-f]{32}$/.test(text);
}

export function isTemporarySecret(secret: string): boolean {
  return secret.startsWith(PREFIXES.temporary);
}

export function randomHex(bytes: number, random: RandomBytes = randomBytes): string {
  return Buffer.from(random(bytes)).toString('hex');
}
