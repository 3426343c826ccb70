/** Rules of keys and workspaces as they are typed. The administration checks what they come to. */
import type { BudgetView, KeyLimits } from '../admin/contract.ts';
import { UserError } from './terminal.ts';

export interface RuleFlags {
  readonly name?: string;
  readonly models?: string;
  readonly budget?: string;
  readonly budgetPeriod?: string;
}

export interface KeyRuleFlags extends RuleFlags {
  readonly expires?: string;
  readonly qps?: string;
  readonly rpm?: string;
  readonly tpm?: string;
  readonly streams?: string;
  readonly keepBodies?: boolean;
}

export interface Rules {
  readonly name?: string;
  readonly models?: string[] | null;
  readonly budget?: BudgetView | null;
}

export interface KeyRules extends Rules {
  readonly expiresAtMs?: number | null;
  readonly limits?: KeyLimits | null;
  readonly keepsBodies?: boolean;
}

/** `before` is the budget that is changed. */
export function rulesOf(flags: RuleFlags, before?: BudgetView | null): Rules {
  return {
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.models === undefined ? {} : { models: modelsOf(flags.models) }),
    ...budgetOf(flags, before),
  };
}

/** `before` is the key that is changed. */
export function keyRulesOf(
  flags: KeyRuleFlags,
  nowMs: number,
  before?: { readonly budget: BudgetView | null; readonly limits: KeyLimits | null },
): KeyRules {
  return {
    ...rulesOf(flags, before?.budget),
    ...(flags.expires === undefined ? {} : { expiresAtMs: expiryOf(flags.expires, nowMs) }),
    ...limitsOf(flags, before?.limits),
    ...(flags.keepBodies === undefined ? {} : { keepsBodies: flags.keepBodies }),
  };
}

/** `all`, or ids and patterns with commas between. */
function modelsOf(typed: string): string[] | null {
  const models = typed.split(',').map((model) => model.trim());
  return typed === 'all' || models.includes('*') ? null : models;
}

/** `none`, or yuan; the period may be changed alone. */
function budgetOf({ budget, budgetPeriod }: RuleFlags, before?: BudgetView | null): Pick<Rules, 'budget'> {
  if (budget === undefined && budgetPeriod === undefined) return {};
  if (budget === 'none') return { budget: null };
  const yuan = budget ?? before?.yuan;
  if (yuan === undefined) throw new UserError('--budget-period needs a budget. Fix: --budget 100');
  const period = budgetPeriod ?? before?.period ?? 'month';
  if (period !== 'month' && period !== 'total')
    throw new UserError(`--budget-period ${period} is not known. Fix: month or total.`);
  return { budget: { yuan, period } };
}

const UNIT_MS: { readonly [unit: string]: number } = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `never`, a time from now on, or a date or time of the calendar. */
function expiryOf(typed: string, nowMs: number): number | null {
  if (typed === 'never') return null;
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(typed) ?? [];
  if (count !== undefined) return nowMs + Number(count) * (UNIT_MS[unit] ?? 0);
  const atMs = /^\d{4}-\d{2}-\d{2}/.test(typed) ? Date.parse(typed) : Number.NaN;
  if (Number.isNaN(atMs))
    throw new UserError(`--expires ${typed} is no time. Fix: 30d, 12h, 2027-01-31, 2027-01-31T12:00Z or never.`);
  return atMs;
}

const LIMIT_FLAGS = {
  qps: 'requestsPerSecond',
  rpm: 'requestsPerMinute',
  tpm: 'tokensPerMinute',
  streams: 'concurrentStreams',
} as const;

/** A number, or `none`; limits that are not named stay. */
function limitsOf(flags: KeyRuleFlags, before: KeyLimits | null = null): Pick<KeyRules, 'limits'> {
  const limits: { -readonly [name in keyof KeyLimits]: KeyLimits[name] } = { ...before };
  let isChanged = false;
  for (const [flag, limit] of Object.entries(LIMIT_FLAGS) as [keyof typeof LIMIT_FLAGS, keyof KeyLimits][]) {
    const typed = flags[flag];
    if (typed === undefined) continue;
    isChanged = true;
    if (typed === 'none') delete limits[limit];
    else if (/^[1-9]\d*$/.test(typed)) limits[limit] = Number(typed);
    else throw new UserError(`--${flag} ${typed} is no whole number from 1. Fix: a number, or none.`);
  }
  return isChanged ? { limits: Object.keys(limits).length === 0 ? null : limits } : {};
}
