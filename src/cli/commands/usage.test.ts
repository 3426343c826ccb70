import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import type { UsageRow } from '../../core/usage-report.ts';
import { usageTable } from './usage.ts';

const row = (group: string, chargeNano: number, inputTokens = 10): UsageRow => ({
  group,
  calls: 1,
  inputTokens,
  cachedTokens: 0,
  outputTokens: 5,
  reasoningTokens: 0,
  chargeNano,
});

const linesOf = (...rows: UsageRow[]) => stripVTControlCharacters(usageTable('day', rows)).split('\n');

it('shows each group, the sum, and all nine places of a yuan', () => {
  const [header, first, second, all] = linesOf(row('2026-11-26', 1), row('2026-11-27', 12_345_678_901));
  expect(header?.split(/ +/).filter(Boolean)).toEqual([
    'day',
    'calls',
    'input',
    'cached',
    'output',
    'reasoning',
    'yuan',
  ]);
  expect(first).toMatch(/^2026-11-26 +1 +10 +0 +5 +0 +0\.000000001$/);
  expect(second).toMatch(/^2026-11-27 .* 12\.345678901 +█{30}$/);
  expect(all).toMatch(/^all +2 +20 +0 +10 +0 +12\.345678902$/);
});

it('compares tokens where nothing cost anything', () => {
  const [, few, many] = linesOf(row('a', 0, 10), row('b', 0, 25));
  expect(few).toMatch(/ █{15}$/);
  expect(many).toMatch(/ █{30}$/);
});
