/** `atelier models` */
import type { ModelView } from '../../admin/contract.ts';
import type { LocalModelsView } from '../../admin/engine-routes.ts';
import { type Config, type ConfigFlags, loadConfig } from '../../config.ts';
import { isRegion, REGIONS } from '../../core/regions.ts';
import { freeMemoryBytes, type ListedWeights, listWeights } from '../../weights/resolve.ts';
import { chooseDefaultWeights } from '../../weights/weights-catalogue.ts';
import { askAdmin } from '../admin-client.ts';
import { modelsOf } from '../local-catalogue.ts';
import { withReports } from '../local-database.ts';
import { asTyped, formatBytes, formatSeconds, say, styled, table, UserError } from '../terminal.ts';

type ModelsFlags = ConfigFlags & { readonly json?: boolean; readonly region?: string; readonly loaded?: boolean };

/** Lists the weights of the catalogue and those that were pulled besides; or the models that a region's callers find. */
export async function models(flags: ModelsFlags): Promise<void> {
  const config = loadConfig({ flags });
  if (flags.loaded) return listLoaded(config, flags.json);
  if (flags.region !== undefined) return listOfRegion(config, flags.region, flags.json);
  const weights = await listWeights(config.weightsFolder);
  if (flags.json) {
    say(JSON.stringify(weights.map(asJson), null, 2));
    return;
  }
  const [best] = chooseDefaultWeights(freeMemoryBytes());
  const rows = weights.map(({ name, entry, file }) => [
    name,
    file ? 'here' : '-',
    entry?.sizeBytes ? formatBytes(entry.sizeBytes) : '?',
    entry ? String(entry.contextTokens) : '?',
    entry?.licence ?? '?',
    `${entry?.purpose ?? 'pulled by you'}${name === best ? ' (this machine)' : ''}`,
  ]);
  say(table(['weights', 'state', 'size', 'context', 'licence', 'for'], rows));
  say();
  say(styled('dim', `Kept in ${config.weightsFolder}`));
  say(styled('dim', asTyped('Fetch: atelier pull NAME     Serve: atelier serve --weights NAME')));
}

async function listLoaded(config: Config, isJson: boolean | undefined): Promise<void> {
  const found = await askAdmin<LocalModelsView>(config, '/admin/engines');
  if (!found)
    throw new UserError(
      'No server of this configuration answers. Fix: start one (atelier serve), or name its port (--port).',
    );
  say(isJson ? JSON.stringify(found, null, 2) : loadedText(found));
}

/** What a person reads of the local models. */
export function loadedText({ items, limitBytes }: LocalModelsView): string {
  if (items.length === 0) return 'This server runs no local weights.';
  const rows = items.map((item) => [
    item.weights,
    item.phase === 'ready' ? 'loaded' : item.phase === 'idle' ? '-' : item.detail,
    item.memoryBytes === null ? '-' : formatBytes(item.memoryBytes),
    item.contextTokens === null ? '-' : `${item.sequences} × ${item.contextTokens}`,
    String(item.runningCalls),
    String(item.waitingCalls),
    item.idleMs === null || item.phase !== 'ready' ? '-' : formatSeconds(item.idleMs / 1000),
    item.keepAliveMinutes === null ? 'for ever' : formatSeconds(item.keepAliveMinutes * 60),
    item.loadMs === null ? '-' : formatSeconds(item.loadMs / 1000),
  ]);
  const header = ['weights', 'state', 'memory', 'context', 'runs', 'waits', 'unused for', 'kept', 'loading took'];
  const limit = limitBytes === null ? '' : `\n\nLoaded weights may take ${formatBytes(limitBytes)} together.`;
  return table(header, rows) + limit;
}

async function listOfRegion(config: Config, region: string, isJson: boolean | undefined): Promise<void> {
  if (!isRegion(region)) throw new UserError(`--region ${region} is not known. Fix: one of ${REGIONS.join(', ')}.`);
  const { prices } = await withReports(config, ({ state }) => state());
  const found = await modelsOf(config, region, prices);
  if (isJson) say(JSON.stringify(found, null, 2));
  else {
    say(
      table(
        ['model', 'context', 'output', 'yuan/M in', 'yuan/M out', 'calls/min', 'tokens/min', 'free'],
        found.map(rowOf),
      ),
    );
    say();
    say(
      styled('dim', `${found.length} models in ${region}. The first price of those that have tiers is marked with +.`),
    );
  }
}

function rowOf({ id, contextWindow, maxOutput, prices, limits, freeQuota }: ModelView): string[] {
  const [first, ...others] = prices?.tiers ?? [];
  const price = (amount: string | undefined): string =>
    amount === undefined ? '-' : amount + (others.length > 0 ? '+' : '');
  const count = (known: number | null | undefined): string => (known == null ? '-' : String(known));
  return [
    id,
    count(contextWindow),
    count(maxOutput),
    price(first?.input),
    price(first?.output),
    count(limits?.requestsPerMinute),
    count(limits?.tokensPerMinute),
    count(freeQuota?.tokens),
  ];
}

function asJson({ name, entry, file }: ListedWeights) {
  return {
    name,
    file: file ?? null,
    sizeBytes: entry?.sizeBytes ?? null,
    sha256: entry?.sha256 ?? null,
    contextTokens: entry?.contextTokens ?? null,
    licence: entry?.licence ?? null,
    purpose: entry?.purpose ?? null,
  };
}
