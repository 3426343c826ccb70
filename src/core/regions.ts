/**
 * The regions of the service. Each has its own hosts, models, prices, free quota and keys; a key of one is refused in
 * another ("Regions", founding document "Service Endpoints").
 */

export const REGIONS = ['beijing', 'singapore', 'virginia', 'hong-kong', 'frankfurt'] as const;

export type Region = (typeof REGIONS)[number];

/** Where nothing says which: one port is Beijing. */
export const DEFAULT_REGION: Region = 'beijing';

export interface RegionFacts {
  /** For people. */
  readonly title: string;
  /** The vendor's id, as it stands in workspace hosts: `{WorkspaceId}.cn-beijing.maas.aliyuncs.com`. */
  readonly vendorIds: readonly [string, ...string[]];
  /** The vendor's own host names, also those of its coding plan (`coding.…/v1`). */
  readonly hosts: readonly string[];
  /**
   * Scopes of the catalogue that say what a model costs and may do here, the first that an entry has counts. The vendor's
   * pages have no list for Hong Kong; it is served as Singapore is (docs/decisions/0010).
   */
  readonly scopes: readonly string[];
  /** The region of the catalogue whose models there are here. */
  readonly catalogueRegion: string;
  /** Whose help page its error texts link. */
  readonly isMainland: boolean;
}

export const REGION_FACTS: { readonly [region in Region]: RegionFacts } = {
  beijing: {
    title: 'China (Beijing)',
    vendorIds: ['cn-beijing'],
    hosts: [
      'dashscope.aliyuncs.com',
      'batch.dashscope.aliyuncs.com',
      'coding.dashscope.aliyuncs.com',
      'dashscope-finance.aliyuncs.com',
    ],
    scopes: ['beijing'],
    catalogueRegion: 'beijing',
    isMainland: true,
  },
  singapore: {
    title: 'Singapore',
    vendorIds: ['ap-southeast-1'],
    hosts: ['dashscope-intl.aliyuncs.com', 'coding-intl.dashscope.aliyuncs.com'],
    scopes: ['singapore', 'beijing'],
    catalogueRegion: 'singapore',
    isMainland: false,
  },
  virginia: {
    title: 'US (Virginia)',
    vendorIds: ['us-east-1', 'us-east'],
    hosts: ['dashscope-us.aliyuncs.com'],
    scopes: ['global', 'us', 'beijing'],
    catalogueRegion: 'virginia',
    isMainland: false,
  },
  'hong-kong': {
    title: 'China (Hong Kong)',
    vendorIds: ['cn-hongkong'],
    hosts: ['cn-hongkong.dashscope.aliyuncs.com'],
    scopes: ['singapore', 'beijing'],
    catalogueRegion: 'singapore',
    isMainland: false,
  },
  frankfurt: {
    title: 'Germany (Frankfurt)',
    vendorIds: ['eu-central-1'],
    hosts: ['dashscope-eu.aliyuncs.com'],
    scopes: ['eu', 'global', 'beijing'],
    catalogueRegion: 'frankfurt',
    isMainland: false,
  },
};

/** Stand where a workspace's id does in hosts that are everybody's: the token plan's ("Token Plan"). */
export const SHARED_HOST_LABELS: ReadonlySet<string> = new Set(['token-plan']);

export function isRegion(text: string): text is Region {
  return (REGIONS as readonly string[]).includes(text);
}
