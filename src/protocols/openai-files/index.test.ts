import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, testOwner } from '../../../test/support/context.ts';
import { fieldPart, filePart, openTestStores, readText, type TestStores } from '../../../test/support/stores.ts';
import { callResource, testWirePorts } from '../../../test/support/wires.ts';
import { StudioError } from '../../core/errors.ts';
import type { BodyPart, Wire } from '../protocol.ts';
import { LARGEST_FILE_BYTES } from '../stored-files.ts';
import { createOpenAiFilesWire } from './index.ts';

const FILES = '/compatible-mode/v1/files';

let stores: TestStores;
let wire: Wire;
const clock = fixedClock(1_764_499_365_000);
beforeEach(async () => {
  stores = await openTestStores();
  wire = createOpenAiFilesWire(testWirePorts({ ...stores.ports, clock }));
});
afterEach(() => stores.close());

const upload = async (...parts: BodyPart[]) => {
  const { body } = await callResource(wire, 'POST', FILES, { parts });
  return body as { id: string; bytes: number };
};
const get = (path: string, query = '', id = '') =>
  callResource(wire, 'GET', FILES + path, { params: { id }, query: new URLSearchParams(query) });
const text = (fileName = 'a.txt', ...pieces: string[]) =>
  filePart('file', fileName, ...(pieces.length ? pieces : ['text']));

/** What a refused request leaves and says. */
async function refusal(action: Promise<unknown>): Promise<unknown> {
  const thrown = await action.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof StudioError)) throw new Error('not refused', { cause: thrown });
  const { status, body } = wire.encodeError(thrown, 'r');
  return { status, ...(body as object) };
}

describe('an upload', () => {
  it('is shown as recorded, key by key', async () => {
    const body = await upload(fieldPart('purpose', 'file-extract'), text('test2.txt', 'con', 'tent'));
    expect(JSON.stringify(body)).toMatch(
      /^\{"id":"file-fe-[0-9a-f]{24}","object":"file","bytes":7,"filename":"test2.txt","purpose":"file-extract","status":"processed","created_at":1764499365\}$/,
    );
    expect((await get('/:id', '', body.id)).body).toEqual(body);
  });

  it('may name its purpose after the file', async () => {
    const { id } = await upload(text('lines.jsonl'), fieldPart('purpose', 'batch'));
    expect(id).toMatch(/^file-batch-[0-9a-f]{24}$/);
  });

  it('comes back byte for byte, with its length and its name', async () => {
    const { id } = await upload(fieldPart('purpose', 'file-extract'), text('报告 "1".txt', 'né', '文'));
    const { headers, stream } = await get('/:id/content', '', id);
    expect(headers).toEqual({
      'content-type': 'application/octet-stream',
      'content-length': '6',
      'content-disposition': `attachment; filename="__ _1_.txt"; filename*=UTF-8''%E6%8A%A5%E5%91%8A%20%221%22.txt`,
    });
    expect(await readText(stream)).toBe('né文');
  });

  it('without an extension is taken, as the recorded client sends one', async () => {
    await upload(text('1ef3db24-f499-44b0-a5df-1db496e7f22e'), fieldPart('purpose', 'file-extract'));
  });
});

describe('a refused upload leaves nothing and says', () => {
  afterEach(async () => {
    expect(stores.blobNames()).toEqual([]);
    expect((await stores.ports.files.usage(testOwner())).files).toBe(0);
  });

  const invalid = (param: string | null, message: string, status = 400) => ({
    status,
    error: { message, type: 'invalid_request_error', param, code: null },
  });
  const PURPOSE = "'purpose' must be one of 'file-extract', 'batch', 'fine-tune'";

  it.each<[string, BodyPart[], unknown]>([
    ['a purpose that there is not', [fieldPart('purpose', 'assistants'), text()], invalid('purpose', PURPOSE)],
    ['such a purpose after the file', [text(), fieldPart('purpose', 'batch_output')], invalid('purpose', PURPOSE)],
    ['no purpose', [text()], invalid('purpose', PURPOSE)],
    ['no file', [fieldPart('purpose', 'batch')], invalid('file', "Required parameter 'file' is missing.")],
    [
      'text for a file',
      [fieldPart('file', 'x'), fieldPart('purpose', 'batch')],
      invalid('file', "Required parameter 'file' is missing."),
    ],
    [
      'two files',
      [text(), text(), fieldPart('purpose', 'file-extract')],
      invalid('file', 'One upload takes one file.'),
    ],
    [
      'a format that nobody reads',
      [fieldPart('purpose', 'batch'), text('a.csv')],
      invalid('file', "File [a.csv] format is not supported: a file for 'batch' is one of jsonl."),
    ],
    [
      'such a format before the purpose',
      [text('a.csv'), fieldPart('purpose', 'fine-tune')],
      invalid('file', "File [a.csv] format is not supported: a file for 'fine-tune' is one of jsonl."),
    ],
    [
      'a body that breaks off',
      [fieldPart('purpose', 'batch'), filePart('file', 'a.jsonl', 'x', new StudioError('malformed-body'))],
      invalid(null, 'Required body invalid, please check the request body format.'),
    ],
  ])('%s', async (_what, parts, expected) => {
    expect(await refusal(upload(...parts))).toEqual(expected);
  });

  it('a file that is too large, whatever comes first', async () => {
    const message = 'File [a.png] exceeds size limit (20 MB).';
    const mebibyte = 'x'.repeat(1024 * 1024);
    const picture = () => text('a.png', ...Array<string>(21).fill(mebibyte));
    expect(await refusal(upload(fieldPart('purpose', 'file-extract'), picture()))).toEqual(
      invalid('file', message, 413),
    );
    expect(await refusal(upload(picture(), fieldPart('purpose', 'file-extract')))).toEqual(
      invalid('file', message, 413),
    );
    expect(LARGEST_FILE_BYTES).toBe(500 * 1024 * 1024);
  });

  it('that the quota is full, in number and in bytes', async () => {
    const ports = testWirePorts({ ...stores.ports, clock, fileQuota: { maxFiles: 1, maxBytes: 10 } });
    wire = createOpenAiFilesWire(ports);
    const { id } = await upload(fieldPart('purpose', 'file-extract'), text());
    expect(await refusal(upload(fieldPart('purpose', 'file-extract'), text()))).toEqual(
      invalid('file', 'Out of number, <1> of <1> files has been uploaded.'),
    );
    await callResource(wire, 'DELETE', `${FILES}/:id`, { params: { id } });
    expect(await refusal(upload(fieldPart('purpose', 'file-extract'), text('a.txt', 'x'.repeat(11))))).toEqual(
      invalid('file', 'Out of space, files may take <10> bytes in all.'),
    );
  });

  it('that the quota is full, when two uploads at once would fill it', async () => {
    wire = createOpenAiFilesWire(testWirePorts({ ...stores.ports, clock, fileQuota: { maxFiles: 1, maxBytes: 100 } }));
    const both = await Promise.allSettled([
      upload(fieldPart('purpose', 'file-extract'), text()),
      upload(fieldPart('purpose', 'file-extract'), text()),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [kept] = (await stores.ports.files.list(testOwner(), { limit: 9 })).files;
    expect(stores.blobNames()).toEqual([kept?.blobId]);
    await callResource(wire, 'DELETE', `${FILES}/:id`, { params: { id: kept?.fileId ?? '' } });
  });
});

describe('lists', () => {
  it('show what was uploaded and what batches made, newest first, and no native uploads', async () => {
    const { id: a } = await upload(fieldPart('purpose', 'file-extract'), text());
    const { id: b } = await upload(fieldPart('purpose', 'batch'), text('a.jsonl'));
    const native = await stores.ports.files.find(testOwner(), a);
    if (native) await stores.ports.files.create({ ...native, fileId: 'native', purpose: undefined });
    const page = (query: string) => get('', query).then(({ body }) => body);
    expect(await page('')).toMatchObject({ object: 'list', data: [{ id: b }, { id: a }], has_more: false });
    expect(await page('limit=1')).toMatchObject({ data: [{ id: b }], has_more: true });
    expect(await page(`limit=1&after=${b}`)).toMatchObject({ data: [{ id: a }], has_more: false });
    expect(await page('purpose=file-extract')).toMatchObject({ data: [{ id: a }] });
    expect(await page('purpose=&after=')).toMatchObject({ data: [{ id: b }, { id: a }] });
    // 18:42:45 in Beijing.
    expect(await page('create_after=20251130184245&create_before=20251201')).toMatchObject({
      data: [{ id: b }, { id: a }],
    });
    expect(await page('create_after=20251130184246')).toMatchObject({ data: [] });
    expect(await page('create_before=20251130&order=asc')).toMatchObject({ data: [] });
  });

  it.each([
    'limit=0',
    'limit=2001',
    'limit=x',
    'limit=1.5',
    'create_after=yesterday',
    'create_before=20251301',
    'after=file-fe-1',
  ])('refuse %s', async (query) => {
    const param = query.split('=')[0];
    expect(await refusal(get('', query))).toMatchObject({ status: 400, error: { param, code: null } });
  });
});

describe('a file that is not there', () => {
  it.each([
    ['GET', '/:id'],
    ['GET', '/:id/content'],
    ['DELETE', '/:id'],
  ])('is a 404: %s %s', async (method, path) => {
    expect(
      await refusal(
        Promise.resolve().then(() => callResource(wire, method, FILES + path, { params: { id: 'file-fe-1' } })),
      ),
    ).toEqual({
      status: 404,
      error: {
        message: 'File [id:file-fe-1] cannot be found.',
        type: 'invalid_request_error',
        param: 'id',
        code: null,
      },
    });
  });

  it('is one after it was deleted, and its bytes are gone', async () => {
    const { id } = await upload(fieldPart('purpose', 'file-extract'), text());
    const { body } = await callResource(wire, 'DELETE', `${FILES}/:id`, { params: { id } });
    expect(JSON.stringify(body)).toBe(JSON.stringify({ id, object: 'file', deleted: true }));
    expect(stores.blobNames()).toEqual([]);
    expect(await stores.ports.files.find(testOwner(), id)).toBeUndefined();
  });

  it("is anybody else's, too", async () => {
    const { id } = await upload(fieldPart('purpose', 'file-extract'), text());
    for (const owner of [testOwner({ workspaceId: 'other' }), testOwner({ region: 'singapore' })]) {
      const account = { keyId: 'k', name: 'n', ...owner };
      await expect(
        Promise.resolve().then(() => callResource(wire, 'GET', `${FILES}/:id`, { params: { id }, account })),
      ).rejects.toMatchObject({ code: 'not-found' });
    }
  });
});

it("leaves errors of the gateway in the gateway's form", async () => {
  const { status, body } = wire.encodeError(new StudioError('invalid-api-key'), 'r');
  expect({ status, body }).toMatchObject({
    status: 401,
    body: { error: { code: 'invalid_api_key' }, request_id: 'r' },
  });
});
