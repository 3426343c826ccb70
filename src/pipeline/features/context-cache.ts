/**
 * Which context cache a call uses, and by which rules ("Context cache"; docs/context-cache.md).
 *
 * - A mark anywhere, on a model that knows marks: the explicit cache and no other. The last four marks stay.
 * - A conversation that asked for it: the session cache, which is the explicit one with a mark at the end of the prompt.
 * - Else the implicit cache, where the model has one. Marks that mean nothing are gone: no backend sees them.
 *
 * What a prefix costs in tokens and whether it is there is for the backend to find out.
 */
import { hash } from 'node:crypto';
import { type ContextCache, hasCacheMarks, withMarksOf } from '../../core/context-cache.ts';
import type { GenerationEvent } from '../../core/events.ts';
import type { GenerationRequest } from '../../core/generation.ts';
import { type ModelCache, USUAL_CACHE } from '../../core/models.ts';
import type { CallContext } from '../../core/ports.ts';
import { observeStream } from '../../core/streams.ts';
import { withoutCacheWritten } from '../../core/usage.ts';
import type { Feature } from '../feature.ts';

/** "Context cache": five minutes, begun anew by each hit. A longer `ttl` of a mark is Anthropic's and is not known there. */
const BLOCK_LIFETIME_MS = 5 * 60_000;

export const contextCache: Feature = {
  name: 'context-cache',
  apply(request, context, next) {
    const known = context.card?.cache ?? USUAL_CACHE;
    const mode = modeOf(request, known);
    const cached: GenerationRequest = {
      ...withMarksOf(request, mode),
      contextCache: {
        mode,
        namespace: namespaceOf(request, context),
        minTokens: mode === 'implicit' || mode === 'off' ? known.implicitMinTokens : known.explicitMinTokens,
        lifetimeMs: BLOCK_LIFETIME_MS,
      },
    };
    if (mode === 'implicit' || mode === 'off') return next(cached, context);
    return observeStream(() => next(cached, context), { onEvent: oweOnlyWritten, onEnd() {} });
  },
};

function modeOf(request: GenerationRequest, known: ModelCache): ContextCache['mode'] {
  if (known.explicit && hasCacheMarks(request)) return 'explicit';
  const { keepsSession, sessionKey } = request.cacheWish ?? {};
  if (known.session && keepsSession) return 'session';
  return known.implicit || sessionKey !== undefined ? 'implicit' : 'off';
}

/**
 * "Kept apart by account and model". Who shares stored things shares prompts: a workspace in one region. The model is the
 * id that was asked for, as it is billed. An administrator reads it; the key of a session is a caller's text, so only its
 * digest stands there, behind a character that no model's name has.
 */
function namespaceOf({ model, cacheWish }: GenerationRequest, { account, card }: CallContext): string {
  const key = cacheWish?.sessionKey;
  const session = key === undefined ? '' : `#${hash('sha256', key, 'hex').slice(0, 16)}`;
  return `${account.workspaceId}/${account.region}/${card?.id ?? model}${session}`;
}

/** A block is written behind the answer: a call that did not come to its end has written none and owes nothing for it. */
function oweOnlyWritten(event: GenerationEvent): GenerationEvent {
  const isCut = event.type === 'error' || (event.type === 'finish' && event.ending !== 'completed');
  return isCut ? { ...event, usage: withoutCacheWritten(event.usage) } : event;
}
