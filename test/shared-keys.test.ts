/** Two servers on one database: what one changes holds on the other with its next look at the revision. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type HeldKeyRing, openKeyRing } from '../src/accounts/key-ring.ts';
import { type AdminService, createAdminService } from '../src/admin/service.ts';
import { systemClock } from '../src/core/system.ts';
import type { Database } from '../src/stores/sql/database.ts';
import { createPlatformStore } from '../src/stores/sql/platform.ts';
import { silentLog } from './support/context.ts';
import { onEachDatabase, type TestDatabase } from './support/databases.ts';

onEachDatabase((databases) => {
  let shared: TestDatabase;
  let opened: Database[];
  let here: AdminService;
  let there: HeldKeyRing;
  beforeEach(async () => {
    shared = await databases.create();
    opened = await Promise.all([shared.open(), shared.open()]);
    const [first, second] = opened.map((database) => createPlatformStore(database, systemClock));
    if (!first || !second) throw new Error('two databases were opened');
    here = createAdminService({
      store: first,
      current: () => first.load(),
      clock: systemClock,
      defaultRegion: 'beijing',
    });
    there = await openKeyRing({ store: second, clock: systemClock, log: silentLog });
  });
  afterEach(async () => {
    for (const database of opened) await database.close();
    await shared.remove();
  });

  it('knows a new key when it is first shown', async () => {
    const { key, secret } = await here.createKey('cli', { name: 'new', region: 'singapore' });
    expect(await there.verify(secret)).toMatchObject({ id: key.id, region: 'singapore' });
  });

  it('refuses a revoked key, and what was made from it, after one look', async () => {
    const { key, secret } = await here.createKey('cli', { name: 'old' });
    expect(await there.verify(secret)).toBeDefined();
    const temporary = await there.createTemporary(key.id, 60_000);
    await here.revokeKey('cli', key.id);
    await there.refresh();
    expect(there.verify(secret)).toBeUndefined();
    expect(there.verify(temporary?.secret ?? '')).toBeUndefined();
  });

  it('follows a changed grant and a deleted workspace after one look', async () => {
    const workspace = await here.createWorkspace('cli', { name: 'team' });
    const { key, secret } = await here.createKey('cli', { name: 'old', workspaceId: workspace.id });
    await there.verify(secret);
    const account = { keyId: key.id, name: key.name, workspaceId: workspace.id, region: key.region };
    expect(there.policyOf(account)?.mayUse('qwen-max')).toBe(true);
    await here.updateWorkspace('cli', workspace.id, { models: ['qwen-plus'] });
    await there.refresh();
    expect(there.policyOf(account)?.mayUse('qwen-max')).toBe(false);
    await here.deleteWorkspace('cli', workspace.id);
    await there.refresh();
    expect(there.workspace(workspace.id)).toBeUndefined();
    expect(there.policyOf(account)).toBeUndefined();
  });

  it('lets a temporary key work on a server that has not made it', async () => {
    const { key, secret } = await here.createKey('cli', { name: 'a' });
    await there.verify(secret);
    const made = await there.createTemporary(key.id, 60_000);
    const [database] = opened;
    if (!database) throw new Error('a database was opened');
    const store = createPlatformStore(database, systemClock);
    const third = await openKeyRing({ store, clock: systemClock, log: silentLog });
    expect(await third.verify(made?.secret ?? '')).toMatchObject({ id: key.id, isTemporary: true });
  });
});
