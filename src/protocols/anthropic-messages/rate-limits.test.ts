import { expect, it } from 'vitest';
import { messagesRateLimitHeaders } from './rate-limits.ts';

const NOW = Date.parse('2026-12-01T08:00:00.200Z');

it('tells of each kind how much there is, how much is left and when it is full again', () => {
  const limits = {
    requests: { limit: 100, remaining: 99, resetMs: 10 },
    tokens: { limit: 5000, remaining: 0, resetMs: 60_000 },
  };
  expect(messagesRateLimitHeaders(limits, NOW)).toEqual({
    'anthropic-ratelimit-requests-limit': '100',
    'anthropic-ratelimit-requests-remaining': '99',
    'anthropic-ratelimit-requests-reset': '2026-12-01T08:00:01Z',
    'anthropic-ratelimit-tokens-limit': '5000',
    'anthropic-ratelimit-tokens-remaining': '0',
    'anthropic-ratelimit-tokens-reset': '2026-12-01T08:01:01Z',
  });
});

it('tells nothing where nothing is limited', () => {
  expect(messagesRateLimitHeaders(undefined, NOW)).toEqual({});
});
