import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Clock } from '../../core/ports.ts';
import { type Database, openDatabase } from './database.ts';
import { createKeyStore } from './keys.ts';

let folder: string;
let file: string;
const open: Database[] = [];
let nowMs = 1_700_000_000_000;
const clock: Clock = { now: () => nowMs, monotonic: () => nowMs };

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'atelier-keys-'));
  file = path.join(folder, 'home', 'atelier.db');
});
afterEach(async () => {
  for (const database of open.splice(0)) await database.close();
  rmSync(folder, { recursive: true, force: true });
});

async function store() {
  const database = await openDatabase(file);
  open.push(database);
  return createKeyStore(database, clock);
}

it('makes a secret of the vendor form, keeps only its hash and finds it again', async () => {
  const keys = await store();
  const { key, secret } = keys.create('default');
  expect(secret).toMatch(/^sk-[0-9a-f]{32}$/);
  expect(key).toMatchObject({ name: 'default', createdAtMs: nowMs, revokedAtMs: null });
  expect(key.hint).toBe(`${secret.slice(0, 7)}…${secret.slice(-4)}`);
  expect(keys.verify(secret)).toEqual(key);
  expect(keys.verify(`${secret.slice(0, -1)}x`)).toBeUndefined();
  expect(keys.verify('')).toBeUndefined();
  expect(keys.verify(key.hash)).toBeUndefined();
  open[0]?.sqlite.pragma('wal_checkpoint(TRUNCATE)');
  expect(readFileSync(file).includes(secret)).toBe(false);
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o077).toBe(0);
});

it('knows the keys of an earlier run', async () => {
  const { secret, key } = (await store()).create('a');
  expect((await store()).verify(secret)).toEqual(key);
});

it('revokes a key once, at once', async () => {
  const keys = await store();
  const { key, secret } = keys.create('a');
  expect(keys.revoke(key.id)).toBe(true);
  expect(keys.verify(secret)).toBeUndefined();
  expect(keys.revoke(key.id)).toBe(false);
  expect(keys.revoke('key-unknown')).toBe(false);
  expect(keys.list()).toEqual([{ ...key, revokedAtMs: nowMs }]);
});

it('sees what another process did within half a second', async () => {
  const server = await store();
  const { key, secret } = server.create('a');
  expect(server.verify(secret)).toEqual(key);
  const tool = await store();
  const added = tool.create('b');
  tool.revoke(key.id);
  nowMs += 500;
  expect(server.verify(secret)).toBeUndefined();
  expect(server.verify(added.secret)).toEqual(added.key);
});

it('lets two processes make the database at the same time', async () => {
  const [a, b] = await Promise.all([store(), store()]);
  const { secret, key } = a.create('a');
  nowMs += 500;
  expect(b.verify(secret)).toEqual(key);
});

it('makes temporary keys that stand for their key until they expire', async () => {
  const keys = await store();
  const { key } = keys.create('a');
  const made = keys.createTemporary(key.id, 60_000);
  expect(made?.secret).toMatch(/^st-[0-9a-f]{32}$/);
  expect(made?.expiresAtMs).toBe(nowMs + 60_000);
  const secret = made?.secret ?? '';
  expect(keys.verify(secret)).toEqual({ ...key, isTemporary: true });
  expect(keys.list()).toEqual([key]);
  open[0]?.sqlite.pragma('wal_checkpoint(TRUNCATE)');
  expect(readFileSync(file).includes(secret)).toBe(false);
  nowMs += 59_999;
  expect(keys.verify(secret)).toBeDefined();
  nowMs += 1;
  expect(keys.verify(secret)).toBeUndefined();
});

it('knows the temporary keys of an earlier run, and forgets the expired ones', async () => {
  const first = await store();
  const { key } = first.create('a');
  const short = first.createTemporary(key.id, 1000)?.secret ?? '';
  const long = first.createTemporary(key.id, 60_000)?.secret ?? '';
  nowMs += 2000;
  const second = await store();
  expect(second.verify(short)).toBeUndefined();
  expect(second.verify(long)).toMatchObject({ id: key.id, isTemporary: true });
  second.createTemporary(key.id, 60_000);
  expect(open[1]?.sqlite.prepare('SELECT count(*) FROM temporary_keys').pluck().get()).toBe(2);
});

it('lets temporary keys die with their key, whoever revokes it', async () => {
  const server = await store();
  const [a, b] = [server.create('a').key, server.create('b').key];
  const ofA = server.createTemporary(a.id, 60_000)?.secret ?? '';
  const ofB = server.createTemporary(b.id, 60_000)?.secret ?? '';
  server.revoke(a.id);
  expect(server.verify(ofA)).toBeUndefined();
  expect(server.verify(ofB)).toBeDefined();
  (await store()).revoke(b.id);
  nowMs += 500;
  expect(server.verify(ofB)).toBeUndefined();
  expect(server.createTemporary(a.id, 1000)).toBeUndefined();
  expect(server.createTemporary('key-unknown', 1000)).toBeUndefined();
});
