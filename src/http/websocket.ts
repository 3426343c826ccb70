/** WebSockets: the handshake (path, key, limits) and one open socket as the wires see it. */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { Account, Logger } from '../core/ports.ts';
import type {
  GenerationProtocol,
  Headers,
  SocketCall,
  SocketExchange,
  SocketRoute,
  Wire,
  WireSocket,
} from '../protocols/protocol.ts';
import { serveGeneration } from '../protocols/serve.ts';
import { wireOf } from '../protocols/wire-of.ts';
import type { AppPorts } from './app.ts';
import { authenticate } from './auth.ts';
import { type Places, withoutPrefix } from './places.ts';
import { logUnexpected } from './refusals.ts';
import { queryOf } from './routes.ts';

/** Close codes of RFC 6455. */
const GOING_AWAY = 1001;
const INTERNAL_ERROR = 1011;

/** How much may wait in memory for a slow reader before a stream waits for it. */
const HIGH_WATER_BYTES = 256 * 1024;

/** Time for the last frames and the closing handshake of clients that are slow to take them. */
const LAST_FRAMES_MS = 500;

/**
 * Which requests become sockets. Others that ask for an upgrade (Java's HTTP client offers h2c with every request) are
 * answered as if they had not.
 */
export function isSocketUpgrade({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** Adds the sockets of every wire to the server. A path answers with and without a closing slash. */
export function addSockets(app: FastifyInstance, places: Places, ports: AppPorts): void {
  const targets = new Map<string, SocketTarget>();
  const refuse: RefuseUpgrade = (request, stream, thrown, requestId = ports.ids.uuid()) => {
    const error = toStudioError(thrown).madeIn(places.placeOf(request).region);
    refuseUpgrade(request, stream, error, requestId, ports);
  };
  for (const wire of ports.wires)
    for (const route of wire.sockets) targets.set(route.path, { route, server: serverOf(route, refuse) });
  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const requestId = ports.ids.uuid();
    stream.on('error', () => stream.destroy());
    openSocket({ request, stream, head, requestId }, targets, places, ports).catch((thrown: unknown) =>
      refuse(request, stream, thrown, requestId),
    );
  });
  app.addHook('preClose', () => closeAll([...targets.values()].flatMap(({ server }) => [...server.clients])));
}

interface SocketTarget {
  readonly route: SocketRoute;
  readonly server: WebSocketServer;
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly stream: Duplex;
  readonly head: Buffer;
  readonly requestId: string;
}

type RefuseUpgrade = (request: IncomingMessage, stream: Duplex, thrown: unknown, requestId?: string) => void;

async function openSocket(
  { request, stream, head, requestId }: Upgrade,
  targets: ReadonlyMap<string, SocketTarget>,
  places: Places,
  ports: AppPorts,
): Promise<void> {
  const target = targets.get(pathOf(request));
  if (!target) throw new StudioError('not-found', `Not found: ${request.method} ${arrivedPathOf(request)}`);
  if (ports.serve.gate.isClosing) throw shuttingDown();
  const account = await authenticate({ headers: request.headers, place: places.placeOf(request) }, ports);
  await takePlace(account, stream, ports);
  // The server may have begun to close meanwhile; nobody would say goodbye to this socket.
  if (ports.serve.gate.isClosing) throw shuttingDown();
  target.server.handleUpgrade(request, stream, head, (socket) => {
    const open = new OpenSocket(socket, target.route.idleMs, ports.log);
    const headers = request.headers as Headers;
    const call = { account, headers, query: queryOf(request.url ?? ''), requestId };
    target.route.open(open, {
      ...call,
      serve: (protocol, exchange) => open.during(serveOnSocket(protocol, call, exchange, ports)),
    });
  });
}

/** Takes a place for a socket until its stream is closed, by whichever way. */
async function takePlace(account: Account, stream: Duplex, { admitSocket }: AppPorts): Promise<void> {
  const leave = await admitSocket?.(account);
  if (!leave) return;
  if (stream.closed) leave();
  else stream.once('close', leave);
}

function serverOf(route: SocketRoute, refuse: RefuseUpgrade): WebSocketServer {
  const server = new WebSocketServer({ noServer: true, maxPayload: route.maxFrameBytes, perMessageDeflate: false });
  // A handshake that is not one (version, key, method).
  server.on('wsClientError', (error, stream, request) =>
    refuse(request, stream, new StudioError('invalid-parameter', error.message)),
  );
  return server;
}

function arrivedPathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '';
}

/** As the wires know it: the framework rewrites no URL of an upgrade. */
function pathOf(request: IncomingMessage): string {
  const path = withoutPrefix(arrivedPathOf(request));
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

function shuttingDown(): StudioError {
  return new StudioError('shutting-down', undefined, { retryAfterSeconds: 1 });
}

/** One call on a socket. A socket that was open before a shutdown began takes no new ones either. */
async function serveOnSocket(
  protocol: GenerationProtocol,
  { account, headers, query }: Pick<SocketCall, 'account' | 'headers' | 'query'>,
  exchange: SocketExchange,
  ports: AppPorts,
): Promise<void> {
  if (ports.serve.gate.isClosing) {
    const refusal = protocol.encodeError(shuttingDown(), exchange.requestId, undefined, headers);
    exchange.writer.sendBody(refusal.status, refusal.headers, refusal.body);
    return;
  }
  await serveGeneration(protocol, { ...exchange, account, headers, query, isOnSocket: true }, ports.serve);
}

/** One socket. Calls that run on it keep it open, and it is asked then whether its client is still there. */
class OpenSocket implements WireSocket {
  readonly #socket: WebSocket;
  readonly #log: Logger;
  readonly #idle: NodeJS.Timeout;
  #running = 0;
  #isAwaitingPong = false;

  constructor(socket: WebSocket, idleMs: number, log: Logger) {
    this.#socket = socket;
    this.#log = log;
    this.#idle = setTimeout(() => this.#onIdle(), idleMs).unref();
    socket.on('message', () => this.#idle.refresh());
    socket.on('pong', () => {
      this.#isAwaitingPong = false;
    });
    socket.on('close', () => clearTimeout(this.#idle));
    // A frame over the limit and a reset arrive as errors; `close` follows and says the same.
    socket.on('error', () => {});
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  send(text: string): void {
    if (!this.isOpen) return;
    this.#idle.refresh();
    this.#socket.send(text);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  drained(): Promise<void> | undefined {
    return this.#socket.bufferedAmount < HIGH_WATER_BYTES ? undefined : drainOf(this.#socket);
  }

  onMessage(listener: (message: string | Uint8Array) => void): void {
    this.#socket.on('message', (data: RawData, isBinary: boolean) => {
      const bytes = bytesOf(data);
      try {
        listener(isBinary ? bytes : bytes.toString());
      } catch (thrown) {
        // Nobody else would catch it, and one socket must not end the process.
        this.#log.error({ err: thrown }, 'a frame of a socket could not be handled');
        this.#socket.close(INTERNAL_ERROR, 'internal error');
      }
    });
  }

  onClose(listener: () => void): void {
    this.#socket.on('close', listener);
  }

  async during(call: Promise<void>): Promise<void> {
    this.#running++;
    await call;
    this.#running--;
    this.#idle.refresh();
  }

  #onIdle(): void {
    if (this.#running === 0) {
      this.#socket.close(GOING_AWAY, 'idle for too long');
      return;
    }
    if (this.#isAwaitingPong) {
      this.#socket.terminate();
      return;
    }
    this.#isAwaitingPong = true;
    this.#socket.ping();
    this.#idle.refresh();
  }
}

/** `ws` tells of a finished write only by callback: an empty ping is written after what is waiting. */
function drainOf(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('close', done);
      resolve();
    };
    socket.once('close', done);
    socket.ping(undefined, undefined, done);
  });
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** Says goodbye, and lets go of whoever does not answer: an open socket would hold up the end of the server. */
async function closeAll(sockets: readonly WebSocket[]): Promise<void> {
  if (sockets.length === 0) return;
  const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  for (const socket of sockets) socket.close(GOING_AWAY, 'shutting down');
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.terminate();
  }, LAST_FRAMES_MS);
  await Promise.all(closed);
  clearTimeout(timer);
}

function refuseUpgrade(
  request: IncomingMessage,
  stream: Duplex,
  error: StudioError,
  requestId: string,
  ports: AppPorts,
): void {
  logUnexpected(error, requestId, ports.log);
  const wire: Wire = wireOf(pathOf(request), ports.wires);
  const { status, headers, body } = wire.encodeError(error, requestId);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const fields = {
    ...headers,
    'x-request-id': requestId,
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  stream.once('finish', () => stream.destroy());
  stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${text}`);
}
