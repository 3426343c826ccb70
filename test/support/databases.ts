/**
 * Both databases for tests: SQLite, and a real Postgres where one runs. A suite is written once and run on both:
 * `onEachDatabase((databases) => { … databases.open() … })`.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { describe, inject } from 'vitest';
import { type Database, openDatabase } from '../../src/stores/sql/database.ts';
// Types only: the server itself must not be loaded in a worker.
import type { PostgresAddress, PostgresDoor } from './postgres-server.ts';

export interface TestDatabases {
  readonly name: 'SQLite' | 'Postgres';
  /** A database of its own with the newest schema and no rows; `close` also removes it. */
  open(): Promise<Database>;
  /** The same, by its location (`config.database`), to be opened several times or by servers; or quite empty, without tables. */
  create(content?: 'schema' | 'nothing'): Promise<TestDatabase>;
}

export interface TestDatabase {
  readonly location: string;
  open(): Promise<Database>;
  /** To be called when all that was opened is closed. */
  remove(): Promise<void>;
}

const sqlite: TestDatabases = {
  name: 'SQLite',
  open: () => openDatabase(':memory:'),
  create: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'atelier-database-'));
    const location = join(folder, 'atelier.db');
    return {
      location,
      open: () => openDatabase(location),
      remove: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};

function postgresAt({ url, template }: PostgresAddress): TestDatabases {
  const create = async (content: 'schema' | 'nothing' = 'schema'): Promise<TestDatabase> => {
    const name = `test_${randomBytes(6).toString('hex')}`;
    await statement(
      `${url}postgres`,
      `CREATE DATABASE ${name} TEMPLATE ${content === 'schema' ? template : 'template0'}`,
    );
    return {
      location: url + name,
      open: () => openDatabase(url + name),
      remove: async () => {
        await statement(`${url}postgres`, `DROP DATABASE ${name} WITH (FORCE)`);
      },
    };
  };
  // To make a database takes half a second, to empty one a tenth of that.
  const idle: EmptiedDatabase[] = [];
  return {
    name: 'Postgres',
    create,
    open: async () => {
      const own = idle.pop() ?? (await emptyAgain((await create()).location));
      const database = await openDatabase(own.location);
      return {
        ...database,
        close: async () => {
          await database.close();
          await own.empty();
          idle.push(own);
        },
      };
    },
  };
}

interface EmptiedDatabase {
  readonly location: string;
  empty(): Promise<void>;
}

/** A new database, and how to make it as it was. */
async function emptyAgain(location: string): Promise<EmptiedDatabase> {
  const tables = await tableNames(location);
  const rows = new Map<string, string>();
  for (const table of tables) {
    const [found] = await statement(location, `SELECT json_agg(t) AS rows FROM "${table}" AS t`);
    if (found?.rows) rows.set(table, JSON.stringify(found.rows));
  }
  return {
    location,
    empty: async () => {
      const added = (await tableNames(location)).filter((table) => !tables.includes(table));
      const list = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ');
      await statement(
        location,
        [
          ...(added.length > 0 ? [`DROP TABLE ${list(added)}`] : []),
          `TRUNCATE ${list(tables)} RESTART IDENTITY CASCADE`,
          ...[...rows].map(([table, json]) => {
            const records = `json_populate_recordset(NULL::"${table}", ${pg.escapeLiteral(json)})`;
            return `INSERT INTO "${table}" SELECT * FROM ${records}`;
          }),
        ].join('; '),
      );
    },
  };
}

async function tableNames(location: string): Promise<string[]> {
  const rows = await statement(
    location,
    `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'kysely_%'`,
  );
  return rows.map(({ tablename }) => String(tablename));
}

async function statement(location: string, text: string): Promise<{ readonly [column: string]: unknown }[]> {
  const client = new pg.Client(location);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

const door = (await (await fetch(inject('postgresDoor'))).json()) as PostgresDoor;

/** Why nothing can be run on Postgres; undefined when it can. */
export const POSTGRES_MISSING: string | undefined = 'missing' in door ? door.missing : undefined;

/** The databases there are. */
export const DATABASES: readonly TestDatabases[] = 'missing' in door ? [sqlite] : [sqlite, postgresAt(door)];

/** Runs a suite on SQLite and on Postgres; without one, its tests there are skipped and say why. */
export function onEachDatabase(suite: (databases: TestDatabases) => void): void {
  for (const databases of DATABASES) describe(`on ${databases.name}`, () => suite(databases));
  if (POSTGRES_MISSING !== undefined) describe.skip(`on Postgres (${POSTGRES_MISSING})`, () => suite(sqlite));
}
