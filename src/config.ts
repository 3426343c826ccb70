/**
 * Every setting of the program: one schema for `atelier.yaml`, the environment and flags. Flags win over the
 * environment, the environment over the file, the file over the defaults. A setting is added here and nowhere else;
 * no other file knows a default.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { resolveFolders } from './config-folders.ts';
import { modelsSchema, ownModelsOf, priceOverridesOf, pricesSchema } from './config-models.ts';
import { type KnownSettings, problemsOf, type Setting, show, sourceOf } from './config-problems.ts';
import {
  ConfigSyntaxError,
  didYouMean,
  mergeSources,
  pairsSource,
  parseTypedValue,
  type SettingPath,
  type SettingsSource,
  yamlSource,
} from './config-source.ts';

import type { OwnModel } from './core/models.ts';
import type { PriceOverride } from './core/platform.ts';
import { DEFAULT_REGION, REGION_FACTS, REGIONS, type Region } from './core/regions.ts';

export { didYouMean } from './config-source.ts';

const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;

const wholeNumber = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};
const text = z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' });
const flag = z.boolean({ error: 'must be true or false' });
const autoOr = (min: number, max: number) => {
  const error = `must be auto or a whole number from ${min} to ${max}`;
  return z.union([z.literal('auto'), wholeNumber(min, max)], { error });
};
const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

/** Kinds of servers whose ways are known; `backends/upstream/quirks.ts` says what they are. */
export const UPSTREAM_KINDS = ['generic', 'vllm', 'sglang', 'ollama', 'llama-server', 'dashscope', 'openai'] as const;

/** Families of models by how they spell tool calls; `backends/parsers/tool-formats.ts` says how. */
export const TOOL_FORMATS = [
  'auto',
  'hermes',
  'qwen3-coder',
  'deepseek-v3',
  'deepseek-v3.1',
  'glm',
  'kimi',
  'minimax',
  'mistral',
  'mistral-args',
  'llama',
  'fenced-json',
  'json',
] as const;

const upstreamSchema = z.strictObject({
  id: text
    .regex(/^[a-z0-9][a-z0-9-]*$/, { error: 'must be lower-case letters, digits and dashes' })
    .refine((id) => id !== 'embedded' && id !== 'scripted', { error: 'must not be embedded or scripted' })
    .describe('The name that routes and logs call this upstream by.'),
  baseUrl: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .describe('Base URL of an OpenAI-compatible server, normally ending in /v1.'),
  apiKey: text.optional().describe('Key sent to the upstream; better kept in a variable named by apiKeyEnv.'),
  apiKeyEnv: text.optional().describe('Name of the environment variable that holds the key.'),
  quirks: oneOf(UPSTREAM_KINDS)
    .optional()
    .describe('What kind of server it is; left out, one that keeps to what all of them take.'),
});

const regionSchema = (region: Region) =>
  z
    .strictObject({
      port: wholeNumber(0, 65_535)
        .optional()
        .describe(`A port of its own for the region ${REGION_FACTS[region].title}; 0 lets the system choose.`),
    })
    .prefault({});

/** Claude Code asks `claude-…` models for its side jobs, whatever model it was told to use. */
const CLAUDE_STAND_IN = 'qwen-plus';

const keepAlive = (() => {
  const error = 'must be minutes: a number from 0, or -1 for ever';
  return z.number({ error }).refine((value) => value === -1 || (value >= 0 && value <= 1_000_000), { error });
})();

/** More local weights than one. Text names the weights; a map says more. */
const localModelSchema = z.strictObject(
  {
    weights: text.describe('A name of `atelier models`, a GGUF file, or owner/repository:file of the hub.'),
    contextTokens: autoOr(512, 1_048_576)
      .optional()
      .describe('Tokens one sequence holds; engine.contextTokens without.'),
    sequences: wholeNumber(1, 64).optional().describe('Answers decoded side by side; engine.sequences without it.'),
    keepAlive: keepAlive.optional().describe('Minutes it stays loaded without use; engine.keepAlive without it.'),
  },
  { error: 'must be text (which weights), or a map with weights' },
);

const settingsSchema = z.strictObject({
  home: text
    .optional()
    .describe('Folder for keys, receipts and, when it is set, weights. Default: the data folder of the user.'),
  scripted: flag.default(false).describe('Answer every model with the scripted backend; no weights are needed.'),
  replay: text
    .optional()
    .describe('Folder of recordings (atelier record) that answer every call; no weights are needed.'),
  server: z
    .strictObject({
      host: text.default('127.0.0.1').describe('Address to listen on; 0.0.0.0 opens the server to the network.'),
      port: wholeNumber(0, 65_535).default(8787).describe('Port to listen on; 0 lets the system choose.'),
      // The service refuses larger bodies with a 413: 16 MiB of text, 64 MiB when media come along as base64.
      maxBodyBytes: wholeNumber(1024, 1024 * MEBIBYTE)
        .default(16 * MEBIBYTE)
        .describe('Largest request body without base64 media, in bytes.'),
      maxMediaBodyBytes: wholeNumber(1024, 1024 * MEBIBYTE)
        .default(64 * MEBIBYTE)
        .describe('Largest request body with base64 media, in bytes.'),
      shutdownSeconds: wholeNumber(0, 3600)
        .default(10)
        .describe('How long live streams may go on after SIGTERM, in seconds.'),
    })
    .prefault({}),
  database: text
    .default('sqlite')
    .describe('sqlite (a file in the home folder), or postgres://USER:PASSWORD@HOST/NAME, which servers may share.'),
  redis: text
    .optional()
    .describe('redis://HOST: limits are counted there, for all servers together; in memory without it.'),
  regions: z
    .strictObject({
      default: oneOf(REGIONS)
        .default(DEFAULT_REGION)
        .describe('Region of server.port, where neither host name nor path says another.'),
      ...Object.fromEntries(REGIONS.map((region) => [region, regionSchema(region)])),
    } as { default: z.ZodDefault<z.ZodEnum<{ [region in Region]: region }>> } & {
      [region in Region]: ReturnType<typeof regionSchema>;
    })
    .prefault({}),
  tls: z
    .strictObject({
      enabled: flag
        .default(false)
        .describe('Serve https instead of http (--tls); without certFile with a certificate made on the spot.'),
      certFile: text.optional().describe('PEM file of the certificate, and of those that vouch for it.'),
      keyFile: text.optional().describe('PEM file of its private key.'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      enabled: flag.default(true).describe('Limit calls as the service does; `limits: off` for local development.'),
      // The founding document's "Usage Limits".
      requestsPerSecond: wholeNumber(1, 10_000_000)
        .default(100)
        .describe('Calls a second of one model, in one region, by all keys together.'),
      concurrentStreams: wholeNumber(1, 10_000_000)
        .default(10)
        .describe('Streams and WebSocket connections of one key at a time.'),
      catalogue: flag.default(true).describe('Hold models to the calls and tokens a minute that the catalogue names.'),
      burst: wholeNumber(0, 10_000_000)
        .default(0)
        .describe(
          'Calls of one model that may come at once, before a surge is refused (`limit_burst_rate`); 0: no such check.',
        ),
    })
    .prefault({}),
  quota: z
    .strictObject({
      enabled: flag
        .default(true)
        .describe('The first tokens of a model are free, as the catalogue says (1,000,000 in 90 days).'),
      freeTierOnly: flag
        .default(false)
        .describe('Refuse calls of a model whose free tokens are used up, instead of charging them.'),
    })
    .prefault({}),
  ledger: z
    .strictObject({
      spoolReceipts: wholeNumber(100, 10_000_000)
        .default(20_000)
        .describe('Receipts that may wait for a database that takes none; then calls are refused with a 503.'),
    })
    .prefault({}),
  retention: z
    .strictObject({
      receiptsDays: wholeNumber(0, 36_500).default(0).describe('Days for which receipts are kept; 0: for ever.'),
      bodiesDays: wholeNumber(1, 3650)
        .default(7)
        .describe('Days for which bodies of calls are kept, of keys that keep them.'),
      auditDays: wholeNumber(0, 36_500).default(0).describe('Days for which audit rows are kept; 0: for ever.'),
    })
    .prefault({}),
  auth: z
    .strictObject({
      required: flag.default(true).describe('Demand a key; without it anyone who reaches the port may call.'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .describe('Least important log line that is written.'),
    })
    .prefault({}),
  engine: z
    .strictObject({
      enabled: flag.default(true).describe('Run local weights; false for a pure gateway.'),
      kind: oneOf(['auto', 'binding', 'llama-server'])
        .default('binding')
        .describe(
          'Who decodes: the library that comes along (binding) or a llama-server (not yet tried on a real one); auto takes one that is here.',
        ),
      llamaServer: text
        .optional()
        .describe(
          'The llama-server program; without it the one on the PATH, or what `atelier engine install` brought.',
        ),
      checkMemory: flag.default(true).describe('Refuse to load weights and context that do not fit into free memory.'),
      weights: text
        .default('auto')
        .describe(
          'auto (by free memory), a name of `atelier models`, a GGUF file, or owner/repository:file of the hub.',
        ),
      sequences: wholeNumber(1, 64).default(4).describe('Answers decoded side by side.'),
      contextTokens: autoOr(512, 1_048_576)
        .default('auto')
        .describe('Tokens one sequence holds; auto fits memory and is at least 8192 where the model allows.'),
      threads: autoOr(1, 256).default('auto').describe('Threads the engine computes with.'),
      queueLimit: wholeNumber(0, 100_000)
        .default(64)
        .describe('Calls that may wait for a sequence; one more is answered 429.'),
      models: z
        .record(
          z.string(),
          z.preprocess((value) => (typeof value === 'string' ? { weights: value } : value), localModelSchema),
          { error: 'must be a map from name to weights' },
        )
        .superRefine((named, context) => {
          const message = 'must have a name without slashes, stars and spaces';
          for (const name of Object.keys(named))
            if (!/^[^/*\s]+$/.test(name)) context.addIssue({ code: 'custom', path: [name], message });
        })
        .default({})
        .describe('More local weights by name, loaded when they are called: route models to embedded/NAME.'),
      keepAlive: keepAlive
        .default(-1)
        .describe(
          'Minutes weights stay loaded without use; 0 unloads at once, -1 keeps them until others need the room.',
        ),
      memoryLimit: autoOr(64 * MEBIBYTE, 1024 * 1024 * GIBIBYTE)
        .default('auto')
        .describe(
          'Bytes that all loaded weights may take with their context; auto is 80% of what is free at the start.',
        ),
      toolFormat: oneOf(TOOL_FORMATS)
        .default('auto')
        .describe('How the weights spell tool calls; auto is told by their chat template (docs/tools.md).'),
      chatTemplate: text
        .optional()
        .describe('A file with a Jinja chat template in place of the one in the weights of engine.weights.'),
      cache: z
        .strictObject({
          enabled: flag
            .default(true)
            .describe('Keep prompts that were read in the home folder, so that they need not be read again.'),
          maxBytes: autoOr(0, 1024 * 1024 * GIBIBYTE)
            .default('auto')
            .describe(
              'Bytes they may take in all; auto is 4 GiB, or a tenth of what the disk has free if that is less.',
            ),
          maxAgeHours: wholeNumber(1, 1_000_000).default(168).describe('Hours after its last use that one is kept.'),
        })
        .prefault({}),
    })
    .prefault({}),
  files: z
    .strictObject({
      // "OpenAI compatible - File": 10,000 files and 100 GB an account.
      maxFiles: wholeNumber(0, 10_000_000).default(10_000).describe('Files that may be kept.'),
      maxBytes: wholeNumber(0, 1024 * 1024 * GIBIBYTE)
        .default(100 * GIBIBYTE)
        .describe('Bytes that kept files may take in all.'),
    })
    .prefault({}),
  batches: z
    .strictObject({
      concurrency: wholeNumber(1, 256)
        .default(1)
        .describe('Lines of batches that are generated side by side; live calls go first.'),
      allowPrivateCallbacks: flag
        .default(false)
        .describe('Let ds_batch_finish_callback lead to this machine and to private networks.'),
    })
    .prefault({}),
  responses: z
    .strictObject({
      retentionDays: wholeNumber(1, 3650)
        .default(7)
        .describe('Days for which a stored response can be read and continued.'),
    })
    .prefault({}),
  conversations: z
    .strictObject({
      retentionDays: wholeNumber(1, 3650)
        .default(7)
        .describe('Days for which a conversation stays after its last use.'),
    })
    .prefault({}),
  upstreams: z
    .array(upstreamSchema, { error: 'must be a list of upstreams' })
    .default([])
    .describe('OpenAI-compatible servers that models may be routed to.'),
  models: modelsSchema
    .default({})
    .describe(
      'Who answers a model id or pattern (`qwen3-*`, `*`): embedded, embedded/NAME of engine.models, an upstream id, upstream-id/its-model, scripted/behaviour; or a map that also says what the model is (docs/models.md).',
    ),
  prices: pricesSchema
    .default({})
    .describe(
      "Prices of models before the catalogue's, in yuan a million tokens: by model id a list of prices, each from a day on (docs/models.md).",
    ),
  aliases: z
    .record(z.string(), text, { error: 'must be a map from model id to model id' })
    .default({})
    .describe(
      `Other names of models: an id or pattern and the model it stands for. Ids that begin with claude- stand for ${CLAUDE_STAND_IN} where nothing else answers them.`,
    ),
});

type Settings = z.output<typeof settingsSchema>;

/** Where the models of one id or pattern lead. `target` is the name the backend knows the model by. */
export type ModelRoute =
  /** Without `model` by `engine.weights`. */
  | { readonly pattern: string; readonly backend: 'embedded'; readonly model?: string }
  | { readonly pattern: string; readonly backend: 'scripted'; readonly target: string }
  /** Without `target` the upstream is asked for the model by the caller's own id. */
  | { readonly pattern: string; readonly backend: 'upstream'; readonly upstreamId: string; readonly target?: string };

/** Local weights besides those of `engine.weights`. */
export interface LocalModelConfig {
  /** Models are routed to `embedded/NAME`. */
  readonly name: string;
  readonly weights: string;
  readonly contextTokens: number | 'auto';
  readonly sequences: number;
  /** Minutes; -1 for ever. */
  readonly keepAlive: number;
}

/** Another name of a model, or of all that match the pattern. */
export interface AliasConfig {
  readonly pattern: string;
  readonly model: string;
  /** Only for ids that nothing else answers. */
  readonly isFallback: boolean;
}

export interface UpstreamConfig {
  readonly id: string;
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly quirks: string | undefined;
}

/** All settings, resolved and checked. */
export interface Config {
  readonly server: Readonly<Settings['server']>;
  readonly auth: Readonly<Settings['auth']>;
  readonly regions: Readonly<Settings['regions']>;
  /** Files are resolved. */
  readonly tls: Readonly<Settings['tls']>;
  readonly limits: Readonly<Settings['limits']>;
  readonly quota: Readonly<Settings['quota']>;
  readonly ledger: Readonly<Settings['ledger']>;
  readonly retention: Readonly<Settings['retention']>;
  /** The file of the home folder, or a `postgres://` URL. */
  readonly database: string;
  readonly redis: string | undefined;
  readonly log: Readonly<Settings['log']>;
  /** `enabled` is false with `scripted` and `replay`. */
  readonly engine: Readonly<Settings['engine']>;
  readonly files: Readonly<Settings['files']>;
  readonly batches: Readonly<Settings['batches']>;
  readonly responses: Readonly<Settings['responses']>;
  readonly conversations: Readonly<Settings['conversations']>;
  readonly scripted: boolean;
  /** The folder of recordings that answer everything, if they do. */
  readonly replay: string | undefined;
  readonly upstreams: readonly UpstreamConfig[];
  /** Of `engine.models`, and weights that are only named by a route. None without the engine. */
  readonly localModels: readonly LocalModelConfig[];
  /** In the order to try: exact ids, then patterns from the most to the least specific. None with `scripted` and `replay`. */
  readonly models: readonly ModelRoute[];
  /** Every single id of `models`, also with `scripted` and `replay`. */
  readonly ownModels: readonly OwnModel[];
  readonly prices: readonly PriceOverride[];
  /** In the order to try, like `models`. */
  readonly aliases: readonly AliasConfig[];
  /** Keys, receipts and the database live here. */
  readonly home: string;
  readonly weightsFolder: string;
  /** The file that was read, if any. */
  readonly file: string | undefined;
  /** Things that look like a mistake but do not stop the start. */
  readonly warnings: readonly string[];
}

/** One or more settings are wrong; every problem is a line that says where, why and how to fix it. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Flags that set something, by their commander names. Values may be text as typed. */
export interface ConfigFlags {
  readonly config?: string | undefined;
  readonly home?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | number | undefined;
  readonly database?: string | undefined;
  readonly redis?: string | undefined;
  readonly tls?: boolean | undefined;
  readonly scripted?: boolean | undefined;
  readonly replay?: string | undefined;
  readonly weights?: string | undefined;
  readonly sequences?: string | number | undefined;
  readonly contextTokens?: string | number | undefined;
  readonly threads?: string | number | undefined;
  readonly logLevel?: string | undefined;
}

type Environment = { readonly [name: string]: string | undefined };

export interface ConfigInputs {
  readonly flags?: ConfigFlags | undefined;
  readonly env?: Environment | undefined;
  readonly cwd?: string | undefined;
}

const FLAG_SETTINGS: { readonly [flag in Exclude<keyof ConfigFlags, 'config'>]-?: string } = {
  home: 'home',
  host: 'server.host',
  port: 'server.port',
  database: 'database',
  redis: 'redis',
  tls: 'tls.enabled',
  scripted: 'scripted',
  replay: 'replay',
  weights: 'engine.weights',
  sequences: 'engine.sequences',
  contextTokens: 'engine.contextTokens',
  threads: 'engine.threads',
  logLevel: 'log.level',
};

/** Further variables of a setting; its own name wins over them. PORT is what hosting platforms set. */
const OTHER_NAMES: { readonly [setting: string]: readonly string[] } = {
  'server.port': ['PORT'],
  'limits.enabled': ['ATELIER_LIMITS'],
};

/** Maps that may also be a word: `limits: off` is `limits: { enabled: false }`. */
const SWITCHED = ['limits'];

/** Read by other parts (the file's place, the CLI's key, the test suites), so no setting and no mistake. */
const OTHER_VARIABLES = ['ATELIER_CONFIG', 'ATELIER_API_KEY', 'ATELIER_BASE_URL'];
const OTHER_VARIABLE_PREFIXES = ['ATELIER_TEST_', 'ATELIER_BENCH_'];

const LEAVES = leavesOf(settingsSchema, []);
const KNOWN: KnownSettings = { settings: LEAVES, inner: innerOf(settingsSchema, []) };

/** Every setting with its default and its sentence, for `--help` and the documentation. */
export function describeSettings(): { name: string; default: unknown; sentence: string; variable: string }[] {
  return LEAVES.map(({ name, default: fallback, sentence, variable }) => ({
    name,
    default: fallback,
    sentence,
    variable,
  }));
}

/** Reads file, environment and flags into one checked Config; throws a ConfigError that lists every problem. */
export function loadConfig(inputs: ConfigInputs = {}): Config {
  const { flags = {}, env = process.env, cwd = process.cwd() } = inputs;
  const file = findFile(flags, env, cwd);
  const sources = [
    ...(file ? [withSwitches(readFile(file, cwd))] : []),
    pairsSource(environmentPairs(env)),
    pairsSource(flagPairs(flags)),
  ];
  const parsed = settingsSchema.safeParse(mergeSources(sources));
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap((issue) => problemsOf(issue, sources, KNOWN)));
  const settings = parsed.data;
  const locate = (at: SettingPath) => sourceOf(at, sources)?.locate(at) ?? 'the settings';
  const problems: string[] = [];
  const upstreams = resolveUpstreams(settings, env, locate, problems);
  const models = resolveRoutes(settings, locate, problems);
  if (!/^(sqlite$|postgres(ql)?:\/\/)/.test(settings.database))
    problems.push(
      `${locate(['database'])}: database must be sqlite or begin with postgres://. Fix: leave it out for sqlite.`,
    );
  if (settings.redis !== undefined && !(/^rediss?:\/\//.test(settings.redis) && URL.canParse(settings.redis)))
    problems.push(`${locate(['redis'])}: redis must be a URL that begins with redis://. Fix: redis://127.0.0.1:6379`);
  if ((settings.tls.certFile === undefined) !== (settings.tls.keyFile === undefined))
    problems.push(`${locate(['tls'])}: tls.certFile and tls.keyFile go together. Fix: name both or none.`);
  problems.push(...sharedPorts(settings, locate));
  if (settings.scripted && settings.replay !== undefined)
    problems.push(`${locate(['replay'])}: replay and scripted are both set. Fix: leave one of them out.`);
  if (problems.length > 0) throw new ConfigError(problems);
  // A folder named in the file is meant from where the file lies.
  const baseOf = (at: SettingPath) =>
    file && sources[0]?.has(at) && !sources.slice(1).some((source) => source.has(at)) ? path.dirname(file) : cwd;
  const folders = resolveFolders(settings.home, baseOf(['home']), env);
  const resolved = (name: 'certFile' | 'keyFile'): string | undefined => {
    const named = settings.tls[name];
    return named === undefined ? undefined : path.resolve(baseOf(['tls', name]), named);
  };
  return {
    server: settings.server,
    auth: settings.auth,
    regions: settings.regions,
    tls: { ...settings.tls, certFile: resolved('certFile'), keyFile: resolved('keyFile') },
    limits: settings.limits,
    quota: settings.quota,
    ledger: settings.ledger,
    retention: settings.retention,
    database: settings.database === 'sqlite' ? path.join(folders.home, 'atelier.db') : settings.database,
    redis: settings.redis,
    log: settings.log,
    files: settings.files,
    batches: settings.batches,
    responses: settings.responses,
    conversations: settings.conversations,
    engine: {
      ...settings.engine,
      enabled: settings.engine.enabled && !answersWithoutWeights(settings),
      llamaServer:
        settings.engine.llamaServer && path.resolve(baseOf(['engine', 'llamaServer']), settings.engine.llamaServer),
      chatTemplate:
        settings.engine.chatTemplate && path.resolve(baseOf(['engine', 'chatTemplate']), settings.engine.chatTemplate),
    },
    scripted: settings.scripted,
    replay: settings.replay === undefined ? undefined : path.resolve(baseOf(['replay']), settings.replay),
    upstreams,
    localModels: localModelsOf(settings, models),
    models,
    ownModels: ownModelsOf(settings.models),
    prices: priceOverridesOf(settings.prices),
    aliases: resolveAliases(settings),
    ...folders,
    file,
    warnings: unknownVariables(env),
  };
}

/** A region may have the server's own port, but no port can be two regions'. */
function sharedPorts({ regions }: Settings, locate: (at: SettingPath) => string): string[] {
  const ownerOf = new Map<number, Region>();
  return REGIONS.flatMap((region) => {
    const { port } = regions[region];
    const owner = port === undefined || port === 0 ? undefined : ownerOf.get(port);
    if (port !== undefined && owner === undefined) ownerOf.set(port, region);
    return owner === undefined
      ? []
      : [
          `${locate(['regions', region, 'port'])}: regions.${region}.port ${port} is the port of ${owner}. Fix: give each region its own.`,
        ];
  });
}

/** The first of `--config`, $ATELIER_CONFIG, atelier.yaml here, atelier.yaml in the home folder. */
function findFile(flags: ConfigFlags, env: Environment, cwd: string): string | undefined {
  const named = flags.config ?? env.ATELIER_CONFIG;
  if (named) {
    const file = path.resolve(cwd, named);
    if (existsSync(file)) return file;
    const from = flags.config ? '--config' : 'environment variable ATELIER_CONFIG';
    throw new ConfigError([`${from}: there is no file ${file}. Fix: name an existing file or leave it out.`]);
  }
  const { home } = resolveFolders(flags.home ?? env.ATELIER_HOME, cwd, env);
  return [path.join(cwd, 'atelier.yaml'), path.join(home, 'atelier.yaml')].find((file) => existsSync(file));
}

function readFile(file: string, cwd: string): SettingsSource {
  const relative = path.relative(cwd, file);
  try {
    return yamlSource(readFileSync(file, 'utf8'), relative.startsWith('..') ? file : relative);
  } catch (error) {
    if (error instanceof ConfigSyntaxError) throw new ConfigError([`${error.message}. Fix: correct the YAML there.`]);
    throw new ConfigError([`${file}: cannot be read (${(error as Error).message}). Fix: make it readable.`]);
  }
}

/** Maps that were switched by a word, as maps. */
function withSwitches(source: SettingsSource): SettingsSource {
  const values: { [key: string]: unknown } = { ...source.values };
  for (const name of SWITCHED) {
    const isOn = switchOf(values[name]);
    if (isOn !== undefined) values[name] = { enabled: isOn };
  }
  return { ...source, values };
}

/** YAML reads `off` as a text. */
function switchOf(value: unknown): boolean | undefined {
  if (value === true || value === 'on') return true;
  return value === false || value === 'off' ? false : undefined;
}

function environmentPairs(env: Environment) {
  const pairs = [];
  for (const leaf of LEAVES) {
    const names = [leaf.variable, ...(OTHER_NAMES[leaf.name] ?? [])];
    const name = names.find((each) => env[each] !== undefined && env[each] !== '');
    const value = name && env[name];
    if (value) pairs.push({ path: leaf.path, value: typedValue(leaf, value), origin: `environment variable ${name}` });
  }
  return pairs;
}

function flagPairs(flags: ConfigFlags) {
  const pairs = [];
  for (const [name, setting] of Object.entries(FLAG_SETTINGS) as [keyof typeof FLAG_SETTINGS, string][]) {
    const value = flags[name];
    const leaf = LEAVES.find((each) => each.name === setting);
    if (value === undefined || !leaf) continue;
    const origin = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    pairs.push({ path: leaf.path, value: typeof value === 'string' ? typedValue(leaf, value) : value, origin });
  }
  return pairs;
}

/** Text settings take what was typed as it is; others are read as YAML would read them, with the usual words for yes and no. */
function typedValue(leaf: Setting, typed: string): unknown {
  const bare = unwrap(leaf.schema);
  if (bare instanceof z.ZodString) return typed;
  if (bare instanceof z.ZodBoolean) {
    if (/^(1|true|yes|on)$/i.test(typed)) return true;
    if (/^(0|false|no|off)$/i.test(typed)) return false;
    return typed;
  }
  return parseTypedValue(typed);
}

function resolveUpstreams(
  settings: Settings,
  env: Environment,
  locate: (at: SettingPath) => string,
  problems: string[],
): UpstreamConfig[] {
  const seen = new Set<string>();
  return settings.upstreams.map((upstream, index) => {
    if (seen.has(upstream.id))
      problems.push(
        `${locate(['upstreams', index, 'id'])}: upstreams.${index}.id ${upstream.id} is used twice. Fix: give each upstream its own id.`,
      );
    seen.add(upstream.id);
    const apiKey = upstream.apiKeyEnv ? env[upstream.apiKeyEnv] : upstream.apiKey;
    if (upstream.apiKeyEnv && !apiKey)
      problems.push(
        `${locate(['upstreams', index, 'apiKeyEnv'])}: the environment variable ${upstream.apiKeyEnv} is not set. Fix: export ${upstream.apiKeyEnv} before the start.`,
      );
    return { id: upstream.id, baseUrl: upstream.baseUrl, apiKey, quirks: upstream.quirks };
  });
}

function answersWithoutWeights({ scripted, replay }: Settings): boolean {
  return scripted || replay !== undefined;
}

function resolveRoutes(settings: Settings, locate: (at: SettingPath) => string, problems: string[]): ModelRoute[] {
  if (answersWithoutWeights(settings)) return [];
  const routes: ModelRoute[] = [];
  for (const [pattern, { backend }] of Object.entries(settings.models)) {
    if (backend === undefined) continue;
    const route = routeOf(pattern, backend, settings);
    if (typeof route === 'string')
      problems.push(`${locate(['models', pattern, 'backend'])}: models.${pattern} ${route}`);
    else routes.push(route);
  }
  return routes.sort(bySpecificity);
}

function resolveAliases({ aliases }: Settings): AliasConfig[] {
  const own = Object.entries(aliases).map(([pattern, model]) => ({ pattern, model, isFallback: false }));
  return [...own.sort(bySpecificity), { pattern: 'claude-*', model: CLAUDE_STAND_IN, isFallback: true }];
}

function bySpecificity(a: { readonly pattern: string }, b: { readonly pattern: string }): number {
  return specificity(b.pattern) - specificity(a.pattern);
}

function routeOf(pattern: string, target: string, { upstreams, engine }: Settings): ModelRoute | string {
  if (/^embedded(\/|$)/.test(target) && !engine.enabled)
    return 'leads to embedded, and engine.enabled is false. Fix: set engine.enabled to true or route it elsewhere.';
  if (target === 'embedded') return { pattern, backend: 'embedded' };
  if (target.startsWith('embedded/')) return routeToLocal(pattern, target, engine);
  const slash = target.indexOf('/');
  const backend = slash < 0 ? target : target.slice(0, slash);
  const name = slash < 0 ? undefined : target.slice(slash + 1);
  if (backend === 'scripted' && name) return { pattern, backend: 'scripted', target: name };
  if (upstreams.some((upstream) => upstream.id === backend))
    return { pattern, backend: 'upstream', upstreamId: backend, ...(name ? { target: name } : {}) };
  const known = ['embedded', 'scripted/echo', ...upstreams.map((upstream) => upstream.id)];
  const guess = didYouMean(target, known);
  return `leads to ${show(target)}, which nobody answers. Fix: ${guess ? `did you mean ${guess}?` : `use one of ${known.join(', ')}.`}`;
}

function routeToLocal(pattern: string, target: string, { models }: Settings['engine']): ModelRoute | string {
  const model = target.slice('embedded/'.length);
  if (model !== '') return { pattern, backend: 'embedded', model };
  const known = Object.keys(models);
  return `leads to ${show(target)}, which names no weights. Fix: embedded/${known[0] ?? 'NAME'}, or embedded alone.`;
}

/** A route may name weights that `engine.models` does not have: then they have its defaults. */
function localModelsOf({ engine, ...settings }: Settings, routes: readonly ModelRoute[]): LocalModelConfig[] {
  if (!engine.enabled || answersWithoutWeights({ engine, ...settings })) return [];
  const named = routes.flatMap((route) => (route.backend === 'embedded' && route.model ? [route.model] : []));
  const wanted = { ...Object.fromEntries(named.map((name) => [name, { weights: name }])), ...engine.models };
  return Object.entries<Settings['engine']['models'][string]>(wanted).map(([name, model]) => ({
    name,
    weights: model.weights,
    contextTokens: model.contextTokens ?? engine.contextTokens,
    sequences: model.sequences ?? engine.sequences,
    keepAlive: model.keepAlive ?? engine.keepAlive,
  }));
}

function specificity(pattern: string): number {
  return pattern.includes('*') ? pattern.replaceAll('*', '').length : Number.MAX_SAFE_INTEGER;
}

function unknownVariables(env: Environment): string[] {
  const known = [...LEAVES.map((leaf) => leaf.variable), ...Object.values(OTHER_NAMES).flat(), ...OTHER_VARIABLES];
  return Object.keys(env)
    .filter((name) => name.startsWith('ATELIER_') && !known.includes(name))
    .filter((name) => !OTHER_VARIABLE_PREFIXES.some((prefix) => name.startsWith(prefix)))
    .map((name) => {
      const guess = didYouMean(name, known);
      return `environment variable ${name} sets nothing${guess ? `; did you mean ${guess}?` : '.'}`;
    });
}

function unwrap(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return unwrap(schema.unwrap() as z.ZodType);
  return schema;
}

function leavesOf(schema: z.ZodType, at: SettingPath): Setting[] {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodObject)
    return Object.entries(bare.shape).flatMap(([key, inner]) => leavesOf(inner as z.ZodType, [...at, key]));
  const name = at.join('.');
  const variable = `ATELIER_${name
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .replace(/[.-]/g, '_')
    .toUpperCase()}`;
  return [{ name, path: at, schema, default: defaultOf(schema), sentence: schema.description ?? '', variable }];
}

/** Settings inside lists and maps, `*` where they have an index or a name. */
function innerOf(schema: z.ZodType, at: readonly string[]): Pick<Setting, 'path' | 'default' | 'sentence'>[] {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodPipe) return innerOf(bare.def.out as z.ZodType, at);
  const described = at.includes('*') && schema.description !== undefined;
  const own = described ? [{ path: at, default: defaultOf(schema), sentence: schema.description ?? '' }] : [];
  if (bare instanceof z.ZodObject)
    return [...own, ...Object.entries(bare.shape).flatMap(([key, inner]) => innerOf(inner as z.ZodType, [...at, key]))];
  if (bare instanceof z.ZodArray) return [...own, ...innerOf(bare.element as z.ZodType, [...at, '*'])];
  if (bare instanceof z.ZodRecord) return [...own, ...innerOf(bare.valueType as z.ZodType, [...at, '*'])];
  return own;
}

function defaultOf(schema: z.ZodType): unknown {
  return schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined;
}
