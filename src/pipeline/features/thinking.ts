/**
 * Resolves the caller's thinking control to what the model will do, so that backends only see `on` or `off`.
 *
 * - `default` becomes `on` or `off` by the card, and by `/think` and `/no_think` where the model knows them.
 * - An effort becomes the budget it stands for when the backend cuts at budgets; otherwise backends get the effort and
 *   whatever budget the caller gave, to pass on as they can. We cannot cut at a budget here: tokens of a delta are not
 *   known outside the backend.
 * - A budget of 0 is another word for off where nobody can cut at it.
 * - Earlier reasoning is dropped from the prompt unless it is kept, all of it or that of the running tool loop.
 * - When thinking is off, reasoning that a backend sends nevertheless is not shown. It stays in the usage: it was made,
 *   and whoever runs the backend pays for it.
 */
import type { GenerationEvent } from '../../core/events.ts';
import {
  type GenerationRequest,
  type Limits,
  type Sampling,
  type Thinking,
  type Turn,
  textOf,
} from '../../core/generation.ts';
import type { ModelCard } from '../../core/models.ts';
import type { BackendAbilities } from '../../core/ports.ts';
import type { Feature } from '../feature.ts';
import { filterStream } from '../stream-filter.ts';
import {
  budgetOfEffort,
  doesLimitCoverReasoning,
  isOpenQwen3Hybrid,
  isQwen38,
  keepsReasoningHistory,
  resolveEffort,
  resolveThinkingSwitch,
} from '../thinking-rules.ts';

/** qwen3.8 while thinking raises lower temperatures without a word ("Chat Completions", temperature). */
const QWEN38_MIN_THINKING_TEMPERATURE = 0.6;

/** Snapshots outside the open-source hybrids that know the soft switches ("Deep thinking", soft switches). */
const SOFT_SWITCH_SNAPSHOTS = new Set(['qwen-plus-2025-04-28', 'qwen-plus-0428']);

export const thinking: Feature = {
  name: 'thinking',
  apply(request, context, next) {
    const { card, route } = context;
    if (!card) return next(request, context);
    const resolved = resolveThinking(request, card, route?.backend.abilities);
    const stream = next(resolved, context);
    return resolved.thinking.switch === 'on' ? stream : filterStream(stream, isNotReasoning);
  },
};

/** The request as a backend of these abilities gets it; whoever counts its tokens must ask for the same. */
export function resolveThinking(
  request: GenerationRequest,
  card: ModelCard,
  abilities: BackendAbilities | undefined,
): GenerationRequest {
  const holdsBudget = abilities?.thinkingBudget ?? false;
  const isOn = isThinkingOn(request, card) && (holdsBudget || request.thinking.budgetTokens !== 0);
  return {
    ...request,
    turns: turnsOf(request, card, isOn),
    thinking: isOn ? thinkingOn(request.thinking, card, holdsBudget) : { switch: 'off' },
    limits: isOn ? limitsOf(request, card) : request.limits,
    sampling: isOn ? samplingOf(request.sampling, card) : request.sampling,
  };
}

function isThinkingOn(request: GenerationRequest, card: ModelCard): boolean {
  // Without a chat template there is nobody to think: the text simply goes on.
  if (request.rawPrompt) return false;
  if (resolveThinkingSwitch(request.thinking, card) === 'off') return false;
  const knowsSoftSwitches = isOpenQwen3Hybrid(card) || SOFT_SWITCH_SNAPSHOTS.has(card.id);
  return !(knowsSoftSwitches && lastSoftSwitch(request) === '/no_think');
}

/** The last `/think` or `/no_think` the caller wrote; it outweighs those before it. */
function lastSoftSwitch(request: GenerationRequest): string | undefined {
  for (const turn of request.turns.toReversed()) {
    if (turn.role !== 'user' && turn.role !== 'system') continue;
    const found = textOf(turn.parts).match(/(?<![\w/])\/(?:no_)?think(?!\w)/g);
    if (found) return found.at(-1);
  }
  return undefined;
}

function thinkingOn(asked: Thinking, card: ModelCard, holdsBudget: boolean): Thinking {
  const effort = resolveEffort(asked, card);
  const wantedEffort = effort === 'none' ? undefined : effort;
  const budgetTokens = asked.budgetTokens ?? budgetOfEffort(card, wantedEffort);
  const isBudgetFromEffort = asked.budgetTokens === undefined && budgetTokens !== undefined;
  return {
    switch: 'on',
    // Never both from one wish: upstreams refuse an effort beside a budget.
    budgetTokens: isBudgetFromEffort && !holdsBudget ? undefined : budgetTokens,
    effort: isBudgetFromEffort && holdsBudget ? undefined : wantedEffort,
    keepsHistory: keepsReasoningHistory(asked, card),
    keepsLoop: asked.keepsLoop,
  };
}

function turnsOf({ turns, thinking }: GenerationRequest, card: ModelCard, isOn: boolean): readonly Turn[] {
  if (keepsReasoningHistory(thinking, card)) return turns;
  if (!isOn || !thinking.keepsLoop) return withoutReasoning(turns);
  const start = turns.findLastIndex((turn) => turn.role === 'user');
  return [...withoutReasoning(turns.slice(0, Math.max(start, 0))), ...turns.slice(Math.max(start, 0))];
}

/** `max_tokens` bounds the answer alone, except on the models where it bounds the reasoning too. */
function limitsOf(request: GenerationRequest, card: ModelCard): Limits {
  const { maxOutputTokens, maxTotalOutputTokens } = request.limits;
  if (maxOutputTokens === undefined || !doesLimitCoverReasoning(card, request.thinking)) return request.limits;
  return { maxOutputTokens, maxTotalOutputTokens: Math.min(maxOutputTokens, maxTotalOutputTokens ?? maxOutputTokens) };
}

function samplingOf(sampling: Sampling, card: ModelCard): Sampling {
  if (!isQwen38(card) || sampling.temperature === undefined) return sampling;
  return { ...sampling, temperature: Math.max(sampling.temperature, QWEN38_MIN_THINKING_TEMPERATURE) };
}

function withoutReasoning(turns: readonly Turn[]): readonly Turn[] {
  if (!turns.some((turn) => turn.parts.some((part) => part.type === 'reasoning'))) return turns;
  return turns
    .map((turn) => ({ ...turn, parts: turn.parts.filter((part) => part.type !== 'reasoning') }))
    .filter((turn) => turn.parts.length > 0);
}

function isNotReasoning(event: GenerationEvent): boolean {
  return event.type !== 'reasoning-start' && event.type !== 'reasoning-delta' && event.type !== 'reasoning-end';
}
