/**
 * What a call would say, before it is made. Small weights fill in what nobody said so that a function fits after all: a caffeine
 * content of 10 for "the impact of sports on the brain". Arguments that must be given and that nothing in the conversation
 * stands for speak against a call, and those that are all said speak for it (docs/decisions/0019).
 */
import type { Json } from '../../core/generation.ts';
import { requiringCalls } from './call-decision.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';

/** Longer arguments are not looked at. */
const MAX_TOKENS = 192;

/** The plan of one call of the function `name`, as the answer would make it at temperature 0. */
export function argumentsPlanOf(plan: DecodePlan, name: string): DecodePlan {
  const stages = plan.stages.map((stage) => {
    const { calls, ...rest } = requiringCalls(stage, name);
    const maxTokens = Math.min(MAX_TOKENS, stage.maxTokens ?? MAX_TOKENS);
    return { ...rest, maxTokens, calls: calls && { ...calls, isParallel: false } };
  });
  return { ...plan, stages, choices: 1, sampling: { ...plan.sampling, temperature: 0 }, logprobs: undefined };
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
