import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REGION_FACTS, REGIONS } from '../core/regions.ts';
import { type ArrivedRequest, hostOf, Places, withoutPrefix } from './places.ts';

const places = new Places('beijing');
places.claimPort(8001, 'singapore');

const placeOf = (url: string, host?: string, port?: number, more: ArrivedRequest['headers'] = {}) =>
  places.placeOf({ url, headers: { host, ...more }, socket: { localPort: port } });

describe('the region of a request', () => {
  it.each([
    ['/v1/models', '127.0.0.1:8000', 8000, 'beijing', ''],
    ['/v1/models', '127.0.0.1:8001', 8001, 'singapore', ''],
    ['/v1/models', undefined, undefined, 'beijing', ''],
    ['/v1/models', 'dashscope-us.aliyuncs.com', 8001, 'virginia', ''],
    ['/v1/models', 'DashScope-Intl.aliyuncs.com:443', 8000, 'singapore', ''],
    ['/v1/models', 'dashscope-intl.aliyuncs.com.', 8000, 'singapore', ''],
    ['/v1/models', 'coding-intl.dashscope.aliyuncs.com', 8000, 'singapore', ''],
    ['/v1/models', 'evil-dashscope-intl.aliyuncs.com', 8000, 'beijing', ''],
    ['/v1/models', '[::1]:8001', 8001, 'singapore', ''],
    ['/frankfurt/v1/models', 'dashscope-us.aliyuncs.com', 8001, 'frankfurt', '/frankfurt'],
    ['/hong-kong', 'localhost', 8001, 'hong-kong', '/hong-kong'],
    ['/hong-kong?a=/b', 'localhost', 8000, 'hong-kong', '/hong-kong'],
    ['/singaporean/v1', 'localhost', 8000, 'beijing', ''],
    ['/Singapore/v1', 'localhost', 8000, 'beijing', ''],
    ['/v1/singapore/', 'localhost', 8000, 'beijing', ''],
    ['xsingapore/v1', 'localhost', 8000, 'beijing', ''],
  ])('of %s at %s on port %s is %s', (url, host, port, region, prefix) => {
    expect(placeOf(url, host, port)).toEqual({ region, prefix, workspaceId: undefined });
  });

  it.each(REGIONS.flatMap((region) => REGION_FACTS[region].hosts.map((host): [string, string] => [host, region])))(
    'is told by the host %s',
    (host, region) => {
      expect(placeOf('/', host).region).toBe(region);
    },
  );

  it.each(REGIONS.flatMap((region) => REGION_FACTS[region].vendorIds.map((id): [string, string] => [id, region])))(
    "is told by a workspace's host in %s",
    (id, region) => {
      const host = `ws-1.${id}.maas.aliyuncs.com:443`;
      expect(placeOf('/', host)).toEqual({ region, prefix: '', workspaceId: 'ws-1' });
    },
  );

  it.each([
    ['token-plan.cn-beijing.maas.aliyuncs.com', 'beijing', undefined],
    ['cn-beijing.maas.aliyuncs.com', 'beijing', undefined],
    ['.cn-hongkong.maas.aliyuncs.com', 'beijing', undefined],
    ['ws-1.nowhere.maas.aliyuncs.com', 'beijing', undefined],
    ['a.b.eu-central-1.maas.aliyuncs.com', 'frankfurt', 'a.b'],
  ])('and workspace of %s are %s, %s', (host, region, workspaceId) => {
    expect(placeOf('/', host, 8000)).toEqual({ region, prefix: '', workspaceId });
  });

  it('is told by the host that a proxy was asked for', () => {
    const forwarded = { 'x-forwarded-host': 'dashscope-us.aliyuncs.com, inner' };
    expect(placeOf('/', '127.0.0.1:8000', 8000, forwarded).region).toBe('virginia');
    expect(hostOf({ host: 'a', 'x-forwarded-host': 'b' })).toBe('b');
    expect(hostOf({ host: 'a' })).toBe('a');
  });

  it('is read from the URL as it arrived', () => {
    const request = { url: '/v1/models', originalUrl: '/virginia/v1/models', headers: {}, socket: {} };
    expect(places.placeOf(request).region).toBe('virginia');
  });

  it('is some region, whatever was sent', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('/', '.', ':', '?', ...REGIONS, 'maas.aliyuncs.com', 'cn-beijing'),
    );
    const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(
        text,
        fc.option(text, { nil: undefined }),
        fc.option(text, { nil: undefined }),
        (url, host, forwarded) => {
          const place = placeOf(url, host, 8000, { 'x-forwarded-host': forwarded });
          expect(REGIONS).toContain(place.region);
          expect(withoutPrefix(url) === url).toBe(place.prefix === '');
        },
      ),
    );
  });
});

describe('a URL without its prefix', () => {
  it.each([
    ['/singapore/v1/models?a=b', '/v1/models?a=b'],
    ['/singapore', '/'],
    ['/singapore/', '/'],
    ['/singapore?a=b', '/?a=b'],
    ['/singapore/beijing/v1', '/beijing/v1'],
    ['/v1/models', '/v1/models'],
    ['', ''],
  ])('%s is %s', (url, bare) => {
    expect(withoutPrefix(url)).toBe(bare);
  });
});
