/**
 * How long a reply thinks; and thinking for models that were never trained to: two stages on one sequence, by a system
 * text (docs/decisions/0020).
 */
import type { Thinking } from '../../core/generation.ts';
import type { TemplateTraits } from './template.ts';

/**
 * Asks for the form; the reply is then started with the opening tag and the tag closed at the budget, so the model only
 * has to fill it. Tried on Qwen2.5-Coder 1.5B, which reasons to the point with it.
 */
export const STAND_IN_THINKING_TEXT =
  'Think before you answer. First reason about the problem step by step inside <think> and </think>. ' +
  'Then, after </think>, write the answer for the user; it must be complete by itself, because the user does not see your reasoning.';

/**
 * Reasoning tokens where the caller sets no budget. The models that are stood in for may think for tens of thousands of
 * tokens; on a laptop's processor that is half an hour. A thousand is half a minute.
 */
const STAND_IN_TOKENS = 1_024;
const STAND_IN_TOKENS_BY_EFFORT: { readonly [effort: string]: number } = {
  minimal: 256,
  low: 512,
  medium: STAND_IN_TOKENS,
  high: 2_048,
  xhigh: 4_096,
  max: 4_096,
};

/** A model that was trained to think knows when to end, so only a lower effort than its own is made a budget. */
const NATIVE_TOKENS_BY_EFFORT: { readonly [effort: string]: number } = { minimal: 512, low: 2_048, medium: 8_192 };

/**
 * Reasoning tokens at most; undefined is as many as fit. `native` is undefined for a stand-in. A template that is told
 * the effort makes the model keep to it by itself.
 */
export function reasoningBudget(
  { budgetTokens, effort = '' }: Thinking,
  native: TemplateTraits | undefined,
): number | undefined {
  if (budgetTokens !== undefined) return budgetTokens;
  if (native === undefined) return STAND_IN_TOKENS_BY_EFFORT[effort] ?? STAND_IN_TOKENS;
  return native.reasoning.takesEffort ? undefined : NATIVE_TOKENS_BY_EFFORT[effort];
}

/** Templates know three words (gpt-oss); callers have more. */
const TEMPLATE_EFFORTS: { readonly [effort: string]: string } = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
};

/** The effort in a word that templates know. */
export function templateEffort({ effort = '' }: Thinking, { reasoning }: TemplateTraits): string | undefined {
  return reasoning.takesEffort ? TEMPLATE_EFFORTS[effort] : undefined;
}
