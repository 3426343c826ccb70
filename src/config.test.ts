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
