/** Errors on the Completions wire: the envelopes of the OpenAI-style wires, under this wire's id prefix. */
import type { StudioError } from '../../core/errors.ts';
import { errorBody, errorReply } from '../openai-envelope.ts';
import type { ErrorReply } from '../protocol.ts';
import { dataFrame, lineJson } from '../sse.ts';

/** Every id of this wire is this and a uuid (openai-chat reference §19: unrecorded; OpenAI's). */
export const ID_PREFIX = 'cmpl-';

/** Before the first byte. */
export function encodeCompletionError(error: StudioError, requestId: string): ErrorReply {
  return errorReply(error, requestId, ID_PREFIX);
}

/** After the first byte: one frame, and neither a finish chunk nor `[DONE]` behind it. */
export function completionErrorFrame(error: StudioError, requestId: string): string {
  return dataFrame(lineJson(errorBody(error, requestId, ID_PREFIX)));
}
