import { constants, createCipheriv, createDecipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { goldenInfo } from '../../../test/support/goldens.ts';
import { usageOf } from '../../core/usage.ts';
import { decodeGeneration } from './decode.ts';
import { encodeDashScopeResult } from './encode.ts';
import { PayloadKeys } from './encryption.ts';

const keys = new PayloadKeys();
const key = randomBytes(32);
const iv = randomBytes(12);
const ports = { findCard: () => undefined, keys };
let header = '';

/** As both SDKs make it. */
function headerOf(publicKeyId: string, publicKey: string, secret: Buffer, members = {}): string {
  const der = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
  const encrypted = publicEncrypt(
    { key: der, padding: constants.RSA_PKCS1_PADDING },
    Buffer.from(secret.toString('base64')),
  );
  const known = { public_key_id: publicKeyId, encrypt_key: encrypted.toString('base64'), iv: iv.toString('base64') };
  return JSON.stringify({ ...known, ...members });
}

function sealed(value: unknown, secret = key): string {
  const cipher = createCipheriv('aes-256-gcm', secret, iv);
  return Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

function opened(text: string): unknown {
  const bytes = Buffer.from(text, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, iv);
  decipher.setAuthTag(bytes.subarray(-16));
  return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString());
}

function decode(input: unknown, encryptionKey: string) {
  const info = goldenInfo({ 'x-dashscope-encryptionkey': encryptionKey });
  return decodeGeneration('text-generation', { model: 'm', input }, info, ports);
}

beforeAll(async () => {
  const { id, publicKey } = await keys.latest();
  header = headerOf(id, publicKey, key);
});

test('the same key pair is given to everyone', async () => {
  const [one, two] = await Promise.all([keys.latest(), keys.latest()]);
  expect(one).toEqual(two);
  expect((await new PayloadKeys().latest()).id).not.toBe(one.id);
});

test('an encrypted input is read, and the output encrypted', () => {
  const { request, plan } = decode(sealed({ prompt: '你好' }), header);
  expect(request.turns).toEqual([{ role: 'user', parts: [{ type: 'text', text: '你好' }] }]);
  const start = { type: 'start', generationId: 'r', model: 'm', createdAtMs: 0, servedBy: 'x' } as const;
  const usage = usageOf({ input: 1, output: 1 });
  const blocks = [{ type: 'text' as const, blockId: 'a', text: '好' }];
  const result = {
    start,
    choices: [{ index: 0, blocks, reason: 'stop' as const }],
    sources: [],
    toolResults: [],
    usage,
  };
  const body = encodeDashScopeResult({ ...result, ending: 'completed', timings: {} }, plan) as { output: string };
  expect(opened(body.output)).toEqual({ finish_reason: 'stop', text: '好' });
});

describe('refused', () => {
  const prefix = 'The X-DashScope-EncryptionKey header does not fit: ';
  test.each<[string, (id: string, publicKey: string) => string, unknown, string]>([
    ['no JSON', () => 'x', '', 'it is not a JSON object.'],
    ['no members', () => '{}', '', 'it needs public_key_id, encrypt_key and iv.'],
    ['another key', (_id, publicKey) => headerOf('other', publicKey, key), '', 'public_key_id is not the latest one.'],
    ['a short key', (id, publicKey) => headerOf(id, publicKey, randomBytes(16)), '', 'encrypt_key is not a key.'],
    // Decrypting it gives a random text, which may even be as long as a key: either problem is told.
    ['no key', (id, publicKey) => headerOf(id, publicKey, key, { encrypt_key: 'AAAA' }), '', ''],
    ['a plain input', (id, publicKey) => headerOf(id, publicKey, key), { prompt: 'x' }, 'input is not encrypted.'],
    [
      'an input sealed with another key',
      (id, publicKey) => headerOf(id, publicKey, key),
      sealed({ prompt: 'x' }, randomBytes(32)),
      'input cannot be decrypted with it.',
    ],
    [
      'an input that is too short',
      (id, publicKey) => headerOf(id, publicKey, key),
      'AAAA',
      'input cannot be decrypted with it.',
    ],
    [
      'another IV',
      (id, publicKey) => headerOf(id, publicKey, key, { iv: 'AAAAAAAAAAAAAAAA' }),
      sealed({ prompt: 'x' }),
      'input cannot be decrypted with it.',
    ],
  ])('%s', async (_what, made, input, problem) => {
    const { id, publicKey } = await keys.latest();
    expect(() => decode(input, made(id, publicKey))).toThrow(prefix + problem);
  });
});
