/**
 * Whether an answer opens with a call is decided greedily, for weights that were not trained to decide it.
 *
 * Asked for the weather, a small coder model opens a call with a probability of 0.6 to 0.95, and asked for a greeting
 * with 0.1 to 0.3: at temperature 0 the decision is right nearly always, at temperature 1 a dice throws it. So the
 * beginning of the answer is made at temperature 0, until it is clear what it is: text goes on from there as the caller
 * asked, a call is made as if it had been required. It costs the few tokens until then, on a prompt that is warm for
 * what follows. What a call's beginning says is not counted, as forced text is not (docs/decisions/0003).
 */

import type { Job, JobMessage } from './engine-client.ts';
import type { DecodePlan, Piece, Stage } from './engine-protocol.ts';
import type { ToolSpelling } from './tool-prompt.ts';

export type AcceptedMessage = Extract<JobMessage, { type: 'accepted' }>;

export type Decision =
  | { readonly kind: 'call'; readonly accepted: AcceptedMessage }
  /** The answer begins with this text; its tokens were sampled. */
  | {
      readonly kind: 'text';
      readonly accepted: AcceptedMessage;
      readonly pieces: readonly Piece[];
      readonly outputTokens: number;
    }
  /** It could not be told; the answer is made as if nobody had asked. */
  | { readonly kind: 'unclear'; readonly accepted: AcceptedMessage }
  /** The job failed or was refused, and so would the other. */
  | { readonly kind: 'ended'; readonly message: JobMessage };

/** An opening with its name is over by then, whatever the spelling. */
const DECISION_TOKENS = 32;

/** The plan that decides for `plan`; undefined where there is nothing to decide or the model decides well by itself. */
export function decisionPlanOf(plan: DecodePlan, spelling: ToolSpelling): DecodePlan | undefined {
  const [answer, ...others] = plan.stages;
  const isOpen = answer?.calls?.mode === 'auto' && answer.grammar === undefined && others.length === 0;
  if (!isOpen || spelling === 'hermes' || plan.choices > 1 || plan.sampling.temperature === 0) return undefined;
  const maxTokens = Math.min(DECISION_TOKENS, answer.maxTokens ?? DECISION_TOKENS);
  return {
    ...plan,
    stages: [{ ...answer, maxTokens }],
    sampling: { ...plan.sampling, temperature: 0 },
  };
}

/** Reads the deciding job until it is clear, and stops it. Undefined when its mailbox was closed on it. */
export async function decisionOf(job: Job): Promise<Decision | undefined> {
  let accepted: AcceptedMessage | undefined;
  for (;;) {
    const messages = await job.messages.take();
    if (!messages) return undefined;
    for (const message of messages) {
      if (message.type === 'accepted') accepted = message;
      const decision = accepted ? judged(message, accepted) : undefined;
      if (!decision && !isEnd(message)) continue;
      job.cancel();
      return decision ?? { kind: 'ended', message };
    }
  }
}

/** The plan of the answer, after the decision. */
export function decidedPlanOf(plan: DecodePlan, decision: Exclude<Decision, { kind: 'ended' }>): DecodePlan {
  switch (decision.kind) {
    case 'unclear':
      return plan;
    case 'call':
      return { ...plan, stages: plan.stages.map(requiringCalls) };
    case 'text': {
      const text = decision.pieces.map((piece) => (piece.type === 'text' ? piece.text : '')).join('');
      const left = (limit: number | undefined): number | undefined =>
        limit === undefined ? undefined : Math.max(0, limit - decision.outputTokens);
      return {
        ...plan,
        // The model said it, so it stands in the prompt as plain text, in tokens of its own.
        prompt: [...plan.prompt, { kind: 'plain', text }],
        stages: plan.stages.map((stage) => ({ ...stage, opening: '', maxTokens: left(stage.maxTokens) })),
        maxTotalTokens: left(plan.maxTotalTokens),
      };
    }
    default:
      return decision satisfies never;
  }
}

function requiringCalls(stage: Stage): Stage {
  return stage.calls ? { ...stage, calls: { ...stage.calls, mode: 'required' } } : stage;
}

function judged(message: JobMessage, accepted: AcceptedMessage): Decision | undefined {
  switch (message.type) {
    case 'step-item': {
      const { pieces, counts } = message.item;
      const first = pieces.find((piece) => piece.type === 'call-start' || (piece.type === 'text' && piece.text.trim()));
      if (!first) return undefined;
      if (first.type === 'call-start') return { kind: 'call', accepted };
      return {
        kind: 'text',
        accepted,
        pieces: pieces.filter((piece) => piece.type === 'text'),
        outputTokens: counts.output,
      };
    }
    case 'choice-end':
      return { kind: 'unclear', accepted };
    case 'accepted':
    case 'refused':
    case 'done':
    case 'failed':
    case 'lost':
      return undefined;
    default:
      return message satisfies never;
  }
}

function isEnd(message: JobMessage): boolean {
  return message.type === 'refused' || message.type === 'failed' || message.type === 'lost' || message.type === 'done';
}
