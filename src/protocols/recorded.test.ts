import { describe, expect, test } from 'vitest';
import { countingIds, fixedClock } from '../../test/support/context.ts';
import { callResource } from '../../test/support/wires.ts';
import { StudioError } from '../core/errors.ts';
import { plainRequest } from '../core/generation.ts';
import type { BodyPart, GenerationProtocol, ResourceRoute, Wire } from './protocol.ts';
import { createRecordedDecoder, type RecordedReplies, withRecordedReplies } from './recorded.ts';

const GENERATION = '/v1/generate';

function wireOf(id: string, prefix: string, resources: readonly ResourceRoute[]): Wire {
  const protocol = {
    id,
    paths: [GENERATION],
    decodeRequest: (body: unknown, info: { headers: { accept?: string | undefined } }) => ({
      request: plainRequest((body as { model: string }).model, []),
      plan: { isStreaming: info.headers.accept === 'text/event-stream' },
    }),
  } as unknown as GenerationProtocol;
  const encodeError = () => ({ status: 500, headers: {}, body: id });
  return { id, prefixes: [prefix], generations: [protocol], resources, sockets: [], encodeError };
}

const live: ResourceRoute = {
  method: 'GET',
  path: '/v1/files/:id',
  handle: ({ params }) => ({ status: 200, body: params.id }),
};
const upload: ResourceRoute = {
  method: 'POST',
  path: '/v1/files',
  accepts: 'multipart',
  handle: () => ({ status: 201, body: 'live' }),
};

/** Replies by `METHOD path`; the body is that line with the query. */
function recordedAt(...lines: readonly string[]): RecordedReplies {
  const resources = lines.map((line) => {
    const [method = '', path = ''] = line.split(' ');
    return { method, path, isMultipart: method === 'POST' };
  });
  return {
    resources,
    findReply: ({ method, path, query }) => {
      if (query.has('wrong')) throw new StudioError('not-found', 'nearest');
      if (!lines.includes(`${method} ${path}`)) return undefined;
      const headers = { 'content-type': 'application/json;charset=UTF-8', date: 'then', 'content-length': '3' };
      return { status: 202, headers, body: `${method} ${path}?${query}` };
    },
  };
}

describe('recorded replies', () => {
  const wires = [wireOf('general', '/v1', [live, upload]), wireOf('native', '/api/v1', [])];
  const [general, native] = withRecordedReplies(
    wires,
    recordedAt(
      'GET /v1/files/a b',
      'POST /v1/files',
      'GET /api/v1/odd:thing',
      'GET /api/v1/odd:thing',
      `POST ${GENERATION}`,
    ),
  ) as [Wire, Wire];

  test('stand before what a wire serves, with the headers that still hold', async () => {
    const query = new URLSearchParams({ limit: '2' });
    expect(await callResource(general, 'GET', '/v1/files/:id', { params: { id: 'a b' }, query })).toEqual({
      status: 202,
      headers: { 'content-type': 'application/json;charset=UTF-8' },
      body: 'GET /v1/files/a b?limit=2',
    });
  });

  test('leave the rest to the wire', async () => {
    const reply = await callResource(general, 'GET', '/v1/files/:id', { params: { id: 'other' } });
    expect(reply).toEqual({ status: 200, body: 'other' });
  });

  test('refuse what was recorded otherwise', async () => {
    const query = new URLSearchParams({ wrong: '1' });
    await expect(callResource(general, 'GET', '/v1/files/:id', { params: { id: 'a' }, query })).rejects.toThrow(
      'nearest',
    );
  });

  test('read an upload to its end first', async () => {
    const read: string[] = [];
    async function* bytes() {
      read.push('begun');
      yield new Uint8Array(1);
      read.push('ended');
    }
    const file: BodyPart = { type: 'file', name: 'f', fileName: 'f', contentType: 'text/plain', bytes: bytes() };
    expect(await callResource(general, 'POST', '/v1/files', { parts: [file] })).toMatchObject({ status: 202 });
    expect(read).toEqual(['begun', 'ended']);
  });

  test('are added to the wire they belong to, once, where nobody serves them', async () => {
    expect(native.resources.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /api/v1/odd::thing']);
    expect(general.resources).toHaveLength(2);
    expect(await callResource(native, 'GET', '/api/v1/odd::thing')).toMatchObject({ body: 'GET /api/v1/odd:thing?' });
  });
});

test('recorded requests are read by the wire at their path', () => {
  const decode = createRecordedDecoder([wireOf('general', '/v1', [])], { clock: fixedClock(), ids: countingIds() });
  const call = { query: new URLSearchParams(), headers: { accept: 'text/event-stream' }, body: { model: 'm' } };
  expect(decode({ ...call, path: GENERATION })).toMatchObject({ request: { model: 'm' }, isStreaming: true });
  expect(decode({ ...call, path: '/v1/embeddings' })).toBeUndefined();
});
