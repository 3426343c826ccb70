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
