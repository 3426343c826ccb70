/** `atelier serve` */
import { confirm, isCancel } from '@clack/prompts';
import { type Config, type ConfigFlags, loadConfig } from '../../config.ts';
import { REGIONS } from '../../core/regions.ts';
import type { ResolvedWeights } from '../../weights/resolve.ts';
import { apiKeyFile, ensureLocalKeys, type LocalKey, type LocalKeys } from '../api-key.ts';
import { refuseWhatDoesNotFit } from '../memory-fit.ts';
import { findFreePort, ownerOfPort, probePort } from '../port-owner.ts';
import { settingsText } from '../settings-text.ts';
import { note, say, styled, UserError } from '../terminal.ts';
import { bringLocalWeights, bringWeights, engineWeightsOf, localWeightsOf } from '../weights-view.ts';

/** A terminal and the launcher above may both pass on one Ctrl-C; only a later one means hurry. */
const SAME_SIGNAL_MS = 1000;

/** Brings weights, starts, prints the settings, and serves until a signal. */
export async function serve(flags: ConfigFlags, version: string): Promise<void> {
  const wanted = loadConfig({ flags });
  for (const warning of wanted.warnings) note(`${styled('yellow', 'note', process.stderr)} ${warning}`);
  // Before the weights: nobody should wait for a download to learn of a taken port.
  const config = await withUsablePort(wanted);
  await checkRegionPorts(config);
  const keys = await ensureLocalKeys(config);
  const weights = config.engine.enabled ? await bringWeights(config) : undefined;
  if (weights) await refuseWhatDoesNotFit(weights, config);
  const localWeights = localWeightsOf(await bringLocalWeights(config));
  const { startServer, openLog } = await import('../../main.ts');
  // Results go to stdout, logs to stderr: either can be read by a program.
  const log = openLog(config.log.level, 2);
  const stopped = untilSignal();
  const server = await startServer(config, { log, weights: weights && engineWeightsOf(weights), localWeights });
  if (weights) note(`Loading ${weights.name}…`);
  const outcome = await Promise.race([server.ready.then(() => 'ready' as const, asUserError), stopped]);
  if (outcome === 'ready') {
    const place = {
      baseUrl: server.baseUrl,
      region: config.regions.default,
      regionPorts: server.regionPorts,
      trustFile: config.tls.certFile === undefined ? server.trustFile : undefined,
    };
    say(settingsText({ version, ...place, ...keyFacts(config, keys), ...answerFacts(config, weights) }));
    await stopped;
  }
  if (!(outcome instanceof UserError)) note('Finishing what is running…');
  await server.close();
  if (outcome instanceof UserError) throw outcome;
  // Anything still open by now belongs to nobody.
  process.exit(0);
}

function asUserError(error: unknown): UserError {
  const reason = error instanceof Error ? error.message : String(error);
  return new UserError(`The engine could not load the weights: ${reason}\nFix: atelier doctor finds out why.`);
}

/** Resolves at the first signal to stop; a later one ends the program at once. */
function untilSignal(): Promise<'stopped'> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    const onSignal = () => {
      firstAtMs ??= performance.now();
      if (performance.now() - firstAtMs > SAME_SIGNAL_MS) process.exit(130);
      resolve('stopped');
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}

async function withUsablePort(config: Config): Promise<Config> {
  const { host, port } = config.server;
  if (port === 0) return config;
  const state = await probePort(host, port);
  if (state === 'free') return config;
  if (state !== 'taken')
    throw new UserError(
      `Cannot listen on ${host}:${port}: ${state.refusal}\nFix: choose another with --port or --host.`,
    );
  const owner = (await ownerOfPort(port)) ?? 'another program';
  // Above those of regions: one of theirs would be free as well, and make the server that region's.
  const free = await findFreePort(host, Math.max(port, ...REGIONS.map((region) => config.regions[region].port ?? 0)));
  const taken = `Port ${port} is taken by ${owner}.`;
  if (process.stdin.isTTY && process.stdout.isTTY) {
    const answer = await confirm({ message: `${taken} Use port ${free} instead?` });
    if (answer === true && !isCancel(answer)) return { ...config, server: { ...config.server, port: free } };
  }
  throw new UserError(`${taken}\nFix: stop it, or use a free port: PORT=${free} npm start (or --port ${free})`);
}

/** The port of a region is what programs were told, so no other is offered. */
async function checkRegionPorts({ server: { host, port: own }, regions }: Config): Promise<void> {
  for (const region of REGIONS) {
    const port = regions[region].port ?? 0;
    const state = port === 0 || port === own ? 'free' : await probePort(host, port);
    if (state === 'free') continue;
    const why = state === 'taken' ? `it is taken by ${(await ownerOfPort(port)) ?? 'another program'}` : state.refusal;
    throw new UserError(
      `Cannot listen on ${host}:${port} for ${region}: ${why}\nFix: stop it, or set regions.${region}.port to another.`,
    );
  }
}

function keyFacts(
  config: Config,
  { api, admin }: LocalKeys,
): { secret: string | undefined; keyNote: string; adminKeyFile: string | undefined } {
  const facts = { secret: api?.secret, keyNote: keyNote(config, api), adminKeyFile: admin?.file };
  return config.auth.required ? facts : { ...facts, secret: api?.secret ?? 'any' };
}

function keyNote(config: Config, key: LocalKey | undefined): string {
  const more = 'more: atelier keys create';
  if (!config.auth.required) return 'keys are not asked for (auth.required is false)';
  if (!key) return `the key in ${apiKeyFile(config)} is gone or revoked; ${more}`;
  if (key.region !== config.regions.default)
    return `a key of ${key.region}, where this server is ${config.regions.default} by default; ${more}`;
  return `${key.isNew ? 'made just now, ' : ''}kept in ${key.file}; ${more}`;
}

function answerFacts(config: Config, weights: ResolvedWeights | undefined): { answeredBy: string; model: string } {
  if (config.scripted) return { answeredBy: 'Every model is answered by a script.', model: 'qwen-plus' };
  if (config.replay) return { answeredBy: `The recordings in ${config.replay} answer.`, model: 'qwen-plus' };
  if (weights) return { answeredBy: `${weights.name} stands in for every text model.`, model: 'qwen-plus' };
  const route = config.models[0];
  return {
    answeredBy: 'Upstreams answer.',
    model: route && !route.pattern.includes('*') ? route.pattern : 'qwen-plus',
  };
}
