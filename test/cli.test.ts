/** The commands as a person runs them: real processes, real exit codes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..');
const CLI = path.join(ROOT, 'src/cli/main.ts');
const LAUNCHER = path.join(ROOT, 'scripts/start.mjs');

let home: string;
const running: ChildProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'atelier cli '));
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly errors: string }>;
  /** Resolves with stdout so far once it holds the text. */
  until(text: string): Promise<string>;
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Run {
  return runCommand(process.execPath, [program, ...args], env);
}

function runCommand(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Run {
  const { npm_lifecycle_event: _, PORT: __, ...inherited } = process.env;
  const child = spawn(command, args, {
    cwd: home,
    env: { ...inherited, ATELIER_HOME: home, NO_COLOR: '1', ...env },
  });
  running.push(child);
  let out = '';
  let errors = '';
  const waiting: (() => void)[] = [];
  const wake = () => {
    for (const check of waiting) check();
  };
  child.stdout.on('data', (chunk) => {
    out += chunk;
    wake();
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const ended = new Promise<Awaited<Run['ended']>>((resolve) => {
    child.once('close', (code) => {
      resolve({ code, out, errors });
      wake();
    });
  });
  const until = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        if (out.includes(text)) resolve(out);
        else if (child.exitCode !== null) reject(new Error(`it ended before it said ${text}: ${errors}`));
      };
      waiting.push(check);
      check();
    });
  return { child, ended, until };
}

const cli = (...args: string[]) => run(CLI, args).ended;

describe('serve', () => {
  it('prints settings that work, keeps the key, and ends with 0 on SIGTERM', async () => {
    const server = run(LAUNCHER, ['--scripted', '--port', '0']);
    const out = await server.until('Stop it: Ctrl-C');
    const url = /Base URL +(\S+)/.exec(out)?.[1];
    const key = /API key +(sk-[0-9a-f]{32})/.exec(out)?.[1];
    expect(readFileSync(path.join(home, 'api-key'), 'utf8').trim()).toBe(key);
    expect(out).toContain(`Admin key kept in ${path.join(home, 'admin-key')}`);
    const adminKey = readFileSync(path.join(home, 'admin-key'), 'utf8').trim();
    expect(out).not.toContain(adminKey);
    const origin = new URL(url ?? '').origin;
    const listed = await fetch(`${origin}/admin/keys`, { headers: { authorization: `Bearer ${adminKey}` } });
    expect(await listed.json()).toMatchObject({ items: [{ kind: 'api' }, { kind: 'admin' }], nextCursor: null });
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'qwen-plus', messages: [{ role: 'user', content: 'Hello!' }] }),
    });
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Hello!' } }] });

    const asked = run(CLI, ['chat', 'Hello', 'there', '--base-url', url ?? '']);
    expect(await asked.ended).toMatchObject({ code: 0, out: 'Hello there\n' });

    server.child.kill('SIGTERM');
    expect((await server.ended).code).toBe(0);
  });

  it.skipIf(process.platform === 'win32')(
    'ends when npm is told to end, which kills only the shell between',
    async () => {
      const shell = ['-c', '"$0" "$@"; exit', process.execPath, LAUNCHER, '--scripted', '--port', '0'];
      const server = runCommand('sh', shell, { npm_lifecycle_event: 'start' });
      await server.until('Stop it: Ctrl-C');
      server.child.kill('SIGTERM');
      // The pipe closes when the last of them has ended.
      expect((await server.ended).errors).toContain('Finishing what is running');
    },
  );

  it('serves https that other commands of this machine trust, and a port for a region', async () => {
    const trusted = JSON.parse((await cli('trust', '--json')).out);
    expect(trusted).toMatchObject({ isNew: true, caFile: path.join(home, 'tls/ca.pem') });
    const [port, singaporePort] = [await freePort(), await freePort()];
    const env = {
      ATELIER_REGIONS_SINGAPORE_PORT: String(singaporePort),
      ATELIER_TLS_ENABLED: 'true',
      PORT: String(port),
    };
    const server = run(CLI, ['serve', '--scripted'], env);
    const out = await server.until('Stop it: Ctrl-C');
    expect(out).toContain(`Base URL  https://127.0.0.1:${port}/compatible-mode/v1`);
    expect(out).toContain(`singapore on port ${singaporePort}`);
    expect(out).toContain(`export NODE_EXTRA_CA_CERTS='${trusted.caFile}' SSL_CERT_FILE=`);

    expect(await run(CLI, ['chat', 'Hello'], env).ended).toMatchObject({ code: 0, out: 'Hello\n', errors: '' });
    const asked = ['-e', `fetch('https://localhost:${port}/health').then(({ status }) => console.log(status))`];
    const outside = await runCommand(process.execPath, asked, { NODE_EXTRA_CA_CERTS: trusted.caFile }).ended;
    expect(outside.out).toBe('200\n');
    expect((await runCommand(process.execPath, asked, {}).ended).out).toBe('');

    const taken = await run(CLI, ['serve', '--scripted'], { ...env, PORT: '0' }).ended;
    expect(taken.errors).toContain(`Cannot listen on 127.0.0.1:${singaporePort} for singapore: it is taken by `);
    server.child.kill('SIGTERM');
    expect((await server.ended).code).toBe(0);
  });

  it('says why a given certificate cannot be used', async () => {
    const file = path.join(home, 'cert.pem');
    writeFileSync(file, 'not a certificate');
    const env = { ATELIER_TLS_CERT_FILE: file, ATELIER_TLS_KEY_FILE: file };
    const { code, errors } = await run(CLI, ['serve', '--scripted', '--tls', '--port', '0'], env).ended;
    expect([code, errors]).toEqual([
      1,
      expect.stringContaining(`tls.certFile: ${file} holds no certificate in PEM form. Fix: `),
    ]);
    expect(await run(CLI, ['trust'], env).ended).toMatchObject({
      code: 1,
      errors: expect.stringContaining('tls.certFile'),
    });
  });

  it('names who has the port, and a free one', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    const { code, errors } = await cli('serve', '--scripted', '--port', String(port));
    holder.close();
    expect(code).toBe(1);
    expect(errors).toContain(`Port ${port} is taken by `);
    if (process.platform === 'linux') expect(errors).toContain(`(pid ${process.pid})`);
    expect(errors).toMatch(/PORT=\d+ npm start/);
  });

  it('says what to do when there are no weights and nobody to give them', async () => {
    const env = { HF_ENDPOINT: 'http://127.0.0.1:9', PATH: '' };
    const { code, errors } = await run(CLI, ['serve', '--port', '0', '--weights', 'smollm2-135m'], env).ended;
    expect(code).toBe(1);
    expect(errors).toContain('pip: python3 with pip is not installed');
    expect(errors).toContain('atelier serve --scripted');
    expect(errors).not.toMatch(/^\s+at /m);
  });

  it('names the line of a wrong setting', async () => {
    writeFileSync(path.join(home, 'atelier.yaml'), 'server:\n  port: http\n');
    const { code, errors } = await cli('serve', '--scripted');
    expect(code).toBe(1);
    expect(errors).toContain('atelier.yaml:2:9: server.port must be a whole number');
  });
});

it('makes keys with rules, shows and changes them', async () => {
  const rules = ['--region', 'singapore', '--models', 'qwen-plus,qwen3-*', '--expires', '30d', '--rpm', '60'];
  const made = JSON.parse((await cli('keys', 'create', 'bob', ...rules, '--budget', '0.5', '--json')).out);
  expect(made).toMatchObject({
    region: 'singapore',
    models: ['qwen-plus', 'qwen3-*'],
    limits: { requestsPerMinute: 60 },
    budget: { yuan: '0.5', period: 'month' },
    keepsBodies: false,
  });
  expect(made.expiresAtMs).toBeGreaterThan(Date.now() + 29 * 86_400_000);
  expect((await cli('keys', 'update', 'bob', '--tpm', '9', '--budget-period', 'total', '--keep-bodies')).code).toBe(0);
  const { out } = await cli('keys', 'show', 'bob');
  expect(out).toContain('60 calls a minute, 9 tokens a minute');
  expect(out).toContain('0.5 yuan in all');
  expect(out).toContain('bodies     kept');
  expect((await cli('keys', 'list')).out).toMatch(/key-\w+ +bob +sk-\S+ +singapore +default/);
  for (const wrong of [
    ['create', 'x', '--region', 'singapor'],
    ['create', 'x', '--budget', '1.0000000001'],
    ['create', 'x', '--workspace', 'ws-1'],
    ['create', 'x', '--admin', '--rpm', '1'],
    ['update', 'bob', '--qps', 'many'],
    ['update', 'bob'],
    ['show', 'nobody'],
  ]) {
    const refused = await cli('keys', ...wrong);
    expect(refused.code).toBe(1);
    expect(refused.errors).toMatch(/^error /);
    expect(refused.errors).not.toMatch(/^\s+at /m);
  }
});

it('makes, changes and deletes workspaces', async () => {
  const made = JSON.parse((await cli('workspaces', 'create', 'team', '--budget', '5', '--json')).out);
  expect(made).toMatchObject({ name: 'team', budget: { yuan: '5', period: 'month' }, models: null });
  const key = JSON.parse((await cli('keys', 'create', 'in-team', '--workspace', 'team', '--json')).out);
  expect(key).toMatchObject({ workspaceId: made.id, secret: expect.stringMatching(/^sk-ws-[0-9a-f]{32}$/) });
  expect((await cli('workspaces', 'create', 'team')).code).toBe(1);
  expect((await cli('workspaces', 'update', 'team', '--name', 'crew', '--models', 'qwen-*')).code).toBe(0);
  expect((await cli('workspaces', 'list')).out).toMatch(/ws-\w+ +crew +1 +5 yuan a month +qwen-\*/);
  expect((await cli('workspaces', 'delete', 'crew')).out).toContain('its 1 key is refused');
  expect(JSON.parse((await cli('workspaces', 'list', '--json')).out)).toHaveLength(1);
  expect((await cli('workspaces', 'delete', 'default')).code).toBe(1);
  expect((await cli('workspaces', 'create', 'moved', '--id', 'llm-abc123')).out).toContain(
    'llm-abc123 (moved) is made',
  );
  const refused = await cli('workspaces', 'create', 'other', '--id', 'LLM');
  expect(refused).toMatchObject({ code: 1, errors: expect.stringContaining('id must have lower-case letters') });
});

it('makes, lists and revokes keys', async () => {
  const made = JSON.parse((await cli('keys', 'create', 'alice', '--json')).out);
  expect(made).toMatchObject({ name: 'alice', secret: expect.stringMatching(/^sk-[0-9a-f]{32}$/) });
  expect((await cli('keys', 'revoke', 'alice')).code).toBe(0);
  const [listed] = JSON.parse((await cli('keys', 'list', '--json')).out);
  expect(listed).toMatchObject({ id: made.id, revokedAtMs: expect.any(Number) });
  expect(listed).not.toHaveProperty('hash');
  expect(await cli('keys', 'revoke', 'alice')).toMatchObject({
    code: 1,
    errors: expect.stringContaining('There is no live key alice. Fix:'),
  });
});

it('lists weights, and examines the machine with an exit code', async () => {
  const [first] = JSON.parse((await cli('models', '--json')).out);
  expect(first).toMatchObject({ name: 'qwen2.5-coder-1.5b', licence: 'Apache-2.0', file: null });
  const { code, out } = await cli('doctor', '--port', '0', '--skip-engine');
  expect(code).toBe(1);
  expect(out).toMatch(/✓ node/);
  expect(out).toMatch(/✗ weights .*\n +Fix: atelier pull/);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('trust', () => {
  it('prints commands to paste, and makes whom to trust once', async () => {
    const first = (await cli('trust')).out;
    expect(first).toContain('(made just now)');
    expect(first).toMatch(/^127\.0\.0\.1 dashscope\.aliyuncs\.com /m);
    expect(first).toMatch(/^sudo update-ca-certificates$/m);
    expect(first).toMatch(/^sudo setcap cap_net_bind_service=\+ep /m);
    const again = (await cli('trust', '--host', '10.0.0.1', '--port', '443')).out;
    expect(again).not.toContain('made just now');
    expect(again).not.toContain('setcap');
    expect(again).toMatch(/^10\.0\.0\.1 dashscope-intl\.aliyuncs\.com /m);
    expect(readFileSync(path.join(home, 'tls/ca.pem'), 'utf8')).not.toContain('PRIVATE');
  });
});
