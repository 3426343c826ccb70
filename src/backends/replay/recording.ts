/**
 * Recordings as they lie in a folder, read forgivingly: some were trimmed by hand, and miss their request line, the blank
 * lines between frames, or the request altogether.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { RecordedExchange } from '../../core/recordings.ts';

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: { readonly [name: string]: string };
  /** Parsed JSON, text of any other form, null without a body. */
  readonly body: unknown;
}

export interface Recording {
  readonly name: string;
  /** Undefined when no request was recorded: such a reply is asked for by its name. */
  readonly request: RecordedRequest | undefined;
  readonly response: {
    readonly status: number;
    readonly headers: { readonly [name: string]: string };
    readonly body: string;
    /** Server-sent events, or chunks one a line. */
    readonly isStream: boolean;
  };
}

/** A file that is no recording, or a broken one; the message names it. */
export class RecordingError extends Error {}

const CHUNKS_ENDING = '.chunks.txt';

/** Every recording below a folder, in the order of their names. Other files are let be. */
export function readRecordings(folder: string): Recording[] {
  let files: string[];
  try {
    files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (thrown) {
    throw new RecordingError(`${folder} cannot be read: ${(thrown as Error).message}`);
  }
  return files
    .filter((file) => file.endsWith('.json') || file.endsWith(CHUNKS_ENDING))
    .sort()
    .flatMap((file) => readRecording(join(folder, file)) ?? []);
}

function readRecording(file: string): Recording | undefined {
  const text = readFileSync(file, 'utf8');
  if (file.endsWith(CHUNKS_ENDING)) return replyOnly(basename(file, CHUNKS_ENDING), text, true);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RecordingError(`${file} is not JSON`);
  }
  const name = basename(file, '.json');
  if (isExchange(value)) return recordingOf(name, value);
  const isReply = isObject(value) && looksLikeReply(value);
  return isReply ? replyOnly(name, text, false) : undefined;
}

/** A whole body of Chat, of the native wire, of Responses or of Messages. */
function looksLikeReply({ choices, output, object, type }: Loose): boolean {
  return Array.isArray(choices) || isObject(output) || object === 'response' || type === 'message';
}

function replyOnly(name: string, body: string, isStream: boolean): Recording {
  return { name, request: undefined, response: { status: 200, headers: {}, body, isStream } };
}

/** An exchange as the server sees it. */
export function recordingOf(name: string, exchange: Pick<RecordedExchange, 'request' | 'response'>): Recording {
  const { status, headers, body } = exchange.response;
  const type = headers['content-type'];
  const isStream = type === undefined ? /^\s*(id|event|data):/.test(body) : type.includes('event-stream');
  const request = requestOf(name, exchange, isStream);
  if (!isStream) return { name, request, response: { status, headers, body, isStream } };
  const named = { 'content-type': EVENT_STREAM, ...headers };
  return { name, request, response: { status, headers: named, body: withBlankLines(body), isStream } };
}

const EVENT_STREAM = 'text/event-stream;charset=UTF-8';

/** Data is the last line of a frame on every wire. */
function withBlankLines(body: string): string {
  return body.trimStart().replace(/^(data:.*?)\r?\n\s*|^(data:.*)$/gm, '$1$2\n\n');
}

const REQUEST_LINE = /^(GET|POST|PUT|PATCH|DELETE|HEAD) (?:https?:\/\/[^/]+)?(\S+)/;

function requestOf(
  name: string,
  { request }: Pick<RecordedExchange, 'request'>,
  isStream: boolean,
): RecordedRequest | undefined {
  const { line, body } = request;
  const headers = lowerCased(request.headers);
  const read = REQUEST_LINE.exec(line);
  let method = read?.[1] ?? 'POST';
  let target = read?.[2];
  if (target === undefined && isObject(body) && 'input' in body) {
    // The line is lost and a header stands in its place; only the native wire was ever trimmed so.
    const service = name.startsWith('multimodal') ? 'multimodal' : 'text';
    method = 'POST';
    target = `/api/v1/services/aigc/${service}-generation/generation`;
    const [header = '', ...value] = line.split(':');
    if (header !== '') headers[header.toLowerCase()] = value.join(':').trim();
  }
  if (target === undefined) return undefined;
  if (body === null && headers['content-type'] !== undefined) return undefined;
  const { pathname, searchParams } = new URL(target, 'http://recorded');
  // A stream came back, so what asked for it was lost.
  if (isStream && pathname.startsWith('/api/')) headers['x-dashscope-sse'] = 'enable';
  return { method, path: pathname, query: searchParams, headers, body };
}

function lowerCased(headers: { readonly [name: string]: string }): { [name: string]: string } {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** The JSON texts of a recorded stream: one a data line, whatever stands between them; chunks one a line. */
export function dataOf(body: string): string[] {
  const lines = body.split(/\r?\n/);
  const isEvents = lines.some((line) => line.startsWith('data:'));
  return lines
    .filter((line) => (isEvents ? line.startsWith('data:') : line !== ''))
    .map((line) => (isEvents ? line.slice('data:'.length) : line).trim())
    .filter((data) => data !== '' && data !== '[DONE]');
}

function isExchange(value: unknown): value is RecordedExchange {
  return (
    isObject(value) &&
    isObject(value.request) &&
    typeof value.request.line === 'string' &&
    isObject(value.request.headers) &&
    isObject(value.response) &&
    typeof value.response.status === 'number' &&
    isObject(value.response.headers) &&
    typeof value.response.body === 'string'
  );
}

/** An object of unknown members. */
export type Loose = { readonly [member: string]: unknown };

export function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
