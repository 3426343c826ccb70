/**
 * Calls that callers have asked for by a URL of theirs. The server stands where it may reach more than they do (its own
 * machine, the local network), so such addresses are refused unless a setting allows them; what a name leads to is looked at
 * when the connection is made, not before.
 */
import { type LookupAddress, lookup as lookUp } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import type { Webhooks } from '../core/batches.ts';

const TIMEOUT_MS = 10_000;

export interface WebhookOptions {
  readonly allowsPrivateAddresses: boolean;
}

/** Posts JSON, once, without following redirects. */
export function createWebhooks({ allowsPrivateAddresses }: WebhookOptions): Webhooks & { close(): Promise<void> } {
  const agent = new Agent({
    connect: { timeout: TIMEOUT_MS, ...(allowsPrivateAddresses ? {} : { lookup: publicOnly(lookUp) }) },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });
  return {
    post: async (url, body) => {
      const { protocol, hostname } = new URL(url);
      if (protocol !== 'http:' && protocol !== 'https:') throw new Error(`not an http or https URL: ${protocol}`);
      if (!allowsPrivateAddresses && isPrivate(hostname.replace(/^\[|\]$/g, ''))) throw new Error(REFUSAL);
      const reply = await request(url, {
        dispatcher: agent,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      await reply.body.dump();
      if (reply.statusCode >= 300) throw new Error(`the callback was answered with status ${reply.statusCode}`);
    },
    close: () => agent.destroy(),
  };
}

const PRIVATE = privateAddresses();

/** Addresses that are not on the public Internet (the special-purpose registries of IANA). */
function privateAddresses(): BlockList {
  const list = new BlockList();
  for (const subnet of [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '224.0.0.0/4',
    '240.0.0.0/4',
  ])
    addSubnet(list, subnet, 'ipv4');
  for (const subnet of ['::/127', '64:ff9b::/96', 'fc00::/7', 'fe80::/10', 'ff00::/8']) addSubnet(list, subnet, 'ipv6');
  return list;
}

function addSubnet(list: BlockList, subnet: string, family: 'ipv4' | 'ipv6'): void {
  const [address = '', bits] = subnet.split('/');
  list.addSubnet(address, Number(bits), family);
}

const REFUSAL = 'the callback leads to a private address';

/** False for names, which are looked at when they are resolved. */
function isPrivate(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && PRIVATE.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Looks names up and refuses those of which any address is private. */
export function publicOnly(look: typeof lookUp): LookupFunction {
  return (hostname, options, callback) => {
    look(hostname, { ...options, all: true }, (failure, addresses) => {
      const refusal = failure ?? refusalOf(addresses);
      const [first] = addresses ?? [];
      if (refusal) callback(refusal, '');
      else if (options.all) callback(null, addresses);
      else callback(null, first?.address ?? '', first?.family);
    });
  };
}

function refusalOf(addresses: readonly LookupAddress[]): Error | null {
  return addresses.some(({ address }) => isPrivate(address)) ? new Error(REFUSAL) : null;
}
