/**
 * Opens the database, SQLite's file or a Postgres, and brings it to the newest schema. Stores write their queries once, with
 * Kysely, and run on both; what differs between the two is in this file, in `migrations/` and nowhere else.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import {
  Kysely,
  PostgresDialect,
  type PostgresPool,
  type PostgresPoolClient,
  SqliteDialect,
  sql,
  type Transaction,
} from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { MIGRATIONS } from '../migrations/index.ts';
import type { Tables } from './tables.ts';

/** Long enough for another process's short writes; a writer that is kept longer gets SQLITE_BUSY and tries again later. */
const BUSY_TIMEOUT_MS = 1000;
/** How long another process may take to migrate the same file. */
const OPEN_TIMEOUT_MS = 15_000;

/** Connections to Postgres; a store's query takes one for a few milliseconds. */
const POOL_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 5000;

/** One open database. */
export interface Database {
  readonly dialect: 'sqlite' | 'postgres';
  readonly queries: Kysely<Tables>;
  /**
   * Writes many rows of one table within a transaction, faster than a query can, and tells which were new: those whose unique
   * columns are there already are left out. Every row has the same columns.
   */
  insertNew<Name extends keyof Tables & string>(
    transaction: Transaction<Tables>,
    table: Name,
    key: keyof Tables[Name] & string,
    rows: readonly Row[],
  ): Promise<ReadonlySet<string>>;
  /**
   * Adds the rows of one table within a transaction: what is not there is inserted, otherwise every column that is no key
   * grows by the row's. Rows are unique by their key, and come in the same order in every process, which then cannot wait
   * for each other in a circle.
   */
  addSums<Name extends keyof Tables & string>(
    transaction: Transaction<Tables>,
    table: Name,
    keys: readonly (keyof Tables[Name] & string)[],
    rows: readonly Row[],
  ): Promise<void>;
  /**
   * A transaction that no other of the same name overlaps, in this process or another: for what is checked and then written.
   * Its action must query the transaction it is given: SQLite has one connection, which the transaction holds.
   */
  exclusively<Result>(name: string, action: (transaction: Transaction<Tables>) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

export type Row = { readonly [column: string]: string | number | null };

/** `postgres://…` and `postgresql://…` are a server, everything else is SQLite's file (or `:memory:`). */
export function openDatabase(location: string): Promise<Database> {
  return isPostgres(location) ? openPostgres(location) : openSqlite(location);
}

export function isPostgres(location: string): boolean {
  return /^postgres(ql)?:\/\//.test(location);
}

/** Opens (or makes) the file, readable by its owner only, and runs the migrations it has not seen. */
export async function openSqlite(file: string): Promise<Database> {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const sqlite = new BetterSqlite3(file, { timeout: 0 });
  // Hashes of keys and who called what are nobody else's business.
  if (file !== ':memory:') chmodSync(file, 0o600);
  const queries = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
  try {
    await whenUnlocked(() => sqlite.pragma('journal_mode = WAL'));
    // A kill -9 loses nothing with NORMAL; only a power cut may take the last receipts.
    sqlite.pragma('synchronous = NORMAL');
    sqlite.pragma('foreign_keys = ON');
    await migrateSqlite(sqlite, queries);
  } catch (error) {
    await queries.destroy();
    throw error;
  }
  sqlite.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
  const statements = new Statements(sqlite);
  return {
    dialect: 'sqlite',
    queries,
    // On SQLite the transaction holds the only connection, so these statements are part of it.
    insertNew: async (_transaction, table, key, rows) => insertPrepared(statements, table, key, rows),
    exclusively: (_name, action) =>
      queries.transaction().execute(async (transaction) => {
        // Takes the one lock of all writers: a transaction that reads first cannot get it once another process has written.
        await sql`UPDATE revisions SET revision = revision WHERE false`.execute(transaction);
        return action(transaction);
      }),
    addSums: async (_transaction, table, keys, rows) => addPrepared(statements, table, keys, rows),
    close: () => queries.destroy(),
  };
}

/** Takes the values of a row, in the order of its columns. */
type InsertStatement = BetterSqlite3.Statement<[(string | number | null)[]]>;

/** Statements that were prepared once: to prepare one takes as long as to write several rows with it. */
class Statements {
  readonly #sqlite: BetterSqlite3.Database;
  readonly #prepared = new Map<string, InsertStatement>();

  constructor(sqlite: BetterSqlite3.Database) {
    this.#sqlite = sqlite;
  }

  /** Writes rows into the columns, one run a row. */
  insert(table: string, columns: readonly string[], onConflict: string): InsertStatement {
    const name = `${table} ${columns.join()} ${onConflict}`;
    const known = this.#prepared.get(name);
    if (known) return known;
    const statement = this.#sqlite.prepare<[(string | number | null)[]]>(
      `INSERT INTO "${table}" (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
       ON CONFLICT ${onConflict}`,
    );
    this.#prepared.set(name, statement);
    return statement;
  }
}

function insertPrepared(statements: Statements, table: string, key: string, rows: readonly Row[]): ReadonlySet<string> {
  const columns = Object.keys(rows[0] ?? {});
  const written = new Set<string>();
  if (columns.length === 0) return written;
  const insert = statements.insert(table, columns, 'DO NOTHING');
  for (const row of rows)
    if (insert.run(columns.map((column) => row[column] ?? null)).changes > 0) written.add(String(row[key]));
  return written;
}

function addPrepared(statements: Statements, table: string, keys: readonly string[], rows: readonly Row[]): void {
  const columns = Object.keys(rows[0] ?? {});
  if (columns.length === 0) return;
  const counts = columns.filter((column) => !keys.includes(column));
  const grown = counts.map((name) => `${name} = ${name} + excluded.${name}`);
  const add = statements.insert(table, columns, `(${keys.join(', ')}) DO UPDATE SET ${grown.join(', ')}`);
  for (const row of rows) add.run(columns.map((column) => row[column] ?? null));
}

/** A Postgres that cannot be used, and why; without the password that its URL may hold. */
export class DatabaseUnusable extends Error {
  // Without a cause: what cannot read a URL carries it along.
  constructor(url: string, cause: unknown) {
    super(`the Postgres at ${placeOf(url)} cannot be used: ${reasonOf(cause)}`);
    this.name = 'DatabaseUnusable';
  }
}

function placeOf(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return host + pathname;
  } catch {
    return 'a URL that cannot be read';
  }
}

/** A host with several addresses fails with one error for each, and no words of its own. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? cause.message : String(cause);
}

/** Connects, and runs the migrations the database has not seen. Throws `DatabaseUnusable` where it cannot connect. */
export async function openPostgres(url: string): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    types: { getTypeParser: typeParser },
    application_name: 'atelier',
  });
  // A connection that breaks while idle is replaced at the next query, which reports what is wrong if anything is.
  pool.on('error', () => {});
  try {
    await pool.query('SELECT 1');
  } catch (thrown) {
    await pool.end();
    throw new DatabaseUnusable(url, thrown);
  }
  const queries = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: withStorableText(pool) }) });
  try {
    await migrateToLatest(queries);
  } catch (error) {
    await queries.destroy();
    throw error;
  }
  return {
    dialect: 'postgres',
    queries,
    insertNew: async (transaction, table, key, rows) => {
      const columns = Object.keys(rows[0] ?? {});
      if (columns.length === 0) return new Set();
      const names = sql.join(columns.map((column) => sql.ref(column)));
      const target = sql.table(table);
      const inserted = await sql<{ key: string }>`
        INSERT INTO ${target} (${names})
        SELECT ${names} FROM json_populate_recordset(NULL::${target}, ${jsonOf(rows)}::json)
        ON CONFLICT DO NOTHING RETURNING ${sql.ref(key)} AS key`.execute(transaction);
      return new Set(inserted.rows.map((row) => row.key));
    },
    addSums: async (transaction, table, keys, rows) => {
      const columns = Object.keys(rows[0] ?? {});
      if (columns.length === 0) return;
      const names = sql.join(columns.map((column) => sql.ref(column)));
      const target = sql.table(table);
      const isKey = (column: string): boolean => (keys as readonly string[]).includes(column);
      const grown = columns
        .filter((column) => !isKey(column))
        .map((column) => sql`${sql.ref(column)} = ${sql.ref(`${table}.${column}`)} + ${sql.ref(`excluded.${column}`)}`);
      // Rows that are unique here may be the same there (`storable`), and no statement may change a row twice.
      const summed = columns.map((column) => (isKey(column) ? sql.ref(column) : sql`sum(${sql.ref(column)})`));
      const key = sql.join(keys.map((name) => sql.ref(name)));
      await sql`
        INSERT INTO ${target} (${names})
        SELECT ${sql.join(summed)} FROM json_populate_recordset(NULL::${target}, ${jsonOf(rows)}::json)
        GROUP BY ${key} ORDER BY ${key}
        ON CONFLICT (${key}) DO UPDATE SET ${sql.join(grown)}`.execute(transaction);
    },
    exclusively: (name, action) =>
      queries.transaction().execute(async (transaction) => {
        await sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(transaction);
        return action(transaction);
      }),
    close: () => queries.destroy(),
  };
}

/**
 * Postgres's text holds neither NUL nor half a surrogate pair, which SQLite's holds both. Clients may send them (`%00` in a
 * path, a name in JSON); what is looked for with one is not there, what is kept shows that something was.
 */
function storable(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const text = value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value;
  return text.isWellFormed() ? text : text.toWellFormed();
}

function jsonOf(rows: readonly Row[]): string {
  return JSON.stringify(rows, (_name, value) => storable(value));
}

function withStorableText(pool: pg.Pool): PostgresPool {
  return {
    options: pool.options,
    connect: async () => {
      const client = await pool.connect();
      const query = (text: string, values: readonly unknown[]) => client.query(text, values.map(storable));
      return { query: query as unknown as PostgresPoolClient['query'], release: (destroy) => client.release(destroy) };
    },
    end: () => pool.end(),
  };
}

/** Integers of 64 bits and sums of them come as text by default; ours stay within what a number holds exactly. */
const NUMERIC_TYPES = new Set<number>([pg.types.builtins.INT8, pg.types.builtins.NUMERIC]);

function typeParser(type: number, format: 'text' | 'binary' = 'text') {
  return NUMERIC_TYPES.has(type)
    ? Number
    : format === 'text'
      ? pg.types.getTypeParser(type)
      : pg.types.getTypeParser(type, 'binary');
}

/** All or nothing, and one process at a time: Kysely does neither on SQLite by itself. */
async function migrateSqlite(sqlite: BetterSqlite3.Database, queries: Kysely<Tables>): Promise<void> {
  await whenUnlocked(() => sqlite.exec('BEGIN IMMEDIATE'));
  try {
    await migrateToLatest(queries);
  } catch (error) {
    sqlite.exec('ROLLBACK');
    throw error;
  }
  sqlite.exec('COMMIT');
}

async function migrateToLatest(queries: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({ db: queries, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } });
  const { error, results } = await migrator.migrateToLatest();
  if (!error) return;
  const failed = results?.find((result) => result.status === 'Error')?.migrationName;
  throw new Error(`the database could not be brought up to date${failed ? ` (migration ${failed})` : ''}`, {
    cause: error,
  });
}

/** SQLite's own waiting would stop this process, which may be the one that holds the lock. */
async function whenUnlocked(action: () => unknown): Promise<void> {
  const deadline = performance.now() + OPEN_TIMEOUT_MS;
  for (;;) {
    try {
      action();
      return;
    } catch (error) {
      const isBusy = error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY');
      if (!isBusy || performance.now() > deadline) throw error;
      await delay(20);
    }
  }
}
