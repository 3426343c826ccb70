/** Completions with fill-in-the-middle, as Model Studio serves it under `compatible-mode`: the registration. */
import type { GenerationProtocol, Wire } from '../protocol.ts';
import { openAiRateLimitHeaders } from '../rate-limit-headers.ts';
import { COMMENT_KEEP_ALIVE } from '../sse.ts';
import { type CompletionReplyPlan, decodeCompletionRequest } from './decode.ts';
import { CompletionEncoder, encodeCompletionResult } from './encode.ts';
import { encodeCompletionError } from './errors.ts';

const ID = 'openai-completions';

/** The service's own path, and OpenAI's for clients that only take a host. */
const PATHS = ['/compatible-mode/v1/completions', '/v1/completions'];

/** `POST …/completions`. */
export const completions: GenerationProtocol<CompletionReplyPlan> = {
  id: ID,
  paths: PATHS,
  decodeRequest: decodeCompletionRequest,
  createEncoder: (plan) => new CompletionEncoder(plan),
  encodeResult: encodeCompletionResult,
  encodeError: encodeCompletionError,
  keepAliveFrame: COMMENT_KEEP_ALIVE,
  replyHeaders: (_requestId, _plan, rateLimits) => openAiRateLimitHeaders(rateLimits),
};

/** The wire has no resources: what was answered is not kept. */
export function createOpenAiCompletionsWire(): Wire {
  return {
    id: ID,
    prefixes: PATHS,
    generations: [completions],
    resources: [],
    sockets: [],
    encodeError: encodeCompletionError,
  };
}
