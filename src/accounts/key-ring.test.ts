import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, silentLog } from '../../test/support/context.ts';
import type { PlatformState, PlatformStore, StoredKey, StoredTemporaryKey } from '../core/platform.ts';
import type { Logger } from '../core/ports.ts';
import { hashOfSecret, makeSecret } from '../core/secrets.ts';
import { type HeldKeyRing, openKeyRing } from './key-ring.ts';

const NOW_MS = 1_770_764_902_000;
const clock = fixedClock(NOW_MS);

const { secret, hash, hint } = makeSecret('api', (count) => new Uint8Array(count).fill(7));
const key: StoredKey = {
  id: 'key-1',
  kind: 'api',
  name: 'ci',
  hash,
  hint,
  region: 'beijing',
  workspaceId: 'default',
  models: null,
  budget: null,
  limits: null,
  keepsBodies: false,
  expiresAtMs: null,
  createdAtMs: 0,
  revokedAtMs: null,
};
const workspace = { id: 'default', name: 'default', models: null, budget: null, createdAtMs: 0, deletedAtMs: null };
const account = { keyId: 'key-1', name: 'ci', workspaceId: 'default', region: 'beijing' } as const;

/** A store whose state is set by the test, and which tells how often it was asked. */
class FakeStore implements Pick<PlatformStore, 'revision' | 'load' | 'createTemporaryKey' | 'findTemporaryKeys'> {
  state: PlatformState = { revision: 1, workspaces: [workspace], keys: [key], prices: [], freeTierOnly: [] };
  readonly temporary = new Map<string, StoredTemporaryKey>();
  isAway = false;
  revisions = 0;
  loads = 0;
  found: (readonly string[])[] = [];

  change(changes: Partial<PlatformState>): void {
    this.state = { ...this.state, ...changes, revision: this.state.revision + 1 };
  }
  async revision() {
    this.revisions++;
    if (this.isAway) throw new Error('the database is away');
    return this.state.revision;
  }
  async load() {
    this.loads++;
    if (this.isAway) throw new Error('the database is away');
    return this.state;
  }
  async createTemporaryKey(temporary: StoredTemporaryKey) {
    this.temporary.set(temporary.hash, temporary);
  }
  async findTemporaryKeys(hashes: readonly string[]) {
    this.found.push(hashes);
    return hashes.flatMap((each) => this.temporary.get(each) ?? []);
  }
}

let store: FakeStore;
let waits: { readonly milliseconds: number; readonly end: () => void }[];
const wait = (milliseconds: number) => new Promise<void>((end) => waits.push({ milliseconds, end }));
const open = (log: Logger = silentLog): Promise<HeldKeyRing> =>
  openKeyRing({ store: store as unknown as PlatformStore, clock, log, wait });

beforeEach(() => {
  store = new FakeStore();
  waits = [];
});

describe('verify', () => {
  it('knows the key of a secret without asking the store', async () => {
    const ring = await open();
    expect(ring.verify(secret)).toBe(key);
    expect(store.revisions).toBe(0);
  });

  it.each(['', 'sk-', hash, `${secret}0`, `SK-${secret.slice(3)}`, `sk-admin-${secret.slice(3, -1)}`, 'any'])(
    'refuses %j, which has not the form of a key, without asking the store',
    async (wrong) => {
      const ring = await open();
      expect(ring.verify(wrong)).toBeUndefined();
      expect(ring.verifyAdmin(wrong)).toBeUndefined();
      expect(store.revisions).toBe(0);
    },
  );

  it('refuses a revoked key at once, and an expired one from its time on', async () => {
    const other = makeSecret('workspace');
    store.state = {
      ...store.state,
      keys: [
        { ...key, revokedAtMs: 5 },
        { ...key, id: 'key-2', hash: other.hash, expiresAtMs: clock.now() + 1000 },
      ],
    };
    const ring = await open();
    expect(ring.verify(secret)).toBeUndefined();
    expect(ring.verify(other.secret)).toMatchObject({ id: 'key-2' });
    expect(ring.policyOf({ ...account, keyId: 'key-2' })).toBeDefined();
    clock.advance(1000);
    expect(ring.verify(other.secret)).toBeUndefined();
    expect(ring.policyOf({ ...account, keyId: 'key-2' })).toBeUndefined();
    expect(store.revisions).toBe(0);
  });

  it('opens nothing with an admin key but the administration, and the other way round', async () => {
    const admin = makeSecret('admin');
    const adminKey: StoredKey = { ...key, id: 'key-2', kind: 'admin', hash: admin.hash };
    store.state = { ...store.state, keys: [key, adminKey] };
    const ring = await open();
    expect(ring.verify(admin.secret)).toBeUndefined();
    expect(ring.verifyAdmin(admin.secret)).toBe(adminKey);
    expect(ring.verify(secret)).toBe(key);
    expect(ring.verifyAdmin(secret)).toBeUndefined();
    expect(await ring.createTemporary('key-2', 1000)).toBeUndefined();
  });

  it('asks the store for a key it does not know', async () => {
    const ring = await open();
    const other = makeSecret('workspace');
    const added: StoredKey = { ...key, id: 'key-2', hash: other.hash };
    store.change({ keys: [key, added] });
    expect(await ring.verify(other.secret)).toBe(added);
    expect(ring.verify(other.secret)).toBe(added);
  });

  it('asks once in 50 ms for all who show wrong keys, and for each after it came', async () => {
    const ring = await open();
    expect(await ring.verify(makeSecret('api').secret)).toBeUndefined();
    expect(store.revisions).toBe(1);
    clock.advance(20);
    const flood = Array.from({ length: 500 }, () => ring.verify(makeSecret('api').secret));
    const late = makeSecret('api');
    store.change({ keys: [key, { ...key, id: 'key-2', hash: late.hash }] });
    const right = ring.verify(late.secret);
    await turn();
    expect(waits.map(({ milliseconds }) => milliseconds)).toEqual([30]);
    expect(store.revisions).toBe(1);
    clock.advance(30);
    waits[0]?.end();
    expect(new Set(await Promise.all(flood))).toEqual(new Set([undefined]));
    expect(await right).toMatchObject({ id: 'key-2' });
    expect(store.revisions).toBe(2);
  });
});

describe('refresh', () => {
  it('loads only what has changed, and tells listeners', async () => {
    const ring = await open();
    const seen: number[] = [];
    ring.onChange(({ revision }) => seen.push(revision));
    await ring.refresh();
    expect(store.loads).toBe(1);
    store.change({ freeTierOnly: ['*'] });
    await ring.refresh();
    expect(ring.state.freeTierOnly).toEqual(['*']);
    expect(store.loads).toBe(2);
    expect(seen).toEqual([1, 2]);
  });

  it('sees what was changed while another refresh was under way', async () => {
    const ring = await open();
    const first = ring.refresh();
    await turn();
    store.change({ keys: [] });
    await Promise.all([first, ring.refresh(), ring.refresh()]);
    expect(ring.verify(secret)).toBeInstanceOf(Promise);
  });

  it('keeps what it holds while the store is away, and says so once', async () => {
    const lines: string[] = [];
    const say = (_fields: object, line: string) => lines.push(line);
    const ring = await open({ ...silentLog, warn: say, info: say });
    store.isAway = true;
    store.change({ keys: [] });
    await ring.refresh();
    await ring.refresh();
    expect(ring.verify(secret)).toBe(key);
    expect(await ring.verify(makeSecret('api').secret)).toBeUndefined();
    expect(lines).toEqual(['keys cannot be read; those that are known stay in force']);
    store.isAway = false;
    await ring.refresh();
    expect(lines).toHaveLength(2);
    expect(ring.policyOf(account)).toBeUndefined();
  });
});

describe('policyOf', () => {
  const models = ['qwen-plus', 'qwen3-*'];

  it('grants what both the key and its workspace grant', async () => {
    const limits = { requestsPerMinute: 1 };
    store.state = {
      ...store.state,
      keys: [{ ...key, models, limits, keepsBodies: true }],
      workspaces: [workspace, { ...workspace, id: 'ws-1', models: ['*-max', 'qwen-plus'] }],
    };
    const ring = await open();
    const [inDefault, inOther] = [ring.policyOf(account), ring.policyOf({ ...account, workspaceId: 'ws-1' })];
    const asked = ['qwen-plus', 'qwen3-8b', 'qwen3-max', 'qwen-max', 'qwen3', 'xqwen-plus'];
    expect(asked.filter((model) => inDefault?.mayUse(model))).toEqual(['qwen-plus', 'qwen3-8b', 'qwen3-max']);
    expect(asked.filter((model) => inOther?.mayUse(model))).toEqual(['qwen-plus', 'qwen3-max']);
    expect(inDefault).toMatchObject({ limits, keepsBodies: true });
    expect(ring.policyOf(account)).toBe(inDefault);
  });

  it('follows a changed grant', async () => {
    const ring = await open();
    expect(ring.policyOf(account)?.mayUse('qwen-max')).toBe(true);
    store.change({ keys: [{ ...key, models }] });
    await ring.refresh();
    expect(ring.policyOf(account)?.mayUse('qwen-max')).toBe(false);
  });

  it('is nothing without a live key and a live workspace, and everything for anyone', async () => {
    const deleted = { ...workspace, id: 'ws-1', deletedAtMs: 1 };
    store.state = { ...store.state, workspaces: [workspace, deleted] };
    const ring = await open();
    expect(ring.policyOf({ ...account, keyId: 'key-unknown' })).toBeUndefined();
    expect(ring.policyOf({ ...account, workspaceId: 'ws-1' })).toBeUndefined();
    expect(ring.workspace('ws-1')).toBeUndefined();
    expect(ring.workspace('default')).toBe(workspace);
    expect(ring.policyOf({ ...account, keyId: 'anonymous' })?.mayUse('anything')).toBe(true);
  });
});

describe('temporary keys', () => {
  it('stand for their key until they expire, and only their hash is stored', async () => {
    const ring = await open();
    const made = await ring.createTemporary('key-1', 60_000);
    expect(made).toEqual({
      secret: expect.stringMatching(/^st-[0-9a-f]{32}$/),
      expiresAtMs: clock.now() + 60_000,
    });
    const temporary = made?.secret ?? '';
    expect([...store.temporary.keys()]).toEqual([hashOfSecret(temporary)]);
    expect(ring.verify(temporary)).toEqual({ ...key, isTemporary: true });
    clock.advance(59_999);
    expect(ring.verify(temporary)).toBeDefined();
    clock.advance(1);
    expect(await ring.verify(temporary)).toBeUndefined();
  });

  it('die with their key', async () => {
    const ring = await open();
    const made = await ring.createTemporary('key-1', 60_000);
    store.change({ keys: [{ ...key, revokedAtMs: 1 }] });
    await ring.refresh();
    expect(ring.verify(made?.secret ?? '')).toBeUndefined();
    expect(await ring.createTemporary('key-1', 1000)).toBeUndefined();
    expect(await ring.createTemporary('key-unknown', 1000)).toBeUndefined();
  });

  it('are found on a server that has not made them, many with one question', async () => {
    const maker = await open();
    const [a, b] = await Promise.all([maker.createTemporary('key-1', 60_000), maker.createTemporary('key-1', 60_000)]);
    const other = await open();
    const wrong = makeSecret('temporary').secret;
    const found = await Promise.all([a?.secret, b?.secret, wrong].map((each) => other.verify(each ?? '')));
    expect(found.map((each) => each?.isTemporary)).toEqual([true, true, undefined]);
    expect(store.found.map((hashes) => hashes.length)).toEqual([3]);
    expect(other.verify(a?.secret ?? '')).not.toBeInstanceOf(Promise);
  });

  it('are refused unasked beyond what one question is about', async () => {
    const ring = await open();
    const flood = Array.from({ length: 1001 }, () => ring.verify(makeSecret('temporary').secret));
    expect(new Set(await Promise.all(flood))).toEqual(new Set([undefined]));
    expect(store.found.map((hashes) => hashes.length)).toEqual([1000]);
  });
});
