import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, silentLog, testOwner } from '../../../test/support/context.ts';
import { callResource } from '../../../test/support/wires.ts';
import { StudioError } from '../../core/errors.ts';
import type { BlobStore } from '../../core/files.ts';
import { openBlobStore } from '../../stores/blobs.ts';
import { type Database, openDatabase } from '../../stores/sql/database.ts';
import { createUploadStore } from '../../stores/sql/uploads.ts';
import type { BodyPart, ListedModel, ResourceReply } from '../protocol.ts';
import { retention } from './retention.ts';
import { readPolicy, signPolicy, type UploadGrant } from './upload-policy.ts';
import { UPLOAD_LIFETIME_MS, uploadRoutes } from './uploads.ts';

const secret = Buffer.alloc(32, 7);
const listed = { card: { id: 'qwen-vl-plus' } } as unknown as ListedModel;
const findModel = (id: string) => (id === 'qwen-vl-plus' ? listed : undefined);

let folder: string;
let database: Database;
let blobs: BlobStore;
let clock: ReturnType<typeof fixedClock>;
let wire: { resources: ReturnType<typeof uploadRoutes> };

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'atelier-uploads-'));
  database = await openDatabase(':memory:');
  blobs = await openBlobStore(folder);
  clock = fixedClock(Date.parse('2025-07-12T20:00:00Z'));
  wire = { resources: uploadRoutes('/api/v1', ports(), secret) };
});
afterEach(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

function ports(uploadBlobs = blobs) {
  return { uploads: createUploadStore(database), uploadBlobs, clock, findModel, log: silentLog };
}

interface Policy {
  readonly policy: string;
  readonly signature: string;
  readonly upload_dir: string;
  readonly oss_access_key_id: string;
}

const askPolicy = (query = 'action=getPolicy&model=qwen-vl-plus') =>
  callResource(wire, 'GET', '/api/v1/uploads', { query: new URLSearchParams(query) });

async function policyOf(): Promise<Policy> {
  return ((await askPolicy()).body as { data: Policy }).data;
}

type Fields = { readonly [name: string]: string | undefined };

/** The form of the SDKs, with what a test is about changed or taken out. */
function formOf(policy: Policy, changes: Fields = {}): BodyPart[] {
  const fields: Fields = {
    OSSAccessKeyId: policy.oss_access_key_id,
    Signature: policy.signature,
    policy: policy.policy,
    key: `${policy.upload_dir}/cat.png`,
    'x-oss-object-acl': 'private',
    'x-oss-forbid-overwrite': 'true',
    success_action_status: '200',
    'x-oss-content-type': 'image/png',
    ...changes,
  };
  return Object.entries(fields).flatMap(([name, value]): BodyPart[] =>
    value === undefined ? [] : [{ type: 'field', name, value }],
  );
}

function fileOf(...pieces: readonly string[]): BodyPart {
  async function* bytes() {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  return {
    type: 'file',
    name: 'file',
    fileName: 'cat.png',
    contentType: 'application/octet-stream',
    bytes: bytes(),
  };
}

const put = (parts: readonly BodyPart[], on = wire): Promise<ResourceReply> =>
  callResource(on, 'POST', '/api/v1/uploads/target', { parts, headers: { host: 'atelier.test' } });

const stored = () => readdirSync(folder).filter((name) => name !== 'incoming');

describe('GET /uploads', () => {
  it('gives a policy of the recorded form', async () => {
    const { status, body } = await askPolicy();
    expect(status).toBe(200);
    expect(body).toEqual({
      data: {
        policy: expect.any(String),
        signature: expect.any(String),
        // The day is China's.
        upload_dir: expect.stringMatching(/^dashscope-instant\/[0-9a-f]{32}\/2025-07-13\/r$/),
        upload_host: 'http://127.0.0.1:8787/api/v1/uploads/target',
        expire_in_seconds: 300,
        max_file_size_mb: 1024,
        capacity_limit_mb: 999_999_999,
        oss_access_key_id: 'atelier',
        x_oss_object_acl: 'private',
        x_oss_forbid_overwrite: 'true',
      },
      request_id: 'r',
    });
    const { policy, upload_dir } = (body as { data: Policy }).data;
    expect(JSON.parse(Buffer.from(policy, 'base64').toString())).toMatchObject({
      expiration: '2025-07-12T20:05:00.000Z',
      conditions: [
        ['content-length-range', 0, 1_073_741_824],
        ['starts-with', '$key', upload_dir],
        { bucket: 'dashscope-instant' },
        { 'x-oss-object-acl': 'private' },
        { 'x-oss-forbid-overwrite': 'true' },
      ],
    });
  });

  it.each([
    ['action=getPolicy', 'Model not exist.'],
    ['action=getPolicy&model=none', 'Model not exist.'],
    ['model=qwen-vl-plus', 'action should be getPolicy'],
  ])('refuses %j', async (query, message) => {
    await expect(askPolicy(query)).rejects.toMatchObject({ code: 'invalid-parameter', message });
  });
});

describe('the upload target', () => {
  it('keeps a file for the model and the owner of its policy', async () => {
    const policy = await policyOf();
    const reply = await put([...formOf(policy), fileOf('not really ', 'a cat')]);
    expect(reply).toEqual({ status: 200 });
    const upload = await createUploadStore(database).find(`${policy.upload_dir}/cat.png`);
    expect(upload).toMatchObject({
      ...testOwner(),
      model: 'qwen-vl-plus',
      contentType: 'image/png',
      bytes: 16,
      expiresAtMs: clock.now() + UPLOAD_LIFETIME_MS,
    });
    let text = '';
    for await (const piece of blobs.read(upload?.blobId ?? '')) text += Buffer.from(piece).toString();
    expect(text).toBe('not really a cat');
  });

  it('answers 204 unless 200 was asked for, and takes the type of the part where no field names it', async () => {
    const policy = await policyOf();
    const form = formOf(policy, { success_action_status: undefined, 'x-oss-content-type': undefined });
    expect(await put([...form, fileOf('x')])).toEqual({ status: 204 });
    const upload = await createUploadStore(database).find(`${policy.upload_dir}/cat.png`);
    expect(upload?.contentType).toBe('application/octet-stream');
  });

  it('takes several files under one policy, each name once', async () => {
    const policy = await policyOf();
    expect((await put([...formOf(policy), fileOf('a')])).status).toBe(200);
    expect((await put([...formOf(policy, { key: `${policy.upload_dir}/dog.png` }), fileOf('b')])).status).toBe(200);
    const again = await put([...formOf(policy), fileOf('c')]);
    expect(again.status).toBe(409);
    expect(again.body).toContain('<Code>FileAlreadyExists</Code>');
    expect(stored()).toHaveLength(2);
  });

  it('keeps one of two files that come under one name at the same time', async () => {
    const policy = await policyOf();
    const replies = await Promise.all([put([...formOf(policy), fileOf('a')]), put([...formOf(policy), fileOf('b')])]);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(stored()).toHaveLength(1);
  });

  it.each<[string, Fields, number, string, string]>([
    ['no policy', { policy: undefined }, 403, 'AccessDenied', 'Anonymous access is forbidden for this operation.'],
    ['no signature', { Signature: undefined }, 403, 'AccessDenied', 'Anonymous access is forbidden'],
    ['another key id', { OSSAccessKeyId: 'x' }, 403, 'InvalidAccessKeyId', 'does not exist in our records.'],
    ['a wrong signature', { Signature: 'AAAA' }, 403, 'SignatureDoesNotMatch', 'does not match the signature'],
    ['a foreign policy', { policy: 'e30=' }, 403, 'SignatureDoesNotMatch', 'does not match the signature'],
    ['another folder', { key: 'elsewhere/cat.png' }, 403, 'AccessDenied', '[&quot;starts-with&quot;,&quot;$key&quot;'],
    ['no name', { key: undefined }, 403, 'AccessDenied', 'Policy Condition failed'],
    [
      'a public object',
      { 'x-oss-object-acl': 'public-read' },
      403,
      'AccessDenied',
      '[&quot;eq&quot;,&quot;$x-oss-object-acl',
    ],
    ['overwriting', { 'x-oss-forbid-overwrite': 'false' }, 403, 'AccessDenied', 'Policy Condition failed'],
  ])('refuses %s as OSS does', async (_name, changes, status, code, text) => {
    const reply = await put([...formOf(await policyOf(), changes), fileOf('x')]);
    expect(reply.status).toBe(status);
    expect(reply.headers).toEqual({ 'content-type': 'application/xml' });
    expect(reply.body).toContain(`<Code>${code}</Code>`);
    expect(reply.body).toContain(text);
    expect(reply.body).toContain('<HostId>atelier.test</HostId>');
    expect(stored()).toEqual([]);
  });

  it('refuses a name that is too long', async () => {
    const policy = await policyOf();
    const reply = await put([...formOf(policy, { key: `${policy.upload_dir}/${'猫'.repeat(400)}` }), fileOf('x')]);
    expect([reply.status, reply.body]).toEqual([400, expect.stringContaining('<Code>InvalidObjectName</Code>')]);
  });

  it('refuses a policy whose time is over', async () => {
    const policy = await policyOf();
    clock.advance(299_999);
    expect((await put([...formOf(policy), fileOf('x')])).status).toBe(200);
    clock.advance(1);
    const late = await put([...formOf(policy, { key: `${policy.upload_dir}/late.png` }), fileOf('x')]);
    expect([late.status, late.body]).toEqual([
      403,
      expect.stringContaining('<Message>Invalid according to Policy: Policy expired.</Message>'),
    ]);
  });

  it('refuses a file over the limit of its policy, and a body that breaks off, and keeps nothing', async () => {
    const policy = await policyOf();
    const grant = readPolicy(policy, secret) as UploadGrant;
    const small = { ...policy, ...signPolicy({ ...grant, maxBytes: 3 }, secret) };
    const tooLarge = await put([...formOf(small), fileOf('ab', 'cd')]);
    expect([tooLarge.status, tooLarge.body]).toEqual([400, expect.stringContaining('<Code>EntityTooLarge</Code>')]);
    expect((await put([...formOf(small), fileOf('ab', 'c')])).status).toBe(200);
    const broken: BodyPart = {
      ...(fileOf() as Extract<BodyPart, { type: 'file' }>),
      // biome-ignore lint/correctness/useYield: it fails before its first piece.
      bytes: (async function* (): AsyncGenerator<Uint8Array> {
        throw new StudioError('malformed-body');
      })(),
    };
    const cut = await put([...formOf(policy, { key: `${policy.upload_dir}/cut.png` }), broken]);
    expect([cut.status, cut.body]).toEqual([400, expect.stringContaining('<Code>MalformedPOSTRequest</Code>')]);
    expect(stored()).toHaveLength(1);
    expect(readdirSync(path.join(folder, 'incoming'))).toEqual([]);
  });

  it('refuses a form without a file', async () => {
    const reply = await put(formOf(await policyOf()));
    expect([reply.status, reply.body]).toEqual([
      400,
      expect.stringContaining('<Code>IncorrectNumberOfFilesInPOSTRequest</Code>'),
    ]);
  });

  it('does not blame the client for a disk that fails', async () => {
    const failing = { ...blobs, write: () => Promise.reject(new Error('ENOSPC')) };
    const broken = { resources: uploadRoutes('/api/v1', ports(failing), secret) };
    const reply = await put([...formOf(await policyOf()), fileOf('x')], broken);
    expect([reply.status, reply.body]).toEqual([500, expect.stringContaining('<Code>InternalError</Code>')]);
    expect(reply.body).not.toContain('ENOSPC');
  });
});

describe('policies', () => {
  const grant: UploadGrant = {
    ...testOwner({ region: 'singapore' }),
    model: 'm',
    directory: 'd',
    expiresAtMs: Date.parse('2025-07-12T20:05:00Z'),
    maxBytes: 5,
  };

  it('come back as they were signed, and not with another secret', () => {
    const signed = signPolicy(grant, secret);
    expect(readPolicy(signed, secret)).toEqual(grant);
    expect(readPolicy(signed, Buffer.alloc(32, 8))).toBeUndefined();
  });

  it('are worth nothing with any character changed', () => {
    const signed = signPolicy(grant, secret);
    const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'];
    fc.assert(
      fc.property(fc.nat(signed.policy.length - 1), fc.constantFrom(...alphabet), (at, letter) => {
        const policy = signed.policy.slice(0, at) + letter + signed.policy.slice(at + 1);
        fc.pre(policy !== signed.policy);
        expect(readPolicy({ ...signed, policy }, secret)).toBeUndefined();
      }),
    );
  });
});

describe('retention', () => {
  it('takes out uploads after 48 hours, bytes and all, and ended tasks after 24', async () => {
    const policy = await policyOf();
    await put([...formOf(policy), fileOf('a')]);
    const removed: number[] = [];
    const tasks = {
      async create() {},
      find: async () => undefined,
      list: async () => ({ tasks: [], total: 0 }),
      cancel: async () => false,
      removeEnded: async (endedBeforeMs: number) => void removed.push(endedBeforeMs),
    };
    const sweepOnce = async () => {
      const work = retention({ ...ports(), tasks });
      work.start();
      await work.stop();
    };
    clock.advance(UPLOAD_LIFETIME_MS - 1);
    await sweepOnce();
    expect(stored()).toHaveLength(1);
    clock.advance(1);
    await sweepOnce();
    expect(stored()).toEqual([]);
    expect(removed.at(-1)).toBe(clock.now() - 24 * 60 * 60 * 1000);
  });
});
