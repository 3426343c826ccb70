/** `POST …/messages/count_tokens`: the input tokens a request would cost, without generating (reference §11). */
import type { ResourceRoute, WirePorts } from '../protocol.ts';
import { decodeCountRequest, type FindCard } from './decode.ts';
import { wireRequestId } from './errors.ts';

/** The route beside a path of messages. */
export function countTokensRoute(messagesPath: string, ports: WirePorts, findCard: FindCard): ResourceRoute {
  return {
    method: 'POST',
    path: `${messagesPath}/count_tokens`,
    handle: async ({ body, requestId, account }) => {
      const tokens = await ports.tokens.countInput(decodeCountRequest(body, findCard), account);
      return { status: 200, headers: { 'request-id': wireRequestId(requestId) }, body: { input_tokens: tokens } };
    },
  };
}
