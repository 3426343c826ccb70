import { expect, it } from 'vitest';
import { type KeyRuleFlags, keyRulesOf } from './key-rules.ts';
import { UserError } from './terminal.ts';

const NOW_MS = Date.UTC(2026, 10, 27);
const rules = (flags: KeyRuleFlags, before?: Parameters<typeof keyRulesOf>[2]) => keyRulesOf(flags, NOW_MS, before);

it('leaves out what is not named', () => {
  expect(rules({})).toEqual({});
});

it.each([
  ['30d', NOW_MS + 30 * 86_400_000],
  ['12h', NOW_MS + 12 * 3_600_000],
  ['90s', NOW_MS + 90_000],
  ['2027-01-31', Date.UTC(2027, 0, 31)],
  ['2027-01-31T12:00Z', Date.UTC(2027, 0, 31, 12)],
  ['never', null],
])('reads the expiry %s', (expires, expiresAtMs) => {
  expect(rules({ expires })).toEqual({ expiresAtMs });
});

it('reads models, budgets and limits', () => {
  expect(rules({ models: 'qwen-plus, qwen3-*', budget: '0.5', qps: '2', streams: '3', keepBodies: true })).toEqual({
    models: ['qwen-plus', 'qwen3-*'],
    budget: { yuan: '0.5', period: 'month' },
    limits: { requestsPerSecond: 2, concurrentStreams: 3 },
    keepsBodies: true,
  });
  expect(rules({ models: 'all', budget: 'none', keepBodies: false })).toEqual({
    models: null,
    budget: null,
    keepsBodies: false,
  });
});

it('changes a part and keeps the rest of what is there', () => {
  const before = {
    budget: { yuan: '5', period: 'total' as const },
    limits: { requestsPerMinute: 60, tokensPerMinute: 1000 },
  };
  expect(rules({ rpm: '5' }, before)).toEqual({ limits: { requestsPerMinute: 5, tokensPerMinute: 1000 } });
  expect(rules({ rpm: 'none' }, before)).toEqual({ limits: { tokensPerMinute: 1000 } });
  expect(rules({ rpm: 'none', tpm: 'none' }, before)).toEqual({ limits: null });
  expect(rules({ budget: '7' }, before)).toEqual({ budget: { yuan: '7', period: 'total' } });
  expect(rules({ budgetPeriod: 'month' }, before)).toEqual({ budget: { yuan: '5', period: 'month' } });
});

it.each([
  [{ expires: 'soon' }],
  [{ expires: '30' }],
  [{ expires: '2027-13-01' }],
  [{ qps: '0' }],
  [{ rpm: '1.5' }],
  [{ budget: '1', budgetPeriod: 'week' }],
  [{ budgetPeriod: 'month' }],
])('says how to mend %j', (flags) => {
  expect(() => rules(flags)).toThrow(UserError);
  expect(() => rules(flags)).toThrow(/Fix: /);
});
