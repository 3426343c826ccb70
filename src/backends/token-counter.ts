/** Answers questions about tokens by asking the backend that would answer the model. */
import { modelNotFound, StudioError } from '../core/errors.ts';
import type { GenerationRequest } from '../core/generation.ts';
import type { ModelCard, ModelCatalogue } from '../core/models.ts';
import type { Account, Route, Router, TokenCounter } from '../core/ports.ts';

/** What the pipeline makes of a request before a backend reads it. */
export type AsGenerated = (request: GenerationRequest, card: ModelCard | undefined, route: Route) => GenerationRequest;

/** A counter over the routes of a router. */
export function createTokenCounter(catalogue: ModelCatalogue, router: Router, asGenerated: AsGenerated): TokenCounter {
  const find = (model: string, { region }: Account): { card: ModelCard | undefined; route: Route } => {
    const card = catalogue.find(model);
    const route = router.resolve(model, card);
    if (!route || (card && !card.terms[region])) throw modelNotFound(model);
    return { card, route };
  };
  return {
    async countInput(request, account) {
      const { card, route } = find(request.model, account);
      const { backend } = route;
      if (!backend.countTokens) throw cannotTell(request.model);
      return backend.countTokens(asGenerated(request, card, route), route, card);
    },
    async tokenise(model, text, account) {
      const { route } = find(model, account);
      if (!route.backend.tokenise) throw cannotTell(model);
      return route.backend.tokenise(text, route);
    },
  };
}

function cannotTell(model: string): StudioError {
  return new StudioError('model-not-supported', `Tokens of \`${model}\` cannot be counted here`);
}
