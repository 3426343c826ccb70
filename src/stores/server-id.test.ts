import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { serverIdOf } from './server-id.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'atelier-home-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

it('is the same at every start, and another one in another home', () => {
  const id = serverIdOf(home);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(serverIdOf(home)).toBe(id);
  rmSync(path.join(home, 'server-id'));
  expect(serverIdOf(home)).not.toBe(id);
});

it('is made again where it was lost half-way', () => {
  writeFileSync(path.join(home, 'server-id'), '');
  const id = serverIdOf(home);
  expect(id).not.toBe('');
  expect(serverIdOf(home)).toBe(id);
});
