/** Errors on the Chat Completions wire (openai-chat reference §16.2, §18). */
import type { StudioError } from '../../core/errors.ts';
import { errorBody, errorReply } from '../openai-envelope.ts';
import type { ErrorReply } from '../protocol.ts';
import { dataFrame, lineJson } from '../sse.ts';

/** Every id of this wire is this and a uuid. */
export const ID_PREFIX = 'chatcmpl-';

/**
 * Before the first byte. A streamed call gets the same plain JSON: the service has been seen to send the body as one
 * `data:` line under status 400, which the SDKs then quote raw (docs/decisions/0006).
 */
export function encodeChatError(error: StudioError, requestId: string): ErrorReply {
  return errorReply(error, requestId, ID_PREFIX);
}

/** After the first byte: one frame, and neither a finish chunk nor `[DONE]` behind it. */
export function chatErrorFrame(error: StudioError, requestId: string): string {
  return dataFrame(lineJson(errorBody(error, requestId, ID_PREFIX)));
}
