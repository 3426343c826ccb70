import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import type { UsageRowView } from '../../admin/report-contract.ts';
import { usageTable } from './usage.ts';

const row = (group: string, chargeYuan: string, inputTokens = 10): UsageRowView => ({
  group,
  calls: 1,
  inputTokens,
  cachedTokens: 0,
  writtenTokens: 0,
  outputTokens: 5,
  reasoningTokens: 0,
  freeTokens: 0,
  chargeYuan,
});

function linesOf(items: UsageRowView[], totals: Omit<UsageRowView, 'group'>, by = 'day', columns?: number): string[] {
  return stripVTControlCharacters(usageTable({ by, items, totals }, columns)).split('\n');
}

it('shows each group and the sum, and compares what they cost', () => {
  const [header, first, second, all] = linesOf(
    [row('2026-11-26', '3'), row('2026-11-27', '12.345678901')],
    row('', '15.345678901', 20),
  );
  expect(header?.split(/ +/)).toEqual(['day', 'calls', 'input', 'cached', 'output', 'reasoning', 'free', 'yuan']);
  expect(first).toMatch(/^2026-11-26 +1 +10 +0 +5 +0 +0 +3 +█{9}▊$/);
  expect(second).toMatch(/^2026-11-27 .* 12\.345678901 +█{40}$/);
  expect(all).toMatch(/^all +1 +20 .* 15\.345678901$/);
});

it('compares tokens where nothing cost anything', () => {
  const [, few, many] = linesOf([row('a', '0', 10), row('b', '0', 25)], row('', '0'), 'model');
  expect(few).toMatch(/ █{20}$/);
  expect(many).toMatch(/ █{40}$/);
});

it('leaves a place for days without calls, and lets the least be seen', () => {
  const lines = linesOf([row('2026-02-27', '0.000000001'), row('2026-03-01', '1')], row('', '1.000000001'));
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['day', '2026-02-27', '2026-02-28', '2026-03-01', 'all']);
  expect(lines[1]).toMatch(/ ▏$/);
  expect(lines[2]).not.toMatch(/[▏█]/);
});

it('keeps within the terminal', () => {
  const lines = linesOf([row('2026-11-26', '1'), row('2026-11-27', '2')], row('', '3'), 'day', 80);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
});

it('calls keys by their names', () => {
  const [, named] = linesOf([{ ...row('key-1', '1'), name: 'laptop' }], row('', '1'), 'key');
  expect(named).toMatch(/^laptop \(key-1\) /);
});
