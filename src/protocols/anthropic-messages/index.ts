/** Anthropic Messages as Model Studio serves it under `apps/anthropic`: the registration. */
import type { Clock } from '../../core/ports.ts';
import type { GenerationProtocol, ResourceRoute, Wire, WirePorts } from '../protocol.ts';
import { countTokensRoute } from './count-tokens.ts';
import { decodeMessagesRequest, type FindCard } from './decode.ts';
import { encodeMessagesResult, MessagesEncoder, PING_FRAME } from './encode.ts';
import { encodeMessagesError, wireRequestId } from './errors.ts';
import { modelRoutes } from './models.ts';
import { messagesRateLimitHeaders } from './rate-limits.ts';

const ID = 'anthropic-messages';

/** The service's own prefix. */
const PREFIX = '/apps/anthropic';

/** The path, what clients make of a base URL with too little or too much of `/v1`, and Anthropic's own for a bare host. */
const MESSAGES_PATHS = [`${PREFIX}/v1/messages`, `${PREFIX}/messages`, `${PREFIX}/v1/v1/messages`, '/v1/messages'];
const MODELS_PREFIXES = [`${PREFIX}/v1`, PREFIX];

function generationOf(findCard: FindCard, clock: Clock): GenerationProtocol {
  return {
    id: ID,
    paths: MESSAGES_PATHS,
    decodeRequest: (body) => decodeMessagesRequest(body, findCard),
    createEncoder: () => new MessagesEncoder(),
    encodeResult: encodeMessagesResult,
    encodeError: encodeMessagesError,
    keepAliveFrame: PING_FRAME,
    replyHeaders: (requestId, _plan, rateLimits) => ({
      'request-id': wireRequestId(requestId),
      ...messagesRateLimitHeaders(rateLimits, clock.now()),
    }),
  };
}

/** Claude Code warms its connection up with this; any answer will do. */
const HELLO: ResourceRoute = {
  method: 'HEAD',
  path: `${PREFIX}/api/hello`,
  isPublic: true,
  handle: () => ({ status: 200 }),
};

/** Messages, `count_tokens` beside each of its paths, and the models. */
export function createAnthropicMessagesWire(ports: WirePorts): Wire {
  const { findCard } = ports;
  return {
    id: ID,
    prefixes: [PREFIX, '/v1/messages'],
    generations: [generationOf(findCard, ports.clock)],
    resources: [
      ...MESSAGES_PATHS.map((path) => countTokensRoute(path, ports, findCard)),
      ...MODELS_PREFIXES.flatMap((prefix) => modelRoutes(prefix, ports)),
      HELLO,
    ],
    sockets: [],
    encodeError: encodeMessagesError,
  };
}
