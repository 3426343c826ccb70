import { describe, expect, it } from 'vitest';
import { loadCatalogue } from '../catalogue/load.ts';
import type { ModelLimits } from '../core/models.ts';
import type { Account } from '../core/ports.ts';
import { CallLimits, leftOf } from './call-limits.ts';

const SETTINGS = { requestsPerSecond: 100, concurrentStreams: 10, catalogue: true, burst: 0 };
const account: Account = { keyId: 'key-1', name: 'test', workspaceId: 'default', region: 'beijing' };
const model: ModelLimits = {
  requestsPerMinute: 500,
  tokensPerMinute: 1_000_000,
  requestWindow: { count: 50, seconds: 6 },
  tokenWindow: null,
};
const NO_LIMITS = {};

describe('the rates of a call', () => {
  it('are the calls a second, the catalogue’s windows, and those of the key', () => {
    const key = { requestsPerSecond: 5, requestsPerMinute: 60, tokensPerMinute: 6000 };
    expect(new CallLimits({ ...SETTINGS, burst: 20 }).ratesOf(account, 'glm-5', model, key)).toEqual([
      { bucket: 'beijing/glm-5/second', kind: 'requests', capacity: 100, perSecond: 100 },
      { bucket: 'beijing/glm-5/requests', kind: 'requests', capacity: 50, perSecond: 50 / 6 },
      { bucket: 'key/key-1/second', kind: 'requests', capacity: 5, perSecond: 5 },
      { bucket: 'key/key-1/requests', kind: 'requests', capacity: 60, perSecond: 1 },
      { bucket: 'beijing/glm-5/tokens', kind: 'tokens', capacity: 1_000_000, perSecond: 1_000_000 / 60 },
      { bucket: 'key/key-1/tokens', kind: 'tokens', capacity: 6000, perSecond: 100 },
      { bucket: 'beijing/glm-5/burst', kind: 'burst', capacity: 20, perSecond: 100 },
    ]);
  });

  it('are the calls a second alone where nothing else is known or wanted', () => {
    const second = [{ bucket: 'beijing/glm-5/second', kind: 'requests', capacity: 100, perSecond: 100 }];
    expect(new CallLimits(SETTINGS).ratesOf(account, 'glm-5', undefined, NO_LIMITS)).toEqual(second);
    const none = { requestsPerMinute: null, tokensPerMinute: null, requestWindow: null, tokenWindow: null };
    expect(new CallLimits(SETTINGS).ratesOf(account, 'glm-5', none, NO_LIMITS)).toEqual(second);
    const withoutCatalogue = new CallLimits({ ...SETTINGS, catalogue: false });
    expect(withoutCatalogue.ratesOf(account, 'glm-5', model, NO_LIMITS)).toEqual(second);
  });

  const bucketOf = (caller: Account, id: string): string | undefined =>
    new CallLimits(SETTINGS).ratesOf(caller, id, undefined, NO_LIMITS)[0]?.bucket;

  it('are of a region, and shared by its keys', () => {
    expect(bucketOf({ ...account, keyId: 'key-2', workspaceId: 'ws-2' }, 'qwen-plus')).toBe(
      bucketOf(account, 'qwen-plus'),
    );
    expect(bucketOf({ ...account, region: 'singapore' }, 'qwen-plus')).not.toBe(bucketOf(account, 'qwen-plus'));
  });

  it('are of each id by itself, but for the two that share', () => {
    expect(bucketOf(account, 'qwen-plus-latest')).not.toBe(bucketOf(account, 'qwen-plus'));
    expect(bucketOf(account, 'kimi-k2.5')).not.toBe(bucketOf(account, 'kimi-k2.6'));
    expect(bucketOf(account, 'kimi/kimi-k2.5')).toBe(bucketOf(account, 'kimi/kimi-k2.6'));
    expect(loadCatalogue().find('kimi/kimi-k2.5')).toBeDefined();
  });

  it('are made up once, and anew when a limit was changed', () => {
    const limits = new CallLimits(SETTINGS);
    const first = limits.ratesOf(account, 'glm-5', model, NO_LIMITS);
    expect(limits.ratesOf(account, 'glm-5', model, NO_LIMITS)).toBe(first);
    expect(limits.ratesOf(account, 'glm-5', model, { requestsPerSecond: 1 })).toHaveLength(first.length + 1);
    expect(limits.ratesOf(account, 'glm-5', undefined, NO_LIMITS)).toHaveLength(1);
    expect(limits.placesOf(account, NO_LIMITS)).toBe(limits.placesOf(account, NO_LIMITS));
  });
});

it('places are the key’s, as many as it was given', () => {
  const limits = new CallLimits(SETTINGS);
  expect(limits.placesOf(account, NO_LIMITS)).toEqual([{ bucket: 'key/key-1/streams', kind: 'concurrency', max: 10 }]);
  expect(limits.placesOf(account, { concurrentStreams: 2 })[0]?.max).toBe(2);
  expect(limits.placesOf({ ...account, region: 'singapore' }, NO_LIMITS)[0]?.bucket).toBe('key/key-1/streams');
});

it('what is left is told of the limit of each kind that has the least', () => {
  const rates = new CallLimits({ ...SETTINGS, burst: 1 }).ratesOf(account, 'glm-5', model, { tokensPerMinute: 600 });
  expect(leftOf(rates, [99, 49.5, 400_000, -12, 0])).toEqual({
    requests: { limit: 50, remaining: 49, resetMs: 60 },
    tokens: { limit: 600, remaining: 0, resetMs: 61_200 },
  });
  expect(leftOf([], [])).toEqual({ requests: undefined, tokens: undefined });
});
