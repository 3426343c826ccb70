/** Seals text with a key of this database: AES-256-GCM, the nonce made of the text, so that a seal says the same again. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import type { Owner } from '../../core/ports.ts';
import { DEFAULT_REGION } from '../../core/regions.ts';
import type { Sealer } from '../../core/sealing.ts';
import type { Database } from './database.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The sealer of one database; its key is made when it is first asked for, and the same for every server. */
export async function createSealer({ queries }: Database): Promise<Sealer> {
  await queries
    .insertInto('sealing_keys')
    .values({ id: 1, secret: randomBytes(2 * KEY_BYTES) })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  const { secret } = await queries
    .selectFrom('sealing_keys')
    .select('secret')
    .where('id', '=', 1)
    .executeTakeFirstOrThrow();
  const key = secret.subarray(0, KEY_BYTES);
  const nonceKey = secret.subarray(KEY_BYTES);
  return {
    seal(owner, text) {
      const bound = boundTo(owner);
      const nonce = createHmac('sha256', nonceKey).update(`${bound}\0`).update(text).digest().subarray(0, NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(bound));
      const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return sealed.toString('base64url');
    },
    open(owner, sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(Buffer.from(boundTo(owner)))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
      } catch {
        // Not sealed here, or not for this owner: the tag does not fit.
        return undefined;
      }
    },
  };
}

/**
 * Beijing is not named: what was sealed before there were regions is its, and still opens. No workspace's id has a slash, so
 * no two owners are bound to the same.
 */
function boundTo({ workspaceId, region }: Owner): string {
  return region === DEFAULT_REGION ? workspaceId : `${workspaceId}/${region}`;
}
