/**
 * `/api-ws/v1/inference`: tasks over a WebSocket (dashscope-native reference §9). A client runs a task under an id of its
 * own making, in one of four modes: what it sends comes whole (`none`, `out`) or in pieces until `finish-task` (`in`,
 * `duplex`), and what it gets is one result (`none`, `in`) or a stream of them (`out`, `duplex`). Each result holds the
 * `output` and `usage` that the same request gets over HTTP.
 *
 * Tasks of one socket run side by side. A frame that breaks the protocol ends the task it names; the socket and the
 * other tasks stay.
 */
import { z } from 'zod';
import { StudioError } from '../../core/errors.ts';
import type { Json } from '../../core/generation.ts';
import type { NativeService } from '../../core/models.ts';
import type { Clock, IdSource } from '../../core/ports.ts';
import { FrameWriter } from '../frame-writer.ts';
import { isObject, type JsonObject } from '../parameters.ts';
import type { Encoder, GenerationProtocol, SocketCall, SocketRoute, WireSocket } from '../protocol.ts';
import type { DashScopeReplyPlan } from './decode.ts';
import { DashScopeEncoder } from './encode.ts';
import { type ErrorBody, errorBody } from './errors.ts';

/** As large as a body of text may be over HTTP; what clients put into frames as base64 counts in full. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** What the pieces of all tasks of one socket may hold together. */
const MAX_COLLECTED_BYTES = MAX_FRAME_BYTES;

/** "CosyVoice WebSocket API": a connection without a task is closed after 60 s. */
const IDLE_MS = 60_000;

/** "Error messages", `request timeout after 23 seconds.`: how long a task waits for the next piece of its input. */
const PIECE_TIMEOUT_MS = 23_000;
const PIECE_TIMEOUT = { code: 'CLIENT_ERROR', message: 'request timeout after 23 seconds.' };

/**
 * The Java SDK sends `run-task` first and begins to listen then: what an instant answer (a refusal, a scripted model) sends
 * before is lost, and the caller waits until the socket is closed. Measured with 2.22.13: 5 ms are enough.
 */
const LISTENS_LATE = /^dashscope\/\S+; java\//;
const LATE_LISTENER_MS = 20;

/** Ours: enough for a program that keeps several conversations on one socket. */
const MAX_TASKS = 16;

interface InferencePorts {
  readonly clock: Clock;
  readonly ids: IdSource;
  protocolOf(service: NativeService): GenerationProtocol<DashScopeReplyPlan>;
}

/** The socket of the native API. */
export function inferenceSocket(ports: InferencePorts): SocketRoute {
  return {
    path: '/api-ws/v1/inference',
    maxFrameBytes: MAX_FRAME_BYTES,
    idleMs: IDLE_MS,
    open: (socket, call) => {
      const tasks = new TaskSocket(socket, call, ports);
      socket.onMessage((message) => tasks.onFrame(message));
      socket.onClose(() => tasks.close());
    },
  };
}

// ---- Client frames ----

/** The service's words for a frame that lacks something. */
const missing = (name: string) => `Missing required parameter '${name}'! Please follow the protocol!`;

const member = (name: string) => z.string({ error: missing(name) }).min(1, missing(name));

/** Clients use uuids. */
const MAX_ID_LENGTH = 128;

const headerSchema = z.object({
  task_id: member('header.task_id').max(MAX_ID_LENGTH, 'Invalid task_id! Please follow the protocol!'),
  action: member('header.action'),
  streaming: z
    .enum(['none', 'out', 'in', 'duplex'], { error: 'Invalid streaming! Please follow the protocol!' })
    .nullish(),
});

type FrameHeader = z.infer<typeof headerSchema>;

/** What `run-task` says besides the request itself. `function` and `task_group` have one value, and may be left out. */
const taskSchema = z.object({
  model: member('payload.model'),
  task: member('payload.task'),
});

const SERVICES: readonly string[] = ['text-generation', 'multimodal-generation'] satisfies NativeService[];

function isService(task: string): task is NativeService {
  return SERVICES.includes(task);
}

function invalid(message: string): StudioError {
  return new StudioError('invalid-parameter', message);
}

function invalidAction(action: string): StudioError {
  return invalid(`Invalid action('${action.slice(0, 64)}')! Please follow the protocol!`);
}

function parseFrame(message: string): JsonObject {
  let frame: unknown;
  try {
    frame = JSON.parse(message);
  } catch (thrown) {
    throw new StudioError('malformed-body', undefined, { cause: thrown });
  }
  if (!isObject(frame)) throw new StudioError('malformed-body');
  return frame;
}

/** The id that a refusal of this frame is about; '' when the frame names none. */
function taskIdOf(frame: JsonObject | undefined): string {
  const header = frame?.header;
  return isObject(header) && typeof header.task_id === 'string' ? header.task_id.slice(0, MAX_ID_LENGTH) : '';
}

/** The first thing that is wrong with a member of a frame, as the client reads it. */
function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, name: string): z.output<Schema> {
  if (!isObject(value)) throw invalid(missing(name));
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(parsed.error.issues[0]?.message ?? missing(name));
  return parsed.data;
}

// ---- Server frames ----

function frameOf(taskId: string, event: string, attributes: string, payload: string): string {
  return `{"header":{"task_id":${JSON.stringify(taskId)},"event":"${event}","attributes":${attributes}},"payload":${payload}}`;
}

function resultFrame(taskId: string, requestId: string, output: string, usage: string): string {
  const attributes = `{"request_uuid":${JSON.stringify(requestId)}}`;
  return frameOf(taskId, 'result-generated', attributes, `{"output":${output},"usage":${usage}}`);
}

function failureFrame(taskId: string, { code, message }: Pick<ErrorBody, 'code' | 'message'>): string {
  const header = { task_id: taskId, event: 'task-failed', error_code: code, error_message: message, attributes: {} };
  return JSON.stringify({ header, payload: {} });
}

function refusalFrame(taskId: string, error: StudioError): string {
  return failureFrame(taskId, errorBody(error, ''));
}

// ---- Tasks ----

interface Task {
  readonly id: string;
  readonly service: NativeService;
  readonly isStreaming: boolean;
  /** What `run-task` said, with the whole input once that is there. */
  request: JsonObject;
  /** The pieces of input as they come; undefined once it is complete. */
  pieces: JsonObject[] | undefined;
  piecesBytes: number;
  /** For what the task waits: its next piece, or to be begun. */
  timer: NodeJS.Timeout | undefined;
  writer: FrameWriter | undefined;
}

/** The tasks of one socket. */
class TaskSocket {
  readonly #socket: WireSocket;
  readonly #call: SocketCall;
  readonly #ports: InferencePorts;
  readonly #tasks = new Map<string, Task>();
  #collectedBytes = 0;

  constructor(socket: WireSocket, call: SocketCall, ports: InferencePorts) {
    this.#socket = socket;
    this.#call = call;
    this.#ports = ports;
  }

  onFrame(message: string | Uint8Array): void {
    let frame: JsonObject | undefined;
    try {
      if (typeof message !== 'string') throw invalid('Binary frames are not supported by these tasks.');
      frame = parseFrame(message);
      this.#onAction(checked(headerSchema, frame.header, 'header'), frame.payload, Buffer.byteLength(message));
    } catch (thrown) {
      if (!(thrown instanceof StudioError)) throw thrown;
      const taskId = taskIdOf(frame);
      this.#abandon(taskId);
      this.#socket.send(refusalFrame(taskId, thrown));
    }
  }

  /** The client has gone. */
  close(): void {
    for (const id of this.#tasks.keys()) this.#abandon(id);
  }

  /** What runs stops and says nothing more, what waits is forgotten. */
  #abandon(id: string): void {
    const task = this.#tasks.get(id);
    if (!task) return;
    this.#stopWaiting(task);
    task.writer?.leave();
    this.#tasks.delete(id);
  }

  #onAction(header: FrameHeader, payload: unknown, bytes: number): void {
    switch (header.action) {
      case 'run-task':
        this.#run(header, payload);
        return;
      case 'continue-task':
        this.#continue(header, payload, bytes);
        return;
      case 'finish-task':
        this.#finish(header);
        return;
      default:
        throw invalidAction(header.action);
    }
  }

  #run({ task_id: id, action, streaming: mode }: FrameHeader, payload: unknown): void {
    if (this.#tasks.has(id)) throw invalidAction(action);
    if (this.#tasks.size >= MAX_TASKS) throw new StudioError('queue-full');
    const { task, model } = checked(taskSchema, payload, 'payload');
    if (!isService(task)) throw invalid(`Unsupported task('${task.slice(0, 64)}')! Please follow the protocol!`);
    const { input, parameters } = payload as JsonObject;
    const started: Task = {
      id,
      service: task,
      isStreaming: mode === 'out' || mode === 'duplex',
      request: { model, input: input ?? {}, parameters: parameters ?? {} },
      pieces: undefined,
      piecesBytes: 0,
      timer: undefined,
      writer: undefined,
    };
    this.#tasks.set(id, started);
    this.#socket.send(frameOf(id, 'task-started', '{}', '{}'));
    if (mode === 'in' || mode === 'duplex') {
      started.pieces = [];
      started.timer = setTimeout(() => this.#onPieceTimeout(started), PIECE_TIMEOUT_MS);
    } else this.#begin(started);
  }

  #continue({ task_id: id, action }: FrameHeader, payload: unknown, bytes: number): void {
    const task = this.#tasks.get(id);
    if (!task?.pieces) throw invalidAction(action);
    // The Java SDK puts the piece below `input`, the Python SDK sends it as the payload itself.
    const piece = isObject(payload) ? (payload.input ?? payload) : undefined;
    if (!isObject(piece)) throw invalid(missing('payload.input'));
    task.timer?.refresh();
    task.pieces.push(piece);
    task.piecesBytes += bytes;
    this.#collectedBytes += bytes;
    if (this.#collectedBytes > MAX_COLLECTED_BYTES) throw new StudioError('body-too-large');
  }

  #finish({ task_id: id, action }: FrameHeader): void {
    const task = this.#tasks.get(id);
    if (!task) throw invalidAction(action);
    // Where the input came whole there is nothing to finish.
    if (!task.pieces) return;
    task.request = { ...task.request, input: joinInput(task.request.input, task.pieces) };
    this.#stopWaiting(task);
    this.#begin(task);
  }

  #onPieceTimeout(task: Task): void {
    this.#abandon(task.id);
    this.#socket.send(failureFrame(task.id, PIECE_TIMEOUT));
  }

  #stopWaiting(task: Task): void {
    clearTimeout(task.timer);
    this.#collectedBytes -= task.piecesBytes;
    task.piecesBytes = 0;
    task.pieces = undefined;
  }

  #begin(task: Task): void {
    if (LISTENS_LATE.test(this.#call.headers['user-agent'] ?? ''))
      task.timer = setTimeout(() => this.#generate(task), LATE_LISTENER_MS);
    else this.#generate(task);
  }

  #generate(task: Task): void {
    const requestId = this.#ports.ids.uuid();
    const reply = new TaskReply(task.id, requestId, this.#socket);
    const writer = new FrameWriter(
      {
        onFrame: (frame) => this.#socket.send(frame),
        onBody: (status, body) => reply.sendBody(status, body),
        onEnd: () => {
          this.#tasks.delete(task.id);
          reply.end();
        },
        drained: () => this.#socket.drained(),
      },
      this.#ports.clock,
    );
    task.writer = writer;
    const protocol = taskProtocol(this.#ports.protocolOf(task.service), task.isStreaming, reply);
    void this.#call.serve(protocol, { requestId, body: JSON.stringify(task.request), writer });
  }
}

/** How the reply of one task goes out. */
class TaskReply {
  readonly #taskId: string;
  readonly #requestId: string;
  readonly #socket: WireSocket;
  #state: 'running' | 'finished' | 'failed' = 'running';

  constructor(taskId: string, requestId: string, socket: WireSocket) {
    this.#taskId = taskId;
    this.#requestId = requestId;
    this.#socket = socket;
  }

  encoder(plan: DashScopeReplyPlan): Encoder {
    const encoder = new DashScopeEncoder(plan, {
      result: (_id, output, usage) => `${resultFrame(this.#taskId, this.#requestId, output, usage)}\n`,
      error: (_id, error) => `${refusalFrame(this.#taskId, error)}\n`,
    });
    return {
      push: (event) => {
        if (event.type === 'finish') this.#state = 'finished';
        if (event.type === 'error') this.#state = 'failed';
        return encoder.push(event);
      },
    };
  }

  /** A plain reply or a refusal; both are objects, as a task never asks for server-sent events. */
  sendBody(status: number, body: unknown): void {
    if (status === 200) {
      const { output, usage } = body as JsonObject;
      this.#state = 'finished';
      this.#socket.send(resultFrame(this.#taskId, this.#requestId, JSON.stringify(output), JSON.stringify(usage)));
    } else {
      this.#state = 'failed';
      this.#socket.send(failureFrame(this.#taskId, body as ErrorBody));
    }
  }

  /** A stream that broke off without a last event must not look finished. */
  end(): void {
    if (this.#state === 'running') this.#socket.send(refusalFrame(this.#taskId, new StudioError('internal')));
    if (this.#state === 'finished') this.#socket.send(frameOf(this.#taskId, 'task-finished', '{}', '{}'));
  }
}

/** The protocol of a service, framed for a task: here the mode says whether a stream is asked for, and no header. */
function taskProtocol(
  protocol: GenerationProtocol<DashScopeReplyPlan>,
  isStreaming: boolean,
  reply: TaskReply,
): GenerationProtocol<DashScopeReplyPlan> {
  return {
    ...protocol,
    decodeRequest: (body, info) => {
      const headers = { ...info.headers, accept: undefined, 'x-dashscope-sse': isStreaming ? 'enable' : undefined };
      return protocol.decodeRequest(body, { ...info, headers });
    },
    createEncoder: (plan) => reply.encoder(plan),
    encodeError: (error, requestId) => protocol.encodeError(error, requestId, undefined, {}),
    // The socket itself asks clients whether they are still there.
    keepAliveFrame: '',
  };
}

/** Texts and lists go on where the piece before ended; anything else replaces what was there. */
function joinInput(beginning: Json | undefined, pieces: readonly JsonObject[]): JsonObject {
  const joined: { [name: string]: Json } = {};
  const lists = new Map<string, Json[]>();
  for (const piece of isObject(beginning) ? [beginning, ...pieces] : pieces) {
    for (const [name, value] of Object.entries(piece)) {
      const known = joined[name];
      if (typeof known === 'string' && typeof value === 'string') joined[name] = known + value;
      else if (!Array.isArray(value)) joined[name] = value;
      else {
        const list = Array.isArray(known) ? (lists.get(name) ?? []) : [];
        for (const item of value) list.push(item);
        lists.set(name, list);
        joined[name] = list;
      }
    }
  }
  return joined;
}
