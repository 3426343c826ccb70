/**
 * Finds what the catalogue knows of the model and who answers for it; everything after relies on both. A model that is not
 * in the caller's region is unknown there.
 */
import { modelNotFound, StudioError } from '../../core/errors.ts';
import { type ModelCard, type ModelCatalogue, permissiveCard } from '../../core/models.ts';
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
      const card = known ?? { ...permissiveCard(id), ...ports.ownModel?.(id) };
      if (!route || !card.terms[context.account.region]) throw modelNotFound(id);
      context.card = card;
      context.route = route;
      return next(request, context);
    },
  };
}
