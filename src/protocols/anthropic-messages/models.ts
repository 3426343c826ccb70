/**
 * `GET /models` and `GET /models/{id}` in Anthropic's form. The service answers 404 here; clients that look models up are
 * better off with the list (docs/wires/anthropic-messages.md).
 */
import { modelNotFound } from '../../core/errors.ts';
import type { ListedModel, ResourceReply, ResourceRoute, WirePorts } from '../protocol.ts';
import { wireRequestId } from './errors.ts';
import { refuseAt } from './schema.ts';

/** "List models": page sizes. */
const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1000;

/** The routes below one prefix, e.g. `/apps/anthropic/v1`. Ids may contain slashes. */
export function modelRoutes(prefix: string, ports: WirePorts): ResourceRoute[] {
  return [
    {
      method: 'GET',
      path: `${prefix}/models`,
      handle: ({ query, requestId, account }) => reply(requestId, pageOf(ports.listModels(account), query)),
    },
    {
      method: 'GET',
      path: `${prefix}/models/*`,
      handle: ({ params, requestId, account }) => {
        const id = params['*'] ?? '';
        const model = ports.findModel(id, account);
        if (!model) throw modelNotFound(id);
        return reply(requestId, encodeModel(model));
      },
    },
  ];
}

function reply(requestId: string, body: object): ResourceReply {
  return { status: 200, headers: { 'request-id': wireRequestId(requestId) }, body };
}

/** A page behind `after_id` or before `before_id`; an id that is not listed gives the first page. */
function pageOf(models: readonly ListedModel[], query: URLSearchParams): object {
  const limit = limitOf(query);
  const indexOf = (name: string): number => models.findIndex(({ card }) => card.id === query.get(name));
  const before = indexOf('before_id');
  const start = before < 0 ? indexOf('after_id') + 1 : Math.max(0, before - limit);
  const end = before < 0 ? start + limit : before;
  const data = models.slice(start, end).map(encodeModel);
  return {
    data,
    has_more: before < 0 ? end < models.length : start > 0,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  };
}

function limitOf(query: URLSearchParams): number {
  const asked = query.get('limit');
  if (asked === null) return DEFAULT_LIMIT;
  const limit = Number(asked);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    refuseAt(['limit'], `Input should be a whole number from 1 to ${MAX_LIMIT}`);
  return limit;
}

/** `max_input_tokens` and `max_tokens` are as new as the SDK's newest types; null where the catalogue does not know. */
function encodeModel({ card, servedBy, isStandIn }: ListedModel) {
  return {
    type: 'model',
    id: card.id,
    display_name: card.name,
    created_at: new Date(card.releasedAtSeconds * 1000).toISOString().replace('.000Z', 'Z'),
    max_input_tokens: card.maxInput ?? card.contextWindow,
    max_tokens: card.maxOutput,
    served_by: servedBy ?? null,
    is_stand_in: isStandIn,
  };
}
