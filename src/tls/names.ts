/** The names a certificate of ours is for, and what the authority behind it may vouch for at all. */
import { BlockList, isIP, isIPv4 } from 'node:net';
import { REGION_FACTS, REGIONS } from '../core/regions.ts';

export interface ServerNames {
  readonly hosts: readonly string[];
  /** Or ranges (`10.0.0.0/8`), where it is said what may be vouched for. */
  readonly addresses: readonly string[];
}

const VENDOR_HOSTS = REGIONS.flatMap((region) => REGION_FACTS[region].hosts);
const VENDOR_IDS = REGIONS.flatMap((region) => REGION_FACTS[region].vendorIds);

/** Whoever steals the authority's key can pose as these and as nothing else: the service, this machine, private networks. */
export const PERMITTED: ServerNames = {
  hosts: ['localhost', ...VENDOR_HOSTS, 'maas.aliyuncs.com'],
  addresses: [
    '127.0.0.0/8',
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '100.64.0.0/10',
    '169.254.0.0/16',
    '::1/128',
    'fc00::/7',
    'fe80::/10',
  ],
};

const PERMITTED_ADDRESSES = new BlockList();
for (const range of PERMITTED.addresses) {
  const [address = '', bits] = range.split('/');
  PERMITTED_ADDRESSES.addSubnet(address, Number(bits), familyOf(address));
}

/**
 * Names of a server: every host of the service, this machine's own, and the addresses it listens on. An address outside
 * private networks is left out: for that, and for other names, a certificate has to be given (`tls.certFile`).
 */
export function serverNames(addresses: readonly string[]): ServerNames {
  const own = addresses.filter(
    (address) => isIP(address) !== 0 && PERMITTED_ADDRESSES.check(address, familyOf(address)),
  );
  return {
    hosts: ['localhost', ...VENDOR_HOSTS, ...VENDOR_IDS.map((id) => `*.${id}.maas.aliyuncs.com`)],
    addresses: [...new Set(['127.0.0.1', '::1', ...own])],
  };
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}
