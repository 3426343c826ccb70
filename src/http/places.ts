/**
 * Where a call is made: its region, by the first that says one of path prefix (`/singapore/…`), host name and port, and
 * the workspace that a host name of its own (`{WorkspaceId}.cn-beijing.maas.aliyuncs.com`) means
 * (docs/decisions/0010). It is asked for every request, so it is look-ups and no patterns.
 */
import type { IncomingMessage } from 'node:http';
import { REGION_FACTS, REGIONS, type Region, SHARED_HOST_LABELS } from '../core/regions.ts';

export interface Place {
  readonly region: Region;
  /** What a URL told to this client has to begin with to lead back here: '' or `/singapore`. */
  readonly prefix: string;
  /** By host name. */
  readonly workspaceId: string | undefined;
}

/** A request as it arrived; the framework keeps the URL of one that it has rewritten. */
export type ArrivedRequest = Pick<IncomingMessage, 'url' | 'headers'> & {
  readonly originalUrl?: string | undefined;
  readonly socket: { readonly localPort?: number | undefined };
};

type HostPlace = Pick<Place, 'workspaceId'> & { readonly region: Region };

const WORKSPACE_HOSTS = '.maas.aliyuncs.com';

const BY_HOST: ReadonlyMap<string, HostPlace> = new Map(
  REGIONS.flatMap((region) =>
    REGION_FACTS[region].hosts.map((host): [string, HostPlace] => [host, { region, workspaceId: undefined }]),
  ),
);

const BY_VENDOR_ID: ReadonlyMap<string, Region> = new Map(
  REGIONS.flatMap((region) => REGION_FACTS[region].vendorIds.map((id): [string, Region] => [id, region])),
);

/** Finds the place of a request. Ports are told once they are known. */
export class Places {
  readonly #defaultRegion: Region;
  readonly #byPort = new Map<number, Region>();

  constructor(defaultRegion: Region) {
    this.#defaultRegion = defaultRegion;
  }

  /** What comes in on this port is the region's. */
  claimPort(port: number, region: Region): void {
    this.#byPort.set(port, region);
  }

  /** Never throws, whatever a client has sent. */
  placeOf(request: ArrivedRequest): Place {
    const prefixed = regionOfPath(request.originalUrl ?? request.url ?? '');
    const host = placeOfHost(hostOf(request.headers));
    return {
      region: prefixed ?? host?.region ?? this.#regionOfPort(request) ?? this.#defaultRegion,
      prefix: prefixed === undefined ? '' : `/${prefixed}`,
      workspaceId: host?.workspaceId,
    };
  }

  #regionOfPort({ socket }: ArrivedRequest): Region | undefined {
    return this.#byPort.size === 0 || socket.localPort === undefined ? undefined : this.#byPort.get(socket.localPort);
  }
}

/** A URL without the prefix of a region, as the routes know it. */
export function withoutPrefix(url: string): string {
  const region = regionOfPath(url);
  if (region === undefined) return url;
  const rest = url.slice(1 + region.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * The name a client used for us. A proxy's word counts: a client could as well have named that host itself, and no name
 * opens anything, as every key holds in one region only.
 */
export function hostOf({ 'x-forwarded-host': forwarded, host }: IncomingMessage['headers']): string | undefined {
  if (typeof forwarded !== 'string') return host;
  const comma = forwarded.indexOf(',');
  return comma < 0 ? forwarded : forwarded.slice(0, comma).trim();
}

function regionOfPath(url: string): Region | undefined {
  for (const region of REGIONS) {
    if (!url.startsWith(region, 1)) continue;
    const next = url[1 + region.length];
    if (url[0] === '/' && (next === '/' || next === '?' || next === undefined)) return region;
  }
  return undefined;
}

function placeOfHost(host: string | undefined): HostPlace | undefined {
  if (host === undefined) return undefined;
  const name = bareName(host);
  const known = BY_HOST.get(name);
  if (known || !name.endsWith(WORKSPACE_HOSTS)) return known;
  const labels = name.slice(0, -WORKSPACE_HOSTS.length);
  const dot = labels.lastIndexOf('.');
  const region = BY_VENDOR_ID.get(labels.slice(dot + 1));
  if (region === undefined || dot <= 0) return undefined;
  const workspaceId = labels.slice(0, dot);
  return { region, workspaceId: SHARED_HOST_LABELS.has(workspaceId) ? undefined : workspaceId };
}

/** Without port, closing dot and capitals. */
function bareName(host: string): string {
  const colon = host.indexOf(':');
  const name = colon < 0 ? host : host.slice(0, colon);
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
}
