/** The features, outermost first, a reason on each line. The order is pinned by `order.test.ts`. */
import type { ModelCard, ModelCatalogue } from '../core/models.ts';
import type { Router } from '../core/ports.ts';
import type { Feature } from './feature.ts';
import { type AdmissionPorts, admission } from './features/admission.ts';
import { type CallBodiesPorts, callBodies } from './features/call-bodies.ts';
import { choices } from './features/choices.ts';
import { contextCache } from './features/context-cache.ts';
import { type MeteringPorts, metering } from './features/metering.ts';
import { partialMode } from './features/partial-mode.ts';
import { resolveModel } from './features/resolve-model.ts';
import { structuredOutput } from './features/structured-output.ts';
import { thinking } from './features/thinking.ts';
import { type UploadsPorts, uploads } from './features/uploads.ts';
import { validation } from './features/validation.ts';

export interface FeaturePorts extends UploadsPorts, MeteringPorts, AdmissionPorts, CallBodiesPorts {
  readonly catalogue: ModelCatalogue;
  readonly router: Router;
  /** What is known of models the catalogue has not (see resolve-model). */
  readonly ownModel?: ((id: string) => Partial<ModelCard> | undefined) | undefined;
}

/** The pipeline's features in order. */
export function featuresInOrder(ports: FeaturePorts): Feature[] {
  return [
    metering(ports), // sees what the client sees, and settles however the call ends
    callBodies(ports), // the request as it was asked, refused or not, and by the id that metering gave its receipt
    resolveModel(ports), // every check below needs the card
    admission(ports), // as the service: who may not call, or calls too often, is not told what else is wrong
    validation, // refuse bad input before anything is spent
    uploads(ports), // reads files: not for what is refused, and before anybody looks at the parts again
    contextCache, // reads the marks as they were set, once a call: choices below it share one prompt
    thinking, // resolves the switch, which partial mode and the backend depend on
    partialMode, // needs to know that thinking is off
    choices, // runs what is below once a choice where the backend cannot
    structuredOutput, // innermost: looks at one choice's raw text
  ];
}

/**
 * The features of replay mode. What a recording answers was checked, changed and paid for where it was recorded: the
 * request has to reach the recordings as it was asked, and the answer has to come out as it was.
 */
export function featuresOfReplay(ports: FeaturePorts): Feature[] {
  return [
    metering(ports), // as ever: a receipt a call
    callBodies(ports), // as ever: bodies, of keys that keep them
    resolveModel(ports), // who answers, for the log and the headers
  ];
}
