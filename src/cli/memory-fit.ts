/** Says beforehand whether weights fit into this machine's memory, in words for a person. */
import type { Config } from '../config.ts';
import { type FitAdvice, fitAdvice, fitOf, type MemoryNeed, memoryNeeded } from '../weights/fit.ts';
import { readWeightsShape } from '../weights/gguf.ts';
import { freeMemoryBytes } from '../weights/resolve.ts';
import { WEIGHTS_CATALOGUE } from '../weights/weights-catalogue.ts';
import { UserError } from './terminal.ts';

export type FitReport =
  | { readonly fits: true; readonly need: MemoryNeed; readonly freeBytes: number }
  | { readonly fits: false; readonly advice: FitAdvice };

/** Undefined for a file whose sizes cannot be told: then the engine finds out. */
export async function fitReportOf(
  weights: { readonly name: string; readonly file: string },
  { engine }: Pick<Config, 'engine'>,
  freeBytes = freeMemoryBytes(),
): Promise<FitReport | undefined> {
  const shape = await readWeightsShape(weights.file).catch(() => undefined);
  if (!shape) return undefined;
  const fit = fitOf(shape, engine, freeBytes);
  if (fit.fits) return { fits: true, need: memoryNeeded(shape, engine, freeBytes), freeBytes };
  const smaller = WEIGHTS_CATALOGUE.filter(({ sizeBytes }) => sizeBytes !== null && sizeBytes < shape.fileBytes / 1.5)
    .filter(({ sizeBytes, purpose }) => (sizeBytes ?? 0) < freeBytes / 3 && !purpose.startsWith('tests'))
    .toSorted((a, b) => (b.sizeBytes ?? 0) - (a.sizeBytes ?? 0));
  const names = smaller.map(({ name }) => name);
  return { fits: false, advice: fitAdvice(weights.name, fit, engine, freeBytes, names) };
}

/** Throws a UserError before weights are loaded that would take more memory than there is. */
export async function refuseWhatDoesNotFit(
  weights: { readonly name: string; readonly file: string },
  config: Pick<Config, 'engine'>,
): Promise<void> {
  if (!config.engine.checkMemory) return;
  const report = await fitReportOf(weights, config);
  if (report === undefined || report.fits) return;
  const { problem, fix } = report.advice;
  throw new UserError(`${problem}\nFix: ${fix}\nTo try all the same, set engine.checkMemory to false.`);
}
