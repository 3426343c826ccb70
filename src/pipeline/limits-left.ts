/** What is left of limits, for the administration. */
import type { LimitsLeft } from '../core/limits.ts';
import type { ModelCatalogue } from '../core/models.ts';
import { CallLimits, type LimitPorts } from './call-limits.ts';

export interface LimitsLeftPorts extends LimitPorts {
  readonly catalogue: ModelCatalogue;
}

/** Asks the buckets that a call would be asked of, and takes nothing from them. */
export function createLimitsLeft({ policies, limits, modelOf, catalogue }: LimitsLeftPorts): LimitsLeft {
  const callLimits = limits && new CallLimits(limits.settings);
  return async ({ account, model }) => {
    if (!limits || !callLimits) return undefined;
    const known = catalogue.find(model)?.terms[account.region]?.limits;
    const key = policies.policyOf(account)?.limits ?? {};
    const rates = callLimits.ratesOf(account, modelOf?.(model) ?? model, known, key);
    return Promise.all(rates.map(async (rate) => ({ ...rate, remaining: await limits.limiter.remaining(rate) })));
  };
}
