/** Seals text with a key of this database: AES-256-GCM, the nonce made of the text, so that a seal says the same again. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import type { Sealer } from '../../core/sealing.ts';
import type { Database } from './database.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The sealer of one database; its key is made when it is first asked for. */
export function createSealer({ sqlite }: Database): Sealer {
  sqlite
    .prepare<[Buffer]>('INSERT INTO sealing_keys (id, secret) VALUES (1, ?) ON CONFLICT (id) DO NOTHING')
    .run(randomBytes(2 * KEY_BYTES));
  const secret = sqlite.prepare<[], Buffer>('SELECT secret FROM sealing_keys WHERE id = 1').pluck().get() as Buffer;
  const key = secret.subarray(0, KEY_BYTES);
  const nonceKey = secret.subarray(KEY_BYTES);
  return {
    seal(workspaceId, text) {
      const nonce = createHmac('sha256', nonceKey)
        .update(`${workspaceId}\0`)
        .update(text)
        .digest()
        .subarray(0, NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(workspaceId));
      const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return sealed.toString('base64url');
    },
    open(workspaceId, sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
        .setAAD(Buffer.from(workspaceId))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
      } catch {
        // Not sealed here, or not for this workspace: the tag does not fit.
        return undefined;
      }
    },
  };
}
