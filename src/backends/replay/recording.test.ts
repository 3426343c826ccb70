import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dataOf, RecordingError, readRecordings, recordingOf } from './recording.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atelier-recordings-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const exchange = (request: object, response: object = {}) => ({
  request: { line: 'POST /v1/x?a=1 HTTP/1.1', headers: {}, body: null, ...request },
  response: { status: 200, headers: {}, body: '{}', ...response },
});

describe('a folder', () => {
  it('is read with what lies below it, in the order of names', () => {
    mkdirSync(join(folder, 'b'));
    writeFileSync(join(folder, 'b', 'two.json'), JSON.stringify(exchange({})));
    writeFileSync(join(folder, 'a.json'), JSON.stringify(exchange({})));
    writeFileSync(join(folder, 'chat.chunks.txt'), '{"choices":[]}\n');
    writeFileSync(join(folder, 'body.json'), '{"choices":[]}');
    writeFileSync(join(folder, 'other.json'), '{"compilerOptions":{}}');
    writeFileSync(join(folder, 'README.md'), '# Not one');
    const recordings = readRecordings(folder);
    expect(recordings.map(({ name }) => name)).toEqual(['a', 'two', 'body', 'chat']);
    expect(recordings.map(({ request, response }) => [request?.path, response.isStream])).toEqual([
      ['/v1/x', false],
      ['/v1/x', false],
      [undefined, false],
      [undefined, true],
    ]);
  });

  it('that is not there, or holds what is not JSON, is named', () => {
    expect(() => readRecordings(join(folder, 'none'))).toThrow(RecordingError);
    writeFileSync(join(folder, 'broken.json'), '{');
    expect(() => readRecordings(folder)).toThrow(/broken\.json is not JSON/);
  });
});

describe('a request', () => {
  it('is read from its line, with or without a host', () => {
    const plain = recordingOf('n', exchange({ line: 'GET /v1/x?a=1&b=%20 HTTP/1.1' })).request;
    expect(plain).toMatchObject({ method: 'GET', path: '/v1/x' });
    expect(plain?.query.get('b')).toBe(' ');
    expect(recordingOf('n', exchange({ line: 'POST https://h.example/v1/x' })).request?.path).toBe('/v1/x');
  });

  it('whose line is lost is known by its body', () => {
    const lost = {
      line: 'Accept: text/event-stream',
      headers: { 'Content-Type': 'application/json' },
      body: { input: {} },
    };
    expect(recordingOf('multimodal-x', exchange(lost)).request).toMatchObject({
      method: 'POST',
      path: '/api/v1/services/aigc/multimodal-generation/generation',
      headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
    });
    expect(recordingOf('single-x', exchange(lost)).request?.path).toContain('text-generation');
  });

  it('that was not recorded is not made up', () => {
    expect(recordingOf('n', exchange({ line: '' })).request).toBeUndefined();
    const bodiless = { headers: { 'content-type': 'multipart/form-data' } };
    expect(recordingOf('n', exchange(bodiless)).request).toBeUndefined();
  });

  it('asked for the stream that came back', () => {
    const line = 'POST /api/v1/services/aigc/text-generation/generation HTTP/1.1';
    const { request } = recordingOf('n', exchange({ line }, { body: 'id:1\ndata:{}\n' }));
    expect(request?.headers['x-dashscope-sse']).toBe('enable');
  });
});

describe('a stream', () => {
  it('gets back the blank lines that were lost', () => {
    const body = '\nid:1\nevent:result\ndata:{"a":1}\nid:2\nevent:result\ndata:{"a":2}';
    const { response } = recordingOf('n', exchange({}, { body }));
    expect(response.body).toBe('id:1\nevent:result\ndata:{"a":1}\n\nid:2\nevent:result\ndata:{"a":2}\n\n');
    expect(response.headers['content-type']).toBe('text/event-stream;charset=UTF-8');
    expect(response.isStream).toBe(true);
  });

  it('keeps those it has', () => {
    const body = 'data: {"a":1}\n\ndata: [DONE]\n\n';
    expect(recordingOf('n', exchange({}, { body })).response.body).toBe(body);
  });

  it('is read data by data', () => {
    expect(dataOf('event: a\ndata: {"a":1}\n\n: ping\n\ndata: [DONE]\n\n')).toEqual(['{"a":1}']);
    expect(dataOf('{"a":1}\n{"a":2}\n')).toEqual(['{"a":1}', '{"a":2}']);
  });
});
