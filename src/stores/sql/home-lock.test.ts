import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockHome } from './home-lock.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'atelier-home-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

it('one server has a home, until it lets go', () => {
  const lock = lockHome(home);
  expect(lock).toBeDefined();
  expect(lockHome(home)).toBeUndefined();
  lock?.release();
  const next = lockHome(home);
  expect(next).toBeDefined();
  next?.release();
});

it('a killed server has none', () => {
  const module = path.join(import.meta.dirname, 'home-lock.ts');
  const script = `
    const { lockHome } = await import(${JSON.stringify(module)});
    console.log(lockHome(${JSON.stringify(home)}) !== undefined);
    process.kill(process.pid, 'SIGKILL');`;
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect([stdout.trim(), signal]).toEqual(['true', 'SIGKILL']);
  const lock = lockHome(home);
  expect(lock).toBeDefined();
  lock?.release();
});
