/**
 * HTTP: routes of the wires, authentication, limits on the body, health and metrics. Only this folder imports the web
 * framework. Generation replies are written on the raw response (`reply-writer.ts`).
 */
import Fastify, { type FastifyInstance } from 'fastify';
import { StudioError } from '../core/errors.ts';
import type { Account, BackendHealth, Clock, IdSource, KeyStore, Logger } from '../core/ports.ts';
import type { Wire } from '../protocols/protocol.ts';
import type { ServePorts } from '../protocols/serve.ts';
import { wireOf } from '../protocols/wire-of.ts';
import type { MetricsRegistry } from './observe.ts';
import { fromFramework, refuse } from './refusals.ts';
import { addWires } from './routes.ts';
import { addSockets, isSocketUpgrade } from './websocket.ts';

export interface AppPorts {
  readonly wires: readonly Wire[];
  readonly serve: ServePorts;
  readonly keys: KeyStore;
  readonly isAuthRequired: boolean;
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly version: string;
  /** A larger body without base64 media is refused with 413. */
  readonly maxBodyBytes: number;
  /** A larger body is refused with 413, whatever it carries. */
  readonly maxMediaBodyBytes: number;
  health(): { readonly [backend: string]: BackendHealth };
}

declare module 'fastify' {
  interface FastifyRequest {
    account: Account | undefined;
  }
  interface FastifyContextConfig {
    /** The route reads a multipart body by itself. */
    takesParts?: boolean;
  }
}

/** The application, not yet listening. */
export function createApp(ports: AppPorts): FastifyInstance {
  const app = Fastify({
    logger: false,
    genReqId: () => ports.ids.uuid(),
    bodyLimit: ports.maxMediaBodyBytes,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    // A long generation must never be cut by a socket timer; clients that stall while sending are (requestTimeout), after
    // as long as a file of 500 MB may take on a slow line.
    connectionTimeout: 0,
    requestTimeout: 3_600_000,
    keepAliveTimeout: 75_000,
    http: { shouldUpgradeCallback: isSocketUpgrade },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
  });
  app.decorateRequest('account', undefined);
  addBodyParsers(app);
  app.server.on('connection', (socket) => socket.setNoDelay(true));
  addOperations(app, ports);
  addWires(app, ports);
  addSockets(app, ports);
  app.setNotFoundHandler((request, reply) =>
    refuse(
      wireOf(request.url, ports.wires),
      request,
      reply,
      new StudioError('not-found', `Not found: ${request.method} ${pathOf(request.url)}`),
    ),
  );
  app.setErrorHandler((thrown, request, reply) =>
    refuse(wireOf(request.url, ports.wires), request, reply, fromFramework(thrown)),
  );
  return app;
}

/** Time for what has been written to reach clients that are slow to take it. */
const LAST_BYTES_MS = 500;

/**
 * Stops listening and lets go of every connection; to be called when no call is under way any more. A client that keeps
 * a connection open, or has opened one and says nothing, would otherwise hold the end up for as long as such connections
 * are kept.
 */
export async function closeApp(app: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), LAST_BYTES_MS);
  await app.close();
  clearTimeout(timer);
}

/** Bodies stay text: each wire parses and refuses in its own envelope. */
function addBodyParsers(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  // Stays a stream; the route that takes it reads it (`multipart.ts`) under a limit of its own.
  app.addContentTypeParser('multipart/form-data', (request, payload, done) => {
    if (request.routeOptions.config.takesParts) {
      done(null, payload);
      return;
    }
    payload.resume();
    done(request.is404 ? null : new StudioError('unsupported-media-type'));
  });
  app.addContentTypeParser('*', (request, payload, done) => {
    payload.resume();
    if (request.is404) done(null, undefined);
    else done(new StudioError('unsupported-media-type'));
  });
}

function addOperations(app: FastifyInstance, ports: AppPorts): void {
  app.get('/health', (_request, reply) => {
    const backends = ports.health();
    const isReady = Object.values(backends).every((backend) => backend.isReady) && !ports.serve.gate.isClosing;
    return reply
      .status(isReady ? 200 : 503)
      .send({ status: isReady ? 'ok' : 'unavailable', version: ports.version, backends });
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(ports.metrics.contentType).send(await ports.metrics.text()),
  );
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url;
}
