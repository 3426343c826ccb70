/** The schema of every setting. A setting is added here and nowhere else; no other file knows a default. */
import { z } from 'zod';
import { modelsSchema, pricesSchema } from './config-models.ts';
import { DEFAULT_REGION, REGION_FACTS, REGIONS, type Region } from './core/regions.ts';

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
export const CLAUDE_STAND_IN = 'qwen-plus';

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

/** Every setting with its default, its bounds and its sentence. */
export const settingsSchema = z.strictObject({
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

/** What a file, the environment and flags came to, with the defaults. */
export type Settings = z.output<typeof settingsSchema>;
