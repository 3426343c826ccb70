/** Finds what the catalogue knows of the model and who answers for it; everything after relies on both. */
import { modelNotFound, StudioError } from '../../core/errors.ts';
import type { ModelCard, ModelCatalogue } from '../../core/models.ts';
import type { Router } from '../../core/ports.ts';
import type { Feature } from '../feature.ts';

export interface ResolveModelPorts {
  readonly catalogue: ModelCatalogue;
  readonly router: Router;
  /** What is known of a model that the catalogue has not: a configured own model, a scripted behaviour. */
  readonly ownModel?: ((id: string) => Partial<ModelCard> | undefined) | undefined;
}

/** Characters no model name has; `?=&` are for the parameters of scripted behaviours. */
const MALFORMED_NAME = /[^\w.\-:/@+?=&%,~]/u;
const MAX_NAME_LENGTH = 256;

/** Sets `context.card` and `context.route`, or refuses the model in the vendor's words (Error messages, 400 and 404). */
export function resolveModel(ports: ResolveModelPorts): Feature {
  return {
    name: 'resolve-model',
    apply(request, context, next) {
      const id = request.model;
      if (id === '' || id.length > MAX_NAME_LENGTH || MALFORMED_NAME.test(id))
        throw new StudioError('invalid-parameter', 'Model not exist.', { param: 'model' });
      const known = ports.catalogue.find(id);
      const route = ports.router.resolve(id, known);
      if (!route) throw modelNotFound(id);
      context.card = known ?? { ...permissiveCard(id), ...ports.ownModel?.(id) };
      context.route = route;
      return next(request, context);
    },
  };
}

/**
 * A card for a model nobody described: everything is allowed, nothing is bounded, thinking is off until asked for. The
 * backend that answers knows its own limits.
 */
export function permissiveCard(id: string): ModelCard {
  return {
    id,
    entryId: id,
    name: id,
    family: 'own',
    owner: 'own',
    kinds: ['chat'],
    status: 'current',
    isOpenWeights: false,
    releasedAtSeconds: 0,
    inputModalities: ['text', 'image', 'video', 'audio'],
    thinking: 'hybrid-default-off',
    thinkingBudgetMax: Number.MAX_SAFE_INTEGER,
    isThinkingBudgetSettable: true,
    reasoningEfforts: ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'],
    preservesThinking: true,
    streamRequired: 'no',
    contextWindow: null,
    maxInput: null,
    maxInputThinking: null,
    maxOutput: null,
    maxOutputIncludesReasoning: false,
    abilities: {
      tools: true,
      parallelTools: true,
      jsonObject: true,
      jsonSchema: true,
      partialMode: true,
      logprobs: true,
      fim: true,
      webSearch: true,
      codeInterpreter: true,
      vision: true,
      video: true,
    },
    defaultSampling: {
      temperature: null,
      temperatureThinking: null,
      topP: null,
      topPThinking: null,
      topK: null,
      repetitionPenalty: null,
      presencePenalty: null,
    },
    surfaces: { chat: true, responses: true, messages: true },
  };
}
