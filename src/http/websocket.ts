/** WebSockets: the handshake (path, key, limits) and one open socket as the wires see it. */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
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
export function addSockets(app: FastifyInstance, ports: AppPorts): void {
  const servers = new Map<string, { readonly route: SocketRoute; readonly server: WebSocketServer }>();
  for (const wire of ports.wires)
    for (const route of wire.sockets) servers.set(route.path, { route, server: serverOf(route, ports) });
  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const requestId = ports.ids.uuid();
    stream.on('error', () => stream.destroy());
    try {
      const path = pathOf(request);
      const target = servers.get(path);
      if (!target) throw new StudioError('not-found', `Not found: ${request.method} ${path}`);
      if (ports.serve.gate.isClosing) throw shuttingDown();
      const account = authenticate(request.headers, ports.keys, ports.isAuthRequired);
      target.server.handleUpgrade(request, stream, head, (socket) => {
        const open = new OpenSocket(socket, target.route.idleMs, ports.log);
        const headers = request.headers as Headers;
        const call = { account, headers, query: queryOf(request.url ?? ''), requestId };
        target.route.open(open, {
          ...call,
          serve: (protocol, exchange) => open.during(serveOnSocket(protocol, call, exchange, ports)),
        });
      });
    } catch (thrown) {
      refuseUpgrade(request, stream, toStudioError(thrown), requestId, ports);
    }
  });
  app.addHook('preClose', () => closeAll([...servers.values()].flatMap(({ server }) => [...server.clients])));
}

function serverOf(route: SocketRoute, ports: AppPorts): WebSocketServer {
  const server = new WebSocketServer({ noServer: true, maxPayload: route.maxFrameBytes, perMessageDeflate: false });
  // A handshake that is not one (version, key, method).
  server.on('wsClientError', (error, stream, request) =>
    refuseUpgrade(request, stream, new StudioError('invalid-parameter', error.message), ports.ids.uuid(), ports),
  );
  return server;
}

function pathOf({ url = '' }: IncomingMessage): string {
  const path = url.split('?', 1)[0] ?? '';
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
  await serveGeneration(protocol, { ...exchange, account, headers, query }, ports.serve);
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
  if (error.code === 'internal') ports.log.error({ requestId, err: error.cause }, 'a socket could not be opened');
  const wire: Wire = wireOf(request.url ?? '', ports.wires);
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
