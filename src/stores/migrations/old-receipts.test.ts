/** Receipts from before there were workspaces, regions and sums: they get an id, and are in every sum. */

import BetterSqlite3 from 'better-sqlite3';
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { expect, it } from 'vitest';
import { onEachDatabase } from '../../../test/support/databases.ts';
import { sumsThatDisagree } from '../../../test/support/sums.ts';
import { isPostgres } from '../sql/database.ts';
import type { Tables } from '../sql/tables.ts';
import { MIGRATIONS } from './index.ts';

const BEFORE = '0006-charges';
/** 30 November, 23:59:59 in Beijing. */
const NOVEMBER_MS = Date.parse('2026-11-30T15:59:59Z');

function oldReceipt(keyId: string, startedAtMs: number, nano: number) {
  const tokens = ['input_cached_read', 'input_cache_written', 'input_image', 'input_video', 'input_audio'] as const;
  return {
    request_id: 'r',
    protocol: 'openai-chat',
    key_id: keyId,
    model: 'qwen-plus',
    served_by: 'x',
    ending: 'completed',
    started_at_ms: startedAtMs,
    total_ms: 1,
    input_total: 3,
    ...(Object.fromEntries(tokens.map((name) => [name, 0])) as Record<(typeof tokens)[number], number>),
    input_tool_definitions: 0,
    output_total: 2,
    output_reasoning: 0,
    output_audio: 0,
    priority: 'live',
    charge_nano: nano,
    charge_lines: JSON.stringify([{ item: 'output_token', tokens: 2, nano }]),
  };
}

onEachDatabase((databases) => {
  it('old receipts are in the sums', async () => {
    const created = await databases.create('nothing');
    const dialect = isPostgres(created.location)
      ? new PostgresDialect({ pool: new pg.Pool({ connectionString: created.location }) })
      : new SqliteDialect({ database: new BetterSqlite3(created.location) });
    const old = new Kysely<Tables>({ dialect });
    const migrator = new Migrator({ db: old, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } });
    expect((await migrator.migrateTo(BEFORE)).error).toBeUndefined();
    await old
      .insertInto('receipts')
      .values([
        oldReceipt('key-1', NOVEMBER_MS, 10),
        oldReceipt('key-1', NOVEMBER_MS + 1000, 200),
        oldReceipt('key-2', NOVEMBER_MS, 3000),
        oldReceipt('key-2', NOVEMBER_MS, 0),
      ])
      .execute();
    await old.destroy();
    const database = await created.open();
    expect(await sumsThatDisagree(database)).toEqual([]);
    const months = await database.queries.selectFrom('spending').selectAll().where('scope', '=', 'key').execute();
    expect(months.map(({ scope_id, period, nano }) => `${scope_id} ${period} ${nano}`).sort()).toEqual([
      'key-1 2026-11 10',
      'key-1 2026-12 200',
      'key-1 total 210',
      'key-2 2026-11 3000',
      'key-2 total 3000',
    ]);
    const ids = await database.queries.selectFrom('receipts').select('receipt_id').orderBy('id').execute();
    expect(ids.map(({ receipt_id }) => receipt_id)).toEqual(['old-1', 'old-2', 'old-3', 'old-4']);
    await database.close();
    await created.remove();
  });
});
