/**
 * Responses over a WebSocket, on the same paths (responses-and-tools reference §14.2): a client frame `response.create`
 * with the body of a POST, and the events of the stream back, one a frame.
 *
 * A connection remembers the latest response of each lane, also one that is not stored, so that a client that stores
 * nothing can go on from it. A turn that fails takes what it continued out of that memory.
 */
import { StudioError, toStudioError } from '../../core/errors.ts';
import type { StoredItem } from '../../core/responses.ts';
import { NO_USAGE } from '../../core/usage.ts';
import { FrameWriter } from '../frame-writer.ts';
import { combinedErrorReply } from '../openai-combined-errors.ts';
import { refusal, shown } from '../openai-items.ts';
import { isObject, type JsonObject } from '../parameters.ts';
import type { DecodeInfo, GenerationProtocol, SocketCall, SocketRoute, WirePorts, WireSocket } from '../protocol.ts';
import { type DecodePorts, decodeResponseRequest } from './decode.ts';
import { continued, type HistoryPorts, type Memory, storedResponse } from './history.ts';
import type { ResponsePlan } from './plan.ts';
import { responseOf } from './response.ts';

export interface ResponseSocketPorts {
  readonly wire: Pick<WirePorts, 'clock' | 'ids'>;
  readonly history: HistoryPorts;
  readonly decode: DecodePorts;
  /** The generation of a socket that remembers responses. */
  generation(memory: Memory): GenerationProtocol<ResponsePlan>;
}

/** As large as the largest body of a POST with pictures in it. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
/** OpenAI's limits of a connection. */
const LIFE_MS = 3_600_000;
const MAX_IN_FLIGHT = 16;
const MAX_LANES = 32;
const NORMAL_CLOSURE = 1000;

/** The socket at one path. */
export function responseSocket(path: string, ports: ResponseSocketPorts): SocketRoute {
  return {
    path,
    maxFrameBytes: MAX_FRAME_BYTES,
    idleMs: LIFE_MS,
    open: (socket, call) => void new Connection(socket, call, ports),
  };
}

/** Requests of one lane are answered one after another; the lane without a name is one of them. */
interface Lane {
  readonly name: string | undefined;
  readonly memory: Memory;
  latest: { readonly responseId: string; readonly items: readonly StoredItem[] } | undefined;
  last: Promise<void>;
}

class Connection {
  readonly #socket: WireSocket;
  readonly #call: SocketCall;
  readonly #ports: ResponseSocketPorts;
  readonly #lanes = new Map<string | undefined, Lane>();
  readonly #writers = new Set<FrameWriter>();
  readonly #life: NodeJS.Timeout;
  #inFlight = 0;
  #isOver = false;

  constructor(socket: WireSocket, call: SocketCall, ports: ResponseSocketPorts) {
    this.#socket = socket;
    this.#call = call;
    this.#ports = ports;
    this.#life = setTimeout(() => this.#onLifeOver(), LIFE_MS).unref();
    socket.onMessage((message) => this.#onMessage(message));
    socket.onClose(() => {
      clearTimeout(this.#life);
      for (const writer of this.#writers) writer.leave();
    });
  }

  #onMessage(message: string | Uint8Array): void {
    let lane: Lane | undefined;
    try {
      const frame = decodeFrame(message);
      lane = this.#laneOf(frame);
      if (this.#inFlight >= MAX_IN_FLIGHT) throw new SocketLimit('websocket_stream_limit_reached', TOO_MANY_IN_FLIGHT);
      this.#enqueue(lane, frame);
    } catch (thrown) {
      this.#refuse(thrown, lane?.name);
    }
  }

  #laneOf({ stream_id: name }: JsonObject): Lane {
    if (name !== undefined && name !== null && typeof name !== 'string')
      throw refusal('stream_id', 'expected a string');
    const known = this.#lanes.get(name ?? undefined);
    if (known) return known;
    // The lane without a name is always there to be had.
    if (typeof name === 'string' && this.#lanes.size >= MAX_LANES + Number(this.#lanes.has(undefined)))
      throw new SocketLimit('websocket_stream_limit_reached', TOO_MANY_LANES);
    const lane: Lane = {
      name: name ?? undefined,
      latest: undefined,
      last: Promise.resolve(),
      memory: {
        find: (responseId) => this.#remembering(responseId)?.latest?.items,
        remember: (responseId, items) => {
          lane.latest = { responseId, items };
        },
        forget: (responseId) => {
          const other = this.#remembering(responseId);
          if (other) other.latest = undefined;
        },
      },
    };
    this.#lanes.set(lane.name, lane);
    return lane;
  }

  /** A lane may go on from what another one remembers. */
  #remembering(responseId: string): Lane | undefined {
    return [...this.#lanes.values()].find(({ latest }) => latest?.responseId === responseId);
  }

  #enqueue(lane: Lane, frame: JsonObject): void {
    this.#inFlight++;
    lane.last = lane.last
      .then(() => (this.#socket.isOpen ? this.#answer(lane, frame) : undefined))
      .catch((thrown: unknown) => this.#refuse(thrown, lane.name))
      .then(() => {
        this.#inFlight--;
        if (this.#isOver) this.#endWhenIdle();
      });
  }

  async #answer(lane: Lane, frame: JsonObject): Promise<void> {
    const body = Object.fromEntries(Object.entries(frame).filter(([member]) => !FRAME_MEMBERS.has(member)));
    // Both belong to POST; Codex sends the first all the same.
    const request = { ...body, stream: true, background: false };
    if (frame.generate === false) await this.#warmUp(lane, request);
    else await this.#generate(lane, request);
  }

  async #generate(lane: Lane, request: JsonObject): Promise<void> {
    const { clock, ids } = this.#ports.wire;
    const writer = new FrameWriter(
      {
        onFrame: (text) => this.#send(text, lane.name),
        onBody: (status, body) => {
          forgetContinued(lane, request);
          this.#sendError(status, (body as { readonly error: JsonObject }).error, lane.name);
        },
        drained: () => this.#socket.drained(),
      },
      clock,
    );
    this.#writers.add(writer);
    const body = JSON.stringify(request);
    await this.#call.serve(this.#ports.generation(lane.memory) as GenerationProtocol, {
      requestId: ids.uuid(),
      body,
      writer,
    });
    this.#writers.delete(writer);
  }

  /** `generate: false`: the request is taken up, so that the next one may continue it, and nothing is generated. */
  async #warmUp(lane: Lane, request: JsonObject): Promise<void> {
    const { wire, history, decode } = this.#ports;
    const { headers, query, account } = this.#call;
    const receivedAtMs = wire.clock.now();
    const info: DecodeInfo = { headers, query, account, requestId: wire.ids.uuid(), ids: wire.ids, receivedAtMs };
    try {
      const decoded = decodeResponseRequest(request, info, 'socket', decode);
      const { plan } = await continued(decoded, history, lane.memory);
      const done = responseOf(plan, { status: 'completed', output: [], usage: NO_USAGE, completedAtMs: receivedAtMs });
      if (plan.isStored) await history.responses.create(storedResponse(plan, done, history));
      lane.memory.remember(plan.responseId, [...(plan.state?.history.items ?? []), ...plan.input]);
      const begun = responseOf(plan, { status: 'in_progress', output: [] });
      this.#send(JSON.stringify({ type: 'response.created', sequence_number: 0, response: begun }), lane.name);
      this.#send(JSON.stringify({ type: 'response.completed', sequence_number: 1, response: done }), lane.name);
    } catch (thrown) {
      forgetContinued(lane, request);
      throw thrown;
    }
  }

  // ---- Frames ----

  #send(json: string, lane: string | undefined): void {
    this.#socket.send(lane === undefined ? json : `{"stream_id":${JSON.stringify(lane)},${json.slice(1)}`);
  }

  #sendError(status: number, error: JsonObject, lane: string | undefined): void {
    this.#send(JSON.stringify({ type: 'error', status, error }), lane);
  }

  #refuse(thrown: unknown, lane: string | undefined): void {
    if (thrown instanceof SocketLimit) {
      const error = { message: thrown.message, type: 'invalid_request_error', param: null, code: thrown.code };
      this.#sendError(400, error, lane);
      return;
    }
    const { status, body } = combinedErrorReply(toStudioError(thrown), this.#call.requestId);
    this.#sendError(status, (body as { readonly error: JsonObject }).error, lane);
  }

  // ---- The end ----

  #onLifeOver(): void {
    this.#isOver = true;
    this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    if (this.#inFlight > 0) return;
    this.#refuse(new SocketLimit('websocket_connection_limit_reached', LIFE_IS_OVER), undefined);
    this.#socket.close(NORMAL_CLOSURE, 'connection limit reached');
  }
}

/** A limit that only sockets have: its codes are OpenAI's and stand in no other table. */
class SocketLimit extends Error {
  readonly code: 'websocket_stream_limit_reached' | 'websocket_connection_limit_reached';

  constructor(code: SocketLimit['code'], message: string) {
    super(message);
    this.name = 'SocketLimit';
    this.code = code;
  }
}

/** What a frame has and the body of a POST has not. */
const FRAME_MEMBERS = new Set(['type', 'stream_id', 'generate']);

const TOO_MANY_IN_FLIGHT = `At most ${MAX_IN_FLIGHT} responses may be in flight on a connection.`;
const TOO_MANY_LANES = `At most ${MAX_LANES} named streams may be used on a connection.`;
const LIFE_IS_OVER = 'A connection is closed after 60 minutes. Open a new one to go on.';

function decodeFrame(message: string | Uint8Array): JsonObject {
  if (typeof message !== 'string') throw new StudioError('malformed-body', 'Frames must be text.');
  const frame = parseJson(message);
  if (!isObject(frame)) throw new StudioError('malformed-body');
  if (frame.type !== 'response.create')
    throw refusal('type', `${shown(frame.type)}. Supported values are: 'response.create'`);
  return frame;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new StudioError('malformed-body', undefined, { cause: thrown });
  }
}

function forgetContinued({ memory }: Lane, { previous_response_id: continuedId }: JsonObject): void {
  if (typeof continuedId === 'string') memory.forget(continuedId);
}
