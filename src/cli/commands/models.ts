/** `atelier models` */
import type { ModelView } from '../../admin/contract.ts';
import { type Config, type ConfigFlags, loadConfig } from '../../config.ts';
import { isRegion, REGIONS } from '../../core/regions.ts';
import { freeMemoryBytes, type ListedWeights, listWeights } from '../../weights/resolve.ts';
import { chooseDefaultWeights } from '../../weights/weights-catalogue.ts';
import { modelsOf } from '../local-catalogue.ts';
import { withReports } from '../local-database.ts';
import { asTyped, formatBytes, say, styled, table, UserError } from '../terminal.ts';

type ModelsFlags = ConfigFlags & { readonly json?: boolean; readonly region?: string };

/** Lists the weights of the catalogue and those that were pulled besides; or the models that a region's callers find. */
export async function models(flags: ModelsFlags): Promise<void> {
  const config = loadConfig({ flags });
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
