/**
 * What is left of a call's limits, as OpenAI's API tells it ("Rate limits in headers"). Model Studio documents no such
 * headers; tools that share a key among many calls read these (client-behaviour reference §6).
 */
import type { RateLeft, RateLimits } from '../core/limits.ts';

/** The headers of the OpenAI-style wires; none where nothing limits the call. */
export function openAiRateLimitHeaders(limits: RateLimits | undefined): { [name: string]: string } {
  const headers: { [name: string]: string } = {};
  if (limits?.requests) tell(headers, 'requests', limits.requests);
  if (limits?.tokens) tell(headers, 'tokens', limits.tokens);
  return headers;
}

function tell(headers: { [name: string]: string }, kind: 'requests' | 'tokens', left: RateLeft): void {
  headers[`x-ratelimit-limit-${kind}`] = String(left.limit);
  headers[`x-ratelimit-remaining-${kind}`] = String(left.remaining);
  headers[`x-ratelimit-reset-${kind}`] = duration(left.resetMs);
}

/** As OpenAI writes it: `20ms`, `1s`, `1.5s`, `6m0s`. */
function duration(milliseconds: number): string {
  const whole = Math.ceil(milliseconds);
  if (whole < 1000) return `${whole}ms`;
  if (whole < 60_000) return `${whole / 1000}s`;
  const seconds = Math.ceil(whole / 1000);
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
