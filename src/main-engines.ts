/**
 * The part of the composition root that makes the local engines: which weights, with what settings, together in a fleet
 * where there are several of them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalModelsView, LocalModelView } from './admin/engine-routes.ts';
import {
  createEmbeddedBackend,
  type EmbeddedBackend,
  type EmbeddedOptions,
  type EngineOptions,
  type EngineState,
  Fleet,
  type QueueLine,
} from './backends/embedded/index.ts';
import type { Config } from './config.ts';
import type { Logger, QueueWait } from './core/ports.ts';
import { systemClock } from './core/system.ts';
import type { EngineChoice } from './engines/find.ts';
import type { MetricsRegistry } from './http/observe.ts';
import { memoryNeeded } from './weights/fit.ts';
import { readWeightsShape } from './weights/gguf.ts';
import { freeMemoryBytes } from './weights/resolve.ts';

/** The weights the embedded engine is to run. */
export interface EngineWeights {
  readonly file: string;
  readonly name: string;
  readonly toolSpelling?: 'hermes' | 'fenced-json' | undefined;
  /** The API model that the weights really are. */
  readonly modelId?: string | undefined;
  /** The projector of weights that see. */
  readonly projectorFile?: string | undefined;
  /** A Jinja chat template in place of their own. */
  readonly chatTemplate?: string | undefined;
}

/** Weights with their engine. */
export interface LocalWeights {
  readonly backend: EmbeddedBackend;
  readonly weightsName: string;
  readonly modelId: string | undefined;
}

export interface Engines {
  /** Undefined with one model only, which is always loaded. */
  readonly fleet: Fleet | undefined;
  /** Each weights file once. */
  readonly locals: readonly LocalWeights[];
  /** By their names in the configuration. */
  readonly byName: ReadonlyMap<string, LocalWeights>;
}

export const NO_ENGINES: Engines = { fleet: undefined, locals: [], byName: new Map() };

/** Which files the weights of a configuration are. */
export interface FoundWeights {
  /** Of `engine.weights`. */
  readonly weights?: EngineWeights | undefined;
  /** Of `localModels`, by their names. */
  readonly localWeights?: { readonly [name: string]: EngineWeights } | undefined;
}

export interface EnginePorts {
  readonly log: Logger;
  /** What decodes (engines/find.ts). */
  readonly choice: EngineChoice;
  readonly metrics: Pick<MetricsRegistry, 'queueWaited'>;
}

/** Every engine of a configuration. Only that of `engine.weights` begins to load. */
export async function createEngines(config: Config, found: FoundWeights, ports: EnginePorts): Promise<Engines> {
  const { log, metrics, choice } = ports;
  const { weights, localWeights = {} } = found;
  const { engine, localModels } = config;
  if (!weights) throw new Error('the engine is enabled and no weights were given');
  const isAlone = localModels.length === 0 && engine.keepAlive < 0;
  const limits = fleetLimitsOf(config);
  const fleet = isAlone ? undefined : new Fleet({ clock: systemClock, log, ...limits });
  const open = async (model: EngineWeights, wish: LocalSettings, loadsAtStart: boolean): Promise<LocalWeights> => {
    const onAdmitted = (wait: QueueWait): void => metrics.queueWaited(model.name, wait);
    if (!fleet) return createEngine(config, model, { settings: wish, log, choice, berth: undefined, onAdmitted });
    // Fixed before anything is loaded: what one takes must not depend on which others were there.
    const { bytes, contextTokens } = await memoryOf(model.file, wish, limits.limitBytes);
    const berth = { fleet, bytes, keepAliveMs: keepAliveMsOf(wish.keepAlive), loadsAtStart };
    return createEngine(config, model, { settings: { ...wish, contextTokens }, log, choice, berth, onAdmitted });
  };
  const chatTemplate = engine.chatTemplate === undefined ? undefined : readFileSync(engine.chatTemplate, 'utf8');
  const byFile = new Map([[weights.file, await open({ ...weights, chatTemplate }, engine, true)]]);
  const byName = new Map<string, LocalWeights>();
  for (const settings of localModels) {
    const model = localWeights[settings.name];
    if (!model) throw new Error(`the weights of ${settings.name} were not given`);
    const local = byFile.get(model.file) ?? (await open(model, settings, false));
    byFile.set(model.file, local);
    byName.set(settings.name, local);
  }
  return { fleet, locals: [...byFile.values()], byName };
}

type LocalSettings = Pick<Config['engine'], 'sequences' | 'contextTokens' | 'keepAlive'>;

/** Without a limit in the settings: what is free at the start, less what the system and the server want. */
const SHARE_OF_FREE_MEMORY = 0.8;

function fleetLimitsOf({ engine }: Config): { readonly limitBytes: number; readonly maxBytes: number } {
  const freeBytes = freeMemoryBytes();
  if (engine.memoryLimit !== 'auto') return { limitBytes: engine.memoryLimit, maxBytes: engine.memoryLimit };
  return { limitBytes: freeBytes * SHARE_OF_FREE_MEMORY, maxBytes: freeBytes };
}

function keepAliveMsOf(minutes: number): number {
  return minutes < 0 ? Number.POSITIVE_INFINITY : minutes * 60_000;
}

/** What weights take with their context, and how long that is. */
async function memoryOf(
  file: string,
  wish: LocalSettings,
  limitBytes: number,
): Promise<{ readonly bytes: number; readonly contextTokens: LocalSettings['contextTokens'] }> {
  const shape = await readWeightsShape(file);
  // The engine will say what is wrong with the file.
  if (!shape) return { bytes: 0, contextTokens: wish.contextTokens };
  const { totalBytes, contextTokens } = memoryNeeded(shape, wish, limitBytes);
  return { bytes: totalBytes, contextTokens };
}

interface EngineParts {
  readonly settings: LocalSettings;
  readonly choice: EngineChoice;
  readonly log: Logger;
  readonly berth: EmbeddedOptions['berth'];
  readonly onAdmitted: EmbeddedOptions['onAdmitted'];
}

function createEngine(config: Config, weights: EngineWeights, parts: EngineParts): LocalWeights {
  const { file, name, toolSpelling, modelId, projectorFile, chatTemplate } = weights;
  const { settings, choice, ...rest } = parts;
  const backend = createEmbeddedBackend({
    ...rest,
    engine: {
      weightsFile: file,
      sequences: settings.sequences,
      contextTokens: settings.contextTokens,
      threads: config.engine.threads,
      llamaServer: choice.kind === 'llama-server' ? { binary: choice.server.binary, projectorFile } : undefined,
      cache: promptCacheOf(config),
    },
    weightsName: name,
    toolSpelling: config.engine.toolFormat === 'auto' ? toolSpelling : config.engine.toolFormat,
    chatTemplate,
    queueLimit: config.engine.queueLimit,
    clock: systemClock,
  });
  return { backend, weightsName: name, modelId };
}

/** Where the engine keeps prompts that it has read. */
export function promptCacheOf({ home, engine }: Config): EngineOptions['cache'] {
  const { enabled, maxBytes, maxAgeHours } = engine.cache;
  if (!enabled) return undefined;
  return { folder: join(home, 'cache'), maxBytes, maxAgeMs: maxAgeHours * 3_600_000 };
}

/** What an administrator sees of the local models. */
export function localModelsView({ fleet, locals }: Pick<Engines, 'fleet' | 'locals'>): LocalModelsView {
  const views = new Map(fleet?.views().map((view) => [view.name, view]));
  const items = locals.map(({ weightsName, backend }): LocalModelView => {
    const view = views.get(weightsName);
    const { phase, detail, runningCalls, waitingCalls, warmTokens } = backend.state();
    return {
      weights: weightsName,
      phase,
      detail,
      processId: backend.engineProcessId ?? null,
      memoryBytes: view?.bytes ?? null,
      keepAliveMinutes: view && Number.isFinite(view.keepAliveMs) ? view.keepAliveMs / 60_000 : null,
      contextTokens: backend.facts?.weights.contextTokens ?? null,
      sequences: backend.facts?.weights.sequences ?? null,
      runningCalls,
      waitingCalls,
      warmTokens,
      idleMs: view ? Math.round(view.idleMs) : null,
      loads: view?.loads ?? null,
      loadMs: view?.loadMs === undefined ? null : Math.round(view.loadMs),
    };
  });
  return { limitBytes: fleet ? Math.round(fleet.limitBytes) : null, items };
}

/** What `/metrics` tells of the engines, by their weights. */
export function addEngineGauges(metrics: Pick<MetricsRegistry, 'gauges'>, locals: readonly LocalWeights[]): void {
  const gauge = (name: string, help: string, read: (state: EngineState) => number): void =>
    metrics.gauges(name, help, ['weights'], () =>
      locals.map(({ weightsName: weights, backend }) => [{ weights }, read(backend.state())]),
    );
  gauge('atelier_engine_loaded', 'Whether the weights are in memory: 1 or 0.', ({ phase }) =>
    Number(phase === 'ready'),
  );
  gauge('atelier_engine_restarts', 'Engine processes that were lost.', ({ restarts }) => restarts);
  gauge('atelier_engine_busy_sequences', 'Sequences that decode or read.', ({ busySequences }) => busySequences);
  gauge('atelier_engine_waiting_calls', 'Calls that wait for a sequence.', ({ waitingCalls }) => waitingCalls);
  gauge('atelier_engine_warm_tokens', 'Tokens kept warm in sequences.', ({ warmTokens }) => warmTokens);
  gauge('atelier_engine_cache_entries', 'Prompts kept on disk.', ({ cache }) => cache?.entries ?? 0);
  gauge('atelier_engine_cache_bytes', 'Bytes they take.', ({ cache }) => cache?.bytes ?? 0);
  gauge('atelier_engine_cache_hits', 'Prompts found, warm or on disk.', ({ cache }) => cache?.hits ?? 0);
  const saved = ({ cache }: EngineState): number => (cache?.savedMs ?? 0) / 1_000;
  gauge('atelier_engine_cache_saved_seconds', 'Computing time that was saved so.', saved);
  const lines = (read: (line: QueueLine) => number) => () =>
    locals.flatMap(({ weightsName: weights, backend }) =>
      (['live', 'batch'] as const).map(
        (priority) => [{ weights, priority }, read(backend.state().queue[priority])] as const,
      ),
    );
  const labels = ['weights', 'priority'] as const;
  metrics.gauges(
    'atelier_queue_waiting',
    'Calls that wait for local weights.',
    labels,
    lines(({ calls }) => calls),
  );
  const oldest = lines(({ oldestMs }) => oldestMs / 1_000);
  metrics.gauges('atelier_queue_oldest_seconds', 'How long the first of them has waited.', labels, oldest);
}
