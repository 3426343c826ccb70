/** A server inside this process, on a port the system chooses, for commands that need one and find none. */
import { readFile } from 'node:fs/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Config } from '../config.ts';
import type { Logger } from '../core/ports.ts';
import { REGIONS, type Region } from '../core/regions.ts';
import { authorityFile } from '../tls/folder.ts';
import type { ResolvedWeights } from '../weights/resolve.ts';
import { type bringLocalWeights, engineWeightsOf, localWeightsOf } from './weights-view.ts';

export interface LocalServer {
  readonly baseUrl: string;
  close(): Promise<void>;
}

const NO_PORTS = Object.fromEntries(REGIONS.map((region) => [region, {}])) as { [region in Region]: object };

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Starts it, and waits until its engine has loaded. Only this machine reaches it. It has those local models of the
 * configuration whose weights are given.
 */
export async function startLocalServer(
  config: Config,
  weights: ResolvedWeights | undefined,
  localWeights: Awaited<ReturnType<typeof bringLocalWeights>> = {},
): Promise<LocalServer> {
  const { startServer } = await import('../main.ts');
  const local = {
    ...config,
    server: { ...config.server, host: '127.0.0.1', port: 0 },
    regions: { default: config.regions.default, ...NO_PORTS },
    tls: { ...config.tls, enabled: false },
    localModels: config.localModels.filter(({ name }) => name in localWeights),
    models: config.models.filter((route) => !('model' in route && route.model) || route.model in localWeights),
  };
  const server = await startServer(local, {
    log: SILENT,
    weights: weights && engineWeightsOf(weights),
    localWeights: localWeightsOf(localWeights),
  });
  try {
    await server.ready;
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

/** An address of this machine that leads to a server which listens on `host`. */
export function reachableHost(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}

/**
 * Where a server of these settings answers. With TLS this process comes to trust its certificate, where there is one yet.
 */
export async function localUrl({ server, tls, home }: Config): Promise<string> {
  const host = reachableHost(server.host);
  const authority = `${host.includes(':') ? `[${host}]` : host}:${server.port}`;
  if (!tls.enabled) return `http://${authority}`;
  const certificate = await readFile(tls.certFile ?? authorityFile(home), 'utf8').catch(() => undefined);
  if (certificate !== undefined) setDefaultCACertificates([...getCACertificates('default'), certificate]);
  return `https://${authority}`;
}

/** Whose server answers at the URL: Atelier, somebody else, or nobody. */
export async function whoAnswers(baseUrl: string, timeoutMs = 2000): Promise<'atelier' | 'other' | 'nobody'> {
  try {
    const response = await fetch(`${baseUrl}/health`, { signal: AbortSignal.timeout(timeoutMs) });
    const body = (await response.json().catch(() => undefined)) as
      | { version?: unknown; backends?: unknown }
      | undefined;
    return body?.version !== undefined && body.backends !== undefined ? 'atelier' : 'other';
  } catch (error) {
    return error instanceof Error && error.name === 'TimeoutError' ? 'other' : 'nobody';
  }
}
