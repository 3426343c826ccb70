/** What `npm start` and `npm test` do before anything of ours is installed. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

interface Setup {
  isInstalled(options: { dev: boolean; root: string }): boolean;
  runNode(node: string, args: string[], options: object): Promise<number>;
}

const SETUP = pathToFileURL(path.join(import.meta.dirname, '../scripts/setup.mjs')).href;
const { isInstalled, runNode }: Setup = await import(SETUP);

const LOCK = {
  '': { name: 'x' },
  'node_modules/server': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/tool': { version: '2.0.0', integrity: 'sha512-b', dev: true },
  'node_modules/binary-for-another-system': { version: '3.0.0', optional: true },
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'atelier set up '));
  writeFileSync(path.join(root, 'package-lock.json'), JSON.stringify({ packages: LOCK }));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function record(packages: object): void {
  mkdirSync(path.join(root, 'node_modules'), { recursive: true });
  writeFileSync(path.join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));
}

describe('an installation', () => {
  const server = { 'node_modules/server': LOCK['node_modules/server'] };
  const tool = { 'node_modules/tool': LOCK['node_modules/tool'] };

  it('is there when npm recorded every package of the lock file', () => {
    expect(isInstalled({ dev: false, root })).toBe(false);
    record(server);
    expect(isInstalled({ dev: false, root })).toBe(true);
    expect(isInstalled({ dev: true, root })).toBe(false);
    record({ ...server, ...tool });
    expect(isInstalled({ dev: false, root })).toBe(true);
    expect(isInstalled({ dev: true, root })).toBe(true);
  });

  it('is not there when the lock file has changed since', () => {
    record({ 'node_modules/server': { version: '0.9.0', integrity: 'sha512-a' } });
    expect(isInstalled({ dev: false, root })).toBe(false);
    record({ 'node_modules/server': { version: '1.0.0', integrity: 'sha512-z' } });
    expect(isInstalled({ dev: false, root })).toBe(false);
  });
});

describe('installing', () => {
  /** Stands in for npm: writes a line a call, and the record that npm writes last. */
  function fakeNpm(status: number): string {
    const folder = path.join(root, 'npm');
    mkdirSync(folder);
    const file = path.join(folder, 'npm-cli.js');
    writeFileSync(
      file,
      `const fs = require('node:fs');
fs.appendFileSync(${JSON.stringify(path.join(root, 'calls'))}, process.argv.slice(2).join(' ') + '\\n');
if (${status} !== 0) { console.error('npm error code E404'); process.exit(${status}); }
fs.mkdirSync('node_modules', { recursive: true });
fs.writeFileSync('node_modules/.package-lock.json', fs.readFileSync('package-lock.json'));`,
    );
    return file;
  }

  function ensure(npm: string, dev: boolean): Promise<{ status: number | null; errorText: string }> {
    const code = `import { ensureInstalled, main } from ${JSON.stringify(SETUP)};
await main(async () => { await ensureInstalled({ dev: ${dev}, root: ${JSON.stringify(root)} }); return 0; });`;
    return new Promise((resolve) => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
        env: { ...process.env, npm_execpath: npm },
      });
      let errorText = '';
      child.stderr.on('data', (chunk) => {
        errorText += chunk;
      });
      child.once('close', (status) => resolve({ status, errorText }));
    });
  }

  const calls = () => readFileSync(path.join(root, 'calls'), 'utf8').trim().split('\n');

  it('happens once for two that start together, without scripts and tools', async () => {
    const npm = fakeNpm(0);
    const [a, b] = await Promise.all([ensure(npm, false), ensure(npm, false)]);
    expect([a.status, b.status]).toEqual([0, 0]);
    expect(calls()).toHaveLength(1);
    expect(calls()[0]).toMatch(/^ci --ignore-scripts .*--omit=dev$/);
  });

  it('adds the tools beside what a server may be running from', async () => {
    record({ 'node_modules/server': LOCK['node_modules/server'] });
    expect((await ensure(fakeNpm(0), true)).status).toBe(0);
    expect(calls()[0]).toMatch(/^install --no-save --ignore-scripts .*--include=dev$/);
  });

  it('shows what npm said and what to do when it fails', async () => {
    const { status, errorText } = await ensure(fakeNpm(3), false);
    expect(status).toBe(1);
    expect(errorText).toContain('npm error code E404');
    expect(errorText).toContain('(exit code 3). Fix:');
    expect(errorText).not.toContain('at ');
  });
});

it('hands on the exit code of the program, and the signal that ended it', async () => {
  const run = (code: string) => runNode(process.execPath, ['--eval', code], { stdio: 'ignore' });
  expect(await run('process.exit(7)')).toBe(7);
  expect(await run('process.kill(process.pid, "SIGKILL")')).toBe(137);
});
