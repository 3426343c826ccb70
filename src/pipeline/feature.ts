/**
 * A feature: one thing every wire gets, written once, in one file of `pipeline/features/`.
 *
 * It is called with the request, the call's context and `next`, which runs the features after it and at last the
 * backend. A feature may
 * - refuse: throw a StudioError before calling `next` (nothing has been spent then);
 * - change the request: `return next({ ...request, … }, context)`, which costs nothing per event;
 * - watch or change events: be an async generator around `next(…)`, clean up in `finally`;
 * - call `next` more than once (choices, the tool loop) and join the streams so that the grammar of
 *   `core/events.ts` holds: one start, one terminal event.
 *
 * It never asks which wire called, and never throws across a stream: after the first event a failure is an `error`
 * event. One that needs a store, the ledger or a server tool is a factory that takes the port.
 */

import type { GenerationStream } from '../core/events.ts';
import type { GenerationRequest } from '../core/generation.ts';
import type { CallContext } from '../core/ports.ts';

export type Generate = (request: GenerationRequest, context: CallContext) => GenerationStream;

export interface Feature {
  /** The file's name; in logs and in the pinned-order test. */
  readonly name: string;
  readonly apply: (request: GenerationRequest, context: CallContext, next: Generate) => GenerationStream;
}
