import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { apiKeyFile, ensureLocalKey, readLocalKey } from './api-key.ts';
import { withKeyStore } from './local-database.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'atelier-key-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const liveKeys = () => withKeyStore({ home }, (keys) => keys.list().filter((key) => key.revokedAtMs === null));

it('makes a key on the first start, for its owner only, and keeps it', async () => {
  const first = await ensureLocalKey({ home });
  expect(first).toMatchObject({ isNew: true, file: apiKeyFile({ home }) });
  expect(readFileSync(apiKeyFile({ home }), 'utf8')).toBe(`${first?.secret}\n`);
  if (process.platform !== 'win32') expect(statSync(apiKeyFile({ home })).mode & 0o077).toBe(0);
  expect(await ensureLocalKey({ home })).toEqual({ ...first, isNew: false });
  expect(await readLocalKey({ home })).toBe(first?.secret);
  expect(await liveKeys()).toHaveLength(1);
});

it('makes none behind the back of a user who has keys', async () => {
  await ensureLocalKey({ home });
  await withKeyStore({ home }, (keys) => keys.create('mine'));
  rmSync(apiKeyFile({ home }));
  expect(await ensureLocalKey({ home })).toBeUndefined();
  expect(await readLocalKey({ home })).toBeUndefined();
});

it('replaces a kept key that was revoked when no other lives', async () => {
  const first = await ensureLocalKey({ home });
  await withKeyStore({ home }, (keys) => keys.list().map(({ id }) => keys.revoke(id)));
  const second = await ensureLocalKey({ home });
  expect(second).toMatchObject({ isNew: true });
  expect(second?.secret).not.toBe(first?.secret);
});

it('ends with one live key when two start at once', async () => {
  const [a, b] = await Promise.all([ensureLocalKey({ home }), ensureLocalKey({ home })]);
  expect(a?.secret).toBe(b?.secret);
  expect(await liveKeys()).toHaveLength(1);
});
