/**
 * Databases of every earlier schema, as the released program made and filled them: the present program opens them, everything
 * is there, and its stores read it. A migration that was released is never edited; here it would show. On Postgres nothing
 * was released before 0007, and a new database there goes through the same migrations in every other test.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../src/stores/migrations/index.ts';
import { createBatchStore } from '../src/stores/sql/batches.ts';
import { blobIdsInUse } from '../src/stores/sql/blob-references.ts';
import { createConversationStore } from '../src/stores/sql/conversations.ts';
import { type Database, openDatabase } from '../src/stores/sql/database.ts';
import { createFileStore } from '../src/stores/sql/files.ts';
import { createPlatformStore } from '../src/stores/sql/platform.ts';
import { createResponseStore } from '../src/stores/sql/responses.ts';
import { createSealer } from '../src/stores/sql/sealing.ts';
import { createTaskStore } from '../src/stores/sql/tasks.ts';
import { createUploadStore } from '../src/stores/sql/uploads.ts';
import { fixedClock, testOwner } from './support/context.ts';

const FOLDER = join(import.meta.dirname, 'released-databases');
/** What was there before there were regions is its. */
const beijing = testOwner();

/** Sealed by the released program with the key of these databases. */
const SEALED_BEFORE = 's-Hew0SXNcn7PeIJ--wvLNDU0DofpOZsdw-0LwkTxLaeZpxBW67AbTSc5YJH';

const RELEASED = readdirSync(FOLDER).map((file) => file.replace('.sql', ''));

type Rows = Record<string, Record<string, unknown>[]>;

function rowsOf(sqlite: BetterSqlite3.Database): Rows {
  const tables = sqlite
    .prepare<[], string>(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%sqlite%'`)
    .pluck()
    .all()
    .filter((name) => !name.startsWith('kysely_'));
  return Object.fromEntries(
    tables.map((table) => [table, sqlite.prepare<[], Record<string, unknown>>(`SELECT * FROM "${table}"`).all()]),
  );
}

it('there is one of every migration that was released', () => {
  expect(RELEASED).toEqual(Object.keys(MIGRATIONS).slice(0, RELEASED.length));
  expect(RELEASED.length).toBeGreaterThanOrEqual(6);
});

describe.each(RELEASED)('a database of %s', (name) => {
  const clock = fixedClock();
  const server = { id: 'server-1', clock };
  const has = (migration: string) => name >= migration;
  let folder: string;
  let before: Rows;
  let database: Database;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'atelier-released-'));
    const file = join(folder, 'atelier.db');
    const released = new BetterSqlite3(file);
    released.exec(readFileSync(join(FOLDER, `${name}.sql`), 'utf8'));
    before = rowsOf(released);
    released.close();
    database = await openDatabase(file);
  });
  afterEach(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('has every row, unchanged, in the schema of a new one', async () => {
    const file = join(folder, 'atelier.db');
    const after = new BetterSqlite3(file, { readonly: true });
    const rows = rowsOf(after);
    for (const [table, old] of Object.entries(before)) expect(rows[table], table).toMatchObject(old);
    expect(Object.values(before).flat().length).toBeGreaterThan(4);
    const fresh = join(folder, 'fresh.db');
    await (await openDatabase(fresh)).close();
    const made = new BetterSqlite3(fresh, { readonly: true });
    expect(columnsOf(after)).toEqual(columnsOf(made));
    expect(after.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(after.pragma('foreign_key_check')).toEqual([]);
    after.close();
    made.close();
  });

  it('is read by the stores', async () => {
    const { keys, workspaces, revision } = await createPlatformStore(database, clock).load();
    expect(keys.map(({ id, region, workspaceId, revokedAtMs }) => [id, region, workspaceId, revokedAtMs])).toEqual([
      ['key-1', 'beijing', 'default', null],
      ['key-2', 'beijing', 'default', 1_764_100_000_500],
    ]);
    expect(workspaces.map(({ id }) => id)).toEqual(['default']);
    expect(revision).toBeGreaterThan(0);
    const files = await createFileStore(database).list(beijing, { limit: 9 });
    expect(files.files.map(({ fileId, name: title }) => [fileId, title])).toEqual(
      has('0002')
        ? [
            ['uuid-2', 'b.bin'],
            ['file-fe-1', '说明.txt'],
          ]
        : [],
    );
    const responses = createResponseStore(database, server);
    const chain = await responses.chain(beijing, 'resp_2');
    expect(chain.map(({ responseId }) => responseId)).toEqual(has('0003') ? ['resp_1', 'resp_2'] : []);
    expect((await responses.unfinished()).map(({ responseId }) => responseId)).toEqual(has('0003') ? ['resp_3'] : []);
    const conversations = createConversationStore(database);
    expect((await conversations.find(beijing, 'conv_1'))?.usedAtMs).toBe(has('0003') ? 1_764_100_000_009 : undefined);
    const { items } = await conversations.items('conv_1');
    expect(items.map(({ text }) => text)).toEqual(has('0003') ? ['说1', '说2'] : []);
    const batches = createBatchStore(database, server);
    const unfinished = await batches.claimUnfinished();
    expect(unfinished.map(({ batchId, account }) => [batchId, account.region])).toEqual(
      has('0004') ? [['batch_1', 'beijing']] : [],
    );
    expect(await batches.doneLines('batch_1')).toEqual(new Set(has('0004') ? [1] : []));
    const upload = await createUploadStore(database).find('dashscope-instant/x/cat.png');
    expect([upload?.model, upload?.region]).toEqual(has('0005') ? ['qwen-vl-plus', 'beijing'] : [undefined, undefined]);
    const task = await createTaskStore(database).find(beijing, 'task-1');
    expect(task?.status).toBe(has('0005') ? 'SUCCEEDED' : undefined);
    expect((await blobIdsInUse(database)).has('f'.repeat(32))).toBe(has('0002'));
  });

  it('opens what was sealed with its key', async () => {
    const kept = (await database.queries.selectFrom('sealing_keys').select('secret').executeTakeFirst())?.secret;
    expect(kept?.equals(Buffer.alloc(64, 7)) ?? false).toBe(has('0003'));
    const sealer = await createSealer(database);
    expect(sealer.open(beijing, SEALED_BEFORE)).toBe(has('0003') ? 'thought of before' : undefined);
    expect(sealer.open(testOwner({ region: 'singapore' }), SEALED_BEFORE)).toBeUndefined();
    expect(sealer.open(beijing, sealer.seal(beijing, 'thought'))).toBe('thought');
  });

  it('has its receipts in the sums', async () => {
    const { queries } = database;
    const sums = await queries
      .selectFrom('usage_totals')
      .select(({ fn }) => [fn.sum<number>('calls').as('calls'), fn.sum<number>('charge_nano').as('nano')])
      .executeTakeFirstOrThrow();
    expect(sums).toEqual({ calls: 3, nano: has('0006') ? 6000 : 0 });
  });
});

/** Columns of every table with their types, and the names of the indexes. */
function columnsOf(sqlite: BetterSqlite3.Database): unknown[] {
  return sqlite
    .prepare(
      `SELECT tables.name, columns.name AS column, columns.type, columns."notnull", columns.dflt_value AS fallback
       FROM sqlite_master AS tables JOIN pragma_table_info(tables.name) AS columns
       WHERE tables.type IN ('table', 'index') ORDER BY 1, 2`,
    )
    .all();
}
