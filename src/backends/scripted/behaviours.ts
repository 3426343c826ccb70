/** The names of the scripted behaviours: what a model id `scripted/…` asks for. docs/scripted.md tells users. */
import { ERROR_CODES, type ErrorCode, modelNotFound, StudioError } from '../../core/errors.ts';
import type { ModelCard } from '../../core/models.ts';

export interface Behaviour {
  readonly name: BehaviourName;
  /** How long an answer is that has a length of its own. */
  readonly tokens: number;
  /** How long the reasoning of `reasoning` is. */
  readonly thoughts: number;
  /** Tokens a second; 0: as fast as they are read. */
  readonly rate: number;
  /** Wait before the first token. */
  readonly firstTokenMs: number;
  /** Tokens before the failure of `error-mid-stream` and `cut`. */
  readonly after: number;
  /** The code of the failure. */
  readonly code: ErrorCode;
  /** Tokens of the prompt that are reported as read from a cache. */
  readonly cached: number;
  /** The function that is called; undefined: the first ones. */
  readonly functionName: string | undefined;
  /** Its arguments, as they are; undefined: made for its schema. */
  readonly callInput: string | undefined;
}

const NAMES = [
  'echo',
  'text',
  'reasoning',
  'tool-call',
  'parallel-calls',
  'json',
  'refusal',
  'length',
  'error',
  'error-mid-stream',
  'cut',
  'slow-first',
] as const;

export type BehaviourName = (typeof NAMES)[number];

const PREFIX = 'scripted/';

/** One id of each behaviour, as `GET /models` may list them. */
export const SCRIPTED_MODELS: readonly string[] = NAMES.map((name) => {
  if (name === 'text') return `${PREFIX}text-100`;
  if (name === 'error') return `${PREFIX}error-429`;
  return PREFIX + name;
});

/** What the card of a scripted model says beyond the permissive one: `scripted/reasoning` thinks unless told not to. */
export function scriptedModel(id: string): Partial<ModelCard> | undefined {
  if (!id.startsWith(PREFIX)) return undefined;
  const isReasoning = id.slice(PREFIX.length).split('?')[0] === 'reasoning';
  return { owner: 'scripted', family: 'scripted', ...(isReasoning ? { thinking: 'hybrid-default-on' } : {}) };
}

/** The code an HTTP status stands for in `scripted/error-<status>`. */
const CODES_OF_STATUS: { readonly [status: string]: ErrorCode } = {
  400: 'invalid-parameter',
  401: 'invalid-api-key',
  403: 'access-denied',
  404: 'model-not-found',
  405: 'method-not-allowed',
  413: 'body-too-large',
  415: 'unsupported-media-type',
  429: 'rate-limited',
  500: 'internal',
  502: 'upstream-failed',
  503: 'overloaded',
  504: 'timeout',
};

/** Highest values of the parameters: a scripted answer stands in memory, a timer has a longest wait. */
const MAX_TOKENS = 100_000;
const MAX_RATE = 1_000_000;
const MAX_WAIT_MS = 600_000;

/** Reads `echo`, `scripted/text-200`, `scripted/text?tokens=200&rate=50`. Throws a StudioError for any other name. */
export function parseBehaviour(target: string): Behaviour {
  const [path = '', query = ''] = target.startsWith(PREFIX) ? split(target.slice(PREFIX.length)) : split(target);
  const parameters = new URLSearchParams(query);
  const { name, tokens, code } = parseName(path, target);
  const text = (key: string): string | undefined => {
    const value = parameters.get(key) ?? undefined;
    parameters.delete(key);
    return value;
  };
  const number = (key: string, fallback: number, highest: number): number => {
    const digits = text(key);
    if (digits === undefined) return fallback;
    const value = Number(digits);
    if (digits.trim() === '' || !(value >= 0 && value <= highest))
      throw new StudioError('invalid-parameter', `'${key}' of ${target} must be a number from 0 to ${highest}.`);
    return value;
  };
  const behaviour: Behaviour = {
    name,
    tokens: Math.floor(number('tokens', tokens ?? (name === 'length' ? 16 : 100), MAX_TOKENS)),
    thoughts: Math.floor(number('thoughts', 24, MAX_TOKENS)),
    rate: number('rate', 0, MAX_RATE),
    firstTokenMs: number('ms', name === 'slow-first' ? 3000 : 0, MAX_WAIT_MS),
    after: Math.floor(number('after', 5, MAX_TOKENS)),
    code: codeOf(text('code')) ?? code ?? (name === 'cut' ? 'upstream-failed' : 'internal'),
    cached: Math.floor(number('cached', 0, MAX_TOKENS)),
    functionName: text('name'),
    callInput: text('input'),
  };
  const [unknown] = parameters.keys();
  if (unknown !== undefined) throw new StudioError('invalid-parameter', `${target} has no parameter '${unknown}'.`);
  return behaviour;
}

function split(text: string): [string, string] {
  const position = text.indexOf('?');
  return position < 0 ? [text, ''] : [text.slice(0, position), text.slice(position + 1)];
}

function parseName(path: string, target: string): { name: BehaviourName; tokens?: number; code?: ErrorCode } {
  const known = NAMES.find((name) => name === path);
  if (known) return { name: known };
  const length = /^text-(\d+)$/.exec(path)?.[1];
  if (length !== undefined && Number(length) <= MAX_TOKENS) return { name: 'text', tokens: Number(length) };
  const code = path.startsWith('error-') ? codeOf(path.slice('error-'.length)) : undefined;
  if (code) return { name: 'error', code };
  throw modelNotFound(target);
}

function codeOf(text: string | undefined): ErrorCode | undefined {
  if (text === undefined) return undefined;
  if (Object.hasOwn(CODES_OF_STATUS, text)) return CODES_OF_STATUS[text];
  return Object.hasOwn(ERROR_CODES, text) ? (text as ErrorCode) : undefined;
}
