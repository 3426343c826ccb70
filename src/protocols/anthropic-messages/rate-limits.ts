/** What is left of a call's limits, as Anthropic's API tells it ("Rate limits", response headers). */
import type { RateLeft, RateLimits } from '../../core/limits.ts';

/** None where nothing limits the call. Moments of reset are counted from `nowMs`. */
export function messagesRateLimitHeaders(limits: RateLimits | undefined, nowMs: number): { [name: string]: string } {
  const headers: { [name: string]: string } = {};
  if (limits?.requests) tell(headers, 'requests', limits.requests, nowMs);
  if (limits?.tokens) tell(headers, 'tokens', limits.tokens, nowMs);
  return headers;
}

function tell(headers: { [name: string]: string }, kind: string, left: RateLeft, nowMs: number): void {
  headers[`anthropic-ratelimit-${kind}-limit`] = String(left.limit);
  headers[`anthropic-ratelimit-${kind}-remaining`] = String(left.remaining);
  headers[`anthropic-ratelimit-${kind}-reset`] = moment(nowMs + left.resetMs);
}

/** RFC 3339, whole seconds: the first at which the limit is full again. */
function moment(milliseconds: number): string {
  return `${new Date(Math.ceil(milliseconds / 1000) * 1000).toISOString().slice(0, -'.000Z'.length)}Z`;
}
