import { describe, expect, it } from 'vitest';
import { openAiRateLimitHeaders } from './rate-limit-headers.ts';

const left = (resetMs: number) => ({ limit: 100, remaining: 99, resetMs });

describe('the headers of limits', () => {
  it('tell of each kind how much there is, how much is left and when it is full again', () => {
    expect(
      openAiRateLimitHeaders({ requests: left(10), tokens: { limit: 5000, remaining: 0, resetMs: 60_000 } }),
    ).toEqual({
      'x-ratelimit-limit-requests': '100',
      'x-ratelimit-remaining-requests': '99',
      'x-ratelimit-reset-requests': '10ms',
      'x-ratelimit-limit-tokens': '5000',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '1m0s',
    });
  });

  it.each([
    [0, '0ms'],
    [19.2, '20ms'],
    [1000, '1s'],
    [1500, '1.5s'],
    [360_000, '6m0s'],
    [359_999, '6m0s'],
  ])('write %d ms as %s', (resetMs, text) => {
    expect(openAiRateLimitHeaders({ requests: left(resetMs) })['x-ratelimit-reset-requests']).toBe(text);
  });

  it('are none where nothing is limited', () => {
    expect(openAiRateLimitHeaders(undefined)).toEqual({});
    expect(openAiRateLimitHeaders({})).toEqual({});
  });
});
