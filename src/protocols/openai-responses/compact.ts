/**
 * `POST …/responses/compact`: a conversation put in few words by the model, to be sent back instead of its older part
 * (responses-and-tools reference §10, §13). What the client gets is sealed: it is the model's note to itself.
 */
import type { GenerationResult } from '../../core/assemble.ts';
import { StudioError } from '../../core/errors.ts';
import type { StoredItem } from '../../core/responses.ts';
import { combinedErrorReply } from '../openai-combined-errors.ts';
import type { MessageItem } from '../openai-items.ts';
import { isObject } from '../parameters.ts';
import type { Decoded, GenerationProtocol } from '../protocol.ts';
import { openAiRateLimitHeaders } from '../rate-limit-headers.ts';
import { COMMENT_KEEP_ALIVE } from '../sse.ts';
import { type DecodePorts, decodeResponseRequest } from './decode.ts';
import { ResponseEncoder, type Seal } from './encode.ts';
import { continued, type HistoryPorts } from './history.ts';
import type { Dialect, ResponsePlan } from './plan.ts';
import { outputItemId } from './response.ts';
import { encodeUsage } from './usage.ts';

/** What is asked of the model, behind the conversation. */
const REQUEST_FOR_SUMMARY =
  'Write a summary of this conversation for yourself, from which you can go on when you no longer see it. Keep what was asked and decided, names, numbers, file names, code and open questions; leave out what led nowhere. Write nothing but the summary.';

/** The members of the body that mean something here; a compaction is neither stored nor streamed. */
const READ_MEMBERS = ['model', 'input', 'instructions', 'previous_response_id', 'prompt_cache_key'] as const;

/** The generation behind `…/responses/compact` of one dialect. */
export function compactionProtocol(
  paths: readonly string[],
  dialect: Dialect,
  ports: { readonly decode: DecodePorts; readonly history: HistoryPorts },
): GenerationProtocol<ResponsePlan> {
  const { seal } = ports.history;
  return {
    id: 'openai-responses',
    paths,
    decodeRequest(body, info) {
      if (!isObject(body)) throw new StudioError('malformed-body');
      const members = READ_MEMBERS.flatMap((name) => (body[name] === undefined ? [] : [[name, body[name]]]));
      return decodeResponseRequest({ ...Object.fromEntries(members), store: false }, info, dialect, ports.decode);
    },
    prepare: async (decoded) => withRequestForSummary(await continued(decoded, ports.history, undefined)),
    createEncoder: (plan) => new ResponseEncoder(plan, seal),
    encodeResult: (result, plan) => encodeCompaction(result, plan, seal),
    encodeError: combinedErrorReply,
    keepAliveFrame: COMMENT_KEEP_ALIVE,
    replyHeaders: (_requestId, _plan, rateLimits) => openAiRateLimitHeaders(rateLimits),
  };
}

function withRequestForSummary({ request, plan }: Decoded<ResponsePlan>): Decoded<ResponsePlan> {
  const asked = { role: 'user', parts: [{ type: 'text', text: REQUEST_FOR_SUMMARY }] } as const;
  return { request: { ...request, turns: [...request.turns, asked] }, plan };
}

/** What users said stays as it is; the summary stands behind it. */
function encodeCompaction(result: GenerationResult, plan: ResponsePlan, seal: Seal): object {
  const summary = result.choices[0]?.blocks.reduce(
    (text, block) => (block.type === 'text' ? text + block.text : text),
    '',
  );
  if (!summary?.trim()) throw new StudioError('engine-failed', 'The model wrote no summary.');
  const said = [...(plan.state?.history.items ?? []), ...plan.input].filter(isUserMessage);
  const compaction: StoredItem = {
    id: outputItemId(plan, 'compaction', said.length),
    type: 'compaction',
    encrypted_content: seal(plan, summary),
  };
  return {
    id: plan.responseId,
    object: 'response.compaction',
    created_at: Math.floor(plan.createdAtMs / 1000),
    output: [...said, compaction],
    usage: encodeUsage(result.usage),
  };
}

function isUserMessage(item: StoredItem): boolean {
  return item.type === 'message' && (item as MessageItem).role === 'user';
}
