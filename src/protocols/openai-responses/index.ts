/** Responses as Model Studio serves them under `compatible-mode`, and as OpenAI's clients expect them: the registration. */

import { combinedErrorReply } from '../openai-combined-errors.ts';
import type { GenerationProtocol, Wire, WirePorts } from '../protocol.ts';
import { openAiRateLimitHeaders } from '../rate-limit-headers.ts';
import { every, hourly } from '../regular-work.ts';
import { COMMENT_KEEP_ALIVE } from '../sse.ts';
import { compactionProtocol } from './compact.ts';
import { type DecodePorts, decodeResponseRequest } from './decode.ts';
import { encodeResponse, ResponseEncoder } from './encode.ts';
import {
  acceptedResponse,
  compareWithStored,
  type HistoryPorts,
  type Memory,
  prepareResponse,
  requestIdOf,
  settleResponse,
} from './history.ts';
import { LiveResponses } from './live.ts';
import type { Dialect, ResponsePlan } from './plan.ts';
import { responseRoutes } from './resource.ts';
import { TurnLocks } from './turn-locks.ts';
import { responseSocket } from './websocket.ts';

const ID = 'openai-responses';

/** The service's paths, the older ones "announced as going away", and OpenAI's for clients that only take a host. */
const PREFIXES: { readonly [dialect in Exclude<Dialect, 'socket'>]: readonly string[] } = {
  vendor: ['/compatible-mode/v1', '/api/v2/apps/protocols/compatible-mode/v1'],
  openai: ['/v1'],
};
const DIALECTS = ['vendor', 'openai'] as const;

function pathsOf(dialect: (typeof DIALECTS)[number], below = ''): string[] {
  return PREFIXES[dialect].map((prefix) => `${prefix}/responses${below}`);
}

/** `…/responses` with everything below it, also as a socket. */
export function createOpenAiResponsesWire(ports: WirePorts): Wire {
  const history = historyPorts(ports);
  const decode: DecodePorts = { catalogue: ports.catalogue, open: ports.sealer.open };
  const generation = (
    paths: readonly string[],
    dialect: Dialect,
    memory?: Memory,
  ): GenerationProtocol<ResponsePlan> => ({
    id: ID,
    paths,
    decodeRequest: (body, info) => decodeResponseRequest(body, info, dialect, decode),
    prepare: (decoded, _info, signal) => prepareResponse(decoded, history, memory, signal),
    settle: (plan, result) => settleResponse(plan, result, history, memory),
    createEncoder: (plan) => new ResponseEncoder(plan, history.seal),
    encodeResult: (result, plan) => encodeResponse(result, plan, history.seal),
    encodeAccepted: (plan) => (plan.isBackground && !plan.isStreaming ? acceptedResponse(plan) : undefined),
    encodeError: combinedErrorReply,
    keepAliveFrame: dialect === 'socket' ? '' : COMMENT_KEEP_ALIVE,
    replyHeaders: (_requestId, _plan, rateLimits) => openAiRateLimitHeaders(rateLimits),
  });
  const resources = { wire: ports, history, decode };
  return {
    id: ID,
    prefixes: DIALECTS.flatMap((dialect) => pathsOf(dialect)),
    generations: DIALECTS.flatMap((dialect) => [
      generation(pathsOf(dialect), dialect),
      compactionProtocol(pathsOf(dialect, '/compact'), dialect, { decode, history }),
    ]),
    resources: DIALECTS.flatMap((dialect) =>
      PREFIXES[dialect].flatMap((prefix) => responseRoutes(prefix, dialect, resources)),
    ),
    sockets: DIALECTS.flatMap((dialect) => pathsOf(dialect)).map((path) =>
      responseSocket(path, { ...resources, generation: (memory) => generation([], 'socket', memory) }),
    ),
    encodeError: combinedErrorReply,
    work: sweeping(ports, history),
  };
}

function historyPorts(ports: WirePorts): HistoryPorts {
  const { responses, conversations, sealer, clock, responseRetentionMs } = ports;
  return {
    clock,
    responses,
    conversations,
    live: new LiveResponses(),
    locks: new TurnLocks(conversations, clock),
    retentionMs: responseRetentionMs,
    seal: sealer.seal,
    open: sealer.open,
    hasModel: (id, region) => ports.findCard(id)?.terms[region] !== undefined,
  };
}

/** How often is looked for what other servers have cancelled or left behind. */
const LOOK_MS = 5000;

/** At the start what the last process left unfinished has failed; what has expired goes, then and every hour. */
function sweeping({ clock, log, responses, running }: WirePorts, history: HistoryPorts): NonNullable<Wire['work']> {
  const look = async (): Promise<void> => {
    const count = await compareWithStored(history, (responseId) => running.cancel(requestIdOf(responseId)));
    if (count > 0) log.warn({ responses: count }, 'background responses were interrupted by the end of their server');
  };
  const looks = every(LOOK_MS, look, log, 'background responses could not be compared with what is stored');
  const sweeps = hourly(() => responses.deleteExpired(clock.now()), log);
  return {
    start() {
      looks.start();
      sweeps.start();
    },
    stop: async () => {
      await Promise.all([looks.stop(), sweeps.stop()]);
    },
  };
}
