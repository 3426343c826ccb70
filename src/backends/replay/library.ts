/**
 * The recordings of a folder, found by what is asked.
 *
 * A generation is found by its canonical request, so it does not matter over which wire it was recorded and over which it
 * is asked; anything else by method, path, query and JSON body. Where several recordings answer one request, they take
 * turns in the order of their names.
 */
import { StudioError } from '../../core/errors.ts';
import type { GenerationRequest, Json, Limits } from '../../core/generation.ts';
import type { Logger } from '../../core/ports.ts';
import { scrub } from '../../core/recordings.ts';
import type { AnswerEvents } from './answer-writer.ts';
import { comparableOf, differingPaths, keyOf } from './comparable.ts';
import { type Answer, decodeReply } from './decode.ts';
import { withHistory } from './history.ts';
import { dataOf, isObject, type RecordedRequest, type Recording } from './recording.ts';

/**
 * A recorded request as its own wire reads it; undefined when no wire generates at its path. Throws what the wire throws
 * for a request it refuses.
 */
export type DecodeRecorded = (
  request: RecordedRequest,
) => { readonly request: GenerationRequest; readonly isStreaming: boolean } | undefined;

/** A generation that can be found. */
export interface RecordedAnswer {
  readonly name: string;
  readonly answer: Answer;
}

/** Files of one name in two forms (a body and its chunks) share it. */
interface NamedAnswer extends RecordedAnswer {
  readonly isStreaming: boolean;
}

interface IndexedAnswer extends NamedAnswer {
  readonly comparable: Json;
  readonly limits: Limits;
  readonly allowsParallelCalls: boolean;
}

/** A reply that is no generation, as it is served again. */
export interface RecordedReply {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
}

/** What is asked of a resource. */
export interface AskedResource {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Parsed JSON; undefined without, or of another form. */
  readonly body: unknown;
  readonly requestId: string;
}

/** How many differing paths a refusal lists. */
const MAX_SHOWN_PATHS = 8;

export class Library {
  readonly #recordings: readonly Recording[];
  readonly #log: Logger;
  readonly #byKey = new Map<string, IndexedAnswer[]>();
  readonly #byName = new Map<string, NamedAnswer[]>();
  readonly #resources: (Recording & { request: RecordedRequest })[] = [];
  /** How often each set of recordings that answer the same was asked. */
  readonly #turns = new Map<string, number>();

  constructor(recordings: readonly Recording[], log: Logger) {
    this.#recordings = withHistory(recordings);
    this.#log = log;
  }

  /** Makes everything findable; called once, when the wires are there to read requests. */
  index(decode: DecodeRecorded): void {
    for (const recording of this.#recordings) {
      // Keys are ours to judge: a refused one says nothing about a request.
      if (recording.response.status === 401) continue;
      if (!recording.request) this.#addByName(recording);
      else this.#add({ ...recording, request: recording.request }, decode);
    }
  }

  /** Method and path of every reply that is no generation. */
  get resources(): readonly { readonly method: string; readonly path: string; readonly isMultipart: boolean }[] {
    return this.#resources.map(({ request: { method, path, headers } }) => ({
      method,
      path,
      isMultipart: (headers['content-type'] ?? '').startsWith('multipart/'),
    }));
  }

  /** How many generations can be found, and how many other replies. */
  get counts(): { readonly generations: number; readonly resources: number } {
    return { generations: [...this.#byName.values()].flat().length, resources: this.#resources.length };
  }

  /** The recording that answers a request. Throws `not-found`, with what the nearest one has and this has not. */
  find(request: GenerationRequest, isStreaming: boolean): RecordedAnswer {
    const named = this.#findNamed(request.model, isStreaming);
    if (named) return named;
    const comparable = comparableOf(request);
    const same = (this.#byKey.get(keyOf(comparable)) ?? []).filter((each) => limitsFit(each, request.limits));
    if (same.length === 0) throw this.#notFound(comparable, request.limits);
    const likeness = (each: IndexedAnswer): number =>
      (each.isStreaming === isStreaming ? 4 : 0) +
      (each.allowsParallelCalls === request.allowsParallelCalls ? 2 : 0) +
      (isSame(each.limits, request.limits) ? 1 : 0);
    const best = Math.max(...same.map(likeness));
    return this.#inTurn(same.filter((each) => likeness(each) === best));
  }

  /**
   * The recorded reply of a resource; undefined when nothing was recorded for its method and path. Throws `not-found` when
   * what was recorded there has another query or body.
   */
  findReply(asked: AskedResource): RecordedReply | undefined {
    const target = new URL(scrub(`${asked.path}?${asked.query}`), 'http://asked');
    const there = this.#resources.filter(
      ({ request }) => request.method === asked.method && decoded(request.path) === decoded(target.pathname),
    );
    if (there.length === 0) return undefined;
    const body = asked.body === undefined ? null : (JSON.parse(scrub(JSON.stringify(asked.body))) as Json);
    const differing = there.map(({ name, request }) => ({
      name,
      paths: differencesOf(request, target.searchParams, body),
    }));
    const nearest = differing.reduce((a, b) => (b.paths.length < a.paths.length ? b : a));
    if (nearest.paths.length > 0) throw refusal(nearest.name, nearest.paths);
    const { response } = this.#inTurn(there.filter((_, at) => differing[at]?.paths.length === 0));
    const { status, headers } = response;
    return { status, headers, body: withRequestId(response, asked.requestId) };
  }

  #add(recording: Recording & { request: RecordedRequest }, decode: DecodeRecorded): void {
    const { name } = recording;
    let decoded: ReturnType<DecodeRecorded>;
    try {
      decoded = decode(recording.request);
    } catch (thrown) {
      // Asked again it is refused again, by the wire itself; which is odd only where it was answered once.
      const reason = thrown instanceof StudioError ? thrown.message : String(thrown);
      const fields = { recording: name, reason };
      const answer = decodeReply(recording);
      if (answer && 'events' in answer) this.#log.warn(fields, 'a request that was answered is refused here');
      else this.#log.info(fields, 'the recorded request is refused here too');
      return;
    }
    if (!decoded) {
      this.#resources.push(recording);
      return;
    }
    const answer = decodeReply(recording);
    if (!answer) {
      this.#log.warn({ recording: name }, 'a reply that holds no text is not served');
      return;
    }
    const { request, isStreaming } = decoded;
    const comparable = comparableOf(request);
    const { limits, allowsParallelCalls } = request;
    const indexed = { name, answer, comparable, isStreaming, limits, allowsParallelCalls };
    const key = keyOf(comparable);
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), indexed]);
    this.#nameAnswer(indexed);
  }

  #addByName(recording: Recording): void {
    const answer = decodeReply(recording);
    if (answer) this.#nameAnswer({ name: recording.name, answer, isStreaming: recording.response.isStream });
    else this.#log.info({ recording: recording.name }, 'a recording without a request is not served');
  }

  #nameAnswer(answer: NamedAnswer): void {
    this.#byName.set(answer.name, [...(this.#byName.get(answer.name) ?? []), answer]);
  }

  #findNamed(model: string, isStreaming: boolean): RecordedAnswer | undefined {
    if (!model.startsWith(NAMED)) return undefined;
    const named = this.#byName.get(model.slice(NAMED.length)) ?? [];
    return named.find((each) => each.isStreaming === isStreaming) ?? named[0];
  }

  #inTurn<Each extends { readonly name: string }>(same: readonly Each[]): Each {
    const key = same.map(({ name }) => name).join();
    const turn = this.#turns.get(key) ?? 0;
    this.#turns.set(key, turn + 1);
    const found = same[turn % same.length];
    if (!found) throw new Error('nothing to take turns');
    return found;
  }

  /** Shows the recording that differs in the fewest places; one that only a limit keeps from fitting comes first. */
  #notFound(asked: Json, limits: Limits): StudioError {
    let nearest: { name: string; paths: string[]; distance: number } | undefined;
    for (const each of [...this.#byKey.values()].flat()) {
      const paths = differingPaths(each.comparable, asked);
      const distance = paths.length;
      if (!limitsFit(each, limits)) paths.push('limits');
      if (!nearest || distance < nearest.distance) nearest = { name: each.name, paths, distance };
    }
    if (!nearest)
      return new StudioError('not-found', 'No recording answers this request: there is none of a generation.');
    return refusal(nearest.name, nearest.paths);
  }
}

/** A recording may be asked for by its name, whatever else the request says. */
const NAMED = 'replay/';

function refusal(name: string, paths: readonly string[]): StudioError {
  const shown = paths.slice(0, MAX_SHOWN_PATHS).join(', ');
  const rest = paths.length > MAX_SHOWN_PATHS ? ` and ${paths.length - MAX_SHOWN_PATHS} more` : '';
  return new StudioError(
    'not-found',
    `No recording answers this request. The nearest is ${name}; it differs in ${shown}${rest}.`,
  );
}

/**
 * A limit matters when it is reached: an answer that ended by itself also fits every limit that has room for it. (Messages
 * has to name one, where other wires have not.)
 */
function limitsFit({ limits, answer }: IndexedAnswer, asked: Limits): boolean {
  if (isSame(limits, asked)) return true;
  if ('refusal' in answer) return false;
  const wasCut = answer.events.some((event) => event.type === 'choice-end' && event.reason === 'length');
  const room = Math.min(asked.maxOutputTokens ?? Infinity, asked.maxTotalOutputTokens ?? Infinity);
  return !wasCut && outputTokensOf(answer.events) <= room;
}

function outputTokensOf(events: AnswerEvents): number {
  const last = events.at(-1);
  return last?.type === 'finish' ? last.usage.output.total : 0;
}

function isSame(a: Limits, b: Limits): boolean {
  return a.maxOutputTokens === b.maxOutputTokens && a.maxTotalOutputTokens === b.maxTotalOutputTokens;
}

function differencesOf(recorded: RecordedRequest, query: URLSearchParams, body: Json): string[] {
  const paths = differingPaths(membersOf(recorded.query), membersOf(query), 'query');
  // Forms and files are told by their path alone: their bytes are not kept.
  return isObject(recorded.body) ? [...paths, ...differingPaths(recorded.body as Json, body, 'body')] : paths;
}

/** Paths are compared as they read. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function membersOf(query: URLSearchParams): Json {
  return Object.fromEntries([...query].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const MIN_ID_LENGTH = 16;

/** The id that the reply had as a call becomes the id of this call, wherever it stands. */
function withRequestId({ body, isStream }: Recording['response'], requestId: string): string {
  const [first] = isStream ? dataOf(body) : [body];
  let value: unknown;
  try {
    value = JSON.parse(first ?? '');
  } catch {
    return body;
  }
  const recorded = isObject(value) ? value.request_id : undefined;
  if (typeof recorded !== 'string' || recorded === '') return body;
  // A short one is an ordinary word elsewhere.
  if (recorded.length >= MIN_ID_LENGTH) return body.replaceAll(recorded, requestId);
  return body.replaceAll(`"request_id":"${recorded}"`, `"request_id":"${requestId}"`);
}
