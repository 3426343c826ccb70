/** DashScope's native API, below `/api/v1` and, as a WebSocket, `/api-ws/v1`: the registration. */
import type { NativeService } from '../../core/models.ts';
import type { GenerationProtocol, Wire, WirePorts } from '../protocol.ts';
import { COMMENT_KEEP_ALIVE } from '../sse.ts';
import { type DashScopeReplyPlan, type DecodePorts, decodeGeneration } from './decode.ts';
import { DashScopeEncoder, encodeDashScopeResult } from './encode.ts';
import { PayloadKeys, publicKeyRoutes } from './encryption.ts';
import { encodeError } from './errors.ts';
import { nativeFileRoutes } from './files.ts';
import { modelRoutes } from './models.ts';
import { retention } from './retention.ts';
import { taskRoutes } from './tasks.ts';
import { temporaryKeyRoutes } from './temporary-keys.ts';
import { tokenizerRoutes } from './tokenizer.ts';
import { uploadRoutes } from './uploads.ts';
import { inferenceSocket } from './websocket.ts';

const ID = 'dashscope';
const PREFIX = '/api/v1';
const SOCKET_PREFIX = '/api-ws/v1';

/** Text models at one path, models that see or hear at the other. */
const SERVICES: readonly NativeService[] = ['text-generation', 'multimodal-generation'];

/** Tells the Java SDK that `output` is sealed (dashscope-native reference §12). */
const SEALED = 'x-dashscope-outputencrypted';

/** The protocol of one service. */
export function generationOf(service: NativeService, ports: DecodePorts): GenerationProtocol<DashScopeReplyPlan> {
  return {
    id: ID,
    paths: [`${PREFIX}/services/aigc/${service}/generation`],
    decodeRequest: (body, info) => decodeGeneration(service, body, info, ports),
    createEncoder: (plan) => new DashScopeEncoder(plan),
    encodeResult: encodeDashScopeResult,
    encodeError: (error, requestId, plan, headers) => {
      const refusal = encodeError(error, requestId, headers);
      // Errors are never sealed, whatever the reply would have been.
      return plan?.cipher ? { ...refusal, headers: { ...refusal.headers, [SEALED]: 'false' } } : refusal;
    },
    keepAliveFrame: COMMENT_KEEP_ALIVE,
    replyHeaders: (_requestId, plan): { readonly [name: string]: string } => (plan?.cipher ? { [SEALED]: 'true' } : {}),
  };
}

/** Generation, tokens, models, keys, uploads, tasks and files of the native API. */
export function createDashScopeWire(ports: WirePorts): Wire {
  const keys = new PayloadKeys();
  const decoding: DecodePorts = { findCard: ports.findCard, keys };
  return {
    id: ID,
    prefixes: [PREFIX, SOCKET_PREFIX],
    generations: SERVICES.map((service) => generationOf(service, decoding)),
    resources: [
      ...tokenizerRoutes(PREFIX, ports),
      ...modelRoutes(PREFIX, ports),
      ...publicKeyRoutes(PREFIX, keys),
      ...uploadRoutes(PREFIX, ports),
      ...taskRoutes(PREFIX, ports),
      ...temporaryKeyRoutes(PREFIX, ports),
      ...nativeFileRoutes(ports),
    ],
    sockets: [inferenceSocket({ ...ports, protocolOf: (service) => generationOf(service, decoding) })],
    encodeError,
    work: retention(ports),
  };
}
