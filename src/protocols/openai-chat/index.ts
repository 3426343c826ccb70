/** Chat Completions as Model Studio serves it under `compatible-mode`: the registration. */
import type { GenerationProtocol, Wire, WirePorts } from '../protocol.ts';
import { COMMENT_KEEP_ALIVE } from '../sse.ts';
import { type ChatReplyPlan, decodeChatRequest } from './decode.ts';
import { ChatEncoder, encodeChatResult } from './encode.ts';
import { encodeChatError } from './errors.ts';
import { modelRoutes } from './models.ts';

const ID = 'openai-chat';

/** The service's own prefix, and OpenAI's for clients that only take a host. */
const PREFIXES = ['/compatible-mode/v1', '/v1'];

const generation: GenerationProtocol<ChatReplyPlan> = {
  id: ID,
  paths: PREFIXES.map((prefix) => `${prefix}/chat/completions`),
  decodeRequest: decodeChatRequest,
  createEncoder: (plan) => new ChatEncoder(plan),
  encodeResult: encodeChatResult,
  encodeError: encodeChatError,
  keepAliveFrame: COMMENT_KEEP_ALIVE,
};

/** `POST …/chat/completions`, `GET …/models` and `GET …/models/{id}`, under both prefixes. */
export function createOpenAiChatWire(ports: WirePorts): Wire {
  return {
    id: ID,
    generation,
    resources: PREFIXES.flatMap((prefix) => modelRoutes(prefix, ports)),
    encodeError: encodeChatError,
  };
}
