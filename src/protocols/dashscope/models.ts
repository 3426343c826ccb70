/** `GET /models`: the catalogue by pages, or one model of it (dashscope-native reference §13; the items are unrecorded). */
import { StudioError } from '../../core/errors.ts';
import type { ModelCard } from '../../core/models.ts';
import type { Account } from '../../core/ports.ts';
import type { Region } from '../../core/regions.ts';
import type { ListedModel, ResourceRoute, WirePorts } from '../protocol.ts';

const DEFAULT_PAGE_SIZE = 10;
const MAX_PAGE_SIZE = 100;

export function modelRoutes(prefix: string, ports: Pick<WirePorts, 'listModels' | 'findModel'>): ResourceRoute[] {
  return [
    {
      method: 'GET',
      path: `${prefix}/models`,
      handle: ({ query, requestId, account }) => {
        const page = numberOf(query, 'page_no', 1, Number.MAX_SAFE_INTEGER);
        const size = numberOf(query, 'page_size', DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
        const models = modelsOf(query.get('model'), account, ports);
        const output = {
          total: models.length,
          page_no: page,
          page_size: size,
          models: models.slice((page - 1) * size, page * size).map((model) => encodeModel(model, account.region)),
        };
        return { status: 200, body: { output, request_id: requestId } };
      },
    },
  ];
}

function modelsOf(
  asked: string | null,
  account: Account,
  ports: Pick<WirePorts, 'listModels' | 'findModel'>,
): readonly ListedModel[] {
  if (asked === null || asked === '') return ports.listModels(account);
  const found = ports.findModel(asked, account);
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
function encodeModel({ card, servedBy, isStandIn }: ListedModel, region: Region): object {
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
    prices: encodePrices(card, region),
    served_by: servedBy ?? null,
    is_stand_in: isStandIn,
  };
}

const PICO_PER_YUAN_A_MILLION = 1_000_000;

/** By the length of the prompt: what a million tokens cost, in yuan. Readers know of a list and no more; the names are ours. */
function encodePrices({ terms, thinking }: ModelCard, region: Region): object[] {
  return (terms[region]?.prices?.tiers ?? []).map(
    ({ overTokens, upToTokens, inputPico, outputPico, outputThinkingPico }) => ({
      over_tokens: overTokens,
      up_to_tokens: upToTokens,
      currency: 'CNY',
      input: inputPico / PICO_PER_YUAN_A_MILLION,
      output: outputPico / PICO_PER_YUAN_A_MILLION,
      ...(thinking === 'none' ? {} : { thinking_output: outputThinkingPico / PICO_PER_YUAN_A_MILLION }),
    }),
  );
}
