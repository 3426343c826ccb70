/**
 * The scripted backend: answers without a model, the same every time. For people who test their program offline
 * (docs/scripted.md), and for our own contract tests. The route's target names the behaviour: `scripted/echo`.
 */
import { contextTooLong } from '../../core/errors.ts';
import { maxInputOf } from '../../core/models.ts';
import type { Backend, Clock } from '../../core/ports.ts';
import { parseBehaviour } from './behaviours.ts';
import { play, type Sleep, sleep } from './player.ts';
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
      const input = { ...counted, cachedRead: Math.min(behaviour.cached, counted.total) };
      return play({ script, request, context, input, clock: options.clock, sleep: options.sleep ?? sleep });
    },
    countTokens: async (request) => countInput(request).total,
    tokenise: async (text) => textTokens(text),
    health: () => ({ isReady: true, detail: 'scripted answers' }),
    close: async () => {},
  };
}
