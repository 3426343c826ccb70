/** Errors of requests that never became a call: sent in the envelope of the wire they were meant for. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { traceOf } from '../core/error-trace.ts';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import type { Wire } from '../protocols/protocol.ts';

/** Sends what was thrown in a wire's envelope; what nobody expected goes to the log. */
export function refuse(
  wire: Wire,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: unknown,
  log: Logger,
): FastifyReply {
  const error = fromFramework(thrown);
  logUnexpected(error, request.id, log);
  const placed = request.place ? error.madeIn(request.place.region) : error;
  const { status, headers, body } = wire.encodeError(placed, request.id);
  return reply
    .status(status)
    .headers({ ...headers, 'x-request-id': request.id })
    .send(typeof body === 'string' ? body : jsonBytes(body));
}

/** Only where it comes from: what else an error carries may be somebody's data. */
export function logUnexpected({ code, cause }: StudioError, requestId: string, log: Logger): void {
  if (code !== 'internal') return;
  log.error({ requestId, cause: traceOf(cause) }, 'internal error');
}

/** JSON as bytes: to a text the framework would add a charset, which the service does not. */
export function jsonBytes(body: unknown): Buffer {
  return Buffer.from(JSON.stringify(body));
}

/** What the framework or a handler threw, as a StudioError. */
export function fromFramework(thrown: unknown): StudioError {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new StudioError('body-too-large');
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH' || code === 'FST_ERR_CTP_EMPTY_JSON_BODY')
    return new StudioError('malformed-body');
  if (code === 'FST_ERR_BAD_URL') return new StudioError('not-found');
  return toStudioError(thrown);
}
