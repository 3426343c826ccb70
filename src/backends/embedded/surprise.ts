/** How likely texts are to the weights, each behind a prompt. */
import type { PlanInput } from './decode-plan.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { plainSegments } from './raw-prompt.ts';
import { engineSampling } from './sampling.ts';

/** Nothing is made; all that is told is how likely the text is. */
export function onlyPlanOf(prompt: string, text: string, { request, cutter }: PlanInput): DecodePlan {
  const namespace = request.contextCache?.namespace;
  return {
    prompt: plainSegments(prompt, cutter),
    // What one caller asked is warm for nobody else. The examples in front of it come again with the next request.
    cache: namespace === undefined ? undefined : { mode: 'off', namespace, isRecurring: true },
    stages: [{ kind: 'answer', opening: '' }],
    onlyText: text,
    choices: 1,
    sampling: engineSampling({ temperature: 0 }, undefined, 0),
    stopTexts: [],
    stopTokens: [],
    logprobs: { top: 0 },
  };
}

/** How unlikely a plan's only text is: its negative log probability, in nats. Undefined when nothing tells of it. */
export async function surpriseOf(
  plan: DecodePlan,
  start: (plan: DecodePlan) => Job,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (signal.aborted) return undefined;
  const job = start(plan);
  let surprise: number | undefined;
  for (;;) {
    const messages = await job.messages.take();
    if (!messages || signal.aborted) return undefined;
    for (const message of messages) {
      switch (message.type) {
        case 'accepted':
          break;
        case 'step-item':
          for (const piece of message.item.pieces) {
            if (piece.type !== 'text') continue;
            for (const { logprob } of piece.logprobs ?? []) surprise = (surprise ?? 0) - logprob;
          }
          break;
        case 'choice-end':
          job.cancel();
          return surprise;
        case 'refused':
        case 'done':
        case 'failed':
        case 'lost':
          return undefined;
        default:
          message satisfies never;
      }
    }
  }
}
