/**
 * Temporary uploads ("Upload local files to get temporary URLs"): `GET /uploads?action=getPolicy` tells where and under
 * which conditions a file may be put, and the place itself, which takes the form as OSS does ("PostObject") and answers in
 * its words. Nobody can list, read or change what was uploaded: requests name it as `oss://<key>`, and the feature
 * `uploads` reads it for the model it was put up for.
 */
import { createHash, randomBytes } from 'node:crypto';
import { StudioError } from '../../core/errors.ts';
import { formatBeijingDate } from '../beijing-time.ts';
import type { BodyPart, ResourceReply, ResourceRequest, ResourceRoute, WirePorts } from '../protocol.ts';
import { REQUIRED_FIELDS, readPolicy, signPolicy, type UploadGrant } from './upload-policy.ts';

/** How long a policy may be used, and how large a file may be (both recorded). */
const POLICY_MS = 300_000;
const MAX_MEBIBYTES = 1024;
const MAX_BYTES = MAX_MEBIBYTES * 1024 * 1024;

/** "URL valid for 48 hours" */
export const UPLOAD_LIFETIME_MS = 48 * 60 * 60 * 1000;

/** OSS: names of objects are 1 to 1,023 bytes of UTF-8. */
const MAX_KEY_BYTES = 1023;

/** The service has several; clients only hand it back. */
const ACCESS_KEY_ID = 'atelier';

type UploadPorts = Pick<WirePorts, 'uploads' | 'uploadBlobs' | 'clock' | 'findModel' | 'log'>;

/** `secret` signs the policies; with a new one at every start, a policy does not outlive the server that gave it. */
export function uploadRoutes(
  prefix: string,
  ports: UploadPorts,
  secret: Uint8Array = randomBytes(32),
): ResourceRoute[] {
  const target = `${prefix}/uploads/target`;
  return [
    {
      method: 'GET',
      path: `${prefix}/uploads`,
      handle: (request) => ({ status: 200, body: givePolicy(request, ports, target, secret) }),
    },
    {
      method: 'POST',
      path: target,
      accepts: 'multipart',
      isPublic: true,
      handle: async (request) => {
        try {
          return await takeForm(request, ports, secret);
        } catch (thrown) {
          return encodeTargetError(thrown, request, ports);
        }
      },
    },
  ];
}

/** Key order as recorded. */
function givePolicy(request: ResourceRequest, ports: UploadPorts, target: string, secret: Uint8Array): object {
  const { query, account, requestId, origin } = request;
  if (query.get('action') !== 'getPolicy')
    throw new StudioError('invalid-parameter', 'action should be getPolicy', { param: 'action' });
  const model = query.get('model') ?? '';
  if (!ports.findModel(model, account))
    throw new StudioError('invalid-parameter', 'Model not exist.', { param: 'model' });
  const nowMs = ports.clock.now();
  const { workspaceId, region } = account;
  const owner = createHash('md5').update(`${workspaceId}\n${region}`).digest('hex');
  const directory = `dashscope-instant/${owner}/${formatBeijingDate(nowMs)}/${requestId}`;
  const { policy, signature } = signPolicy(
    { workspaceId, region, model, directory, expiresAtMs: nowMs + POLICY_MS, maxBytes: MAX_BYTES },
    secret,
  );
  return {
    data: {
      policy,
      signature,
      upload_dir: directory,
      upload_host: `${origin}${target}`,
      expire_in_seconds: POLICY_MS / 1000,
      max_file_size_mb: MAX_MEBIBYTES,
      capacity_limit_mb: 999_999_999,
      oss_access_key_id: ACCESS_KEY_ID,
      x_oss_object_acl: REQUIRED_FIELDS['x-oss-object-acl'],
      x_oss_forbid_overwrite: REQUIRED_FIELDS['x-oss-forbid-overwrite'],
    },
    request_id: requestId,
  };
}

type FilePart = Extract<BodyPart, { type: 'file' }>;

/** Reads the form up to its file; what stands behind it is ignored, as OSS does. */
async function takeForm(request: ResourceRequest, ports: UploadPorts, secret: Uint8Array): Promise<ResourceReply> {
  const fields = new Map<string, string>();
  for await (const part of request.parts) {
    // Awaited here: to leave the loop is to throw the rest of the body away.
    if (part.type === 'file') return await storeFile(part, fields, ports, secret);
    fields.set(part.name.toLowerCase(), part.value);
  }
  throw new TargetError(
    400,
    'IncorrectNumberOfFilesInPOSTRequest',
    'POST requires exactly one file upload per request.',
  );
}

async function storeFile(
  file: FilePart,
  fields: ReadonlyMap<string, string>,
  ports: UploadPorts,
  secret: Uint8Array,
): Promise<ResourceReply> {
  const nowMs = ports.clock.now();
  const grant = grantOf(fields, secret, nowMs);
  const key = keyOf(fields, grant);
  if (await ports.uploads.find(key)) throw alreadyExists();
  const { blobId, bytes } = await ports.uploadBlobs.write(file.bytes, grant.maxBytes);
  let isCreated = false;
  try {
    isCreated = await ports.uploads.create({
      key,
      workspaceId: grant.workspaceId,
      region: grant.region,
      model: grant.model,
      contentType: fields.get('x-oss-content-type') ?? file.contentType,
      bytes,
      blobId,
      expiresAtMs: nowMs + UPLOAD_LIFETIME_MS,
    });
  } finally {
    if (!isCreated) await ports.uploadBlobs.delete(blobId);
  }
  if (!isCreated) throw alreadyExists();
  return { status: fields.get('success_action_status') === '200' ? 200 : 204 };
}

/** The checks of a form, in the order in which OSS makes them. */
function grantOf(fields: ReadonlyMap<string, string>, secret: Uint8Array, nowMs: number): UploadGrant {
  const policy = fields.get('policy');
  const signature = fields.get('signature');
  if (policy === undefined || signature === undefined)
    throw denied('Anonymous access is forbidden for this operation.');
  if (fields.get('ossaccesskeyid') !== ACCESS_KEY_ID)
    throw new TargetError(
      403,
      'InvalidAccessKeyId',
      'The OSS Access Key Id you provided does not exist in our records.',
    );
  const grant = readPolicy({ policy, signature }, secret);
  if (!grant)
    throw new TargetError(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    );
  if (grant.expiresAtMs <= nowMs) throw denied('Invalid according to Policy: Policy expired.');
  for (const [name, value] of Object.entries(REQUIRED_FIELDS))
    if (fields.get(name) !== value) throw conditionFailed(['eq', `$${name}`, value]);
  return grant;
}

function keyOf(fields: ReadonlyMap<string, string>, { directory }: UploadGrant): string {
  const key = fields.get('key') ?? '';
  if (!key.startsWith(directory)) throw conditionFailed(['starts-with', '$key', directory]);
  if (Buffer.byteLength(key) > MAX_KEY_BYTES)
    throw new TargetError(400, 'InvalidObjectName', 'The specified object is not valid.');
  return key;
}

// Errors of the target

class TargetError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

function denied(message: string): TargetError {
  return new TargetError(403, 'AccessDenied', message);
}

function conditionFailed(condition: readonly string[]): TargetError {
  return denied(`Invalid according to Policy: Policy Condition failed: ${JSON.stringify(condition)}`);
}

function alreadyExists(): TargetError {
  return new TargetError(
    409,
    'FileAlreadyExists',
    'The object you specified already exists and can not be overwritten.',
  );
}

function targetErrorOf(thrown: unknown): TargetError {
  if (thrown instanceof TargetError) return thrown;
  if (thrown instanceof StudioError && thrown.code === 'body-too-large')
    return new TargetError(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed object size.');
  if (thrown instanceof StudioError && thrown.code === 'malformed-body')
    return new TargetError(
      400,
      'MalformedPOSTRequest',
      'The body of your POST request is not well-formed multipart/form-data.',
    );
  return new TargetError(500, 'InternalError', 'We encountered an internal error. Please try again.');
}

function encodeTargetError(
  thrown: unknown,
  { requestId, headers }: ResourceRequest,
  ports: UploadPorts,
): ResourceReply {
  const { status, code, message } = targetErrorOf(thrown);
  if (status === 500) ports.log.error({ requestId, err: thrown }, 'an upload could not be stored');
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<Error>',
    `  <Code>${code}</Code>`,
    `  <Message>${escapeXml(message)}</Message>`,
    `  <RequestId>${requestId}</RequestId>`,
    `  <HostId>${escapeXml(headers.host ?? '')}</HostId>`,
    '</Error>',
    '',
  ];
  return { status, headers: { 'content-type': 'application/xml' }, body: lines.join('\n') };
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
