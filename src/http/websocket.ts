/** WebSockets: the handshake (path, key, limits) and one open socket as the wires see it. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { ErrorReply, SocketRoute, Wire, WireSocket } from '../protocols/protocol.ts';
import { serveGeneration } from '../protocols/serve.ts';
import type { AppPorts } from './app.ts';
import { authenticate } from './auth.ts';
import { queryOf, wireOf } from './routes.ts';

/** Close codes of RFC 6455. */
const GOING_AWAY = 1001;

/** How much may wait in memory for a slow reader before a stream waits for it. */
const HIGH_WATER_BYTES = 256 * 1024;

/** Adds the sockets of every wire to the server. A path answers with and without a closing slash. */
export function addSockets(app: FastifyInstance, ports: AppPorts): void {
  const routes = new Map<string, SocketRoute>();
  for (const wire of ports.wires) for (const route of wire.sockets) routes.set(route.path, route);
  if (routes.size === 0) return;
  const servers = new Map([...routes.values()].map((route) => [route, serverOf(route)]));
  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const requestId = ports.ids.uuid();
    stream.on('error', () => stream.destroy());
    try {
      const route = routes.get(pathOf(request.url ?? ''));
      if (!route) throw new StudioError('not-found', `Not found: ${pathOf(request.url ?? '')}`);
      if (ports.serve.gate.isClosing) throw new StudioError('shutting-down', undefined, { retryAfterSeconds: 1 });
      const account = authenticate(request.headers, ports.keys, ports.isAuthRequired);
      servers.get(route)?.handleUpgrade(request, stream, head, (socket) => {
        route.open(openSocket(socket, route.idleMs), {
          account,
          headers: request.headers as { [name: string]: string | undefined },
          query: queryOf(request.url ?? ''),
          requestId,
          serve: (protocol, call) =>
            serveGeneration(
              protocol,
              { ...call, account, headers: request.headers as never, query: queryOf(request.url ?? '') },
              ports.serve,
            ),
        });
      });
    } catch (thrown) {
      refuseUpgrade(stream, wireOf(request.url ?? '', ports.wires), toStudioError(thrown), requestId);
    }
  });
  app.addHook('preClose', async () => {
    for (const server of servers.values())
      for (const socket of server.clients) socket.close(GOING_AWAY, 'shutting down');
  });
  app.addHook('onClose', async () => {
    for (const server of servers.values()) for (const socket of server.clients) socket.terminate();
  });
}

function serverOf(route: SocketRoute): WebSocketServer {
  return new WebSocketServer({ noServer: true, maxPayload: route.maxFrameBytes, perMessageDeflate: false });
}

function pathOf(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

function openSocket(socket: WebSocket, idleMs: number): WireSocket {
  let idle: NodeJS.Timeout | undefined;
  const touch = (): void => {
    clearTimeout(idle);
    idle = setTimeout(() => socket.close(GOING_AWAY, 'idle for too long'), idleMs).unref();
  };
  touch();
  socket.on('message', touch);
  socket.on('ping', touch);
  socket.on('pong', touch);
  socket.on('close', () => clearTimeout(idle));
  // A frame over the limit and a reset arrive as errors; `close` follows and says the same.
  socket.on('error', () => {});
  return {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    send: (text) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      touch();
      socket.send(text);
    },
    close: (code, reason) => socket.close(code, reason),
    drained: () => (socket.bufferedAmount < HIGH_WATER_BYTES ? undefined : drainOf(socket)),
    onMessage: (listener) =>
      void socket.on('message', (data: RawData, isBinary) =>
        listener(isBinary ? bytesOf(data) : bytesOf(data).toString()),
      ),
    onClose: (listener) => void socket.on('close', listener),
  };
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

function refuseUpgrade(stream: Duplex, wire: Wire, error: StudioError, requestId: string): void {
  const { status, headers, body }: ErrorReply = wire.encodeError(error, requestId);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const lines = [
    `HTTP/1.1 ${status} ${status === 401 ? 'Unauthorized' : 'Refused'}`,
    ...Object.entries({ ...headers, 'x-request-id': requestId, connection: 'close' }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
    `content-length: ${Buffer.byteLength(text)}`,
  ];
  stream.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
}
