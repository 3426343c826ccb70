/** Errors of requests that never became a call: sent in the envelope of the wire they were meant for. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { StudioError, toStudioError } from '../core/errors.ts';
import type { Wire } from '../protocols/protocol.ts';

/** Sends an error in a wire's envelope. */
export function refuse(wire: Wire, request: FastifyRequest, reply: FastifyReply, error: StudioError): FastifyReply {
  const { status, headers, body } = wire.encodeError(error, request.id);
  return reply
    .status(status)
    .headers({ ...headers, 'x-request-id': request.id })
    .send(typeof body === 'string' ? body : jsonBytes(body));
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
