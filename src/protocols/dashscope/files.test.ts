import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, testOwner } from '../../../test/support/context.ts';
import { fieldPart, filePart, openTestStores, readText, type TestStores } from '../../../test/support/stores.ts';
import { callResource, testWirePorts } from '../../../test/support/wires.ts';
import { StudioError } from '../../core/errors.ts';
import type { BodyPart, ResourceRoute } from '../protocol.ts';
import { nativeFileRoutes } from './files.ts';

const FILES = '/api/v1/files';

let stores: TestStores;
let clock: ReturnType<typeof fixedClock>;
let wire: { resources: readonly ResourceRoute[] };
beforeEach(async () => {
  stores = await openTestStores();
  clock = fixedClock(1_764_499_365_000);
  wire = { resources: nativeFileRoutes(testWirePorts({ ...stores.ports, clock })) };
});
afterEach(() => stores.close());

interface Uploaded {
  readonly data: {
    readonly uploaded_files: readonly { readonly name: string; readonly file_id: string }[];
    readonly failed_uploads: readonly object[];
  };
}
const upload = async (...parts: BodyPart[]) =>
  (await callResource(wire, 'POST', FILES, { parts, requestId: 'r1' })).body as Uploaded;
const get = async (path: string, request: Parameters<typeof callResource>[3] = {}) =>
  callResource(wire, 'GET', FILES + path, request);

it('takes several files with their descriptions, in their order', async () => {
  const body = await upload(
    fieldPart('descriptions', 'first'),
    fieldPart('descriptions', 'second'),
    filePart('files', 'a.txt', 'abc'),
    filePart('other', 'ignored.txt', 'x'),
    filePart('files', 'b.bin', 'de'),
    filePart('files', 'c.txt', ''),
  );
  expect(Object.keys(body)).toEqual(['data', 'request_id']);
  const [a, b, c] = body.data.uploaded_files;
  expect(body.data).toEqual({
    uploaded_files: [
      { name: 'a.txt', file_id: a?.file_id },
      { name: 'b.bin', file_id: b?.file_id },
      { name: 'c.txt', file_id: c?.file_id },
    ],
    failed_uploads: [],
  });
  expect(a?.file_id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const { body: list } = await get('');
  expect(list).toMatchObject({
    data: {
      total: 3,
      page_no: 1,
      page_size: 10,
      files: [
        { name: 'c.txt', description: '' },
        { name: 'b.bin', description: 'second' },
        { name: 'a.txt', description: 'first' },
      ],
    },
  });
});

it('shows a file as recorded, key by key', async () => {
  await upload(fieldPart('purpose', 'file-extract'), filePart('files', 'test2.txt', 'content'));
  const [file] = (await stores.ports.files.list(testOwner(), { limit: 1 })).files;
  const { body } = await get('/:id', { params: { id: file?.fileId ?? '' }, requestId: 'r2' });
  const md5 = createHash('md5').update('content').digest('base64');
  expect(JSON.stringify(body)).toBe(
    JSON.stringify({
      data: {
        id: file?.sequence,
        name: 'test2.txt',
        description: '',
        purpose: 'file-extract',
        size: 7,
        md5,
        region: 'cn-beijing',
        file_id: file?.fileId,
        url: (body as { data: { url: string } }).data.url,
        user_id: 'default',
        api_key_id: 'key-1',
        gmt_create: '2025-11-30 18:42:45',
      },
      request_id: 'r2',
    }),
  );
});

describe('a download address', () => {
  async function addressOf(): Promise<URL> {
    const { data } = await upload(filePart('files', 'a.txt', 'abc'));
    const id = data.uploaded_files[0]?.file_id ?? '';
    const { body } = await get('/:id', { params: { id }, origin: 'http://studio:1' });
    return new URL((body as { data: { url: string } }).data.url);
  }
  const open = ({ pathname, searchParams }: URL) =>
    get('/:id/content', { params: { id: pathname.split('/').at(-2) ?? '' }, query: searchParams });

  it('needs no key and gives the bytes', async () => {
    const url = await addressOf();
    expect(url.origin).toBe('http://studio:1');
    expect(wire.resources.find(({ path }) => path.endsWith('/content'))?.isPublic).toBe(true);
    expect(await readText((await open(url)).stream)).toBe('abc');
  });

  it.each<[string, RegExp, string, number]>([
    ['later than it says', /^/, '', 3_601_000],
    ['with another time', /Expires=\d+/, 'Expires=9999999999', 0],
    ['with another signature', /Signature=[^&]+/, 'Signature=x', 0],
    ['without a signature', /Signature=[^&]+/, '', 0],
    ['for another workspace', /Workspace=[^&]+/, 'Workspace=other', 0],
    ['for another file', /files\/[^/]+/, 'files/x', 0],
  ])('is refused %s', async (_what, part, change, laterMs) => {
    const url = new URL((await addressOf()).href.replace(part, change));
    clock.advance(laterMs);
    await expect(open(url)).rejects.toMatchObject({ code: 'access-denied' });
  });

  it('is refused in another region', async () => {
    const { pathname, searchParams: query } = await addressOf();
    const account = { keyId: 'anonymous', name: 'anonymous', ...testOwner({ region: 'singapore' }) };
    const params = { id: pathname.split('/').at(-2) ?? '' };
    await expect(get('/:id/content', { params, query, account })).rejects.toMatchObject({ code: 'access-denied' });
  });
});

it("tells the vendor's id of the account's own region", async () => {
  const account = { keyId: 'key-1', name: 'test', ...testOwner({ region: 'singapore' }) };
  await callResource(wire, 'POST', FILES, { parts: [filePart('files', 'a.txt', 'abc')], account });
  expect((await get('', { account })).body).toMatchObject({
    data: { total: 1, files: [{ region: 'ap-southeast-1' }] },
  });
  expect((await get('')).body).toMatchObject({ data: { total: 0, files: [] } });
});

it('tells which files were not taken, beside those that were', async () => {
  wire = {
    resources: nativeFileRoutes(testWirePorts({ ...stores.ports, clock, fileQuota: { maxFiles: 1, maxBytes: 100 } })),
  };
  const { data } = await upload(filePart('files', 'test2.txt', 'a'), filePart('files', 'test1.txt', 'b'));
  expect(data.uploaded_files).toMatchObject([{ name: 'test2.txt' }]);
  expect(JSON.stringify(data.failed_uploads)).toBe(
    JSON.stringify([
      {
        name: 'test1.txt',
        code: 'BadRequest.TooMany',
        message: 'Out of number, <1> of <1> files has been uploaded.',
      },
    ]),
  );
  expect(stores.blobNames()).toHaveLength(1);
});

describe('a refused request leaves nothing', () => {
  it('with a wrong purpose, in the envelope that was recorded', async () => {
    const reply = await callResource(wire, 'POST', FILES, {
      parts: [filePart('files', 'a.txt', 'a'), fieldPart('purpose', 'other')],
    });
    expect(reply).toEqual({
      status: 400,
      body: {
        error: {
          message: "'purpose' must be 'file-extract'",
          type: 'invalid_request_error',
          param: 'purpose',
          code: null,
        },
      },
    });
    expect(stores.blobNames()).toEqual([]);
  });

  it('without files, and when the client leaves', async () => {
    await expect(upload(fieldPart('descriptions', 'x'))).rejects.toMatchObject({ code: 'invalid-parameter' });
    await expect(
      upload(filePart('files', 'a.txt', 'a'), filePart('files', 'b.txt', 'b', new StudioError('malformed-body'))),
    ).rejects.toMatchObject({ code: 'malformed-body' });
    expect(stores.blobNames()).toEqual([]);
    expect((await stores.ports.files.usage(testOwner())).files).toBe(0);
  });

  it.each(['page_no=0', 'page_no=x', 'page_size=101', 'page_size=-1'])('with %s', async (query) => {
    await expect(get('', { query: new URLSearchParams(query) })).rejects.toMatchObject({ code: 'invalid-parameter' });
  });
});

it('pages, also past the end', async () => {
  for (const name of ['a', 'b', 'c']) await upload(filePart('files', name, 'x'));
  const page = async (query: string) => {
    const { body } = await get('', { query: new URLSearchParams(query) });
    return (body as { data: { files: { name: string }[] } }).data.files.map(({ name }) => name);
  };
  expect(await page('page_no=1&page_size=2')).toEqual(['c', 'b']);
  expect(await page('page_no=2&page_size=2')).toEqual(['a']);
  expect(await page('page_no=999999999&page_size=100')).toEqual([]);
});

it('deletes a file and its bytes, once', async () => {
  const { data } = await upload(filePart('files', 'a.txt', 'abc'));
  const id = data.uploaded_files[0]?.file_id ?? '';
  const remove = async () => callResource(wire, 'DELETE', `${FILES}/:id`, { params: { id }, requestId: 'r3' });
  expect(await remove()).toEqual({ status: 200, body: { request_id: 'r3' } });
  expect(stores.blobNames()).toEqual([]);
  await expect(remove()).rejects.toMatchObject({ code: 'not-found' });
  await expect(get('/:id', { params: { id } })).rejects.toMatchObject({ code: 'not-found' });
});
