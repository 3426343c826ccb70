/** How likely texts are to the weights, each made behind a prompt because nothing else is possible. */
import { literal, printExpression } from './constraints/grammar-expression.ts';
import type { PlanInput } from './decode-plan.ts';
import type { Job } from './engine-client.ts';
import type { DecodePlan } from './engine-protocol.ts';
import { plainSegments } from './raw-prompt.ts';
import { engineSampling } from './sampling.ts';

/** More than a function's name has, or a short request. */
const MAX_TOKENS = 96;

/** Only one text is possible; what it is made by says nothing. */
export function onlyPlanOf(prompt: string, text: string, { request, cutter }: PlanInput): DecodePlan {
  const namespace = request.contextCache?.namespace;
  return {
    prompt: plainSegments(prompt, cutter),
    // What one caller asked is warm for nobody else. The examples in front of it come again with the next request.
    cache: namespace === undefined ? undefined : { mode: 'off', namespace, isRecurring: true },
    stages: [
      {
        kind: 'answer',
        opening: '',
        maxTokens: MAX_TOKENS,
        grammar: `root ::= ${printExpression(literal(text))}`,
        isProse: true,
      },
    ],
    onlyText: text,
    choices: 1,
    sampling: engineSampling({ temperature: 0 }, undefined, 0),
    stopTexts: [],
    stopTokens: [],
    logprobs: { top: 0 },
  };
}

/**
 * How unlikely the only text is that a plan allows: its negative log probability, in nats. Undefined when it was not made
 * to its end, or nothing tells of it.
 */
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
