/** `GET /models`: the catalogue by pages, or one model of it (dashscope-native reference §13; the items are unrecorded). */
import { StudioError } from '../../core/errors.ts';
import type { ListedModel, ResourceRoute, WirePorts } from '../protocol.ts';

const DEFAULT_PAGE_SIZE = 10;
const MAX_PAGE_SIZE = 100;

export function modelRoutes(prefix: string, ports: Pick<WirePorts, 'listModels' | 'findModel'>): ResourceRoute[] {
  return [
    {
      method: 'GET',
      path: `${prefix}/models`,
      handle: ({ query, requestId }) => {
        const page = numberOf(query, 'page_no', 1, Number.MAX_SAFE_INTEGER);
        const size = numberOf(query, 'page_size', DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
        const models = modelsOf(query.get('model'), ports);
        const output = {
          total: models.length,
          page_no: page,
          page_size: size,
          models: models.slice((page - 1) * size, page * size).map(encodeModel),
        };
        return { status: 200, body: { output, request_id: requestId } };
      },
    },
  ];
}

function modelsOf(asked: string | null, ports: Pick<WirePorts, 'listModels' | 'findModel'>): readonly ListedModel[] {
  if (asked === null || asked === '') return ports.listModels();
  const found = ports.findModel(asked);
  return found ? [found] : [];
}

function numberOf(query: URLSearchParams, name: string, fallback: number, highest: number): number {
  const text = query.get(name);
  if (text === null || text === '') return fallback;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= highest))
    throw new StudioError('invalid-parameter', `Range of ${name} should be [1, ${highest}]`);
  return value;
}

/** Readers take the id from `model` or from `name`. */
function encodeModel({ card, servedBy, isStandIn }: ListedModel): object {
  return {
    model: card.id,
    name: card.id,
    display_name: card.name,
    owner: card.owner,
    model_info: {
      context_window: card.contextWindow,
      max_input_tokens: card.maxInput,
      max_output_tokens: card.maxOutput,
    },
    capabilities: card.kinds,
    input_modalities: card.inputModalities,
    thinking_mode: card.thinking,
    service: card.surfaces.native ?? null,
    served_by: servedBy ?? null,
    is_stand_in: isStandIn,
  };
}
