/** The composition root: the only file that knows everything. Everything else gets what it needs as a port. */
import { mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import pino from 'pino';
import { createEmbeddedBackend, type EmbeddedBackend } from './backends/embedded/index.ts';
import { createReplayBackend, Library, RecordingError, readRecordings } from './backends/replay/index.ts';
import { createRouter, type RouteRule, type RouterOptions } from './backends/route.ts';
import { createScriptedBackend, SCRIPTED_MODELS, scriptedModel } from './backends/scripted/index.ts';
import { createTokenCounter } from './backends/token-counter.ts';
import { createUpstreamBackend } from './backends/upstream/index.ts';
import { chargeOf } from './billing/prices.ts';
import { withAliases } from './catalogue/aliases.ts';
import { loadCatalogue } from './catalogue/load.ts';
import { type Config, ConfigError, type UpstreamConfig } from './config.ts';
import type { ModelCard, ModelCatalogue } from './core/models.ts';
import type { Backend, Logger, Router } from './core/ports.ts';
import { systemClock, systemIds } from './core/system.ts';
import { closeApp, createApp } from './http/app.ts';
import { createMetrics, type MetricsRegistry } from './http/observe.ts';
import { createWebhooks } from './outbound/webhooks.ts';
import { permissiveCard } from './pipeline/features/resolve-model.ts';
import { resolveThinking } from './pipeline/features/thinking.ts';
import { featuresInOrder, featuresOfReplay } from './pipeline/order.ts';
import { createPipeline, generateByRoute } from './pipeline/pipeline.ts';
import { CallGate } from './protocols/call-gate.ts';
import { createWires } from './protocols/index.ts';
import { createCallWire } from './protocols/inner-calls.ts';
import type { ListedModel, Wire, WirePorts } from './protocols/protocol.ts';
import { createRecordedDecoder, withRecordedReplies } from './protocols/recorded.ts';
import { RunningCalls } from './protocols/running-calls.ts';
import { KeepAlives, type ServePorts } from './protocols/serve.ts';
import { openBlobStore } from './stores/blobs.ts';
import { createBatchStore } from './stores/sqlite/batches.ts';
import { blobIdsInUse } from './stores/sqlite/blob-references.ts';
import { createConversationStore } from './stores/sqlite/conversations.ts';
import { openDatabase } from './stores/sqlite/database.ts';
import { createFileStore } from './stores/sqlite/files.ts';
import { lockHome } from './stores/sqlite/home-lock.ts';
import { createKeyStore } from './stores/sqlite/keys.ts';
import { createLedger } from './stores/sqlite/ledger.ts';
import { createResponseStore } from './stores/sqlite/responses.ts';
import { createSealer } from './stores/sqlite/sealing.ts';
import { createTaskStore } from './stores/sqlite/tasks.ts';
import { createUploadStore } from './stores/sqlite/uploads.ts';

/** The weights the embedded engine is to run. */
export interface EngineWeights {
  readonly file: string;
  readonly name: string;
  readonly toolSpelling?: 'hermes' | 'fenced-json' | undefined;
  /** The API model that the weights really are. */
  readonly modelId?: string | undefined;
}

export interface StartOptions {
  /** Needed when `config.engine.enabled`. */
  readonly weights?: EngineWeights | undefined;
  readonly log?: Logger | undefined;
}

export interface RunningServer {
  readonly port: number;
  readonly baseUrl: string;
  /** Resolves when the engine has loaded its weights (at once without an engine); rejects when it cannot. */
  readonly ready: Promise<void>;
  /** The engine child's process; undefined while there is none. */
  readonly engineProcessId: number | undefined;
  /** Writes every receipt that is still in memory. */
  flush(): Promise<void>;
  /** Refuses new calls, lets live ones finish within the configured grace, then ends. */
  close(): Promise<void>;
}

export const VERSION: string = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')).version;

/** How long a log line may wait for company. */
const LOG_FLUSH_MS = 250;

/**
 * The log of a server, as JSON lines. Lines are written in small batches off the hot path, at the latest after a
 * quarter of a second and when the process ends.
 */
export function openLog(level: string, fileDescriptor: 1 | 2): Logger {
  const destination = pino.destination({ dest: fileDescriptor, sync: false, minLength: 4096 });
  setInterval(() => destination.flush(), LOG_FLUSH_MS).unref();
  process.on('exit', () => destination.flushSync());
  return pino({ level }, destination);
}

const DAY_MS = 86_400_000;

/** Starts the server of a configuration and listens. Throws when the port cannot be had. */
export async function startServer(config: Config, options: StartOptions = {}): Promise<RunningServer> {
  const log = options.log ?? openLog(config.log.level, 1);
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  const lock = lockHome(config.home);
  if (!lock)
    throw new ConfigError([
      `home: another Atelier serves from ${config.home}. Fix: stop it, or give this one a home of its own (--home FOLDER).`,
    ]);
  const database = await openDatabase(join(config.home, 'atelier.db'));
  const ledger = createLedger(database, { log });
  const keys = createKeyStore(database, systemClock);
  const uploads = createUploadStore(database);
  const uploadBlobs = await openBlobStore(join(config.home, 'uploads'));
  await uploadBlobs.deleteAllBut(uploads.blobIds());
  const blobs = await openBlobStore(join(config.home, 'files'));
  await blobs.deleteAllBut(blobIdsInUse(database));
  const webhooks = createWebhooks({ allowsPrivateAddresses: config.batches.allowPrivateCallbacks });
  const metrics = createMetrics();
  const library = config.replay === undefined ? undefined : openLibrary(config.replay, log);
  const vendorCatalogue = library ? speakingEverywhere(loadCatalogue()) : loadCatalogue();
  const backends = createBackends(config, options, log, library);
  if (backends.embedded) addEngineGauges(metrics, backends.embedded.backend);
  const { catalogue, router, modelOf } = withAliases(config.aliases, vendorCatalogue, createRouter(backends.routing));
  const ownModel = (id: string): Partial<ModelCard> | undefined => scriptedModel(modelOf(id));
  const gate = new CallGate();
  const keepAlives = new KeepAlives(systemClock);
  const shutdown = new AbortController();
  const running = new RunningCalls();
  const serve: ServePorts = {
    generate: createPipeline(
      (library ? featuresOfReplay : featuresInOrder)({
        ledger,
        metrics,
        charge: chargeOf,
        catalogue,
        router,
        ownModel,
        uploads,
        uploadBlobs,
      }),
      generateByRoute,
    ),
    clock: systemClock,
    ids: systemIds,
    log,
    keepAlives,
    gate,
    running,
    shutdownSignal: shutdown.signal,
  };
  const ownWires: readonly Wire[] = createWires({
    clock: systemClock,
    ids: systemIds,
    log,
    catalogue,
    running,
    tokens: createTokenCounter(catalogue, router, (request, card, { backend }) =>
      resolveThinking(
        request,
        card ?? { ...permissiveCard(request.model), ...ownModel(request.model) },
        backend.abilities,
      ),
    ),
    files: createFileStore(database),
    blobs,
    fileQuota: config.files,
    batches: createBatchStore(database),
    batchConcurrency: config.batches.concurrency,
    webhooks,
    uploads,
    uploadBlobs,
    tasks: createTaskStore(database),
    temporaryKeys: keys,
    responses: createResponseStore(database, systemClock),
    conversations: createConversationStore(database),
    sealer: createSealer(database),
    responseRetentionMs: config.responses.retentionDays * DAY_MS,
    conversationRetentionMs: config.conversations.retentionDays * DAY_MS,
    callWire: createCallWire(() => ownWires, serve),
    ...modelLister(catalogue, router, ownModel, backends),
  });
  const wires = library ? replaying(ownWires, library) : ownWires;
  const app = createApp({
    wires,
    serve,
    keys,
    isAuthRequired: config.auth.required,
    metrics,
    clock: systemClock,
    ids: systemIds,
    log,
    version: VERSION,
    maxBodyBytes: config.server.maxBodyBytes,
    maxMediaBodyBytes: config.server.maxMediaBodyBytes,
    health: () => Object.fromEntries(backends.all.map((backend) => [backend.id, backend.health()])),
  });
  const close = once(async () => {
    gate.close();
    await Promise.all(wires.map(({ work }) => work?.stop()));
    await gate.idleWithin(config.server.shutdownSeconds * 1000);
    shutdown.abort();
    await gate.idleWithin(LAST_FRAMES_MS);
    keepAlives.close();
    await closeApp(app);
    await Promise.all(backends.all.map((backend) => backend.close()));
    await webhooks.close();
    await ledger.close();
    await database.close();
    lock.release();
  });
  try {
    await app.listen({ host: config.server.host, port: config.server.port });
  } catch (thrown) {
    await close();
    throw thrown;
  }
  for (const { work } of wires) work?.start();
  const { port } = app.server.address() as AddressInfo;
  const host = config.server.host === '0.0.0.0' ? '127.0.0.1' : config.server.host;
  return {
    port,
    baseUrl: `http://${host}:${port}`,
    ready: backends.embedded?.backend.ready() ?? Promise.resolve(),
    get engineProcessId() {
      return backends.embedded?.backend.engineProcessId;
    },
    flush: () => ledger.flush(),
    close,
  };
}

/** Time for the error frames of calls that a shutdown has cut. */
const LAST_FRAMES_MS = 1000;

interface LocalWeights {
  readonly backend: EmbeddedBackend;
  readonly weightsName: string;
  readonly modelId: string | undefined;
}

interface Backends {
  readonly all: readonly Backend[];
  readonly embedded: LocalWeights | undefined;
  readonly routing: RouterOptions;
}

/** The recordings of a folder, not yet findable: that takes the wires, which read recorded requests. */
function openLibrary(folder: string, log: Logger): Library {
  try {
    return new Library(readRecordings(folder), log);
  } catch (thrown) {
    if (!(thrown instanceof RecordingError)) throw thrown;
    throw new ConfigError([`replay: ${thrown.message}. Fix: name a folder that atelier record has written.`]);
  }
}

/** In replay mode a model answers on every wire, whatever it speaks elsewhere. */
function speakingEverywhere(catalogue: ModelCatalogue): ModelCatalogue {
  const everywhere = { chat: true, responses: true, messages: true };
  const cards = catalogue.list().map((card) => ({ ...card, surfaces: everywhere }));
  const byId = new Map(cards.map((card) => [card.id, card]));
  const find = (id: string): ModelCard | undefined => {
    const card = catalogue.find(id);
    return card && (byId.get(card.id) ?? { ...card, surfaces: everywhere });
  };
  return { find, list: () => cards };
}

/** Makes the recordings findable and puts them before the wires' own resources. */
function replaying(wires: readonly Wire[], library: Library): readonly Wire[] {
  library.index(createRecordedDecoder(wires, { clock: systemClock, ids: systemIds }));
  return withRecordedReplies(wires, library);
}

function createBackends(config: Config, options: StartOptions, log: Logger, library: Library | undefined): Backends {
  const replay = library && createReplayBackend(library);
  const scripted = createScriptedBackend({ clock: systemClock });
  const upstreams = new Map(config.upstreams.map((upstream) => [upstream.id, createUpstream(upstream, log)]));
  const embedded = config.engine.enabled ? createEngine(config, options, log) : undefined;
  const configured = config.models.map((route): RouteRule => {
    if (route.backend === 'scripted') return { pattern: route.pattern, backend: scripted, target: route.target };
    const backend = route.backend === 'embedded' ? embedded?.backend : upstreams.get(route.upstreamId);
    if (!backend) throw new Error(`models: ${route.pattern} leads to ${route.backend}, which is not running`);
    return { pattern: route.pattern, backend, target: route.backend === 'upstream' ? route.target : undefined };
  });
  const [onlyUpstream, ...others] = upstreams.values();
  return {
    all: [...(replay ? [replay] : []), ...(embedded ? [embedded.backend] : []), ...upstreams.values(), scripted],
    embedded,
    routing: {
      rules: replay ? [{ pattern: '*', backend: replay }] : configured,
      scripted,
      isScriptedOnly: config.scripted,
      embedded,
      gateway: embedded || config.scripted || others.length > 0 ? undefined : onlyUpstream,
    },
  };
}

function createUpstream(upstream: UpstreamConfig, log: Logger): Backend {
  return createUpstreamBackend({
    id: upstream.id,
    baseUrl: upstream.baseUrl,
    apiKey: upstream.apiKey,
    quirks: upstream.quirks,
    log,
  });
}

function createEngine(config: Config, options: StartOptions, log: Logger): LocalWeights {
  if (!options.weights) throw new Error('the engine is enabled and no weights were given');
  const { file, name, toolSpelling, modelId } = options.weights;
  const backend = createEmbeddedBackend({
    engine: {
      weightsFile: file,
      sequences: config.engine.sequences,
      contextTokens: config.engine.contextTokens,
      threads: config.engine.threads,
    },
    weightsName: name,
    toolSpelling,
    queueLimit: config.engine.queueLimit,
    clock: systemClock,
    log,
  });
  return { backend, weightsName: name, modelId };
}

function addEngineGauges(metrics: MetricsRegistry, engine: EmbeddedBackend): void {
  metrics.gauge(
    'atelier_engine_busy_sequences',
    'Sequences that decode or read a prompt.',
    () => engine.state().busySequences,
  );
  metrics.gauge('atelier_engine_waiting_calls', 'Calls that wait for a sequence.', () => engine.state().waitingCalls);
  metrics.gauge('atelier_engine_warm_tokens', 'Tokens kept warm in sequences.', () => engine.state().warmTokens);
}

/** What GET /models tells: the catalogue, and the weights themselves where the catalogue does not know them. */
function modelLister(
  catalogue: ModelCatalogue,
  router: Router,
  ownModel: (id: string) => Partial<ModelCard> | undefined,
  backends: Backends,
): Pick<WirePorts, 'listModels' | 'findModel'> {
  const listed = (card: ModelCard): ListedModel => {
    const route = router.resolve(card.id, card);
    return { card, servedBy: route?.servedBy, isStandIn: route?.isStandIn ?? false };
  };
  const findModel = (id: string): ListedModel | undefined => {
    const card = catalogue.find(id);
    if (card) return listed(card);
    return router.resolve(id, undefined) ? listed({ ...permissiveCard(id), ...ownModel(id) }) : undefined;
  };
  const own = [
    backends.embedded?.weightsName,
    ...backends.routing.rules.map(({ pattern }) => pattern),
    ...(backends.routing.isScriptedOnly ? SCRIPTED_MODELS : []),
  ].filter((id): id is string => id !== undefined && !id.includes('*') && catalogue.find(id) === undefined);
  return {
    listModels: () => [...own.flatMap((id) => findModel(id) ?? []), ...catalogue.list().map(listed)],
    findModel,
  };
}

function once(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => {
    result ??= action();
    return result;
  };
}
