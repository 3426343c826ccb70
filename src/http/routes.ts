/** The HTTP routes of the wires: generations are written on the raw response, resources answer through the framework. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { StudioError } from '../core/errors.ts';
import type { Account } from '../core/ports.ts';
import type { BodyPart, GenerationProtocol, Headers, ResourceRoute, Wire } from '../protocols/protocol.ts';
import { serveGeneration } from '../protocols/serve.ts';
import type { AppPorts } from './app.ts';
import { anyoneIn, authenticate } from './auth.ts';
import { partsOf } from './multipart.ts';
import { hostOf, type Place } from './places.ts';
import { jsonBytes, refuse } from './refusals.ts';
import { ResponseWriter } from './reply-writer.ts';

/** Adds the generations and resources of every wire. A known path asked by another method is refused as such. */
export function addWires(app: FastifyInstance, ports: AppPorts): void {
  const methods = new Map<string, { readonly wire: Wire; readonly taken: Set<string> }>();
  const note = (wire: Wire, path: string, method: string): void => {
    const known = methods.get(path) ?? { wire, taken: new Set() };
    methods.set(path, known);
    known.taken.add(method);
  };
  for (const wire of ports.wires) {
    for (const protocol of wire.generations) {
      for (const path of protocol.paths) {
        addGeneration(app, path, protocol, wire, ports);
        note(wire, path, 'POST');
      }
    }
    for (const route of wire.resources) {
      addResource(app, route, wire, ports);
      note(wire, route.path, route.method);
    }
  }
  for (const [url, { wire, taken }] of methods) refuseOtherMethods(app, url, wire, taken, ports);
}

function refuseOtherMethods(
  app: FastifyInstance,
  url: string,
  wire: Wire,
  taken: ReadonlySet<string>,
  ports: AppPorts,
): void {
  app.route({
    method: METHODS.filter((method) => !taken.has(method)),
    url,
    handler: (request) => {
      throw new StudioError('method-not-allowed', `Request method '${request.method}' is not supported.`);
    },
    errorHandler: (thrown, request, reply) => refuse(wire, request, reply, thrown, ports.log),
  });
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Lets a request in: refuses while the server is closing, and finds out who calls. */
async function admit(request: FastifyRequest, ports: AppPorts): Promise<void> {
  if (ports.serve.gate.isClosing) throw new StudioError('shutting-down', undefined, { retryAfterSeconds: 1 });
  const account = authenticate({ headers: request.headers, place: request.place as Place }, ports);
  request.account = account instanceof Promise ? await account : account;
}

/** The query of a URL. */
export function queryOf(url: string): URLSearchParams {
  const start = url.indexOf('?');
  return start < 0 ? NO_QUERY : new URLSearchParams(url.slice(start));
}

const NO_QUERY = new URLSearchParams();

function addGeneration(
  app: FastifyInstance,
  path: string,
  protocol: GenerationProtocol,
  wire: Wire,
  ports: AppPorts,
): void {
  const onRequest = (request: FastifyRequest): Promise<void> => admit(request, ports);
  const errorHandler = (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    refuse(wire, request, reply, thrown, ports.log);
  app.post(path, { onRequest, errorHandler }, (request, reply) => {
    const body = bodyText(request, ports.maxBodyBytes);
    reply.hijack();
    // serveGeneration never rejects.
    void serveGeneration(
      protocol,
      {
        requestId: request.id,
        account: request.account as Account,
        headers: request.headers as Headers,
        query: queryOf(request.url),
        body,
        writer: new ResponseWriter(reply.raw, request.id, ports.clock),
      },
      ports.serve,
    );
  });
}

function addResource(app: FastifyInstance, route: ResourceRoute, wire: Wire, ports: AppPorts): void {
  app.route({
    method: route.method,
    url: route.path,
    config: { takesParts: route.accepts === 'multipart' },
    onRequest: async (request) => {
      if (route.isPublic) request.account = anyoneIn((request.place as Place).region);
      else await admit(request, ports);
    },
    handler: async (request, reply) => {
      try {
        return await answer(route, request, reply);
      } catch (thrown) {
        // The rest of a body that nobody will read must not keep the connection.
        if (route.accepts === 'multipart' && !request.raw.complete) request.raw.resume();
        throw thrown;
      }
    },
    errorHandler: (thrown, request, reply) => refuse(wire, request, reply, thrown, ports.log),
  });
}

async function answer(route: ResourceRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { status, headers, body, stream } = await route.handle({
    params: request.params as { [name: string]: string },
    query: queryOf(request.url),
    headers: request.headers as Headers,
    body: typeof request.body === 'string' && request.body !== '' ? parseJson(request.body) : undefined,
    parts: route.accepts === 'multipart' ? partsOf(request.raw) : NO_PARTS,
    account: request.account as Account,
    requestId: request.id,
    origin: originOf(request),
  });
  reply.status(status).headers({ 'x-request-id': request.id, ...headers });
  if (stream) return reply.send(Readable.from(stream));
  if (typeof body === 'string' || body === undefined) return reply.send(body);
  return reply.header('content-type', 'application/json').send(jsonBytes(body));
}

async function* noParts(): AsyncGenerator<BodyPart> {}
const NO_PARTS: AsyncIterable<BodyPart> = { [Symbol.asyncIterator]: noParts };

function originOf(request: FastifyRequest): string {
  const forwarded = request.headers['x-forwarded-proto'];
  const scheme = typeof forwarded === 'string' ? forwarded.split(',')[0]?.trim() : request.protocol;
  return `${scheme}://${hostOf(request.headers) ?? request.host}${request.place?.prefix ?? ''}`;
}

function bodyText(request: FastifyRequest, maxBodyBytes: number): string | undefined {
  const { body } = request;
  if (typeof body !== 'string') return undefined;
  if (body.length > maxBodyBytes && !body.includes(';base64,')) throw new StudioError('body-too-large');
  return body;
}

/** The value of a body; throws `malformed-body`. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new StudioError('malformed-body', undefined, { cause: thrown });
  }
}
