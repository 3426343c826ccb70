import { expect, it } from 'vitest';
import { formatBeijingDate, formatBeijingTime, formatBeijingTimeMs, parseBeijingTime } from './beijing-time.ts';

it('reads both forms as the recorded filters mean them', () => {
  // A batch of 1776414394 was found between these two.
  expect(parseBeijingTime('20260417162000')).toBe(Date.UTC(2026, 3, 17, 8, 20));
  expect(parseBeijingTime('20250101')).toBe(Date.UTC(2024, 11, 31, 16));
});

it.each(['', '2025', '2025-01-01', '20250230', '20251301', '20250101246000', '202501011', 'x20250101'])(
  'refuses %j',
  (text) => expect(parseBeijingTime(text)).toBeUndefined(),
);

it('tells a time as recorded', () => {
  expect(formatBeijingTime(1_764_499_365_000)).toBe('2025-11-30 18:42:45');
  expect(formatBeijingTimeMs(Date.parse('2024-03-01T09:38:24.817Z'))).toBe('2024-03-01 17:38:24.817');
  expect(formatBeijingDate(Date.parse('2024-03-01T16:00:00Z'))).toBe('2024-03-02');
});
