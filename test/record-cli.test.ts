/** `atelier record` and `atelier serve --replay` as a person runs them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const CLI = path.join(import.meta.dirname, '../src/cli/main.ts');

let home: string;
const running: ChildProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'atelier record '));
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: home,
    env: { ...process.env, ATELIER_HOME: home, NO_COLOR: '1', ...env },
  });
  running.push(child);
  let out = '';
  let errors = '';
  const seen = new Promise<string>((resolve) => {
    child.stdout.on('data', (chunk) => {
      out += chunk;
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(out.split('Let your program')[1] ?? '')?.[0];
      if (url) resolve(url);
    });
  });
  const noted = new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk) => {
      errors += chunk;
      if (errors.includes('kept')) resolve();
    });
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, out, errors }));
  return { child, seen, noted, ended };
}

describe('atelier record', () => {
  it('stands before a server until it is stopped, and leaves files', async () => {
    const upstream = createServer((request, response) => response.end(`{"key":"${request.headers.authorization}"}`));
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const { port } = upstream.address() as AddressInfo;
    const args = ['record', '--upstream', `http://127.0.0.1:${port}/base`, '--out', 'kept', '--port', '0'];
    const { child, seen, noted, ended } = run([...args, '--key-env', 'REAL_KEY'], {
      REAL_KEY: 'sk-real-0123456789abcdef',
    });
    const reply = await fetch(`${await seen}/v1/models`, { headers: { authorization: 'Bearer sk-theirs' } });
    expect(await reply.text()).toBe('{"key":"Bearer sk-real-0123456789abcdef"}');
    await noted;
    child.kill('SIGINT');
    const { code, out, errors } = await ended;
    upstream.close();
    expect(code).toBe(0);
    expect(out).toContain('kept');
    expect(errors).toContain('GET /v1/models → 200, kept as 0001-models-nosse');
    expect(readdirSync(path.join(home, 'kept'))).toEqual(['0001-models-nosse.json']);
    expect(readFileSync(path.join(home, 'kept/0001-models-nosse.json'), 'utf8')).not.toContain('sk-');
  });

  it.each([
    [['--upstream', 'dashscope', '--out', 'x'], 'is no http or https URL'],
    [['--upstream', 'http://h', '--out', 'x', '--port', 'many'], '--port many is no port'],
    [['--upstream', 'http://h', '--out', 'x', '--key-env', 'NOT_SET'], 'NOT_SET is not set'],
    [['--upstream', 'http://h', '--out', 'x', '--key-env', 'A', '--key', 'b'], 'were both given'],
    [['--upstream', 'http://h'], "required option '--out <folder>' not specified"],
  ])('says what is wrong with %j', async (args, words) => {
    const { code, errors } = await run(['record', ...args]).ended;
    expect(code).toBe(1);
    expect(errors).toContain(words);
  });
});

describe('atelier serve --replay', () => {
  it.each([
    [['--replay', 'nowhere'], 'replay: '],
    [['--replay', '.', '--scripted'], 'replay and scripted are both set'],
  ])('says what is wrong with %j', async (args, words) => {
    const { code, errors } = await run(['serve', '--port', '0', ...args]).ended;
    expect(code).toBe(1);
    expect(errors).toContain(words);
    expect(errors).toContain('Fix: ');
  });
});
