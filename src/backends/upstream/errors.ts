/**
 * What goes wrong upstream, as our errors.
 *
 * A client must not be blamed for our configuration: a refused key or a wrong address upstream is `upstream-failed`,
 * with the cause for the log. What an upstream refuses in a *request* (400, 422) is the client's: it hears the
 * upstream's own words, which name the field, made safe (`safeMessage`, `withoutEcho`); nothing else of a body goes further
 * than the log, and the log gets no more of it than that either.
 */
import { type ErrorCode, StudioError } from '../../core/errors.ts';
import { withoutEcho } from './echo.ts';

/** A failed attempt. */
export interface Failure {
  readonly error: StudioError;
  /** Another attempt may go better, if nothing has been passed on yet. */
  readonly isWorthRetrying: boolean;
}

export interface ErrorReply {
  readonly status: number;
  readonly body: string;
  readonly retryAfter: string | undefined;
  /** As the caller asked for it. */
  readonly model: string;
  /** The JSON that was sent. */
  readonly sent: string;
}

/** The failure a reply with an error status stands for. */
export function failureOfReply(reply: ErrorReply): Failure {
  const { message, kind } = readErrorBody(reply.body);
  const words = shown(message, reply.sent);
  const cause = new Error(`upstream status ${reply.status}${words === '' ? '' : `: ${words}`}`);
  const fail = (code: ErrorCode, ours?: string, isWorthRetrying = false): Failure => ({
    error: new StudioError(code, ours, { cause, retryAfterSeconds: secondsOf(reply.retryAfter) }),
    isWorthRetrying,
  });
  switch (reply.status) {
    case 400:
    case 422:
      return { error: requestError(message, kind, words, cause), isWorthRetrying: false };
    case 404:
      // A body that is no API error comes from a wrong address, not from a wrong model.
      return message === '' ? fail('upstream-failed') : fail('model-not-found', modelNotFound(reply.model));
    case 408:
    case 504:
      return fail('timeout');
    case 413:
      return fail('body-too-large');
    case 429:
      return fail('rate-limited', undefined, true);
    case 503:
    case 529:
      return fail('overloaded', undefined, true);
    default:
      return fail('upstream-failed', undefined, reply.status >= 500);
  }
}

/** The failure an error inside a stream, or in the body of a 200, stands for. */
export function failureOfChunk(error: unknown, sent: string): Failure {
  const { message, kind, status } = readErrorValue(error);
  const words = shown(message, sent);
  const cause = new Error(`upstream error in the stream${words === '' ? '' : `: ${words}`}`);
  const fail = (code: ErrorCode, isWorthRetrying: boolean): Failure => ({
    error: new StudioError(code, undefined, { cause }),
    isWorthRetrying,
  });
  if (status === 400 || status === 422 || isContextError(message, kind) || isContentError(kind))
    return { error: requestError(message, kind, words, cause), isWorthRetrying: false };
  if (status === 429 || kind.includes('rate_limit') || kind.includes('limit_requests'))
    return fail('rate-limited', true);
  if (status === 503 || kind.includes('overloaded')) return fail('overloaded', true);
  return fail('upstream-failed', true);
}

const CONNECT_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const SILENCE_CODES = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
/** The connection broke; with kept-alive ones that happens when the other side closed it as we were writing. */
const BROKEN_CODES = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** The failure a broken or impossible connection stands for. */
export function failureOfConnection(thrown: unknown): Failure {
  const code = codeOf(thrown);
  const details = { cause: thrown };
  if (CONNECT_CODES.has(code))
    return { error: new StudioError('overloaded', undefined, details), isWorthRetrying: true };
  if (SILENCE_CODES.has(code)) return { error: new StudioError('timeout', undefined, details), isWorthRetrying: false };
  return { error: new StudioError('upstream-failed', undefined, details), isWorthRetrying: BROKEN_CODES.has(code) };
}

/** The failure of a reply that is not what was asked for: HTML, broken JSON, nothing. */
export function unreadableReply(what: string): Failure {
  const cause = new Error(`upstream sent ${what}`);
  return { error: new StudioError('upstream-failed', undefined, { cause }), isWorthRetrying: false };
}

function codeOf(thrown: unknown): string {
  if (thrown instanceof AggregateError) return thrown.errors.map(codeOf).find((code) => code !== '') ?? '';
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';
}

function requestError(message: string, kind: string, words: string, cause: Error): StudioError {
  if (isContextError(message, kind)) {
    const limit = contextLimitOf(message);
    return new StudioError('context-too-long', `Range of input length should be [1, ${limit ?? 'N'}]`, {
      cause,
      promptTokens: promptTokensOf(message),
      maxPromptTokens: limit,
    });
  }
  if (isContentError(kind)) return new StudioError('content-filtered', undefined, { cause });
  // Our account, not the caller's.
  if (kind.includes('arrearage')) return new StudioError('upstream-failed', undefined, { cause });
  return new StudioError('invalid-parameter', words === '' ? undefined : words, { cause });
}

function isContentError(kind: string): boolean {
  return (
    kind.includes('data_inspection_failed') || kind.includes('datainspectionfailed') || kind.includes('content_filter')
  );
}

/** The words of OpenAI and vLLM, SGLang, llama-server and Model Studio. */
const CONTEXT_WORDS =
  /maximum context length|context length of|longer than the model's context|maximum allowed length|available context size|Range of input length/i;

function isContextError(message: string, kind: string): boolean {
  return (
    kind.includes('context_length_exceeded') || kind.includes('exceed_context_size') || CONTEXT_WORDS.test(message)
  );
}

/** The limit is the number the words put beside "length", "size" or "to"; where two stand there, the smaller. */
function contextLimitOf(message: string): number | undefined {
  const found = [
    ...message.matchAll(/(?:context (?:length|size)|allowed length)[^\d]{0,12}(\d+)/gi),
    ...message.matchAll(/\[1, (\d+)\]/g),
  ].map((match) => Number(match[1]));
  return found.length === 0 ? undefined : Math.min(...found);
}

/** What llama-server and SGLang, and vLLM, say was asked for; vLLM counts the wanted answer in. */
function promptTokensOf(message: string): number | undefined {
  const found = /\((\d+) tokens\) (?:exceeds|is longer)|requested (\d+) tokens/i.exec(message);
  return found ? Number(found[1] ?? found[2]) : undefined;
}

function modelNotFound(model: string): string {
  return `The model ${model} does not exist or you do not have access to it.`;
}

interface ErrorFacts {
  readonly message: string;
  /** Code and type together, in lower case. */
  readonly kind: string;
  readonly status: number | undefined;
}

function readErrorBody(body: string): ErrorFacts {
  // Model Studio frames an error before the first token of a stream like a chunk.
  const text = body.startsWith('data:') ? body.slice(5).trim() : body;
  try {
    const value: unknown = JSON.parse(text);
    return readErrorValue(isObject(value) ? (value.error ?? value) : value);
  } catch {
    return { message: '', kind: '', status: undefined };
  }
}

/** `{message, type, code}`, or flat text; FastAPI's `{detail}`; the name of the status in `code` or `status`. */
function readErrorValue(value: unknown): ErrorFacts {
  if (typeof value === 'string') return { message: value, kind: '', status: undefined };
  if (!isObject(value)) return { message: '', kind: '', status: undefined };
  const { message, detail, code, type } = value;
  const words = typeof message === 'string' ? message : typeof detail === 'string' ? detail : '';
  const kind = [code, type]
    .filter((each) => typeof each === 'string')
    .join(' ')
    .toLowerCase();
  return { message: words, kind, status: typeof code === 'number' ? code : undefined };
}

/** As much of an upstream's words as anybody may read. */
function shown(message: string, sent: string): string {
  return withoutEcho(safeMessage(message), sent);
}

const MAX_MESSAGE_CHARACTERS = 300;

/**
 * An upstream's words for a client: one line, short, without what validators quote of the request (`input_value=…`,
 * `'input': …`), without addresses and anything that looks like a key.
 */
export function safeMessage(message: string): string {
  const line = message
    .replace(/[,;]?\s*['"]?\binput(?:_value)?['"]?\s*[=:].*$/s, '')
    .replace(/\bhttps?:\/\/\S+/g, '…')
    .replace(/\b(?:sk-|Bearer\s+)\S+/gi, '…')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
  return line.length <= MAX_MESSAGE_CHARACTERS ? line : `${line.slice(0, MAX_MESSAGE_CHARACTERS)}…`;
}

/** Whole seconds; a date is not worth its code here. */
function secondsOf(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined || !/^\d+(\.\d+)?$/.test(retryAfter)) return undefined;
  return Math.ceil(Number(retryAfter));
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
