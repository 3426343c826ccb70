/**
 * What a call would say, before it is made. Small weights fill in what nobody said so that a function fits after all: a caffeine
 * content of 10 for "the impact of sports on the brain". Arguments that must be given and that nothing in the conversation
 * stands for speak against a call, and those that are all said speak for it (docs/decisions/0019).
 */
import type { Json } from '../../core/generation.ts';
import { requiredPlanOf } from './call-decision.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';

/** Longer arguments are not looked at. */
const MAX_TOKENS = 192;

/** The plan of one call of the function `name`, as the answer would make it at temperature 0, whatever length that may have. */
export function argumentsPlanOf(plan: DecodePlan, name: string): DecodePlan {
  const required = requiredPlanOf(plan, MAX_TOKENS, name);
  const stages = required.stages.map((stage) => ({
    ...stage,
    calls: stage.calls && { ...stage.calls, isParallel: false },
  }));
  return { ...required, stages };
}

/** The arguments of the call that a job makes; undefined where it makes none to its end. */
export async function argumentsOf(job: Job): Promise<Json | undefined> {
  let text = '';
  for (;;) {
    const messages = await job.messages.take();
    if (!messages) return undefined;
    for (const message of messages) {
      if (message.type === 'accepted') continue;
      if (message.type !== 'step-item') return undefined;
      for (const piece of message.item.pieces) {
        if (piece.type === 'call-input') text += piece.text;
        if (piece.type !== 'call-end') continue;
        job.cancel();
        return piece.isValidJson ? (JSON.parse(text || '{}') as Json) : undefined;
      }
    }
  }
}
