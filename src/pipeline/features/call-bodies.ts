/**
 * Keeps what was asked and answered, of keys that the administrator has switched it on for: for everybody else it costs a
 * look at the rules of the key. What is kept is redacted, and that is done when the client has its answer.
 */
import { Assembler, type GenerationResult } from '../../core/assemble.ts';
import { toStudioError } from '../../core/errors.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import type { KeyRing } from '../../core/platform.ts';
import type { CallContext } from '../../core/ports.ts';
import { redactedJson } from '../../core/redaction.ts';
import { observeStream } from '../../core/streams.ts';
import type { CallBodies } from '../../core/usage-report.ts';
import type { Feature } from '../feature.ts';

export interface CallBodiesPorts {
  readonly policies: Pick<KeyRing, 'policyOf'>;
  readonly bodies: Pick<CallBodies, 'keep'>;
  readonly bodiesRetentionMs: number;
}

export function callBodies(ports: CallBodiesPorts): Feature {
  return {
    name: 'call-bodies',
    apply(request, context, next) {
      if (!ports.policies.policyOf(context.account)?.keepsBodies) return next(request, context);
      const assembler = new Assembler();
      let hasStarted = false;
      return observeStream(() => next(request, context), {
        onEvent: (event) => {
          hasStarted = true;
          assembler.push(event);
          return event;
        },
        onEnd: (thrown) => {
          const reply = hasStarted ? replyOf(assembler.result()) : refusalOf(thrown);
          // The end is on its way to the client, and nobody waits for this.
          setImmediate(() => keep(request, reply, context, ports));
        },
      });
    },
  };
}

function keep(request: GenerationRequest, reply: object, context: CallContext, ports: CallBodiesPorts): void {
  const { receiptId, clock, log } = context;
  if (receiptId === undefined) return;
  try {
    const body = { request: redactedJson(request), reply: redactedJson(reply) };
    ports.bodies.keep(receiptId, body, clock.now() + ports.bodiesRetentionMs);
  } catch (thrown) {
    log.warn({ requestId: context.requestId, err: thrown }, 'the bodies of a call could not be kept');
  }
}

/** What people want to read of an answer; its counts are on the receipt, and log probabilities would be most of it. */
function replyOf({ choices, toolResults, sources, ending, error }: GenerationResult): object {
  return {
    ending,
    ...(error && { error: { code: error.code, message: error.message } }),
    choices: choices.map(({ index, reason, stopText, blocks }) => ({
      index,
      reason,
      stopText,
      blocks: blocks.map(({ blockId: _, ...block }) => (block.type === 'text' ? withoutLogprobs(block) : block)),
    })),
    ...(toolResults.length > 0 && { toolResults }),
    ...(sources.length > 0 && { sources }),
  };
}

function withoutLogprobs<Block extends { readonly logprobs?: unknown }>({ logprobs: _, ...block }: Block) {
  return block;
}

function refusalOf(thrown: unknown): object {
  if (thrown === undefined) return { ending: 'client-gone', choices: [] };
  const { code, message } = toStudioError(thrown);
  return { ending: 'failed', error: { code, message }, choices: [] };
}
