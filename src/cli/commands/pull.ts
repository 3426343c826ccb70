/** `atelier pull [name]` */
import { type ConfigFlags, loadConfig } from '../../config.ts';
import { fitReportOf } from '../memory-fit.ts';
import { note, say, styled } from '../terminal.ts';
import { bringNamedWeights, bringWeights } from '../weights-view.ts';

/** Fetches weights and says where they are; with `--json` one object, on failure `{"error"}`. */
export async function pull(name: string | undefined, flags: ConfigFlags & { json?: boolean }): Promise<void> {
  const config = loadConfig({ flags: { ...flags, weights: undefined } });
  try {
    const wanted = name ?? flags.weights;
    const weights = wanted === undefined ? await bringWeights(config) : await bringNamedWeights(wanted, config);
    if (flags.json) say(JSON.stringify({ name: weights.name, file: weights.file }));
    else say(`${weights.name}  ${weights.file}`);
    const fit = await fitReportOf(weights, config);
    if (fit?.fits === false) note(`${styled('yellow', 'note', process.stderr)} ${fit.advice.problem}`);
  } catch (error) {
    if (flags.json) say(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    throw error;
  }
}
