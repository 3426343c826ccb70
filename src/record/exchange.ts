/** What passed by → an exchange as it may be kept: text, without secrets, without headers that say nothing. */
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import type { Json } from '../core/generation.ts';
import { type RecordedExchange, scrub } from '../core/recordings.ts';

export interface PassedExchange {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly requestHeaders: HeaderLines;
  readonly requestBody: Buffer;
  readonly status: number;
  readonly responseHeaders: HeaderLines;
  readonly responseBody: Buffer;
  /** The caller's keys and ours. */
  readonly secrets: readonly string[];
}

/** Name, value, name, value… as they stood on the wire. */
export type HeaderLines = readonly string[];

/** An exchange that cannot be kept; the message says why. */
export class UnrecordableError extends Error {}

/**
 * Headers are kept by name, so that nobody's own spelling of a secret slips through. Organisation ids and the keys of
 * payload encryption begin like harmless ones.
 */
const KEPT_HEADERS =
  /^(accept|content-type|content-disposition|user-agent|x-request-id|request-id|retry-after(-ms)?|x-should-retry|x-dashscope-.*|x-ratelimit-.*|anthropic-(version|beta)|openai-(beta|version|processing-ms))$/;
const NEVER_KEPT_HEADERS = /key|token|secret|auth/;

/** The exchange without its name. Throws an UnrecordableError for what has no text. */
export function toRecorded(passed: PassedExchange, source: string): Omit<RecordedExchange, 'name'> {
  const { secrets } = passed;
  return {
    source,
    request: {
      line: scrub(`${passed.method} ${passed.path} HTTP/1.1`, secrets),
      headers: keptHeaders(passed.requestHeaders, secrets),
      body: requestBodyOf(passed),
    },
    response: {
      status: passed.status,
      headers: keptHeaders(passed.responseHeaders, secrets),
      body: scrub(textOf(decoded(passed.responseBody, headerOf(passed.responseHeaders, 'content-encoding'))), secrets),
    },
  };
}

/** The first value of a header. */
export function headerOf(headers: HeaderLines, name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) if (headers[at]?.toLowerCase() === name) return headers[at + 1];
  return undefined;
}

function keptHeaders(headers: HeaderLines, secrets: readonly string[]): { [name: string]: string } {
  const kept: { [name: string]: string } = {};
  for (let at = 0; at < headers.length; at += 2) {
    const name = (headers[at] ?? '').toLowerCase();
    if (KEPT_HEADERS.test(name) && !NEVER_KEPT_HEADERS.test(name)) kept[name] = scrub(headers[at + 1] ?? '', secrets);
  }
  return kept;
}

function requestBodyOf({ requestBody, requestHeaders, secrets }: PassedExchange): Json {
  if (requestBody.length === 0) return null;
  const type = headerOf(requestHeaders, 'content-type') ?? '';
  const bytes = decoded(requestBody, headerOf(requestHeaders, 'content-encoding'));
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)/i.exec(type)?.[1];
  if (boundary !== undefined) return scrub(withoutFiles(bytes, boundary), secrets);
  const text = scrub(textOf(bytes), secrets);
  if (!/json/i.test(type)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function decoded(bytes: Buffer, encoding: string | undefined): Buffer {
  const names = (encoding ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  return names.toReversed().reduce((rest, name) => {
    switch (name) {
      case '':
      case 'identity':
        return rest;
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(rest);
      case 'deflate':
        return inflateSync(rest);
      case 'br':
        return brotliDecompressSync(rest);
      case 'zstd':
        return zstdDecompressSync(rest);
      default:
        throw new UnrecordableError(`its content encoding ${name} is not known`);
    }
  }, bytes);
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UnrecordableError('a body is not text');
  }
}

/** Files are neither text nor ours to keep: their bytes give way to their number. */
function withoutFiles(body: Buffer, boundary: string): string {
  const delimiter = `--${boundary}`;
  // One byte a character: cuts fall where they fell in the bytes.
  const pieces = body.toString('latin1').split(delimiter);
  return pieces
    .map((piece) => {
      const headEnd = piece.indexOf('\r\n\r\n');
      const head = Buffer.from(headEnd < 0 ? piece : piece.slice(0, headEnd), 'latin1');
      if (headEnd < 0) return textOf(head);
      const content = piece.slice(headEnd + 4);
      const isFile = /;\s*filename\*?=/i.test(head.toString('latin1'));
      const shown = isFile ? `<${Math.max(0, content.length - 2)} bytes>\r\n` : textOf(Buffer.from(content, 'latin1'));
      return `${textOf(head)}\r\n\r\n${shown}`;
    })
    .join(delimiter);
}
