import { statSync } from 'node:fs';
import { inspect } from 'node:util';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { onEachDatabase, type TestDatabase } from '../../../test/support/databases.ts';
import { type Database, DatabaseUnusable, isPostgres, openDatabase } from './database.ts';

onEachDatabase((databases) => {
  describe('a location', () => {
    let created: TestDatabase;
    beforeEach(async () => {
      created = await databases.create('nothing');
    });
    afterEach(() => created.remove());

    it('is brought to the newest schema, also by two processes at once', async () => {
      const both = await Promise.all([created.open(), created.open()]);
      for (const { queries } of both)
        expect(await queries.selectFrom('workspaces').select('id').execute()).toEqual([{ id: 'default' }]);
      await Promise.all(both.map((database) => database.close()));
    });

    it('keeps what was written, and is opened again', async () => {
      const first = await created.open();
      await first.queries.insertInto('settings').values({ name: 'a', value: '1' }).execute();
      await first.close();
      const second = await created.open();
      expect(await second.queries.selectFrom('settings').selectAll().execute()).toEqual([{ name: 'a', value: '1' }]);
      await second.close();
    });

    it('is nobody else’s business', async () => {
      const database = await created.open();
      if (!isPostgres(created.location) && process.platform !== 'win32')
        expect(statSync(created.location).mode & 0o077).toBe(0);
      await database.close();
    });

    it('does one of a name at a time, in several processes', async () => {
      const servers = await Promise.all([created.open(), created.open(), created.open()]);
      const add = ({ exclusively }: Database) =>
        exclusively('the count', async (transaction) => {
          const row = await transaction.selectFrom('settings').select('value').executeTakeFirst();
          // Long enough for another one to read the same, if it could.
          await new Promise((resolve) => setImmediate(resolve));
          const value = String(Number(row?.value ?? 0) + 1);
          await transaction
            .insertInto('settings')
            .values({ name: 'count', value })
            .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
            .execute();
        });
      // On SQLite several connections of one process cannot wait for each other: a wait there stops the process.
      const adders = databases.name === 'SQLite' ? servers.slice(0, 1) : servers;
      await Promise.all(adders.flatMap((server) => [add(server), add(server), add(server)]));
      const rows = await servers[0]?.queries.selectFrom('settings').select('value').execute();
      expect(rows).toEqual([{ value: String(3 * adders.length) }]);
      await Promise.all(servers.map((server) => server.close()));
    });
  });

  describe('many rows at once', () => {
    let database: Database;
    beforeEach(async () => {
      database = await databases.open();
    });
    afterEach(() => database.close());

    const insertBodies = (...ids: string[]) =>
      database.queries.transaction().execute((transaction) =>
        database.insertNew(
          transaction,
          'call_bodies',
          'receipt_id',
          ids.map((id) => ({ receipt_id: id, request: `"${id}"`, reply: '', expires_at_ms: 1 })),
        ),
      );

    it('are written, and those that are new are told', async () => {
      expect(await insertBodies('a', 'b')).toEqual(new Set(['a', 'b']));
      expect(await insertBodies('b', 'c', 'c')).toEqual(new Set(['c']));
      expect(await insertBodies()).toEqual(new Set());
      const rows = await database.queries.selectFrom('call_bodies').select('request').orderBy('request').execute();
      expect(rows.map(({ request }) => request)).toEqual(['"a"', '"b"', '"c"']);
    });

    it('may hold text that a database cannot keep', async () => {
      await insertBodies('nul \0', 'half \ud83d', 'whole 😀');
      const rows = await database.queries.selectFrom('call_bodies').select('receipt_id').execute();
      expect(rows).toHaveLength(3);
      expect(rows.map(({ receipt_id }) => receipt_id)).toContain('whole 😀');
    });

    const add = (rows: { name: string; nano: number }[]) =>
      database.queries.transaction().execute((transaction) =>
        database.addSums(
          transaction,
          'spending',
          ['scope', 'scope_id', 'period'],
          rows.map(({ name, nano }) => ({ scope: 'key', scope_id: name, period: 'total', nano })),
        ),
      );

    it('are added to what is there', async () => {
      await add([
        { name: 'a', nano: 1 },
        { name: 'b', nano: 2 },
      ]);
      await add([
        { name: 'b', nano: 40 },
        { name: 'c', nano: 5 },
      ]);
      const rows = await database.queries.selectFrom('spending').select(['scope_id', 'nano']).execute();
      expect(new Map(rows.map(({ scope_id, nano }) => [scope_id, nano]))).toEqual(
        new Map([
          ['a', 1],
          ['b', 42],
          ['c', 5],
        ]),
      );
    });

    it('are added also where two names become one', async () => {
      await add([
        { name: 'a\0', nano: 1 },
        { name: 'a\ufffd', nano: 2 },
      ]);
      const rows = await database.queries.selectFrom('spending').select('nano').execute();
      expect(rows.reduce((sum, { nano }) => sum + nano, 0)).toBe(3);
    });

    it('are numbers, whatever their size', async () => {
      const { rows } = await sql<{
        sum: number;
      }>`SELECT sum(n) AS sum FROM (SELECT 9007199254740991 AS n) AS t`.execute(database.queries);
      expect(rows).toEqual([{ sum: 9_007_199_254_740_991 }]);
    });
  });
});

describe('a Postgres that cannot be used', () => {
  it.each([
    [
      'postgres://me:secret@127.0.0.1:1/atelier',
      'the Postgres at 127.0.0.1:1/atelier cannot be used: connect ECONNREFUSED',
    ],
    ['postgres://me:secret@127.0.0.1:one/atelier', 'the Postgres at a URL that cannot be read cannot be used'],
  ])('is named without its password: %s', async (url, message) => {
    const thrown = await openDatabase(url).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(DatabaseUnusable);
    expect(String(thrown)).toContain(message);
    expect(inspect(thrown, { depth: 5 })).not.toContain('secret');
  });
});
