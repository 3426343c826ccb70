/** `atelier models` */
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { freeMemoryBytes, type ListedWeights, listWeights } from '../../weights/resolve.ts';
import { chooseDefaultWeights } from '../../weights/weights-catalogue.ts';
import { asTyped, formatBytes, say, styled, table } from '../terminal.ts';

/** Lists the weights of the catalogue and those that were pulled besides. */
export async function models(flags: ConfigFlags & { json?: boolean }): Promise<void> {
  const config = loadConfig({ flags });
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
