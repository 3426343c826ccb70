/**
 * Other names of models. A model is looked up in two places, the catalogue and the router; both are wrapped here, so that
 * every wire knows the names and none knows that they are others. Replies keep the name that was asked for.
 */
import { idMatcher } from '../core/id-pattern.ts';
import type { ModelCard, ModelCatalogue } from '../core/models.ts';
import type { Router } from '../core/ports.ts';

export interface ModelAlias {
  /** An id, or a pattern with `*`. */
  readonly pattern: string;
  /** The model it stands for. */
  readonly model: string;
  /** Only for ids that nothing else answers. */
  readonly isFallback: boolean;
}

export interface Aliased {
  readonly catalogue: ModelCatalogue;
  readonly router: Router;
  /** The model that an id stands for: itself, unless it is another name. */
  modelOf(id: string): string;
}

/** A catalogue and a router that know the aliases, the first that matches first. */
export function withAliases(aliases: readonly ModelAlias[], catalogue: ModelCatalogue, router: Router): Aliased {
  const known = aliases.map((alias) => ({ ...alias, matches: idMatcher(alias.pattern) }));
  const isAnswered = (id: string): boolean => router.resolve(id, catalogue.find(id)) !== undefined;
  const modelOf = (id: string): string => {
    const alias = known.find(({ matches, isFallback }) => matches(id) && !(isFallback && isAnswered(id)));
    return alias?.model ?? id;
  };
  const find = (id: string): ModelCard | undefined => {
    const model = modelOf(id);
    const card = catalogue.find(model);
    return card && model !== id ? { ...card, id } : card;
  };
  const names = aliases.filter(({ pattern }) => !pattern.includes('*') && !catalogue.find(pattern));
  return {
    modelOf,
    catalogue: {
      find,
      list: () => [...names.flatMap(({ pattern }) => find(pattern) ?? []), ...catalogue.list()],
    },
    router: {
      resolve: (id, card) => {
        const model = modelOf(id);
        const route = router.resolve(model, card);
        return route && model !== id ? { ...route, isStandIn: true } : route;
      },
    },
  };
}
