/**
 * The scripted backend: answers without a model, the same every time. For people who test their program offline
 * (docs/scripted.md), and for our own contract tests. The route's target names the behaviour: `scripted/echo`.
 */
import { contextTooLong } from '../../core/errors.ts';
import { maxInputOf } from '../../core/models.ts';
import type { Backend, Clock } from '../../core/ports.ts';
import type { InputUsage } from '../../core/usage.ts';
import { type Behaviour, parseBehaviour } from './behaviours.ts';
import { play, type Sleep, sleep } from './player.ts';
import { type CachedCall, ScriptedPromptCache } from './prompt-cache.ts';
import { scriptOf } from './script.ts';
import { countInput, textTokens } from './tokens.ts';

export { SCRIPTED_MODELS, scriptedModel } from './behaviours.ts';

export interface ScriptedBackendOptions {
  readonly clock: Clock;
  /** How to wait; tests give one that moves their clock. */
  readonly sleep?: Sleep | undefined;
}

/** Answers by script. Several choices are left to the pipeline, as most upstreams leave them. */
export function createScriptedBackend(options: ScriptedBackendOptions): Backend {
  const cache = new ScriptedPromptCache(options.clock);
  return {
    id: 'scripted',
    abilities: {
      choices: false,
      structuredOutput: true,
      thinkingBudget: true,
      toolChoice: true,
      images: true,
      rawPrompts: true,
    },
    generate(request, context) {
      const behaviour = parseBehaviour(context.route?.target ?? request.model);
      const script = scriptOf(request, behaviour);
      const counted = countInput(request);
      const longest = context.card && maxInputOf(context.card, request.thinking.switch === 'on');
      if (longest != null && counted.total > longest) throw contextTooLong(counted.total, longest);
      const cached = behaviour.cached > 0 ? saidToBeCached(behaviour, counted) : cache.open(request, counted.total);
      const input = { ...counted, ...cached.counts };
      const { settle } = cached;
      return play({ script, request, context, input, settle, clock: options.clock, sleep: options.sleep ?? sleep });
    },
    countTokens: async (request) => countInput(request).total,
    tokenise: async (text) => textTokens(text),
    promptCache: cache,
    health: () => ({ isReady: true, detail: 'scripted answers' }),
    close: async () => {},
  };
}

/** `?cached=N`: the same for every call, whatever was said before. */
function saidToBeCached({ cached }: Behaviour, { total }: InputUsage): CachedCall {
  return { counts: { cachedRead: Math.min(cached, total) }, settle: () => {} };
}
