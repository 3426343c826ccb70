/**
 * Recorded exchanges: the form in which they are kept, and what must never be kept.
 *
 * One exchange a file, `{name, source, request: {line, headers, body}, response: {status, headers, body}}`. A JSON request
 * is kept parsed, every other body as text. `atelier record` writes such files and `atelier serve --replay` reads them.
 */
import type { Json } from './generation.ts';

export interface RecordedExchange {
  /** The file's name without its ending. */
  readonly name: string;
  /** Where it was recorded. */
  readonly source: string;
  readonly request: {
    /** `POST /path?query HTTP/1.1` */
    readonly line: string;
    /** Lower-case names. */
    readonly headers: { readonly [name: string]: string };
    readonly body: Json;
  };
  readonly response: {
    readonly status: number;
    readonly headers: { readonly [name: string]: string };
    readonly body: string;
  };
}

/** What stands in the place of a secret. */
export const REDACTED = 'REDACTED';
/** What stands in the place of an account number. */
export const NO_ACCOUNT = '1000000000000001';

/** Members that hold a secret or name an account, wherever they stand. */
const MEMBERS = [
  'authorization',
  'api_?key',
  'api_key_id',
  '(?:oss_?)?access_?key(?:_?id|_?secret)?',
  'security_?token',
  'client_?secret',
  'secret',
  'password',
  'signature',
  'policy',
  'user_id',
  'account_id',
  'account_uuid',
  'organization_id',
  'caller_uid',
  'caller_parent_id',
  '(?:aliyun_|parent_|main_)?uid',
].join('|');
const MEMBER = new RegExp(String.raw`("(?:${MEMBERS})"\s*:\s*)(?:"((?:[^"\\]|\\.)*)"|(\d+))`, 'gi');

/** Parameters of signed URLs, and keys in a query. `&` is also spelt as JSON may escape it. */
const URL_PARAMETERS = [
  'expires',
  'signature',
  'sig',
  'token',
  'access_token',
  'security-token',
  'ossaccesskeyid',
  'awsaccesskeyid',
  'api[_-]?key',
  'auth_key',
  String.raw`x-oss-[\w-]+`,
  String.raw`x-amz-[\w-]+`,
].join('|');
const URL_PARAMETER = new RegExp(String.raw`((?:[?&]|\\u0026)(?:${URL_PARAMETERS})=)[^&\s"'<>\\)]+`, 'gi');

/** What gives itself away by its look: API keys, access keys, tokens. */
const KEY_LIKE = /\b(?:sk|st)-[\w-]{16,}|\bLTAI\w{12,}|\bSTS\.\w{16,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g;
const BEARER = /\b(Bearer\s+)[^\s"'\\]+/gi;
/** The vendor's account numbers: sixteen digits. */
const ACCOUNT_NUMBER = /(?<![\w.])[12]\d{15}(?![\w.])/g;
/** Temporary uploads lie in a folder named after the account. */
const UPLOAD_FOLDER = /(dashscope-instant\/)[0-9a-f]{16,}(?=\/)/g;

/**
 * A text (JSON, events, anything) without what must not be kept. Values that were hidden once stay as they are, JSON stays
 * JSON, and the same value always gives the same text, so that a request can be found by its scrubbed recording.
 * `secrets` are values known to be secret, wherever they stand.
 */
export function scrub(text: string, secrets: readonly string[] = []): string {
  let clean = text;
  for (const secret of secrets) if (secret !== '') clean = clean.replaceAll(secret, REDACTED);
  return clean
    .replace(MEMBER, (_match, name: string, quoted: string | undefined) => {
      if (quoted === undefined) return name + NO_ACCOUNT;
      return `${name}"${/^\d+$/.test(quoted) ? NO_ACCOUNT : quoted === '' ? '' : REDACTED}"`;
    })
    .replace(URL_PARAMETER, `$1${REDACTED}`)
    .replace(KEY_LIKE, REDACTED)
    .replace(BEARER, `$1${REDACTED}`)
    .replace(ACCOUNT_NUMBER, NO_ACCOUNT)
    .replace(UPLOAD_FOLDER, '$10000');
}
