import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, type ConfigInputs, describeSettings, loadConfig } from './config.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(path.join(tmpdir(), 'atelier config '));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

function load(inputs: ConfigInputs & { yaml?: string } = {}) {
  if (inputs.yaml !== undefined) writeFileSync(path.join(cwd, 'atelier.yaml'), inputs.yaml);
  return loadConfig({ cwd, env: { HOME: cwd, ...inputs.env }, flags: inputs.flags });
}

function problems(inputs: ConfigInputs & { yaml?: string }): readonly string[] {
  try {
    load(inputs);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the settings were accepted');
}

describe('replay', () => {
  it('is a folder from where it was named, and needs no weights', () => {
    mkdirSync(path.join(cwd, 'sub'));
    expect(load({ flags: { replay: 'kept' } })).toMatchObject({
      replay: path.join(cwd, 'kept'),
      engine: { enabled: false },
      models: [],
    });
    const other = path.join(cwd, 'sub', 'other.yaml');
    writeFileSync(other, 'replay: kept\nmodels: { qwen-plus: embedded }');
    expect(load({ flags: { config: other } })).toMatchObject({ replay: path.join(cwd, 'sub', 'kept'), models: [] });
    expect(load().replay).toBeUndefined();
  });

  it('does not go with scripted', () => {
    expect(problems({ yaml: 'replay: kept\nscripted: true' })).toEqual([
      'atelier.yaml:1:9: replay and scripted are both set. Fix: leave one of them out.',
    ]);
  });
});

describe('limits', () => {
  it.each([
    ['limits: off', {}],
    ['limits: false', {}],
    ['limits: { enabled: false }', {}],
    ['', { ATELIER_LIMITS: 'off' }],
    ['limits: { burst: 5 }', { ATELIER_LIMITS: '0' }],
    ['limits: on', { ATELIER_LIMITS_ENABLED: 'false' }],
  ])('are switched off by %j %j', (yaml, env) => {
    const config = load({ yaml, env });
    expect(config.limits.enabled).toBe(false);
    expect(config.warnings).toEqual([]);
  });

  it("are the founding document's, unless others are given", () => {
    const usual = { enabled: true, requestsPerSecond: 100, concurrentStreams: 10, catalogue: true, burst: 0 };
    expect(load().limits).toEqual(usual);
    expect(load({ yaml: 'limits: on' }).limits).toEqual(usual);
    expect(load({ yaml: 'limits: { burst: 20 }' }).limits).toEqual({ ...usual, burst: 20 });
  });

  it('are no other word', () => {
    expect(problems({ yaml: 'limits: none' })).toHaveLength(1);
  });
});

describe('ports of regions', () => {
  it('may be the own port of the server, or chosen by the system', () => {
    expect(load().regions).toMatchObject({ default: 'beijing', beijing: {} });
    const yaml =
      'server: { port: 9000 }\nregions: { default: singapore, beijing: { port: 9000 }, frankfurt: { port: 0 }, virginia: { port: 0 } }';
    expect(load({ yaml }).regions).toMatchObject({
      default: 'singapore',
      beijing: { port: 9000 },
      frankfurt: { port: 0 },
    });
    expect(load({ env: { ATELIER_REGIONS_HONG_KONG_PORT: '9001' } }).regions['hong-kong'].port).toBe(9001);
  });

  it('are not the same port twice', () => {
    expect(problems({ yaml: 'regions:\n  beijing: { port: 9000 }\n  frankfurt: { port: 9000 }' })).toEqual([
      'atelier.yaml:3:22: regions.frankfurt.port 9000 is the port of beijing. Fix: give each region its own.',
    ]);
  });
});

describe('precedence', () => {
  it('has a default for everything', () => {
    const config = load();
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 8787, maxBodyBytes: 16 * 1024 * 1024 });
    expect(config.engine).toMatchObject({ weights: 'auto', sequences: 4, queueLimit: 64, enabled: true });
    expect(config.models).toEqual([]);
    expect(config.auth.required).toBe(true);
    expect(config.file).toBeUndefined();
  });

  it('lets flags win over the environment, and the environment over the file', () => {
    const yaml = 'server:\n  port: 1001\n  host: file.example\nlog:\n  level: warn\n';
    const config = load({ yaml, env: { PORT: '1002', ATELIER_LOG_LEVEL: 'error' }, flags: { port: '1003' } });
    expect(config.server).toMatchObject({ port: 1003, host: 'file.example' });
    expect(config.log.level).toBe('error');
    expect(load({ yaml, env: { PORT: '1002' } }).server.port).toBe(1002);
    expect(load({ yaml, env: { PORT: '1002', ATELIER_SERVER_PORT: '1004' } }).server.port).toBe(1004);
    expect(load({ yaml }).server.port).toBe(1001);
  });

  it('reads typed text as the setting needs it', () => {
    const env = { ATELIER_ENGINE_CONTEXT_TOKENS: '4096', ATELIER_AUTH_REQUIRED: 'off', ATELIER_ENGINE_WEIGHTS: '123' };
    const config = load({ env });
    expect(config.engine.contextTokens).toBe(4096);
    expect(config.auth.required).toBe(false);
    expect(config.engine.weights).toBe('123');
  });

  it('finds the file by flag, by variable, here, then in the home folder', () => {
    const home = path.join(cwd, 'home');
    mkdirSync(home);
    writeFileSync(path.join(home, 'atelier.yaml'), 'server: { port: 1 }');
    writeFileSync(path.join(cwd, 'other.yaml'), 'server: { port: 2 }');
    expect(load({ env: { ATELIER_HOME: home } }).server.port).toBe(1);
    expect(load({ env: { ATELIER_CONFIG: 'other.yaml' } }).server.port).toBe(2);
    expect(load({ yaml: 'server: { port: 3 }', env: { ATELIER_HOME: home } }).server.port).toBe(3);
    expect(load({ flags: { config: 'other.yaml' } }).server.port).toBe(2);
    expect(problems({ flags: { config: 'nowhere.yaml' } })[0]).toMatch(/^--config: there is no file .*nowhere\.yaml/);
  });

  it('keeps weights below a home that was set, and in the cache folder else', () => {
    expect(load({ env: { ATELIER_HOME: 'x' } })).toMatchObject({
      home: path.join(cwd, 'x'),
      weightsFolder: path.join(cwd, 'x', 'weights'),
    });
    expect(load().weightsFolder.startsWith(cwd)).toBe(true);
  });
});

describe('a wrong value', () => {
  it('names file, line, column, reason and fix', () => {
    const [problem] = problems({ yaml: '# my settings\nserver:\n  host: here\n  port: 80a\n' });
    expect(problem).toBe(
      'atelier.yaml:4:9: server.port must be a whole number from 0 to 65535, got "80a". Fix: Port to listen on; 0 lets the system choose. Default: 8787.',
    );
  });

  it('names the variable or the flag that set it', () => {
    expect(problems({ env: { PORT: 'abc' } })[0]).toMatch(/^environment variable PORT: server\.port must be/);
    expect(problems({ flags: { port: '70000' } })[0]).toMatch(/^--port: server\.port must be/);
    expect(problems({ flags: { logLevel: 'loud' } })[0]).toMatch(/^--log-level: log\.level must be one of trace/);
  });

  it('is told together with every other one', () => {
    expect(problems({ yaml: 'server:\n  port: -1\nengine:\n  sequences: many\n' })).toHaveLength(2);
  });

  it('never shows a key', () => {
    const yaml = 'upstreams:\n  - id: a\n    baseUrl: http://h/v1\n    apiKey: [sk-secret]\n';
    expect(problems({ yaml }).join()).toMatch(/atelier\.yaml:4:\d+: upstreams\.0\.apiKey must be text\./);
    expect(problems({ yaml }).join()).not.toContain('sk-secret');
  });

  it('is told of a section that is not one', () => {
    expect(problems({ yaml: 'server: 8080\n' })[0]).toMatch(
      /^atelier\.yaml:1:9: server is missing or of the wrong kind/,
    );
    expect(problems({ yaml: '- a\n' })[0]).toMatch(/^atelier\.yaml:1:1: the file must hold settings/);
    expect(problems({ yaml: 'server: {\n' })[0]).toMatch(/^atelier\.yaml:\d+:\d+: /);
  });
});

describe('an unknown key', () => {
  it('is refused with the nearest known one', () => {
    expect(problems({ yaml: 'server:\n  prot: 80\n' })[0]).toBe(
      'atelier.yaml:2:9: server.prot is not a setting. Fix: did you mean server.port?',
    );
    expect(problems({ yaml: 'port: 80\n' })[0]).toMatch(/did you mean server\.port\?$/);
    expect(problems({ yaml: 'upstreams:\n  - id: a\n    baseURL: http://h\n    baseUrl: http://h\n' })[0]).toMatch(
      /upstreams\.0\.baseURL is not a setting\. Fix: did you mean baseUrl\?$/,
    );
    expect(problems({ yaml: 'zzzzzzzz: 80\n' })[0]).toMatch(/known settings are .*server/);
  });

  it('is only warned of in the environment, where platforms write too', () => {
    const { warnings } = load({ env: { ATELIER_LOG_LEVLE: 'warn', ATELIER_TEST_WEIGHTS: 'x' } });
    expect(warnings).toEqual(['environment variable ATELIER_LOG_LEVLE sets nothing; did you mean ATELIER_LOG_LEVEL?']);
  });
});

describe('models and upstreams', () => {
  const yaml = `upstreams:
  - { id: lab, baseUrl: 'http://lab:8000/v1', apiKeyEnv: LAB_KEY, quirks: vllm }
models:
  '*': scripted/echo
  qwen3-*: lab
  qwen3-coder-*: embedded
  qwen-plus: lab/Qwen/Qwen3-8B
`;

  it('orders routes from exact to general and splits their targets', () => {
    const config = load({ yaml, env: { LAB_KEY: 'k' } });
    expect(config.upstreams).toEqual([{ id: 'lab', baseUrl: 'http://lab:8000/v1', apiKey: 'k', quirks: 'vllm' }]);
    expect(config.models).toEqual([
      { pattern: 'qwen-plus', backend: 'upstream', upstreamId: 'lab', target: 'Qwen/Qwen3-8B' },
      { pattern: 'qwen3-coder-*', backend: 'embedded' },
      { pattern: 'qwen3-*', backend: 'upstream', upstreamId: 'lab' },
      { pattern: '*', backend: 'scripted', target: 'echo' },
    ]);
  });

  it('refuses a missing key variable, a doubled id and a target nobody answers', () => {
    expect(problems({ yaml })[0]).toMatch(/^atelier\.yaml:2:\d+: the environment variable LAB_KEY is not set/);
    expect(problems({ yaml: 'models:\n  qwen-plus: embeded\n' })[0]).toBe(
      'atelier.yaml:2:14: models.qwen-plus leads to "embeded", which nobody answers. Fix: did you mean embedded?',
    );
    const doubled = 'upstreams:\n  - { id: a, baseUrl: http://a }\n  - { id: a, baseUrl: http://b }\n';
    expect(problems({ yaml: doubled })[0]).toMatch(/^atelier\.yaml:3:.*used twice/);
    expect(problems({ yaml: 'upstreams:\n  - { id: a, baseUrl: "ftp://a" }\n' })[0]).toMatch(
      /must be an http or https URL/,
    );
    expect(problems({ yaml: 'upstreams:\n  - { id: a, baseUrl: http://a, quirks: vlm }\n' })[0]).toMatch(
      /^atelier\.yaml:2:\d+: upstreams\.0\.quirks must be one of generic, vllm, .*got "vlm"/,
    );
  });

  it('refuses to route to an engine that is switched off', () => {
    expect(problems({ yaml: 'engine:\n  enabled: false\nmodels:\n  qwen-plus: embedded\n' })[0]).toMatch(
      /^atelier\.yaml:4:14: models\.qwen-plus leads to embedded, and engine\.enabled is false/,
    );
  });

  it('answers everything by script with --scripted, and needs no engine', () => {
    const config = load({ yaml, env: { LAB_KEY: 'k' }, flags: { scripted: true } });
    expect(config.models).toEqual([]);
    expect(config.engine.enabled).toBe(false);
  });
});

describe('own models', () => {
  const yaml = `upstreams:
  - { id: vllm, baseUrl: 'http://lab:8000/v1' }
models:
  my-model:
    backend: vllm/org/My-Model
    name: My model
    context: 32768
    maxOutput: 4096
    capabilities: [tools, thinking, vision, json]
    maxThinking: 2048
    price: { input: 1.5, output: 6, thinkingOutput: 12, cacheRead: 0.25, tiers: [{ over: 8192, input: 3, output: 12 }] }
    freeQuota: 100000
    limits: { requestsPerMinute: 60 }
    regions: [beijing, singapore]
  qwen-plus: vllm
  'qwen3-*': vllm
`;

  it('are routed like the others, and described', () => {
    const { models, ownModels } = load({ yaml });
    expect(models).toEqual([
      { pattern: 'my-model', backend: 'upstream', upstreamId: 'vllm', target: 'org/My-Model' },
      { pattern: 'qwen-plus', backend: 'upstream', upstreamId: 'vllm' },
      { pattern: 'qwen3-*', backend: 'upstream', upstreamId: 'vllm' },
    ]);
    expect(ownModels.map(({ id }) => id)).toEqual(['my-model', 'qwen-plus']);
    expect(ownModels[0]).toMatchObject({
      name: 'My model',
      contextWindow: 32_768,
      maxOutput: 4096,
      thinking: { mode: 'hybrid-default-off', budgetMax: 2048 },
      abilities: { tools: true, parallelTools: true, vision: true, jsonObject: true, jsonSchema: false, fim: false },
      regions: ['beijing', 'singapore'],
      terms: {
        prices: {
          tiers: [
            {
              overTokens: 0,
              upToTokens: 8192,
              inputPico: 1_500_000,
              outputPico: 6_000_000,
              outputThinkingPico: 12_000_000,
            },
            {
              overTokens: 8192,
              upToTokens: null,
              inputPico: 3_000_000,
              outputPico: 12_000_000,
              outputThinkingPico: 12_000_000,
            },
          ],
          cacheReadPermille: 250,
          explicitCacheReadPermille: 100,
          cacheWritePermille: 1250,
          batchPermille: 500,
        },
        freeQuota: { tokens: 100_000, days: 90, isPaidAfter: true },
        limits: { requestsPerMinute: 60, tokensPerMinute: null },
      },
    });
    expect(ownModels[1]).toEqual({ id: 'qwen-plus', terms: {} });
  });

  it('are described without a route too, and with --scripted', () => {
    const config = load({ yaml: 'models:\n  qwen-plus: { thinking: always }\n', flags: { scripted: true } });
    expect(config.models).toEqual([]);
    expect(config.ownModels).toMatchObject([{ id: 'qwen-plus', thinking: { mode: 'always' } }]);
  });

  it.each<[string, string, RegExp]>([
    [
      'a number',
      'models:\n  a: 5\n',
      /^atelier\.yaml:2:6: models\.a must be text \(who answers\), or a map that describes the model, got 5\. Fix: Who answers/,
    ],
    [
      'a wrong key',
      'models:\n  a:\n    contxt: 5\n',
      /^atelier\.yaml:3:13: models\.a\.contxt is not a setting\. Fix: did you mean context\?$/,
    ],
    [
      'a wrong value',
      'models:\n  a:\n    context: big\n',
      /^atelier\.yaml:3:14: models\.a\.context must be a whole number of tokens from 1 to 100000000, got "big"\. Fix: Tokens that prompt and answer may have together\.$/,
    ],
    [
      'a wrong word in a list',
      'models:\n  a:\n    capabilities: [tools, jsn]\n',
      /^atelier\.yaml:3:27: models\.a\.capabilities\.1 must be one of tools, thinking, .*, got "jsn"\. Fix: All that it can do/,
    ],
    [
      'a price without output',
      'models:\n  a: { price: { input: 1 } }\n',
      /^atelier\.yaml:2:8: models\.a\.price\.output must be yuan a million tokens.*Fix: Yuan a million tokens of the answer\.$/,
    ],
    [
      'too fine a price',
      'models:\n  a: { price: { input: 0.0000001, output: 1 } }\n',
      /^atelier\.yaml:2:24: models\.a\.price\.input must be yuan a million tokens/,
    ],
    [
      'tiers that do not ascend',
      'models:\n  a: { price: { input: 1, output: 1, tiers: [{ over: 9, input: 1, output: 1 }, { over: 9, input: 1, output: 1 }] } }\n',
      /models\.a\.price\.tiers must ascend by over/,
    ],
    [
      'a described pattern',
      "models:\n  'a*': { context: 5 }\n",
      /^atelier\.yaml:2:3: models\.a\* must be text: a pattern is routed, only a single id can be described/,
    ],
    [
      'an unknown region',
      'models:\n  a: { regions: [mars] }\n',
      /models\.a\.regions\.0 must be one of beijing, singapore, virginia, hong-kong, frankfurt, got "mars"/,
    ],
    [
      'a backend that nobody is',
      'models:\n  a:\n    backend: vlm\n',
      /^atelier\.yaml:3:14: models\.a leads to "vlm", which nobody answers\./,
    ],
  ])('say where %s stands, and what is right', (_what, wrong, told) => {
    expect(problems({ yaml: wrong })[0]).toMatch(told);
  });
});

describe('prices', () => {
  it('hold from a day of Beijing on, in all regions or some', () => {
    const { prices } = load({
      yaml: `prices:
  qwen-plus:
    - { input: 1, output: 2 }
    - { from: 2026-11-01, input: 2, output: 3, batch: 1 }
    - { from: '2026-12-01T00:00:00Z', regions: [singapore, virginia], input: 3, output: 4 }
  qwen-max: { input: 0, output: 0.000001 }
`,
    });
    expect(prices.map(({ model, region, validFromMs }) => [model, region, validFromMs])).toEqual([
      ['qwen-plus', null, 0],
      ['qwen-plus', null, Date.UTC(2026, 9, 31, 16)],
      ['qwen-plus', 'singapore', Date.UTC(2026, 11, 1)],
      ['qwen-plus', 'virginia', Date.UTC(2026, 11, 1)],
      ['qwen-max', null, 0],
    ]);
    expect(prices[1]?.prices).toMatchObject({ tiers: [{ inputPico: 2_000_000 }], batchPermille: 1000 });
    expect(prices[4]?.prices).toMatchObject({ tiers: [{ inputPico: 0, outputPico: 1, outputThinkingPico: 1 }] });
  });

  it.each<[string, string, RegExp]>([
    [
      'a day that is none',
      'prices:\n  a: [{ from: 2026-02-30, input: 1, output: 1 }]\n',
      /prices\.a\.0\.from must be a day such as 2026-01-31/,
    ],
    [
      'a time without its offset',
      "prices:\n  a: [{ from: '2026-01-31T08:00:00', input: 1, output: 1 }]\n",
      /prices\.a\.0\.from must be a day/,
    ],
    [
      'a pattern',
      "prices:\n  'a*': [{ input: 1, output: 1 }]\n",
      /^atelier\.yaml:2:3: prices\.a\* must stand under one model id, not a pattern/,
    ],
    [
      'a wrong key',
      'prices:\n  a: [{ inptu: 1, output: 1 }]\n',
      /prices\.a\.0\.inptu is not a setting\. Fix: did you mean input\?$/,
    ],
    ['no price at all', 'prices:\n  a: cheap\n', /prices\.a\.0 must be a price, or a list of prices/],
  ])('refuse %s', (_what, wrong, told) => {
    expect(problems({ yaml: wrong }).join('\n')).toMatch(told);
  });
});

it('orders aliases like routes, and knows one for Claude Code behind them', () => {
  const { aliases } = load({ yaml: "aliases:\n  'gpt-*': qwen-plus\n  'gpt-5-*': qwen3-max\n  gpt-5: qwen-flash\n" });
  expect(aliases).toEqual([
    { pattern: 'gpt-5', model: 'qwen-flash', isFallback: false },
    { pattern: 'gpt-5-*', model: 'qwen3-max', isFallback: false },
    { pattern: 'gpt-*', model: 'qwen-plus', isFallback: false },
    { pattern: 'claude-*', model: 'qwen-plus', isFallback: true },
  ]);
  expect(problems({ yaml: 'aliases:\n  gpt-5: 5\n' })[0]).toMatch(/^atelier\.yaml:2:10: aliases\.gpt-5 must be text/);
});

it('says a sentence about every setting', () => {
  for (const setting of describeSettings()) expect(setting.sentence, setting.name).toMatch(/^[A-Za-z].*\.$/);
});

describe('engine.models', () => {
  it('are more local weights, with the settings of the engine where they have none of their own', () => {
    const config = load({
      yaml: `
engine:
  contextTokens: 4096
  keepAlive: 30
  memoryLimit: 8000000000
  models:
    coder: qwen2.5-coder-1.5b
    small: { weights: own.gguf, contextTokens: 2048, sequences: 1, keepAlive: 0 }
models:
  qwen3-coder-*: embedded/coder
  qwen3-max: embedded/qwen2.5-coder-0.5b
  "*": embedded
`,
    });
    const asEngine = { contextTokens: 4096, sequences: 4, keepAlive: 30 };
    expect(config.localModels).toEqual([
      { name: 'qwen2.5-coder-0.5b', weights: 'qwen2.5-coder-0.5b', ...asEngine },
      { name: 'coder', weights: 'qwen2.5-coder-1.5b', ...asEngine },
      { name: 'small', weights: 'own.gguf', contextTokens: 2048, sequences: 1, keepAlive: 0 },
    ]);
    expect(config.models).toEqual([
      { pattern: 'qwen3-max', backend: 'embedded', model: 'qwen2.5-coder-0.5b' },
      { pattern: 'qwen3-coder-*', backend: 'embedded', model: 'coder' },
      { pattern: '*', backend: 'embedded' },
    ]);
    expect(config.engine).toMatchObject({ memoryLimit: 8_000_000_000 });
  });

  it('are none, and stay loaded, when nothing is said', () => {
    expect(load()).toMatchObject({ localModels: [], engine: { keepAlive: -1, memoryLimit: 'auto', models: {} } });
    expect(load({ yaml: 'engine: { models: { a: b } }', flags: { scripted: true } }).localModels).toEqual([]);
  });

  it('are refused where they cannot be meant', () => {
    const of = (yaml: string) => problems({ yaml })[0];
    expect(of('engine: { keepAlive: -2 }')).toMatch(
      /engine\.keepAlive must be minutes: a number from 0, or -1 for ever/,
    );
    expect(of('engine: { models: { a/b: c } }')).toMatch(/must have a name without slashes, stars and spaces/);
    expect(of('engine: { models: { a: 3 } }')).toMatch(/must be text \(which weights\), or a map with weights/);
    expect(of('models: { a: embedded/ }')).toMatch(
      /leads to "embedded\/", which names no weights\. Fix: embedded\/NAME/,
    );
    expect(of('engine: { enabled: false }\nmodels: { a: embedded/b }')).toMatch(/engine\.enabled is false/);
  });
});
