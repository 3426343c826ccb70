/**
 * What a model's card makes of the caller's thinking control. Validation asks before anything is spent, the thinking
 * feature acts on it; both must come to the same answer, so it is written here.
 */
import { StudioError } from '../core/errors.ts';
import type { Thinking } from '../core/generation.ts';
import type { ModelCard } from '../core/models.ts';

/** Other spellings of an effort, by the efforts a model takes ("Deep thinking", reasoning_effort). */
const EFFORT_ALIASES: { readonly [efforts: string]: { readonly [alias: string]: string } } = {
  'low,medium,xhigh': { max: 'xhigh', high: 'xhigh', minimal: 'low' },
  'high,max': { low: 'high', medium: 'high', xhigh: 'max' },
  'low,high,max': { medium: 'high', xhigh: 'high' },
  // Not the vendor's, whose text for these is unknown: agents send any of the five words to any model (Messages).
  'low,medium,high': { xhigh: 'high', max: 'high', minimal: 'low' },
};

/** Snapshots whose efforts differ from their entry's, which the catalogue does not say. */
const EFFORTS_OF_SNAPSHOTS: { readonly [id: string]: readonly string[] } = {
  'deepseek-v4-flash-0731': ['low', 'high', 'max'],
  'deepseek-v4-pro-0813': ['low', 'high', 'max'],
};

/** The same effort as a budget, where the vendor says which ("Deep thinking", qwen3.8). */
const BUDGETS_OF_EFFORTS: { readonly [effort: string]: number } = { low: 4096, medium: 16384, xhigh: 262144 };

/**
 * Models that keep earlier reasoning unless told not to: `preserve_thinking` is on by default for the first two,
 * `clear_thinking` off by default for GLM ("Chat Completions", parameters).
 */
const KEEPS_HISTORY_BY_DEFAULT = new Set(['qwen3.8-max', 'kimi-k2.7-code', 'glm-5.2', 'glm-5.1', 'glm-5', 'glm-4.7']);

/** The open-source Qwen3 hybrids: thinking without streaming or with JSON mode is refused, soft switches work. */
export function isOpenQwen3Hybrid(card: ModelCard): boolean {
  return card.streamRequired === 'thinking';
}

/** The model is of the generation that has effort as another word for a budget. */
export function isQwen38(card: ModelCard): boolean {
  return card.entryId.startsWith('qwen3.8');
}

/**
 * Whether the model thinks in this call, or the vendor's 400 ("Deep thinking", switch errors). An effort asks a hybrid
 * to think, `none` asks it not to; an explicit switch outweighs both.
 */
export function resolveThinkingSwitch(thinking: Thinking, card: ModelCard): 'on' | 'off' {
  const effort = resolveEffort(thinking, card);
  switch (card.thinking) {
    case 'none':
      if (thinking.switch === 'on')
        throw new StudioError('thinking-unsupported', `The model ${card.id} does not support enable_thinking.`);
      return 'off';
    case 'always':
      if (thinking.switch === 'off' || (thinking.switch === 'default' && effort === 'none'))
        throw new StudioError('invalid-parameter', 'The value of the enable_thinking parameter is restricted to True.');
      return 'on';
    case 'hybrid-default-on':
    case 'hybrid-default-off':
      if (thinking.switch !== 'default') return thinking.switch;
      if (effort !== undefined) return effort === 'none' ? 'off' : 'on';
      return card.thinking === 'hybrid-default-on' ? 'on' : 'off';
    default:
      return card.thinking satisfies never;
  }
}

/**
 * The effort in the model's own words; undefined where none was asked or the model takes none (it is then ignored, as
 * the vendor does). `none` stays `none`: it is a switch.
 */
export function resolveEffort(thinking: Thinking, card: ModelCard): string | undefined {
  const asked = thinking.effort;
  const offered = EFFORTS_OF_SNAPSHOTS[card.id] ?? card.reasoningEfforts;
  if (asked === undefined || offered.length === 0) return undefined;
  if (asked === 'none' || offered.includes(asked)) return asked;
  const alias = EFFORT_ALIASES[offered.join(',')]?.[asked];
  if (alias !== undefined) return alias;
  // The vendor's own text is not known; this is its general one.
  throw new StudioError(
    'invalid-parameter',
    'Required parameter(reasoning_effort) missing or invalid, please check the request parameters.',
  );
}

/** The budget an effort stands for, where the vendor says so. */
export function budgetOfEffort(card: ModelCard, effort: string | undefined): number | undefined {
  return isQwen38(card) && effort !== undefined ? BUDGETS_OF_EFFORTS[effort] : undefined;
}

/** Whether earlier reasoning goes into the prompt. Models that cannot use it never get it, whatever was asked. */
export function keepsReasoningHistory(thinking: Thinking, card: ModelCard): boolean {
  const isKeptByDefault = KEEPS_HISTORY_BY_DEFAULT.has(card.entryId);
  if (!card.preservesThinking && !isKeptByDefault) return false;
  return thinking.keepsHistory ?? isKeptByDefault;
}

/** The output limit bounds answer and reasoning together; glm-5.2 only while no budget is given ("max_tokens"). */
export function doesLimitCoverReasoning(card: ModelCard, thinking: Thinking): boolean {
  if (card.entryId === 'glm-5.2') return thinking.budgetTokens === undefined;
  return card.maxOutputIncludesReasoning;
}
