/** Which backend answers a model id: the configured map first, then the rules of the house. */
import { idMatcher } from '../core/id-pattern.ts';
import type { ModelCard } from '../core/models.ts';
import type { Backend, Route, Router } from '../core/ports.ts';

/** One line of the configured map, in the order to try. `*` in a pattern matches anything. */
export interface RouteRule {
  readonly pattern: string;
  readonly backend: Backend;
  /** The model's name at the backend; absent: the caller's own id. */
  readonly target?: string | undefined;
}

/** Weights on this machine. */
export interface LocalBackend {
  readonly backend: Backend;
  readonly weightsName: string;
  /** The API model that the weights really are. */
  readonly modelId?: string | undefined;
}

export interface RouterOptions {
  readonly rules: readonly RouteRule[];
  /** Answers `scripted/…` ids, whatever the map says of other ids. */
  readonly scripted: Backend;
  /** Answers every catalogue model with the scripted echo. */
  readonly isScriptedOnly: boolean;
  /** Local weights, each answering its own names; the first is a stand-in for every text model of the catalogue. */
  readonly locals?: readonly LocalBackend[] | undefined;
  /** Takes every id that nothing else answers; set when the server is a pure gateway to one upstream. */
  readonly gateway?: Backend | undefined;
}

/** A router over the given backends. */
export function createRouter(options: RouterOptions): Router {
  const rules = options.rules.map((rule) => ({ ...rule, matches: idMatcher(rule.pattern) }));
  return {
    resolve(model: string, card: ModelCard | undefined): Route | undefined {
      const rule = rules.find(({ matches }) => matches(model));
      if (rule) return routeTo(rule.backend, rule.target ?? model, model, options);
      if (model.startsWith('scripted/')) return routeTo(options.scripted, model, model, options);
      if (options.isScriptedOnly) return card ? routeTo(options.scripted, 'scripted/echo', model, options) : undefined;
      const own = options.locals?.find(({ weightsName, modelId }) => model === weightsName || model === modelId);
      const local = own ?? (card && options.locals?.[0]);
      if (local) return routeTo(local.backend, local.weightsName, model, options);
      if (options.gateway) return routeTo(options.gateway, model, model, options);
      return undefined;
    },
  };
}

function routeTo(backend: Backend, target: string, model: string, { locals }: RouterOptions): Route {
  const local = locals?.find((each) => each.backend === backend);
  const name = local?.weightsName ?? target;
  return {
    backend,
    target: name,
    servedBy: name.startsWith(`${backend.id}/`) ? name : `${backend.id}/${name}`,
    isStandIn: name !== model && (local === undefined || local.modelId !== model),
  };
}
