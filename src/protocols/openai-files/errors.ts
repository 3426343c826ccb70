/** Errors of the file endpoints (openai-chat reference §18.1, envelope D). */
import type { StudioError } from '../../core/errors.ts';
import { errorReply } from '../openai-envelope.ts';
import type { ErrorReply } from '../protocol.ts';

/**
 * What is wrong with a file or a query has no code and no request id; keys, throttling and failures of ours are refused by
 * the gateway before this service and look as everywhere.
 */
export function encodeFileError(error: StudioError, requestId: string): ErrorReply {
  switch (error.code) {
    case 'invalid-parameter':
    case 'malformed-body':
    case 'not-found':
    case 'body-too-large':
    case 'unsupported-media-type':
      return {
        status: error.status,
        headers: { 'content-type': 'application/json' },
        body: {
          error: { message: error.message, type: 'invalid_request_error', param: error.param ?? null, code: null },
        },
      };
    default:
      return errorReply(error, requestId, '');
  }
}
