/** Stored responses over REST: read, delete, cancel, input items, and counting what a request would cost. */
import { StudioError } from '../../core/errors.ts';
import type { ResponseBody, StoredResponse } from '../../core/responses.ts';
import { decodePageQuery, sliceOf } from '../openai-item-pages.ts';
import { refusal } from '../openai-items.ts';
import { isObject } from '../parameters.ts';
import type { DecodeInfo, ResourceReply, ResourceRequest, ResourceRoute, WirePorts } from '../protocol.ts';
import { COMMENT_KEEP_ALIVE } from '../sse.ts';
import { type DecodePorts, decodeResponseRequest } from './decode.ts';
import { DONE_FRAME, eventText } from './encode.ts';
import { continued, type HistoryPorts, itemsOf, lastEvent, requestIdOf } from './history.ts';
import type { LiveResponse } from './live.ts';
import type { Dialect } from './plan.ts';
import * as texts from './texts.ts';

export interface ResourcePorts {
  readonly wire: Pick<WirePorts, 'clock' | 'ids' | 'running' | 'tokens'>;
  readonly history: HistoryPorts;
  readonly decode: DecodePorts;
}

/** The routes below one prefix, e.g. `/v1`. */
export function responseRoutes(prefix: string, dialect: Dialect, ports: ResourcePorts): ResourceRoute[] {
  const one = `${prefix}/responses/:responseId`;
  return [
    { method: 'GET', path: one, handle: (request) => retrieve(request, dialect, ports) },
    { method: 'DELETE', path: one, handle: (request) => remove(request, dialect, ports) },
    { method: 'POST', path: `${one}/cancel`, handle: (request) => cancel(request, ports) },
    { method: 'GET', path: `${one}/input_items`, handle: (request) => listInput(request, dialect, ports) },
    {
      method: 'POST',
      path: `${prefix}/responses/input_tokens`,
      handle: (request) => countInput(request, dialect, ports),
    },
  ];
}

interface Found {
  readonly stored: StoredResponse;
  /** What runs in this process is further than what is stored. */
  readonly live: LiveResponse | undefined;
}

async function find({ params, account }: ResourceRequest, { history }: ResourcePorts): Promise<Found> {
  const responseId = params.responseId ?? '';
  const live = history.live.find(responseId);
  let stored = await history.responses.find(account, responseId);
  // It may have ended while it was read.
  if (live?.hasEnded) stored = await history.responses.find(account, responseId);
  if (!stored) throw new StudioError('not-found', texts.responseNotFound(responseId));
  return { stored, live };
}

function currentBody({ stored: { body }, live }: Found): ResponseBody {
  return live?.hasBegun && !live.hasEnded ? { ...body, status: 'in_progress', output: [...live.output] } : body;
}

// ---- Read ----

async function retrieve(request: ResourceRequest, dialect: Dialect, ports: ResourcePorts): Promise<ResourceReply> {
  const found = await find(request, ports);
  if (request.query.get('stream') !== 'true') return { status: 200, body: currentBody(found) };
  const { stored, live } = found;
  if (!(live?.isStreamed || stored.events))
    throw new StudioError('unsupported-operation', texts.CANNOT_STREAM, { param: 'stream' });
  const events = live ? follow(live) : replay(stored);
  const after = decodeStartingAfter(request.query.get('starting_after'));
  return {
    status: 200,
    headers: {
      'content-type': 'text/event-stream;charset=UTF-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    },
    stream: frames(events, after, dialect),
  };
}

function decodeStartingAfter(text: string | null): number {
  if (text === null || text === '') return -1;
  const after = Number(text);
  if (!Number.isInteger(after)) throw refusal('starting_after', 'expected an integer');
  return after;
}

/** Proxies and clients give up on a stream that is silent for long. */
const SILENCE_MS = 10_000;

/** The events of a response that goes on; undefined when there has been nothing for a while. */
async function* follow(live: LiveResponse): AsyncGenerator<string | undefined> {
  for (let next = 0; ; ) {
    for (let event = live.events[next]; event !== undefined; event = live.events[next]) {
      next++;
      yield event;
    }
    if (live.hasEnded) return;
    if (!(await hasNews(live))) yield undefined;
  }
}

async function hasNews(live: LiveResponse): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), SILENCE_MS);
  });
  try {
    return await Promise.race([live.news.then(() => true), silence]);
  } finally {
    clearTimeout(timer);
  }
}

async function* replay({ events = [], body }: StoredResponse): AsyncGenerator<string> {
  yield* events;
  yield lastEvent(body, events.length);
}

async function* frames(
  events: AsyncIterable<string | undefined>,
  after: number,
  dialect: Dialect,
): AsyncGenerator<string> {
  let sequence = 0;
  let type = '';
  for await (const event of events) {
    if (event === undefined) {
      yield COMMENT_KEEP_ALIVE;
      continue;
    }
    if (sequence > after) {
      ({ type } = JSON.parse(event) as { type: string });
      yield eventText(dialect, type, event, sequence);
    }
    sequence++;
  }
  if (dialect === 'openai' && type !== 'response.failed') yield DONE_FRAME;
}

// ---- Delete and cancel ----

async function remove(request: ResourceRequest, dialect: Dialect, ports: ResourcePorts): Promise<ResourceReply> {
  const { responseId } = (await find(request, ports)).stored;
  ports.wire.running.cancel(requestIdOf(responseId));
  await ports.history.responses.delete(request.account, responseId);
  const deleted = { id: responseId, deleted: true };
  return { status: 200, body: dialect === 'openai' ? { ...deleted, object: 'response' } : deleted };
}

/** Cancelling again, or what has ended, changes nothing. */
async function cancel(request: ResourceRequest, ports: ResourcePorts): Promise<ResourceReply> {
  const { stored, live } = await find(request, ports);
  const { responseId, body } = stored;
  if (body.background !== true) throw new StudioError('unsupported-operation', texts.CANNOT_CANCEL);
  if (live) {
    ports.wire.running.cancel(requestIdOf(responseId));
    await live.ended;
  } else {
    // Another server's, which notices; one that has ended stays as it is.
    await ports.history.responses.update(responseId, { body: { ...body, status: 'cancelled' } });
  }
  return { status: 200, body: (await find(request, ports)).stored.body };
}

// ---- Input ----

/** With all that was continued: the service lists the messages of earlier turns too. */
async function listInput(request: ResourceRequest, dialect: Dialect, ports: ResourcePorts): Promise<ResourceReply> {
  const query = decodePageQuery(request.query);
  const { stored } = await find(request, ports);
  const chain = await ports.history.responses.chain(stored, stored.responseId);
  const items = await itemsOf(chain, ports.history);
  const page = sliceOf(items.slice(0, items.length - stored.body.output.length), query);
  if (dialect === 'openai') return { status: 200, body: { object: 'list', ...page } };
  const { responseId: id, createdAtMs, body } = stored;
  const head = {
    id,
    model: body.model,
    created_at: createdAtMs,
    previous_response_id: body.previous_response_id ?? null,
  };
  return { status: 200, body: { ...head, ...page } };
}

async function countInput(request: ResourceRequest, dialect: Dialect, ports: ResourcePorts): Promise<ResourceReply> {
  const { headers, query, requestId, account, body } = request;
  if (!isObject(body)) throw new StudioError('malformed-body');
  const { clock, ids, tokens } = ports.wire;
  const info: DecodeInfo = { headers, query, requestId, account, ids, receivedAtMs: clock.now() };
  const decoded = decodeResponseRequest(body, info, dialect, ports.decode);
  const { request: generation } = await continued(decoded, ports.history, undefined);
  const inputTokens = await tokens.countInput(generation, account);
  return { status: 200, body: { object: 'response.input_tokens', input_tokens: inputTokens } };
}
