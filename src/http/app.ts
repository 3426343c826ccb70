/**
 * HTTP: routes of the wires, authentication, limits on the body, health and metrics. Only this folder imports the web
 * framework. Generation replies are written on the raw response (`reply-writer.ts`).
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { Account, BackendHealth, Clock, IdSource, KeyStore, Logger } from '../core/ports.ts';
import type { ResourceRoute, Wire } from '../protocols/protocol.ts';
import { type ServePorts, serveGeneration } from '../protocols/serve.ts';
import { authenticate } from './auth.ts';
import type { MetricsRegistry } from './observe.ts';
import { ResponseWriter } from './reply-writer.ts';

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
}

/** The application, not yet listening. */
export function createApp(ports: AppPorts): FastifyInstance {
  const app = Fastify({
    logger: false,
    genReqId: () => ports.ids.uuid(),
    bodyLimit: ports.maxMediaBodyBytes,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    // A long generation must never be cut by a socket timer; clients that stall while sending are (requestTimeout).
    connectionTimeout: 0,
    requestTimeout: 120_000,
    keepAliveTimeout: 75_000,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
  });
  app.decorateRequest('account', undefined);
  // Bodies stay text: each wire parses and refuses in its own envelope.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.addContentTypeParser('*', (request, payload, done) => {
    payload.resume();
    if (request.is404) done(null, undefined);
    else done(new StudioError('unsupported-media-type'));
  });
  app.server.on('connection', (socket) => socket.setNoDelay(true));
  addOperations(app, ports);
  for (const wire of ports.wires) addWire(app, wire, ports);
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

function addWire(app: FastifyInstance, wire: Wire, ports: AppPorts): void {
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    if (ports.serve.gate.isClosing) throw new StudioError('shutting-down', undefined, { retryAfterSeconds: 1 });
    request.account = authenticate(request.headers, ports.keys, ports.isAuthRequired);
  };
  for (const path of wire.generation.paths) {
    app.post(path, { onRequest }, (request, reply) => {
      const body = bodyText(request, ports.maxBodyBytes);
      reply.hijack();
      // serveGeneration never rejects.
      void serveGeneration(
        wire.generation,
        {
          requestId: request.id,
          account: request.account as Account,
          headers: request.headers as { [name: string]: string | undefined },
          body,
          writer: new ResponseWriter(reply.raw, request.id, ports.clock),
        },
        ports.serve,
      );
    });
    app.route({
      method: ['GET', 'PUT', 'PATCH', 'DELETE'],
      url: path,
      handler: (request) => {
        throw new StudioError('method-not-allowed', `Request method '${request.method}' is not supported.`);
      },
    });
  }
  for (const route of wire.resources) addResource(app, route, onRequest);
}

function addResource(
  app: FastifyInstance,
  route: ResourceRoute,
  onRequest: (request: FastifyRequest) => Promise<void>,
): void {
  app.route({
    method: route.method,
    url: route.path,
    onRequest,
    handler: async (request, reply) => {
      const answer = await route.handle({
        params: request.params as { [name: string]: string },
        query: request.query as { [name: string]: string | undefined },
        body: request.body === undefined || request.body === null ? undefined : parseJson(String(request.body)),
        requestId: request.id,
      });
      return reply.status(answer.status).header('x-request-id', request.id).send(answer.body);
    },
  });
}

function bodyText(request: FastifyRequest, maxBodyBytes: number): string | undefined {
  const { body } = request;
  if (typeof body !== 'string') return undefined;
  if (body.length > maxBodyBytes && !body.includes(';base64,')) throw new StudioError('body-too-large');
  return body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new StudioError('malformed-body', undefined, { cause: thrown });
  }
}

/** The wire whose first path segment the URL shares, else the first wire. */
function wireOf(url: string, wires: readonly Wire[]): Wire {
  const segment = url.split(/[/?]/, 2)[1];
  const wire =
    wires.find(({ generation }) => generation.paths.some((path) => path.split('/', 2)[1] === segment)) ?? wires[0];
  if (!wire) throw new Error('no wire is registered');
  return wire;
}

function refuse(wire: Wire, request: FastifyRequest, reply: FastifyReply, error: StudioError): FastifyReply {
  const answer = wire.encodeError(error, request.id);
  return reply
    .status(answer.status)
    .headers({ ...answer.headers, 'x-request-id': request.id })
    .send(answer.body);
}

function fromFramework(thrown: unknown): StudioError {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new StudioError('body-too-large');
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' || code === 'FST_ERR_CTP_EMPTY_JSON_BODY')
    return new StudioError('malformed-body');
  if (code === 'FST_ERR_BAD_URL') return new StudioError('not-found');
  return toStudioError(thrown);
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url;
}
