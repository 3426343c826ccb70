/** Composes the features of `order.ts` around the backend. */
import { StudioError } from '../core/errors.ts';
import type { Feature, Generate } from './feature.ts';

/** The features, outermost first, around `generate`. */
export function createPipeline(features: readonly Feature[], generate: Generate): Generate {
  return features.reduceRight<Generate>(
    (next, feature) => (request, context) => feature.apply(request, context, next),
    generate,
  );
}

/** The innermost step: whoever the route names. */
export const generateByRoute: Generate = (request, context) => {
  if (!context.route) throw new StudioError('internal', undefined, { cause: new Error('no route was resolved') });
  return context.route.backend.generate(request, context);
};
