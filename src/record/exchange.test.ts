import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type PassedExchange, toRecorded, UnrecordableError } from './exchange.ts';

const KEY = 'sk-0123456789abcdef0123456789abcdef';

function passed(overrides: Partial<PassedExchange> = {}): PassedExchange {
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    requestHeaders: ['Content-Type', 'application/json'],
    requestBody: Buffer.from('{"model":"m"}'),
    status: 200,
    responseHeaders: ['Content-Type', 'application/json'],
    responseBody: Buffer.from('{"choices":[]}'),
    secrets: [KEY],
    ...overrides,
  };
}

const recorded = (overrides?: Partial<PassedExchange>) => toRecorded(passed(overrides), 'test');

describe('an exchange', () => {
  it('is kept in the form of the captures', () => {
    expect(recorded()).toEqual({
      source: 'test',
      request: {
        line: 'POST /v1/chat/completions HTTP/1.1',
        headers: { 'content-type': 'application/json' },
        body: { model: 'm' },
      },
      response: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"choices":[]}' },
    });
  });

  it('keeps headers by name only', () => {
    const requestHeaders = [
      ...['Authorization', `Bearer ${KEY}`, 'X-Api-Key', KEY, 'Cookie', 'session=1', 'X-Custom', 'secret'],
      ...['X-DashScope-EncryptionKey', '{}', 'X-DashScope-SSE', 'enable', 'Accept', 'text/event-stream'],
      ...['Anthropic-Version', '2023-06-01'],
    ];
    const responseHeaders = [
      'Set-Cookie',
      'a=b',
      'Anthropic-Organization-Id',
      'org',
      'X-Request-Id',
      'r1',
      'Date',
      'x',
    ];
    const { request, response } = recorded({ requestHeaders, responseHeaders });
    expect(request.headers).toEqual({
      'x-dashscope-sse': 'enable',
      accept: 'text/event-stream',
      'anthropic-version': '2023-06-01',
    });
    expect(response.headers).toEqual({ 'x-request-id': 'r1' });
  });

  it('hides secrets in line and bodies', () => {
    const shown = JSON.stringify(
      recorded({
        path: `/v1/files?api_key=${KEY}`,
        requestBody: Buffer.from(JSON.stringify({ messages: [{ content: `my key is ${KEY}` }] })),
        responseBody: Buffer.from(`data: {"content":"${KEY}","user_id":"1234567890123456"}\n\n`),
      }),
    );
    expect(shown).not.toContain(KEY);
    expect(shown).not.toContain('1234567890123456');
  });

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('reads a body that was packed with %s', (encoding, pack) => {
    const responseHeaders = ['Content-Encoding', encoding];
    expect(recorded({ responseHeaders, responseBody: pack('{"a":"é"}') }).response.body).toBe('{"a":"é"}');
  });

  it('keeps the parts of a form, and of files their size', () => {
    const requestBody = Buffer.concat([
      Buffer.from('--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'),
      Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="é.bin"\r\n\r\n'),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.from('\r\n--b--\r\n'),
    ]);
    const requestHeaders = ['Content-Type', 'multipart/form-data; boundary=b'];
    expect(recorded({ requestHeaders, requestBody }).request.body).toBe(
      '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n' +
        '--b\r\nContent-Disposition: form-data; name="file"; filename="é.bin"\r\n\r\n<3 bytes>\r\n--b--\r\n',
    );
  });

  it('has no body where there was none, and text where there was no JSON', () => {
    expect(recorded({ requestBody: Buffer.alloc(0) }).request.body).toBeNull();
    expect(recorded({ requestBody: Buffer.from('{broken') }).request.body).toBe('{broken');
  });

  it('is not kept when it is no text or cannot be unpacked', () => {
    expect(() => recorded({ responseBody: Buffer.from([0xff, 0xfe]) })).toThrow(UnrecordableError);
    expect(() => recorded({ responseHeaders: ['Content-Encoding', 'odd'] })).toThrow(/odd/);
  });
});
