import { afterEach, beforeEach, expect, it } from 'vitest';
import { fixedClock } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { PlatformStore, StoredKey, StoredWorkspace } from '../../core/platform.ts';
import type { Database } from './database.ts';
import { createPlatformStore } from './platform.ts';

const NOW_MS = 1_770_764_902_000;

const key: StoredKey = {
  id: 'key-1',
  kind: 'api',
  name: 'ci',
  hash: 'a'.repeat(64),
  hint: 'sk-0000…0000',
  region: 'singapore',
  workspaceId: 'default',
  models: ['qwen-plus', 'qwen3-*'],
  budget: { nano: 100_000_000_001, period: 'month' },
  limits: { requestsPerMinute: 60 },
  keepsBodies: true,
  expiresAtMs: NOW_MS + 1000,
  createdAtMs: NOW_MS,
  revokedAtMs: null,
};

const workspace: StoredWorkspace = {
  id: 'ws-0000000000000001',
  name: 'team',
  models: ['qwen-*'],
  budget: { nano: 5, period: 'total' },
  createdAtMs: NOW_MS,
  deletedAtMs: null,
};

onEachDatabase((databases) => {
  let database: Database;
  let store: PlatformStore;
  const clock = fixedClock(NOW_MS);
  beforeEach(async () => {
    database = await databases.open();
    store = createPlatformStore(database, clock);
  });
  afterEach(() => database.close());

  it('begins with the default workspace and nothing else', async () => {
    expect(await store.load()).toEqual({
      revision: await store.revision(),
      workspaces: [{ id: 'default', name: 'default', models: null, budget: null, createdAtMs: 0, deletedAtMs: null }],
      keys: [],
      prices: [],
      freeTierOnly: [],
    });
  });

  it('gives back what it was given, whole', async () => {
    const plain: StoredKey = {
      ...key,
      id: 'key-0',
      hash: 'b'.repeat(64),
      kind: 'admin',
      models: null,
      budget: null,
      limits: null,
      keepsBodies: false,
      expiresAtMs: null,
      createdAtMs: NOW_MS - 1,
    };
    const tier = { overTokens: 0, upToTokens: null, inputPico: 800_000, outputPico: 2, outputThinkingPico: 3 };
    const prices = {
      tiers: [tier],
      cacheReadPermille: 200,
      explicitCacheReadPermille: 100,
      cacheWritePermille: 1250,
      batchPermille: 500,
    };
    await store.createKey('cli', key);
    await store.createKey('cli', plain);
    await store.createWorkspace('cli', workspace);
    await store.addPrice('cli', { model: 'qwen-plus', region: 'beijing', validFromMs: 7, prices });
    await store.addPrice('cli', { model: 'qwen-plus', region: null, validFromMs: 8, prices: null });
    await store.setFreeTierOnly('cli', ['qwen-plus']);
    await store.setFreeTierOnly('cli', ['*']);
    const state = await store.load();
    expect(state.keys).toEqual([plain, key]);
    expect(state.workspaces[1]).toEqual(workspace);
    expect(state.prices).toEqual([
      { model: 'qwen-plus', region: 'beijing', validFromMs: 7, prices },
      { model: 'qwen-plus', region: null, validFromMs: 8, prices: null },
    ]);
    expect(state.freeTierOnly).toEqual(['*']);
  });

  it('changes what is named and leaves the rest', async () => {
    await store.createKey('cli', key);
    await store.createWorkspace('cli', workspace);
    expect(await store.updateKey('cli', key.id, { models: null, keepsBodies: false })).toBe(true);
    expect(await store.updateWorkspace('cli', workspace.id, { budget: null })).toBe(true);
    const { keys, workspaces } = await store.load();
    expect(keys).toEqual([{ ...key, models: null, keepsBodies: false }]);
    expect(workspaces[1]).toEqual({ ...workspace, budget: null });
  });

  it('changes nothing that is unknown, revoked or deleted', async () => {
    await store.createKey('cli', key);
    await store.createWorkspace('cli', workspace);
    expect(await store.updateKey('cli', key.id, { revokedAtMs: 5 })).toBe(true);
    expect(await store.updateWorkspace('cli', workspace.id, { deletedAtMs: 6 })).toBe(true);
    const rows = (await store.audit({ limit: 100 })).length;
    expect(await store.updateKey('cli', key.id, { revokedAtMs: 7 })).toBe(false);
    expect(await store.updateKey('cli', 'key-unknown', { name: 'x' })).toBe(false);
    expect(await store.updateWorkspace('cli', workspace.id, { name: 'x' })).toBe(false);
    expect((await store.load()).keys).toEqual([{ ...key, revokedAtMs: 5 }]);
    expect(await store.audit({ limit: 100 })).toHaveLength(rows);
  });

  it('lets no two workspaces have one id, not even that of a deleted one', async () => {
    await store.createWorkspace('cli', workspace);
    const other = { ...workspace, name: 'others' };
    await expect(store.createWorkspace('cli', other)).rejects.toMatchObject({ code: 'conflict' });
    await store.updateWorkspace('cli', workspace.id, { deletedAtMs: NOW_MS });
    const before = await store.load();
    await expect(store.createWorkspace('cli', other)).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.load()).toEqual(before);
  });

  it('lets no two live workspaces have one name', async () => {
    await store.createWorkspace('cli', workspace);
    const other = { ...workspace, id: 'ws-0000000000000002' };
    const before = await store.load();
    await expect(store.createWorkspace('cli', other)).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.load()).toEqual(before);
    await store.createWorkspace('cli', { ...other, name: 'others' });
    await expect(store.updateWorkspace('cli', other.id, { name: 'team' })).rejects.toMatchObject({ code: 'conflict' });
    await store.updateWorkspace('cli', workspace.id, { name: 'team', deletedAtMs: NOW_MS });
    expect(await store.updateWorkspace('cli', other.id, { name: 'team' })).toBe(true);
  });

  it('raises the revision and writes one audit row with every change, and with nothing else', async () => {
    const changes: readonly (readonly [action: string, change: () => Promise<unknown>])[] = [
      ['workspaces.create', () => store.createWorkspace('cli', workspace)],
      ['workspaces.update', () => store.updateWorkspace('key-admin', workspace.id, { name: 'b' })],
      ['workspaces.delete', () => store.updateWorkspace('cli', workspace.id, { deletedAtMs: NOW_MS })],
      ['keys.create', () => store.createKey('cli', key)],
      ['keys.update', () => store.updateKey('cli', key.id, { budget: null })],
      ['keys.revoke', () => store.updateKey('cli', key.id, { revokedAtMs: NOW_MS })],
      ['prices.set', () => store.addPrice('cli', { model: 'm', region: null, validFromMs: 1, prices: null })],
      ['quota.set', () => store.setFreeTierOnly('cli', ['m'])],
    ];
    let revision = await store.revision();
    for (const [action, change] of changes) {
      await change();
      expect(await store.revision()).toBeGreaterThan(revision);
      revision = await store.revision();
      expect((await store.load()).revision).toBe(revision);
      expect((await store.audit({ limit: 1 }))[0]).toMatchObject({ action, atMs: NOW_MS });
    }
    const rows = await store.audit({ limit: 100 });
    expect(rows.map(({ action }) => action).reverse()).toEqual(changes.map(([action]) => action));
    expect(rows.map(({ subject }) => subject).reverse()).toEqual([
      ...[workspace.id, workspace.id, workspace.id, key.id, key.id, key.id, 'm', 'freeTierOnly'],
    ]);
    expect(rows.at(-2)?.actor).toBe('key-admin');

    await store.createTemporaryKey({ hash: 'c', parentId: key.id, expiresAtMs: NOW_MS + 1 });
    expect(await store.revision()).toBe(revision);
    expect(await store.audit({ limit: 100 })).toHaveLength(rows.length);
  });

  it('audits what was set, without the hash and the hint', async () => {
    await store.createKey('cli', key);
    await store.updateKey('cli', key.id, { limits: { tokensPerMinute: 5 } });
    const [updated, made] = await store.audit({ limit: 2 });
    expect(updated?.details).toEqual({ limits: { tokensPerMinute: 5 } });
    const { id: _, hash, hint, createdAtMs: __, revokedAtMs: ___, ...rules } = key;
    expect(made?.details).toEqual(rules);
    expect(JSON.stringify(await store.audit({ limit: 100 }))).not.toMatch(new RegExp(`${hash}|${hint}`));
  });

  it('pages through the audit, newest first', async () => {
    for (const models of [['a'], ['b'], ['c']]) await store.setFreeTierOnly('cli', models);
    const first = await store.audit({ limit: 2 });
    const second = await store.audit({ limit: 2, beforeSequence: first[1]?.sequence });
    expect([...first, ...second].map(({ details }) => details.models)).toEqual([['c'], ['b'], ['a']]);
  });

  it('finds temporary keys by hash and forgets expired ones', async () => {
    await store.createKey('cli', key);
    const short = { hash: 'd', parentId: key.id, expiresAtMs: NOW_MS };
    const long = { hash: 'e', parentId: key.id, expiresAtMs: NOW_MS + 60_000 };
    await store.createTemporaryKey(short);
    await store.createTemporaryKey(long);
    expect(await store.findTemporaryKeys(['d', 'e', 'f'])).toEqual([long]);
    expect(await store.findTemporaryKeys([])).toEqual([]);
  });

  it('loses no change when many are made at once', async () => {
    const before = await store.revision();
    const made = Array.from({ length: 20 }, (_, index) =>
      store.createKey('cli', { ...key, id: `key-${index}`, hash: String(index) }),
    );
    await Promise.all(made);
    expect((await store.load()).keys).toHaveLength(20);
    expect(await store.revision()).toBe(before + 20);
    const sequences = (await store.audit({ limit: 100 })).map(({ sequence }) => sequence);
    expect(new Set(sequences).size).toBe(20);
  });
});
