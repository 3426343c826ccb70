/**
 * Whether an answer opens with a call, for weights that were not trained to decide it: what they begin with at temperature
 * 0 (`call-decision.ts`), weighed against how well the function fits the request (`fit-check.ts`).
 *
 *     they call      and the function fits, well if unsurely       → that call
 *                    and it does not, but another fits well        → a call of that
 *                    and none does                                 → an answer made without functions
 *     they answer    and were not near to calling                  → that answer
 *                    and were, and the function fits very well     → a call of it
 *
 * The jobs run one after the other, so that one place in the queue is enough.
 */
import { functionTools } from '../../core/generation.ts';
import {
  type AcceptedMessage,
  answeredCallsOf,
  type ClearDecision,
  type Decision,
  decisionOf,
  decisionPlanOf,
  namingPlanOf,
} from './call-decision.ts';
import type { PlanInput } from './decode-plan.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { type FitBounds, type FitCheck, fitBoundsOf, isFit, isFitInstead, isVeryFit } from './fit-check.ts';

export type CallChoice =
  | ClearDecision
  | Extract<Decision, { kind: 'ended' }>
  /** The function that was called, or just was, is none to call. */
  | { readonly kind: 'without-calls' };

type CallDecision = Extract<Decision, { kind: 'call' }>;

export interface Chooser {
  readonly input: PlanInput;
  readonly weightsName: string;
  readonly fitCheck: Pick<FitCheck, 'fitOf'>;
  readonly start: (plan: DecodePlan) => Job;
  readonly signal: AbortSignal;
}

/** How `plan` is to open. Undefined when there is nothing to choose, or the caller left. */
export async function chooseCall(plan: DecodePlan, chooser: Chooser): Promise<CallChoice | undefined> {
  const { input, start, signal } = chooser;
  const answered = answeredCallsOf(input.request.turns);
  const bounds = fitBoundsOf(input, chooser.weightsName);
  const decisionPlan = decisionPlanOf(plan, input.spelling, answered, bounds !== undefined);
  if (!decisionPlan || signal.aborted) return undefined;
  const decision = await decisionOf(start(decisionPlan), answered, plan.logprobs);
  if (!decision || signal.aborted) return undefined;
  switch (decision.kind) {
    case 'repeat':
      return { kind: 'without-calls' };
    case 'call':
      if (!bounds || (await fits(decision, bounds, chooser))) return decision;
      return (await otherCall(decision, bounds, chooser)) ?? { kind: 'without-calls' };
    case 'text': {
      const isNear = bounds?.uncalled !== undefined && (decision.callChance ?? 0) >= bounds.uncalled.chance;
      return isNear ? ((await missedCall(plan, decision.accepted, bounds, chooser)) ?? decision) : decision;
    }
    default:
      return decision;
  }
}

/** An engine that tells no probabilities cannot be asked, and a call it decided on stands. */
async function fits(
  { name, callChance }: CallDecision,
  bounds: FitBounds,
  { fitCheck, input, start, signal }: Chooser,
): Promise<boolean> {
  const fit = await fitCheck.fitOf(name, input, start, signal);
  return fit === undefined || isFit(fit, bounds, callChance);
}

/** Looked at in place of one that does not fit; each costs what a look at that one cost. */
const MAX_OTHERS = 3;

/** A call of the function that fits best, where it fits well and the one that was named does not. */
async function otherCall(
  decision: CallDecision,
  bounds: FitBounds,
  { fitCheck, input, start, signal }: Chooser,
): Promise<CallDecision | undefined> {
  const others = functionTools(input.request).filter(({ name }) => name !== decision.name);
  if (others.length > MAX_OTHERS) return undefined;
  let best: { readonly name: string; readonly share: number } | undefined;
  for (const { name } of others) {
    const fit = await fitCheck.fitOf(name, input, start, signal);
    if (signal.aborted) return undefined;
    if (fit && isFitInstead(fit, bounds) && fit.name > (best?.share ?? 0)) best = { name, share: fit.name };
  }
  return best && { ...decision, name: best.name, isOnly: true };
}

/** The call that the weights did not make although all speaks for it. */
async function missedCall(
  plan: DecodePlan,
  accepted: AcceptedMessage,
  bounds: FitBounds,
  { fitCheck, input, start, signal }: Chooser,
): Promise<ClearDecision | undefined> {
  const [only, ...others] = functionTools(input.request);
  const named = others.length === 0 ? only : await decisionOf(start(namingPlanOf(plan)), []);
  if (named === undefined || !('name' in named) || signal.aborted) return undefined;
  const fit = await fitCheck.fitOf(named.name, input, start, signal);
  return fit !== undefined && isVeryFit(fit, bounds) ? { kind: 'call', name: named.name, accepted } : undefined;
}
