/**
 * `GET /models` and `GET /models/{id}`: OpenAI's list, and beside its members what a self-hosted service has to tell:
 * who would answer, and what the catalogue knows of the model.
 */
import { modelNotFound } from '../../core/errors.ts';
import type { ListedModel, ResourceRoute, WirePorts } from '../protocol.ts';

/** The routes below one prefix, e.g. `/v1`. Ids may contain slashes. */
export function modelRoutes(prefix: string, ports: WirePorts): ResourceRoute[] {
  return [
    {
      method: 'GET',
      path: `${prefix}/models`,
      handle: ({ account }) => ({
        status: 200,
        body: { object: 'list', data: ports.listModels(account).map(encodeModel) },
      }),
    },
    {
      method: 'GET',
      path: `${prefix}/models/*`,
      handle: ({ params, account }) => {
        const id = params['*'] ?? '';
        const model = ports.findModel(id, account);
        if (!model) throw modelNotFound(id);
        return { status: 200, body: encodeModel(model) };
      },
    },
  ];
}

function encodeModel({ card, servedBy, isStandIn }: ListedModel): object {
  return {
    id: card.id,
    object: 'model',
    created: card.releasedAtSeconds,
    owned_by: card.owner,
    name: card.name,
    served_by: servedBy ?? null,
    is_stand_in: isStandIn,
    context_window: card.contextWindow,
    max_input_tokens: card.maxInput,
    max_output_tokens: card.maxOutput,
    thinking_mode: card.thinking,
    input_modalities: card.inputModalities,
    abilities: Object.entries(card.abilities)
      .filter(([, isAble]) => isAble)
      .map(([ability]) => snakeCase(ability)),
  };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
