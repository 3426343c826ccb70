/** `atelier backup` while a server runs and writes, and a server that starts from what it made. */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from './support/server.ts';

const CLI = join(import.meta.dirname, '../src/cli/main.ts');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atelier-backup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function atelier(home: string, ...args: string[]): Promise<{ code: number | null; out: string; errors: string }> {
  const child = spawn(process.execPath, [CLI, ...args, '--home', home], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, errors })));
}

const clientOf = ({ key, openAiBaseUrl }: Pick<TestServer, 'key' | 'openAiBaseUrl'>) =>
  new OpenAI({ apiKey: key, baseURL: openAiBaseUrl, maxRetries: 0 });

describe('a backup of a server that runs', () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await startTestServer();
  });
  afterEach(() => server.close());

  it('is whole and sound though calls go on, and a server restored from it has the keys, files and conversations', async () => {
    const client = clientOf(server);
    const upload = new File(['the bytes of a file'], 'a.txt');
    const { id } = await client.files.create({ file: upload, purpose: 'file-extract' as 'assistants' });
    const conversation = await client.conversations.create({ metadata: { topic: 'tides' } });
    expect((await server.chat({ model: 'qwen-plus', messages: [{ role: 'user', content: 'Hi' }] })).status).toBe(200);
    await server.running.flush();
    let isWriting = true;
    const writing = (async () => {
      while (isWriting) {
        await client.conversations.create({ metadata: { at: 'the same time' } });
        await server.chat({ model: 'qwen-plus', messages: [{ role: 'user', content: 'Hi' }] });
      }
    })();
    const file = join(folder, 'backup.db');
    const { code, out, errors } = await atelier(server.home, 'backup', file);
    isWriting = false;
    await writing;
    expect([code, errors]).toEqual([0, expect.stringContaining('To restore it')]);
    expect(out).toContain(`Backed up to ${file}`);
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o077).toBe(0);
    expect(existsSync(`${file}.part`)).toBe(false);

    const copy = new BetterSqlite3(file, { readonly: true });
    expect(copy.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(copy.prepare('SELECT count(*) FROM receipts').pluck().get()).toBeGreaterThan(0);
    copy.close();

    const home = join(folder, 'restored');
    mkdirSync(home);
    copyFileSync(file, join(home, 'atelier.db'));
    const again = await startTestServer({ home });
    const restoredClient = new OpenAI({ apiKey: server.key, baseURL: again.openAiBaseUrl, maxRetries: 0 });
    expect(await (await restoredClient.files.content(id)).text()).toBe('the bytes of a file');
    expect((await restoredClient.conversations.retrieve(conversation.id)).metadata).toEqual({ topic: 'tides' });
    await restoredClient.files.delete(id);
    await expect(restoredClient.files.content(id)).rejects.toMatchObject({ status: 404 });
    await again.close();
  });

  it('is never written over a file that is there', async () => {
    const file = join(folder, 'mine.txt');
    writeFileSync(file, 'mine');
    const { code, errors } = await atelier(server.home, 'backup', file);
    expect(code).toBe(1);
    expect(errors).toContain('is there already. Fix: name another file, or delete it.');
    expect(statSync(file).size).toBe(4);
  });

  it('needs a folder to be in', async () => {
    const { code, errors } = await atelier(server.home, 'backup', join(folder, 'nowhere', 'backup.db'));
    expect(code).toBe(1);
    expect(errors).toContain('is no folder. Fix: make it, or name another.');
  });
});

it('a home without a database has nothing to back up', async () => {
  const { code, errors } = await atelier(folder, 'backup', join(folder, 'backup.db'));
  expect([code, errors]).toEqual([1, expect.stringContaining('There is nothing to back up')]);
  expect(existsSync(join(folder, 'backup.db'))).toBe(false);
});

it('with Postgres says how Postgres does it, and tells no password', async () => {
  const url = 'postgres://atelier:secret@127.0.0.1:1/atelier';
  const { code, errors } = await atelier(folder, 'backup', join(folder, 'backup.db'), '--database', url);
  expect([code, errors]).toEqual([1, expect.stringContaining('pg_dump')]);
  expect(errors).not.toContain('secret');
});
