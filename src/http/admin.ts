/**
 * Mounts the administration (`/admin`). It has keys, errors and bodies of its own, so nothing of the wires applies to it;
 * the framework only finds the route, which finds out who asks.
 */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AdminApi, AdminReply } from '../admin/api.ts';
import { StudioError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import { fromFramework, jsonBytes, logUnexpected } from './refusals.ts';
import { parseJson, queryOf } from './routes.ts';

/** Read before anybody knows who sends it. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Adds its routes; what else begins with its path is refused in its own form, too. */
export function addAdmin(app: FastifyInstance, api: AdminApi, log: Logger): void {
  const errorHandler = (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const error = fromFramework(thrown);
    logUnexpected(error, request.id, log);
    return send(request, reply, api.handleError(error));
  };
  for (const { method, path, handle } of api.routes)
    app.route({
      method,
      url: path,
      bodyLimit: MAX_BODY_BYTES,
      errorHandler,
      handler: async (request, reply) =>
        send(
          request,
          reply,
          await handle({
            authorization: request.headers.authorization,
            params: request.params as { [name: string]: string },
            query: queryOf(request.url),
            body: typeof request.body === 'string' && request.body !== '' ? parseJson(request.body) : undefined,
          }),
        ),
    });
  for (const url of ['/admin', '/admin/*'])
    app.all(url, { errorHandler, bodyLimit: MAX_BODY_BYTES }, (request) => {
      throw new StudioError('not-found', `Not found: ${request.method} ${request.url.split('?', 1)[0]}`);
    });
}

function send(
  request: FastifyRequest,
  reply: FastifyReply,
  { status, headers, body, stream }: AdminReply,
): FastifyReply {
  reply.status(status).headers({ 'x-request-id': request.id, 'cache-control': 'no-store', ...headers });
  if (stream) return reply.send(Readable.from(stream));
  if (typeof body === 'string' || body === undefined) return reply.send(body);
  return reply.header('content-type', 'application/json').send(jsonBytes(body));
}
