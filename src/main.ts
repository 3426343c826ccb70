/** The composition root: the only file that knows everything. Everything else gets what it needs as a port. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { type HeldKeyRing, openKeyRing } from './accounts/key-ring.ts';
import type { AdminApi, AdminResource } from './admin/api.ts';
import { cacheResources, type KeptPrompts } from './admin/cache-routes.ts';
import { engineResources } from './admin/engine-routes.ts';
import { limitResources } from './admin/limit-routes.ts';
import { reportResources } from './admin/report-routes.ts';
import { createAdminReports } from './admin/reports.ts';
import { createAdminApi } from './admin/routes.ts';
import { createAdminService } from './admin/service.ts';
import { keptPrompts } from './backends/embedded/kept-prompts.ts';
import { createReplayBackend, Library, RecordingError, readRecordings } from './backends/replay/index.ts';
import { createRouter, type RouteRule, type RouterOptions } from './backends/route.ts';
import { createScriptedBackend, SCRIPTED_MODELS, scriptedModel } from './backends/scripted/index.ts';
import { createTokenCounter } from './backends/token-counter.ts';
import { createUpstreamBackend } from './backends/upstream/index.ts';
import { openLedger } from './billing/ledger.ts';
import { createPriceBook } from './billing/price-book.ts';
import { withAliases } from './catalogue/aliases.ts';
import { loadCatalogue } from './catalogue/load.ts';
import { withOwnModels } from './catalogue/own-models.ts';
import { type Config, ConfigError, type UpstreamConfig } from './config.ts';
import { beijingMonthOf } from './core/calendar.ts';
import type { PromptCache } from './core/context-cache.ts';
import { errorFields } from './core/error-trace.ts';
import type { BlobStore } from './core/files.ts';
import { type ModelCard, type ModelCatalogue, permissiveCard, termsEverywhere } from './core/models.ts';
import type { PlatformState, PlatformStore, PriceBook } from './core/platform.ts';
import type { Account, Backend, Logger, Router } from './core/ports.ts';
import type { ReceiptStore } from './core/receipts.ts';
import { REGIONS, type Region } from './core/regions.ts';
import { systemClock, systemIds } from './core/system.ts';
import { chooseEngine, type EngineChoice, EngineError, engineWishOf } from './engines/find.ts';
import { createApp } from './http/app.ts';
import { anyoneIn } from './http/auth.ts';
import type { OpenPorts } from './http/listeners.ts';
import { createMetrics, type MetricsRegistry } from './http/observe.ts';
import { MemoryLimiter } from './limits/memory.ts';
import { openRedisLimiter } from './limits/redis.ts';
import {
  addEngineGauges,
  createEngines,
  type Engines,
  type EngineWeights,
  type LocalWeights,
  localModelsView,
  NO_ENGINES,
  promptCacheOf,
} from './main-engines.ts';
import { createWebhooks } from './outbound/webhooks.ts';
import type { LimitPorts } from './pipeline/call-limits.ts';
import { socketAdmission } from './pipeline/features/admission.ts';
import { resolveThinking } from './pipeline/features/thinking.ts';
import { createLimitsLeft } from './pipeline/limits-left.ts';
import { featuresInOrder, featuresOfReplay } from './pipeline/order.ts';
import { createPipeline, generateByRoute } from './pipeline/pipeline.ts';
import { CallGate } from './protocols/call-gate.ts';
import { createWires } from './protocols/index.ts';
import { createCallWire } from './protocols/inner-calls.ts';
import type { ListedModel, Wire, WirePorts } from './protocols/protocol.ts';
import { createRecordedDecoder, withRecordedReplies } from './protocols/recorded.ts';
import { hourly } from './protocols/regular-work.ts';
import { RunningCalls } from './protocols/running-calls.ts';
import { KeepAlives, type ServePorts } from './protocols/serve.ts';
import { openBlobStore } from './stores/blobs.ts';
import { withRestored } from './stores/restored-blobs.ts';
import { serverIdOf } from './stores/server-id.ts';
import { createBatchStore } from './stores/sql/batches.ts';
import { createBills } from './stores/sql/bills.ts';
import { blobIdsInUse } from './stores/sql/blob-references.ts';
import { createBlobTable } from './stores/sql/blobs.ts';
import { createCallBodies } from './stores/sql/call-bodies.ts';
import { createConversationStore } from './stores/sql/conversations.ts';
import { type Database, DatabaseUnusable, openDatabase } from './stores/sql/database.ts';
import { createFileStore } from './stores/sql/files.ts';
import { lockHome } from './stores/sql/home-lock.ts';
import { createPlatformStore } from './stores/sql/platform.ts';
import { createReceiptStore } from './stores/sql/receipts.ts';
import { createRequestLog } from './stores/sql/request-log.ts';
import { createResponseStore } from './stores/sql/responses.ts';
import { createRetention } from './stores/sql/retention.ts';
import { createSealer } from './stores/sql/sealing.ts';
import { joinServers } from './stores/sql/servers.ts';
import { createTaskStore } from './stores/sql/tasks.ts';
import { createUploadStore } from './stores/sql/uploads.ts';
import { createUsageReports } from './stores/sql/usage.ts';
import { type Certificate, CertificateError, openCertificate } from './tls/certificate-source.ts';
import { watchCertificate } from './tls/renewal.ts';

export type { EngineWeights } from './main-engines.ts';

export interface StartOptions {
  /** Needed when `config.engine.enabled`. */
  readonly weights?: EngineWeights | undefined;
  /** Of `config.localModels`, by their names; all of them are needed. */
  readonly localWeights?: { readonly [name: string]: EngineWeights } | undefined;
  readonly log?: Logger | undefined;
}

export interface RunningServer {
  readonly port: number;
  readonly baseUrl: string;
  /** The ports of regions that have one. */
  readonly regionPorts: OpenPorts['regionPorts'];
  /** With TLS: the PEM file of whom programs have to trust. */
  readonly trustFile: string | undefined;
  /** Resolves when the engine has loaded its weights (at once without an engine); rejects when it cannot. */
  readonly ready: Promise<void>;
  /** The engine child's process; undefined while there is none. */
  readonly engineProcessId: number | undefined;
  /** Writes every receipt and every body of a call that is still in memory. */
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
  return pino(logOptions(level), destination);
}

/** Errors are written without what they carry along. */
export function logOptions(level: string): pino.LoggerOptions {
  return { level, serializers: { err: errorFields } };
}

const DAY_MS = 86_400_000;

/** Starts the server of a configuration and listens. Throws when the port cannot be had. */
export async function startServer(config: Config, options: StartOptions = {}): Promise<RunningServer> {
  const log = options.log ?? openLog(config.log.level, 1);
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  const certificate = config.tls.enabled ? await certificateOf(config) : undefined;
  const lock = lockHome(config.home);
  if (!lock)
    throw new ConfigError([
      `home: another Atelier serves from ${config.home}. Fix: stop it, or give this one a home of its own (--home FOLDER).`,
    ]);
  const database = await openDatabase(config.database).catch((thrown: unknown) => {
    lock.release();
    if (!(thrown instanceof DatabaseUnusable)) throw thrown;
    throw new ConfigError([`database: ${thrown.message}. Fix: start it, or put its URL right.`]);
  });
  const platform = createPlatformStore(database, systemClock);
  const keys = await openKeyRing({ store: platform, clock: systemClock, log });
  const server = await joinServers(database, { id: serverIdOf(config.home), clock: systemClock }, log);
  const uploads = createUploadStore(database);
  const { blobs, uploadBlobs } = await openBlobs(config, database);
  const webhooks = createWebhooks({ allowsPrivateAddresses: config.batches.allowPrivateCallbacks });
  const metrics = createMetrics();
  const library = config.replay === undefined ? undefined : openLibrary(config.replay, log);
  const ownCatalogue = withOwnModels(config.ownModels, loadCatalogue());
  const knownCatalogue = library ? speakingEverywhere(ownCatalogue) : ownCatalogue;
  const choice = await chosenEngine(config, log);
  const backends = await createBackends(config, options, { log, library, metrics, choice });
  if (backends.locals.length > 0) addEngineGauges(metrics, backends.locals);
  const { catalogue, router, modelOf } = withAliases(config.aliases, knownCatalogue, createRouter(backends.routing));
  const ownModel = (id: string): Partial<ModelCard> | undefined => scriptedModel(modelOf(id));
  const mayUse = (account: Account, id: string): boolean => {
    const policy = keys.policyOf(account);
    return policy !== undefined && (policy.mayUse(id) || policy.mayUse(modelOf(id)));
  };
  const receipts = createReceiptStore(database);
  const bodies = createCallBodies(database, { clock: systemClock, log });
  const prices = createPriceBook({ catalogue, modelOf, overrides: config.prices });
  const ledger = await openLedger({
    journal: { folder: join(config.home, 'journal') },
    store: receipts,
    prices,
    platform: keys,
    clock: systemClock,
    log,
    spoolReceipts: config.ledger.spoolReceipts,
    quota: config.quota,
    pollMs: database.dialect === 'postgres' ? OTHER_SERVERS_MS : undefined,
  });
  const limits = await openLimits(config, metrics, log);
  const gate = new CallGate();
  const keepAlives = new KeepAlives(systemClock);
  const shutdown = new AbortController();
  const running = new RunningCalls();
  const serve: ServePorts = {
    generate: createPipeline(
      (library ? featuresOfReplay : featuresInOrder)({
        ledger,
        metrics,
        catalogue,
        router,
        ownModel,
        policies: keys,
        funds: ledger.funds,
        bodies,
        bodiesRetentionMs: config.retention.bodiesDays * DAY_MS,
        limits,
        modelOf,
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
  const models = modelLister(catalogue, router, ownModel, backends, mayUse);
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
    batches: createBatchStore(database, server),
    batchConcurrency: config.batches.concurrency,
    webhooks,
    uploads,
    uploadBlobs,
    tasks: createTaskStore(database),
    temporaryKeys: keys,
    responses: createResponseStore(database, server),
    conversations: createConversationStore(database),
    sealer: await createSealer(database),
    responseRetentionMs: config.responses.retentionDays * DAY_MS,
    conversationRetentionMs: config.conversations.retentionDays * DAY_MS,
    callWire: createCallWire(() => ownWires, serve),
    ...models,
  });
  const wires = library ? replaying(ownWires, library) : ownWires;
  const app = createApp({
    wires,
    serve,
    keys,
    admin: createAdmin({
      config,
      platform,
      keys,
      prices,
      receipts,
      models,
      others: [
        ...cacheResources(keptPromptsOf(backends, promptCacheOf(config)?.folder)),
        ...engineResources(() => localModelsView(backends)),
        ...limitResources({
          left: createLimitsLeft({ policies: keys, limits, modelOf, catalogue }),
          store: platform,
          defaultRegion: config.regions.default,
        }),
        ...reportResources(
          createAdminReports({
            usage: createUsageReports(database),
            bills: createBills(database),
            requests: createRequestLog(database),
            bodies,
            clock: systemClock,
          }),
        ),
      ],
    }),
    isAuthRequired: config.auth.required,
    defaultRegion: config.regions.default,
    certificate,
    admitSocket: socketAdmission({ policies: keys, limits }),
    metrics,
    clock: systemClock,
    ids: systemIds,
    log,
    version: VERSION,
    maxBodyBytes: config.server.maxBodyBytes,
    maxMediaBodyBytes: config.server.maxMediaBodyBytes,
    health: () =>
      Object.fromEntries(backends.all.map((backend) => [healthNameOf(backend, backends), backend.health()])),
  });
  const renewal =
    certificate &&
    watchCertificate(
      certificate,
      () => certificateOf(config),
      (renewed) => app.renewCertificate(renewed),
      log,
    );
  const sweeps = hourly(createRetention(database, systemClock, config.retention), log);
  const close = once(async () => {
    renewal?.stop();
    gate.close();
    await Promise.all([sweeps.stop(), ...wires.map(({ work }) => work?.stop())]);
    await gate.idleWithin(config.server.shutdownSeconds * 1000);
    shutdown.abort();
    await gate.idleWithin(LAST_FRAMES_MS);
    keepAlives.close();
    await app.close();
    await Promise.all(backends.all.map((backend) => backend.close()));
    await webhooks.close();
    await limits?.limiter.close();
    keys.close();
    await ledger.close();
    await bodies.close();
    await server.leave();
    await database.close();
    lock.release();
  });
  const { host } = config.server;
  const { port, regionPorts } = await app
    .listen({ host, port: config.server.port, regionPorts: regionPortsOf(config) })
    .catch(async (thrown: unknown) => {
      await close();
      throw thrown;
    });
  keys.watch();
  for (const { work } of wires) work?.start();
  sweeps.start();
  return {
    port,
    baseUrl: `${certificate ? 'https' : 'http'}://${urlHostOf(host)}:${port}`,
    regionPorts,
    trustFile: certificate?.trustFile,
    ready: backends.locals[0]?.backend.ready() ?? Promise.resolve(),
    get engineProcessId() {
      return backends.locals[0]?.backend.engineProcessId;
    },
    flush: async () => {
      await ledger.flush();
      await bodies.flush();
    },
    close,
  };
}

/** What limits calls, in memory or in Redis; undefined when nothing does. */
async function openLimits(config: Config, metrics: MetricsRegistry, log: Logger): Promise<LimitPorts['limits']> {
  if (!config.limits.enabled) return undefined;
  const memory = new MemoryLimiter(systemClock);
  metrics.gauge('atelier_limit_buckets', 'Limits in memory that something was taken from.', () => memory.size);
  if (config.redis === undefined) return { limiter: memory, settings: config.limits };
  const limiter = await openRedisLimiter({ url: config.redis, fallback: memory, log });
  metrics.gauge('atelier_redis_up', 'Whether limits are counted in Redis: 1 or 0.', () => Number(limiter.isUp));
  return { limiter, settings: config.limits };
}

/** Bytes of files and of uploads: in folders of the home, and with Postgres in the database, where every server finds them. */
async function openBlobs(
  { home }: Config,
  database: Database,
): Promise<{ readonly blobs: BlobStore; readonly uploadBlobs: BlobStore }> {
  const table = createBlobTable(database, systemClock);
  const inUse = await blobIdsInUse(database);
  if (database.dialect === 'postgres') {
    await table.deleteAllBut(inUse);
    return { blobs: table, uploadBlobs: table };
  }
  const blobs = withRestored(await openBlobStore(join(home, 'files')), table);
  const uploadBlobs = withRestored(await openBlobStore(join(home, 'uploads')), table);
  await blobs.deleteAllBut(inUse);
  await uploadBlobs.deleteAllBut(inUse);
  return { blobs, uploadBlobs };
}

/** How often what other servers on the same database have spent is read. */
const OTHER_SERVERS_MS = 1000;

/** Time for the error frames of calls that a shutdown has cut. */
const LAST_FRAMES_MS = 1000;

/** Reads or makes it; one that cannot be used is a mistake in the settings. */
async function certificateOf({ home, server, tls }: Config): Promise<Certificate> {
  try {
    return await openCertificate(
      { home, host: server.host, certFile: tls.certFile, keyFile: tls.keyFile },
      systemClock.now(),
    );
  } catch (thrown) {
    if (!(thrown instanceof CertificateError)) throw thrown;
    throw new ConfigError([`${thrown.message}. Fix: name a PEM file that this user can read.`]);
  }
}

function regionPortsOf({ regions }: Config): OpenPorts['regionPorts'] {
  const ports: { [region in Region]?: number } = {};
  for (const region of REGIONS) {
    const { port } = regions[region];
    if (port !== undefined) ports[region] = port;
  }
  return ports;
}

/** An address that a program on this machine can ask. */
function urlHostOf(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

interface Backends {
  readonly all: readonly Backend[];
  /** The first stands in for other models, and is loaded at the start. */
  readonly locals: readonly LocalWeights[];
  readonly fleet: Engines['fleet'];
  readonly routing: RouterOptions;
}

/** What `createBackends` needs besides the configuration. */
interface BackendPorts {
  readonly log: Logger;
  readonly library: Library | undefined;
  readonly metrics: MetricsRegistry;
  readonly choice: EngineChoice | undefined;
}

/** What decodes local weights; undefined where there are none. */
async function chosenEngine(config: Config, log: Logger): Promise<EngineChoice | undefined> {
  if (!config.engine.enabled) return undefined;
  const choice = await chooseEngine(engineWishOf(config)).catch((thrown: unknown) => {
    throw thrown instanceof EngineError ? new ConfigError([`engine: ${thrown.message}`]) : thrown;
  });
  const server = choice.kind === 'llama-server' ? choice.server : undefined;
  log.info({ engine: choice.kind, why: choice.why, binary: server?.binary, version: server?.version }, 'engine chosen');
  return choice;
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

/** In replay mode a model answers on every wire and in every region, in any form, whatever it does elsewhere. */
function speakingEverywhere(catalogue: ModelCatalogue): ModelCatalogue {
  const everywhere = (card: ModelCard): ModelCard => ({
    ...card,
    surfaces: { chat: true, responses: true, messages: true },
    abilities: { ...card.abilities, jsonObject: true, jsonSchema: true },
    terms: { ...termsEverywhere(), ...card.terms },
  });
  const cards = catalogue.list().map(everywhere);
  const byId = new Map(cards.map((card) => [card.id, card]));
  const find = (id: string): ModelCard | undefined => {
    const card = catalogue.find(id);
    return card && (byId.get(card.id) ?? everywhere(card));
  };
  return { find, list: () => cards };
}

/** Makes the recordings findable and puts them before the wires' own resources. */
function replaying(wires: readonly Wire[], library: Library): readonly Wire[] {
  library.index(createRecordedDecoder(wires, { clock: systemClock, ids: systemIds }));
  return withRecordedReplies(wires, library);
}

async function createBackends(config: Config, options: StartOptions, ports: BackendPorts): Promise<Backends> {
  const { log, library, metrics, choice } = ports;
  const replay = library && createReplayBackend(library);
  const scripted = createScriptedBackend({ clock: systemClock });
  const upstreams = new Map(config.upstreams.map((upstream) => [upstream.id, createUpstream(upstream, log)]));
  const { fleet, locals, byName } = choice
    ? await createEngines(config, options, { log, metrics, choice })
    : NO_ENGINES;
  const configured = config.models.map((route): RouteRule => {
    if (route.backend === 'scripted') return { pattern: route.pattern, backend: scripted, target: route.target };
    const local = route.backend === 'embedded' ? (route.model ? byName.get(route.model) : locals[0]) : undefined;
    const backend = route.backend === 'embedded' ? local?.backend : upstreams.get(route.upstreamId);
    if (!backend) throw new Error(`models: ${route.pattern} leads to ${route.backend}, which is not running`);
    return { pattern: route.pattern, backend, target: route.backend === 'upstream' ? route.target : undefined };
  });
  const [onlyUpstream, ...others] = upstreams.values();
  return {
    all: [...(replay ? [replay] : []), ...locals.map(({ backend }) => backend), ...upstreams.values(), scripted],
    locals,
    fleet,
    routing: {
      rules: replay ? [{ pattern: '*', backend: replay }] : configured,
      scripted,
      isScriptedOnly: config.scripted,
      locals,
      gateway: locals.length > 0 || config.scripted || others.length > 0 ? undefined : onlyUpstream,
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

/** The caches an administrator sees: one of all local models, which share a folder, and those of other backends. */
function keptPromptsOf({ all, locals }: Backends, folder: string | undefined): readonly KeptPrompts[] {
  const isLocal = ({ id }: Backend): boolean => id === 'embedded';
  const others = all.filter((backend) => !isLocal(backend));
  const loaded = (): PromptCache[] => all.filter(isLocal).flatMap(({ promptCache }) => promptCache ?? []);
  return [
    ...(locals.length > 0
      ? [{ backend: 'embedded', cache: keptPrompts({ loaded, folder, now: systemClock.now }) }]
      : []),
    ...others.flatMap(({ id, promptCache: cache }) => (cache ? [{ backend: id, cache }] : [])),
  ];
}

/** The first engine has the backend's id, as it was when there was one; others have the names of their weights too. */
function healthNameOf(backend: Backend, { locals }: Backends): string {
  const index = locals.findIndex((local) => local.backend === backend);
  return index > 0 ? `${backend.id}/${locals[index]?.weightsName}` : backend.id;
}

interface AdminParts {
  readonly config: Config;
  readonly platform: PlatformStore;
  readonly keys: HeldKeyRing;
  readonly prices: PriceBook;
  readonly receipts: ReceiptStore;
  readonly models: Pick<WirePorts, 'listModels'>;
  readonly others: readonly AdminResource[];
}

function createAdmin({ config, platform, keys, prices, receipts, models, others }: AdminParts): AdminApi {
  const defaultRegion = config.regions.default;
  // What is changed here holds here before the change is answered.
  const current = async (): Promise<PlatformState> => {
    await keys.refresh();
    return keys.state;
  };
  return createAdminApi({
    service: createAdminService({ store: platform, current, clock: systemClock, defaultRegion }),
    keys,
    clock: systemClock,
    defaultRegion,
    prices,
    listModels: (region) => models.listModels(anyoneIn(region)),
    freeQuotas: async () => (await receipts.sums(beijingMonthOf(systemClock.now()))).quotas,
    others,
  });
}

/** What GET /models tells: the catalogue, and the weights themselves where the catalogue does not know them. */
function modelLister(
  catalogue: ModelCatalogue,
  router: Router,
  ownModel: (id: string) => Partial<ModelCard> | undefined,
  backends: Backends,
  mayUse: (account: Account, id: string) => boolean,
): Pick<WirePorts, 'findCard' | 'listModels' | 'findModel'> {
  const findCard = (id: string): ModelCard | undefined =>
    catalogue.find(id) ?? (router.resolve(id, undefined) ? { ...permissiveCard(id), ...ownModel(id) } : undefined);
  const isOpenTo = ({ id, terms }: ModelCard, account: Account): boolean =>
    terms[account.region] !== undefined && mayUse(account, id);
  const listed = (card: ModelCard): ListedModel => {
    const route = router.resolve(card.id, card);
    return { card, servedBy: route?.servedBy, isStandIn: route?.isStandIn ?? false };
  };
  const unlisted = [
    ...backends.locals.map(({ weightsName }) => weightsName),
    ...backends.routing.rules.map(({ pattern }) => pattern),
    ...(backends.routing.isScriptedOnly ? SCRIPTED_MODELS : []),
  ].filter((id): id is string => id !== undefined && !id.includes('*') && catalogue.find(id) === undefined);
  const cards = [...unlisted.flatMap((id) => findCard(id) ?? []), ...catalogue.list()];
  return {
    findCard,
    listModels: (account) => cards.filter((card) => isOpenTo(card, account)).map(listed),
    findModel: (id, account) => {
      const card = findCard(id);
      return card && isOpenTo(card, account) ? listed(card) : undefined;
    },
  };
}

function once(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => {
    result ??= action();
    return result;
  };
}
