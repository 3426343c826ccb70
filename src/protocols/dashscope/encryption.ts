/**
 * Encrypted payloads (dashscope-native reference §12): the client takes the server's public key, makes an AES key and
 * tells it in a header; `input` comes and `output` goes as base64 of AES-256-GCM ciphertext and tag. Key and IV are the
 * same for both directions and all frames, as the clients want it.
 *
 * The key pair is made on first use and lives as long as the process: clients ask for the public key before each call.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  generateKeyPair,
  type KeyObject,
  privateDecrypt,
} from 'node:crypto';
import { promisify } from 'node:util';
import { StudioError } from '../../core/errors.ts';
import { isObject } from '../parameters.ts';
import type { ResourceRoute } from '../protocol.ts';
import * as texts from './texts.ts';

const RSA_BITS = 2048;
const AES_KEY_BYTES = 32;
const TAG_BYTES = 16;

interface KeyPair {
  readonly id: string;
  /** Base64 DER, SubjectPublicKeyInfo. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** The server's key pair. */
export class PayloadKeys {
  #making: Promise<KeyPair> | undefined;
  #made: KeyPair | undefined;

  async latest(): Promise<Pick<KeyPair, 'id' | 'publicKey'>> {
    this.#making ??= makeKeyPair();
    this.#made = await this.#making;
    return this.#made;
  }

  /** The cipher of the call whose `X-DashScope-EncryptionKey` this is. */
  open(header: string): PayloadCipher {
    const { keyId, encryptedKey, iv } = parseHeader(header);
    if (!this.#made || keyId !== this.#made.id) refuse('public_key_id is not the latest one.');
    const key = decryptKey(encryptedKey, this.#made.privateKey);
    if (key?.length !== AES_KEY_BYTES) refuse('encrypt_key is not a key.');
    return new PayloadCipher(key, iv);
  }
}

async function makeKeyPair(): Promise<KeyPair> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: RSA_BITS });
  const der = publicKey.export({ type: 'spki', format: 'der' });
  // Named by what it is, so that a key of an earlier process is not taken for this one.
  const id = createHash('sha256').update(der).digest('hex').slice(0, 16);
  return { id, publicKey: der.toString('base64'), privateKey };
}

function parseHeader(header: string): { keyId: string; encryptedKey: Buffer; iv: Buffer } {
  let value: unknown;
  try {
    value = JSON.parse(header);
  } catch {
    // Falls through: nothing is not an object either.
  }
  if (!isObject(value)) refuse('it is not a JSON object.');
  const { public_key_id: keyId, encrypt_key: key, iv } = value;
  if (typeof keyId !== 'string' || typeof key !== 'string' || typeof iv !== 'string' || iv === '')
    refuse('it needs public_key_id, encrypt_key and iv.');
  return { keyId, encryptedKey: Buffer.from(key, 'base64'), iv: Buffer.from(iv, 'base64') };
}

/** What is encrypted is the base64 text of the key. A wrong padding gives a random key (implicit rejection), no error. */
function decryptKey(encrypted: Buffer, privateKey: KeyObject): Buffer | undefined {
  try {
    const text = privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, encrypted).toString(
      'latin1',
    );
    return Buffer.from(text, 'base64');
  } catch {
    return undefined;
  }
}

function refuse(problem: string): never {
  throw new StudioError('invalid-parameter', texts.badEncryption(problem));
}

/** Seals and opens the payloads of one call. */
export class PayloadCipher {
  readonly #key: Buffer;
  readonly #iv: Buffer;

  constructor(key: Buffer, iv: Buffer) {
    this.#key = key;
    this.#iv = iv;
  }

  /** The JSON value that a client sealed. */
  open(sealed: unknown): unknown {
    if (typeof sealed !== 'string') refuse('input is not encrypted.');
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#iv, { authTagLength: TAG_BYTES });
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8');
      return JSON.parse(text);
    } catch {
      return refuse('input cannot be decrypted with it.');
    }
  }

  /** Base64 of ciphertext and tag. */
  seal(json: string): string {
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#iv, { authTagLength: TAG_BYTES });
    return Buffer.concat([cipher.update(json, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
  }
}

/** `GET /public-keys/latest`. */
export function publicKeyRoutes(prefix: string, keys: PayloadKeys): ResourceRoute[] {
  return [
    {
      method: 'GET',
      path: `${prefix}/public-keys/latest`,
      handle: async ({ requestId }) => {
        const { id, publicKey } = await keys.latest();
        return {
          status: 200,
          body: { data: { public_key_id: id, public_key: publicKey }, request_id: requestId },
        };
      },
    },
  ];
}
