/** Chat Completions as Model Studio serves it under `compatible-mode`: the registration. */
import { StudioError } from '../../core/errors.ts';
import { sessionKeyWish } from '../cache-headers.ts';
import type { GenerationProtocol, Wire, WirePorts } from '../protocol.ts';
import { openAiRateLimitHeaders } from '../rate-limit-headers.ts';
import { missingFormat } from '../response-format.ts';
import { COMMENT_KEEP_ALIVE } from '../sse.ts';
import { type ChatReplyPlan, decodeChatRequest } from './decode.ts';
import { ChatEncoder, encodeChatResult } from './encode.ts';
import { encodeChatError } from './errors.ts';
import { modelRoutes } from './models.ts';
import { badResponseFormat } from './texts.ts';

const ID = 'openai-chat';

/** The service's own prefix, and OpenAI's for clients that only take a host. */
const PREFIXES = ['/compatible-mode/v1', '/v1'];

function generationOf({ findCard }: WirePorts): GenerationProtocol<ChatReplyPlan> {
  return {
    id: ID,
    paths: PREFIXES.map((prefix) => `${prefix}/chat/completions`),
    decodeRequest: (body, { headers }) => {
      const decoded = decodeChatRequest(body, sessionKeyWish(headers));
      const { model, output } = decoded.request;
      const card = findCard(model);
      // A few models answer on other wires only ("Unsupported model `…` for OpenAI compatibility mode.").
      if (card?.surfaces.chat === false) throw new StudioError('model-not-supported', `Unsupported model \`${model}\``);
      const format = missingFormat(output, card);
      if (format !== undefined) throw new StudioError('invalid-parameter', badResponseFormat(format));
      return decoded;
    },
    createEncoder: (plan) => new ChatEncoder(plan),
    encodeResult: encodeChatResult,
    encodeError: encodeChatError,
    keepAliveFrame: COMMENT_KEEP_ALIVE,
    replyHeaders: (_requestId, _plan, rateLimits) => openAiRateLimitHeaders(rateLimits),
  };
}

/** `POST …/chat/completions`, `GET …/models` and `GET …/models/{id}`, under both prefixes. */
export function createOpenAiChatWire(ports: WirePorts): Wire {
  return {
    id: ID,
    prefixes: PREFIXES,
    generations: [generationOf(ports)],
    resources: PREFIXES.flatMap((prefix) => modelRoutes(prefix, ports)),
    sockets: [],
    encodeError: encodeChatError,
  };
}
