/**
 * Upload policies: what a form must say and how much it may carry, signed, so that the upload target needs no key and
 * keeps nothing of what it has allowed. The document is that of OSS ("PostObject", policy) and a member of our own beside
 * it; clients pass it on unread.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Owner } from '../../core/ports.ts';
import { REGIONS } from '../../core/regions.ts';

/** What a policy allows. */
export interface UploadGrant extends Owner {
  readonly model: string;
  /** What keys begin with. */
  readonly directory: string;
  readonly expiresAtMs: number;
  readonly maxBytes: number;
}

export interface SignedPolicy {
  readonly policy: string;
  readonly signature: string;
}

const BUCKET = 'dashscope-instant';

/** Fields a form must have, as recorded policies demand them. */
export const REQUIRED_FIELDS: Readonly<Record<string, string>> = {
  'x-oss-object-acl': 'private',
  'x-oss-forbid-overwrite': 'true',
};

const policySchema = z.object({
  expiration: z.string(),
  conditions: z.array(z.unknown()),
  grant: z.object({
    workspaceId: z.string(),
    region: z.enum(REGIONS),
    model: z.string(),
    directory: z.string(),
    expiresAtMs: z.number(),
    maxBytes: z.number(),
  }),
});

/** Writes a policy and signs it. */
export function signPolicy(grant: UploadGrant, secret: Uint8Array): SignedPolicy {
  const document: z.input<typeof policySchema> = {
    expiration: new Date(grant.expiresAtMs).toISOString(),
    conditions: [
      ['content-length-range', 0, grant.maxBytes],
      ['starts-with', '$key', grant.directory],
      { bucket: BUCKET },
      ...Object.entries(REQUIRED_FIELDS).map(([name, value]) => ({ [name]: value })),
    ],
    grant: { ...grant },
  };
  const policy = Buffer.from(JSON.stringify(document)).toString('base64');
  return { policy, signature: signatureOf(policy, secret).toString('base64') };
}

/** What a policy allows; undefined when we did not sign it. */
export function readPolicy({ policy, signature }: SignedPolicy, secret: Uint8Array): UploadGrant | undefined {
  const expected = signatureOf(policy, secret);
  const presented = Buffer.from(signature, 'base64');
  if (presented.length !== expected.length || !timingSafeEqual(presented, expected)) return undefined;
  return policySchema.parse(JSON.parse(Buffer.from(policy, 'base64').toString())).grant;
}

function signatureOf(policy: string, secret: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(policy).digest();
}
