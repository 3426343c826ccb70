/**
 * The engine child's entry: loads the weights, then serves `engine-protocol.ts` over IPC until the parent goes.
 * A process of its own, because a crash in native code must not take the server along.
 */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { autoContextTokens, contextBytesPerToken } from '../../../core/context-memory.ts';
import type { EngineOptions } from '../engine-protocol.ts';
import { type Engine, type LoadedWeights, loadWeights } from './binding.ts';
import { CacheBlocks } from './cache-blocks.ts';
import { closingBiasOf } from './closing-bias.ts';
import { factsOf, failToLoad, liveWithParent, send, serveParent } from './parent.ts';
import { PrefixCache } from './prefix-cache.ts';
import { Scheduler } from './scheduler.ts';
import { StateFiles } from './state-files.ts';
import { computeWeightsDigest, fingerprintOf, knownWeightsDigest } from './state-fingerprint.ts';
import { ThreadGovernor } from './thread-governor.ts';
import { ModelVocabulary } from './vocabulary.ts';

/** Enough to be past everything that only the first steps do. */
const WARM_UP_STEPS = 3;

liveWithParent();

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;
  const loading = progress();
  const weights = await loadWeights(options.weightsFile, loading);
  const threads = options.threads === 'auto' ? threadsFor(weights) : options.threads;
  const contextTokens = contextTokensOf(options, weights);
  const engine = await weights.openContext({ sequences: options.sequences, contextTokens, threads });
  const governor = new ThreadGovernor(threads, await singleThreadMs(engine, threads));
  const vocabulary = new ModelVocabulary(weights.tokeniser);
  const closing = closingBiasOf(vocabulary);
  const blocks = new CacheBlocks();
  const cache = await openCache(options, weights, engine, blocks);
  const { sequences } = options;
  const scheduler = new Scheduler({ engine, vocabulary, closing, sequences, governor, blocks, cache, send });
  serveParent(scheduler, factsOf(weights, vocabulary, { contextTokens: engine.contextTokens, sequences }));
}

/** The prefixes on disk. With weights that were never hashed they are there a moment later than the engine is. */
async function openCache(
  options: EngineOptions,
  weights: LoadedWeights,
  engine: Engine,
  blocks: CacheBlocks,
): Promise<PrefixCache | undefined> {
  if (options.cache === undefined) return undefined;
  const { folder, maxBytes, maxAgeMs, minTokens, template = '' } = options.cache;
  // What is written holds prompts.
  process.umask(0o077);
  const bytesPerToken = contextBytesPerToken(weights.shape);
  const cache = new PrefixCache({
    engine,
    blocks,
    maxBytes,
    maxAgeMs,
    minTokens,
    bytesPerToken,
    now: Date.now,
    newId: randomUUID,
    complain,
  });
  const open = (weightsDigest: string): Promise<void> => {
    const { engineVersion } = weights;
    const facts = { weightsDigest, engineVersion, sequences: options.sequences, template };
    return cache.open(new StateFiles(folder, fingerprintOf(facts)));
  };
  const notKept = (error: unknown): void => complain(`prefixes are not kept: ${String(error)}`);
  const known = await knownWeightsDigest(options.weightsFile, folder).catch(() => undefined);
  if (known === undefined) void computeWeightsDigest(options.weightsFile, folder).then(open).catch(notKept);
  else await open(known).catch(notKept);
  return cache;
}

/** The parent logs what is written here. */
function complain(complaint: string): void {
  process.stderr.write(`${complaint}\n`);
}

/** Tells of the loading by whole per cents. */
function progress(): (share: number) => void {
  let told = -1;
  return (share) => {
    const percent = Math.floor(share * 100);
    if (percent === told) return;
    told = percent;
    send({ type: 'loading', share: percent / 100 });
  };
}

/** Of what this process may still use, container limits included. The weights are in already; the context is what costs. */
function contextTokensOf(options: EngineOptions, weights: LoadedWeights): number {
  if (options.contextTokens !== 'auto') return options.contextTokens;
  return autoContextTokens(weights.shape, options.sequences, process.availableMemory());
}

/** Cores that are good at arithmetic, but never more than the machine (or its container) really gives. */
function threadsFor(weights: LoadedWeights): number {
  return Math.max(1, Math.min(weights.cores, availableParallelism()));
}

/** What a step of one stream takes with one thread. The first one also reads the weights in from the disk. */
async function singleThreadMs(engine: Engine, threads: number): Promise<number> {
  engine.setThreads(1);
  let tookMs = 0;
  for (let firstPosition = 0; firstPosition < WARM_UP_STEPS; firstPosition++) {
    const startedMs = performance.now();
    await engine.decode([{ sequence: 0, firstPosition, tokens: [0], logitsAt: [0] }]);
    tookMs = performance.now() - startedMs;
  }
  engine.clear(0);
  engine.setThreads(threads);
  return tookMs;
}

main().catch(failToLoad);
