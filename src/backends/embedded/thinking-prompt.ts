/** Thinking for models that were never trained to think: two stages on one sequence, by a system text. */

/**
 * Asks for the form; the reply is then started with `<think>` and the tag closed at the budget, so the model only has
 * to fill it. Tried on Qwen2.5-Coder 1.5B, which reasons to the point with it.
 */
export const STAND_IN_THINKING_TEXT =
  'Think before you answer. First reason about the problem step by step inside <think> and </think>. ' +
  'Then, after </think>, write the answer for the user; it must be complete by itself, because the user does not see your reasoning.';

/**
 * Reasoning tokens of a stand-in when the caller sets no budget. The models it stands in for may think for tens of
 * thousands of tokens; on a laptop's processor that is half an hour. A thousand is half a minute.
 */
export const STAND_IN_BUDGET_TOKENS = 1_024;

/** What a caller's effort makes of that, where no budget is set. */
const STAND_IN_BUDGET_BY_EFFORT: { readonly [effort: string]: number } = {
  minimal: 256,
  low: 512,
  medium: STAND_IN_BUDGET_TOKENS,
  high: 2_048,
  xhigh: 4_096,
  max: 4_096,
};

/** Reasoning tokens of a stand-in. */
export function standInBudget(budgetTokens: number | undefined, effort: string | undefined): number {
  return budgetTokens ?? STAND_IN_BUDGET_BY_EFFORT[effort ?? ''] ?? STAND_IN_BUDGET_TOKENS;
}

/** Reasoning tokens of a model with a thinking template: half the context, so that the answer still fits. */
export function nativeBudget(budgetTokens: number | undefined, contextTokens: number): number {
  return budgetTokens ?? Math.floor(contextTokens / 2);
}
