/** How the administration shows what is stored: without hashes, with amounts as people write them. */
import { formatDecimal } from '../core/decimals.ts';
import type { ModelCard } from '../core/models.ts';
import type { AuditRow, Budget, PriceOverride, StoredKey, StoredWorkspace } from '../core/platform.ts';
import type { ModelPrices } from '../core/prices.ts';
import type { Region } from '../core/regions.ts';
import type { BudgetView, KeyState, KeyView, ModelView, PricesView, PriceView, WorkspaceView } from './contract.ts';

export function keyView(key: StoredKey, nowMs: number): KeyView {
  const { hash: _, budget, ...shown } = key;
  return { ...shown, budget: budgetView(budget), state: stateOf(key, nowMs) };
}

export function stateOf({ revokedAtMs, expiresAtMs }: StoredKey, nowMs: number): KeyState {
  if (revokedAtMs !== null) return 'revoked';
  return expiresAtMs !== null && expiresAtMs <= nowMs ? 'expired' : 'live';
}

export function workspaceView(
  { deletedAtMs: _, budget, ...shown }: StoredWorkspace,
  keys: readonly StoredKey[],
  nowMs: number,
): WorkspaceView {
  const ofIt = keys.filter((key) => key.kind === 'api' && key.workspaceId === shown.id);
  const liveKeys = ofIt.filter((key) => stateOf(key, nowMs) === 'live').length;
  return { ...shown, budget: budgetView(budget), liveKeys };
}

function budgetView(budget: Budget | null): BudgetView | null {
  return budget && { yuan: formatDecimal(budget.nano, 9), period: budget.period };
}

export function priceView({ prices, ...shown }: PriceOverride): PriceView {
  return { ...shown, prices: prices && pricesView(prices) };
}

export function pricesView({ tiers, ...shown }: ModelPrices): PricesView {
  const shownTiers = tiers.map((tier) => ({
    upToTokens: tier.upToTokens,
    input: formatDecimal(tier.inputPico, 6),
    output: formatDecimal(tier.outputPico, 6),
    outputThinking: formatDecimal(tier.outputThinkingPico, 6),
  }));
  return { tiers: shownTiers, ...shown };
}

/** Details are what was stored; amounts in them are shown as everywhere. */
export function auditView({ details, ...row }: AuditRow): AuditRow {
  const { budget, prices } = details as { budget?: Budget | null; prices?: ModelPrices | null };
  return {
    ...row,
    details: {
      ...details,
      ...(budget ? { budget: budgetView(budget) } : {}),
      ...(prices ? { prices: pricesView(prices) } : {}),
    },
  };
}

/** A model as a caller of a region finds it. */
export interface ServedModel {
  readonly card: ModelCard;
  readonly servedBy: string | undefined;
  readonly isStandIn: boolean;
}

export function modelView(
  { card, servedBy, isStandIn }: ServedModel,
  region: Region,
  prices: ModelPrices | undefined,
): ModelView {
  const terms = card.terms[region];
  return {
    id: card.id,
    name: card.name,
    family: card.family,
    servedBy: servedBy ?? null,
    isStandIn,
    contextWindow: card.contextWindow,
    maxInput: card.maxInput,
    maxOutput: card.maxOutput,
    thinking: card.thinking,
    capabilities: Object.entries(card.abilities)
      .filter(([, has]) => has)
      .map(([ability]) => ability),
    prices: prices ? pricesView(prices) : null,
    freeQuota: terms?.freeQuota ?? null,
    limits: terms?.limits ?? null,
  };
}
