/** Brings the weights of a configuration here while showing it in the terminal. */
import type { Config } from '../config.ts';
import { type PulledWeights, pullWeights } from '../weights/pull.ts';
import { freeMemoryBytes, type ResolvedWeights, resolveWeights } from '../weights/resolve.ts';
import { chooseDefaultWeights } from '../weights/weights-catalogue.ts';
import { PullView } from './pull-view.ts';
import { note, styled } from './terminal.ts';

/** The weights to serve with. Ctrl-C stops the transfer; what came is kept. */
export async function bringWeights(config: Config): Promise<ResolvedWeights> {
  const freeBytes = freeMemoryBytes();
  const title = config.engine.weights === 'auto' ? chooseDefaultWeights(freeBytes)[0] : config.engine.weights;
  const weights = await shown(title, (options) => resolveWeights(config, { ...options, freeBytes }));
  if (weights.warning) note(`${styled('yellow', 'note', process.stderr)} ${weights.warning}`);
  return weights;
}

/** The weights of a name, a file or a place on the hub. */
export async function bringNamedWeights(name: string, config: Config): Promise<PulledWeights> {
  return shown(name, (options) => pullWeights(name, { ...options, folder: config.weightsFolder }));
}

/** The weights of `engine.models`, by their names there, one after the other. */
export async function bringLocalWeights(config: Config): Promise<{ [name: string]: PulledWeights }> {
  const brought: { [name: string]: PulledWeights } = {};
  for (const { name, weights } of config.localModels) brought[name] = await bringNamedWeights(weights, config);
  return brought;
}

/** As the server wants them. */
export function engineWeightsOf({ file, name, entry, projectorFile }: PulledWeights) {
  return { file, name, toolSpelling: entry?.toolSpelling, modelId: entry?.modelId, projectorFile };
}

/** All of them, by name. */
export function localWeightsOf(brought: { readonly [name: string]: PulledWeights }) {
  return Object.fromEntries(Object.entries(brought).map(([name, weights]) => [name, engineWeightsOf(weights)]));
}

type Options = Pick<NonNullable<Parameters<typeof resolveWeights>[1]>, 'signal' | 'onProgress'>;

async function shown<Weights extends PulledWeights>(
  title: string,
  action: (options: Options) => Promise<Weights>,
): Promise<Weights> {
  const view = new PullView(title);
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const weights = await action({ signal: interrupt.signal, onProgress: (progress) => view.show(progress) });
    view.end();
    if (weights.isVerified === true) note(`${weights.name} is here; its SHA-256 is right.`);
    if (weights.isVerified === false)
      note(`${styled('yellow', 'note', process.stderr)} ${weights.name} is here, but no source knew its SHA-256.`);
    return weights;
  } finally {
    view.end();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
