/** Which weights a configuration asks for, brought here. */

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { totalmem } from 'node:os';
import path from 'node:path';
import type { Config } from '../config.ts';
import { type PulledWeights, type PullOptions, pullWeights, shortName, WeightsError } from './pull.ts';
import { chooseDefaultWeights, findWeights, WEIGHTS_CATALOGUE, type WeightsEntry } from './weights-catalogue.ts';

export type ResolvedWeights = PulledWeights & {
  /** Something the user should know: other weights stand in for the ones that fit best. */
  readonly warning?: string | undefined;
};

export interface ResolveOptions extends Omit<PullOptions, 'folder'> {
  /** Free memory; measured when absent. */
  readonly freeBytes?: number | undefined;
}

/** The weights to serve with, pulled when they are not here. Throws a WeightsError that says what to do. */
export async function resolveWeights(
  config: Pick<Config, 'weightsFolder'> & { readonly engine: Pick<Config['engine'], 'weights'> },
  { freeBytes, ...options }: ResolveOptions = {},
): Promise<ResolvedWeights> {
  const pull: PullOptions = { ...options, folder: config.weightsFolder };
  if (config.engine.weights !== 'auto') return pullWeights(config.engine.weights, pull);
  const [best, other] = chooseDefaultWeights(freeBytes ?? freeMemoryBytes());
  try {
    return await pullWeights(best, pull);
  } catch (thrown) {
    // Free memory differs from start to start; a start without a network must work with what an earlier one brought.
    if (!(thrown instanceof WeightsError) || !isHere(other, config.weightsFolder)) throw thrown;
    const warning = `${best} would suit the free memory of this machine, but could not be had; using ${other}.`;
    return { ...(await pullWeights(other, pull)), warning };
  }
}

/** Memory that new programs can have: what caches give back counts as free, a container's limit counts as the end. */
export function freeMemoryBytes(): number {
  // macOS counts only pages nobody has touched; half of the machine is nearer to what can be had.
  if (process.platform === 'darwin') return Math.max(process.availableMemory(), totalmem() / 2);
  return process.availableMemory();
}

/** Weights as `atelier models` lists them. */
export interface ListedWeights {
  readonly name: string;
  readonly entry: WeightsEntry | undefined;
  /** Undefined while they are not here. */
  readonly file: string | undefined;
}

/** The catalogue's weights, then the other files that were pulled. */
export async function listWeights(folder: string): Promise<ListedWeights[]> {
  const files = (await readdir(folder).catch(() => [])).filter((file) => /\.gguf$/i.test(file)).sort();
  const known = WEIGHTS_CATALOGUE.map((entry) => ({
    name: entry.name,
    entry,
    file: files.includes(entry.fileName) ? path.join(folder, entry.fileName) : undefined,
  }));
  const others = files
    .filter((file) => !WEIGHTS_CATALOGUE.some((entry) => entry.fileName === file))
    .map((file) => ({ name: shortName(file), entry: undefined, file: path.join(folder, file) }));
  return [...known, ...others];
}

function isHere(name: string, folder: string): boolean {
  const entry = findWeights(name);
  return entry !== undefined && existsSync(path.join(folder, entry.fileName));
}
