/**
 * HTTP: routes of the wires, authentication, limits on the body, health and metrics. Only this folder imports the web
 * framework. Generation replies are written on the raw response (`reply-writer.ts`).
 */
import type { Server as TlsServer } from 'node:tls';
import Fastify, { type FastifyInstance } from 'fastify';
import type { AdminApi } from '../admin/api.ts';
import { StudioError } from '../core/errors.ts';
import type { KeyRing } from '../core/platform.ts';
import type { Account, BackendHealth, Clock, IdSource, Logger } from '../core/ports.ts';
import type { Region } from '../core/regions.ts';
import type { Wire } from '../protocols/protocol.ts';
import type { ServePorts } from '../protocols/serve.ts';
import { wireOf } from '../protocols/wire-of.ts';
import { addAdmin } from './admin.ts';
import { type ListenerPlan, Listeners, type OpenPorts } from './listeners.ts';
import type { MetricsRegistry } from './observe.ts';
import { type Place, Places, withoutPrefix } from './places.ts';
import { refuse } from './refusals.ts';
import { addWires } from './routes.ts';
import { addSockets, isSocketUpgrade } from './websocket.ts';

export interface AppPorts {
  readonly wires: readonly Wire[];
  readonly serve: ServePorts;
  readonly keys: Pick<KeyRing, 'verify' | 'workspace'>;
  readonly isAuthRequired: boolean;
  /** Where neither path nor host name nor port says another. */
  readonly defaultRegion: Region;
  /** Serves https with it; http without. */
  readonly certificate?: Certificate | undefined;
  /**
   * Takes a place for a socket, which is given back when the socket is closed; throws `concurrency-limited`. Without it
   * there is room for any number.
   */
  readonly admitSocket?: ((account: Account) => (() => void) | Promise<() => void>) | undefined;
  /** Answers below `/admin`. */
  readonly admin?: AdminApi | undefined;
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

/** PEM texts of a certificate (with those that vouch for it) and of its private key. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** The application and its ports. */
export interface App {
  /** Throws when a port cannot be had. */
  listen(plan: ListenerPlan): Promise<OpenPorts>;
  /** For the connections to come. */
  renewCertificate(certificate: Certificate): void;
  /** Stops listening and lets go of every connection; to be called when no call is under way any more. */
  close(): Promise<void>;
}

declare module 'fastify' {
  interface FastifyRequest {
    account: Account | undefined;
    /** Undefined only for what is refused before any hook. */
    place: Place | undefined;
  }
  interface FastifyContextConfig {
    /** The route reads a multipart body by itself. */
    takesParts?: boolean;
  }
}

/** The application, not yet listening. */
export function createApp(ports: AppPorts): App {
  const places = new Places(ports.defaultRegion);
  const app = createFramework(ports);
  app.decorateRequest('account', undefined);
  app.decorateRequest('place', undefined);
  app.addHook('onRequest', (request, _reply, done) => {
    request.place = places.placeOf(request.raw);
    done();
  });
  addBodyParsers(app);
  const listeners = new Listeners(app, places);
  addOperations(app, ports);
  addWires(app, ports);
  addSockets(app, places, ports);
  if (ports.admin) addAdmin(app, ports.admin, ports.log);
  app.setNotFoundHandler((request, reply) =>
    refuse(
      wireOf(request.url, ports.wires),
      request,
      reply,
      new StudioError('not-found', `Not found: ${request.method} ${pathOf(request.originalUrl)}`),
      ports.log,
    ),
  );
  app.setErrorHandler((thrown, request, reply) =>
    refuse(wireOf(request.url, ports.wires), request, reply, thrown, ports.log),
  );
  return {
    listen: (plan) => listeners.open(plan),
    renewCertificate: (certificate) => (app.server as unknown as TlsServer).setSecureContext(certificate),
    close: () => listeners.close(),
  };
}

function createFramework(ports: AppPorts): FastifyInstance {
  const server = { shouldUpgradeCallback: isSocketUpgrade };
  const options = {
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
    rewriteUrl: ({ url = '' }: { readonly url?: string }) => withoutPrefix(url),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
  } as const;
  // The framework types either server apart; what is used here is the same of both.
  return ports.certificate
    ? (Fastify({ ...options, https: { ...server, ...ports.certificate } }) as unknown as FastifyInstance)
    : Fastify({ ...options, http: server });
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
