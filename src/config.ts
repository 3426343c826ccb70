/**
 * The configuration of the program, from `atelier.yaml`, the environment and flags: one schema (`config-settings.ts`) for
 * all three. Flags win over the environment, the environment over the file, the file over the defaults.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { resolveFolders } from './config-folders.ts';
import { ownModelsOf, priceOverridesOf } from './config-models.ts';
import { type KnownSettings, problemsOf, type Setting, show, sourceOf } from './config-problems.ts';
import { CLAUDE_STAND_IN, type Settings, settingsSchema } from './config-settings.ts';
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
import { REGIONS, type Region } from './core/regions.ts';

export { didYouMean } from './config-source.ts';

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
