import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { KeyView } from '../admin/contract.ts';
import { type Config, loadConfig } from '../config.ts';
import { adminKeyFile, apiKeyFile, ensureLocalKeys, readLocalKey } from './api-key.ts';
import { withAdmin } from './local-database.ts';

let config: Config;
beforeEach(() => {
  const home = mkdtempSync(path.join(tmpdir(), 'atelier-key-'));
  config = loadConfig({ flags: { home }, env: {}, cwd: home });
});
afterEach(() => rmSync(config.home, { recursive: true, force: true }));

const liveKeys = (): Promise<readonly KeyView[]> =>
  withAdmin(config, async ({ service }) => (await service.listKeys({ state: 'live' })).items);

it('makes an API key and an admin key on the first start, for their owner only, and keeps them', async () => {
  const first = await ensureLocalKeys(config);
  expect(first.api).toMatchObject({ isNew: true, file: apiKeyFile(config), region: 'beijing' });
  expect(first.admin).toMatchObject({ isNew: true, file: adminKeyFile(config) });
  for (const key of [first.api, first.admin]) {
    expect(readFileSync(key?.file ?? '', 'utf8')).toBe(`${key?.secret}\n`);
    if (process.platform !== 'win32') expect(statSync(key?.file ?? '').mode & 0o077).toBe(0);
  }
  expect(first.api?.secret).toMatch(/^sk-[0-9a-f]{32}$/);
  expect(first.admin?.secret).toMatch(/^sk-admin-[0-9a-f]{32}$/);
  expect(await ensureLocalKeys(config)).toEqual({
    api: { ...first.api, isNew: false },
    admin: { ...first.admin, isNew: false },
  });
  expect(await readLocalKey(config)).toBe(first.api?.secret);
  expect((await liveKeys()).map(({ kind }) => kind).sort()).toEqual(['admin', 'api']);
});

it('makes the key of the region in which the server is', async () => {
  const there = { ...config, regions: { ...config.regions, default: 'singapore' as const } };
  expect((await ensureLocalKeys(there)).api).toMatchObject({ region: 'singapore' });
  expect((await ensureLocalKeys(config)).api).toMatchObject({ region: 'singapore', isNew: false });
});

it('makes none behind the back of a user who has keys of that kind', async () => {
  await ensureLocalKeys(config);
  await withAdmin(config, ({ service }) => service.createKey('cli', { name: 'mine' }));
  rmSync(apiKeyFile(config));
  expect(await ensureLocalKeys(config)).toMatchObject({ api: undefined, admin: { isNew: false } });
  expect(await readLocalKey(config)).toBeUndefined();
});

it('replaces a kept key that was revoked when no other lives', async () => {
  const first = await ensureLocalKeys(config);
  await withAdmin(config, async ({ service }) => {
    for (const { id, kind } of (await service.listKeys()).items) if (kind === 'api') await service.revokeKey('cli', id);
  });
  const second = await ensureLocalKeys(config);
  expect(second).toMatchObject({ api: { isNew: true }, admin: { isNew: false, secret: first.admin?.secret } });
  expect(second.api?.secret).not.toBe(first.api?.secret);
});

it('ends with one live key of each kind when two start at once', async () => {
  const [a, b] = await Promise.all([ensureLocalKeys(config), ensureLocalKeys(config)]);
  expect(a.api?.secret).toBe(b.api?.secret);
  expect(a.admin?.secret).toBe(b.admin?.secret);
  expect(await liveKeys()).toHaveLength(2);
});
