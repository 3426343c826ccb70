/**
 * How long reports, the bill and pages of the request log take over many receipts, on SQLite and on Postgres: every grouping,
 * over a month and over everything, with and without filters. Receipts are written as the ledger writes them.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { randomFrom } from '../src/backends/embedded/testing/random.ts';
import { BEIJING, DAY_MS } from '../src/core/calendar.ts';
import type { Receipt } from '../src/core/ports.ts';
import { REGIONS } from '../src/core/regions.ts';
import { NO_USAGE } from '../src/core/usage.ts';
import {
  OTHER_GROUPINGS,
  type RequestQuery,
  TIME_GROUPINGS,
  type UsageFilter,
  type UsageGrouping,
} from '../src/core/usage-report.ts';
import { createBills } from '../src/stores/sql/bills.ts';
import { type Database, openDatabase } from '../src/stores/sql/database.ts';
import { createReceiptStore } from '../src/stores/sql/receipts.ts';
import { createRequestLog } from '../src/stores/sql/request-log.ts';
import { createUsageReports } from '../src/stores/sql/usage.ts';
import type { PostgresDoor } from '../test/support/postgres-server.ts';
import type { Row } from './gateway.ts';

const DAYS = 90;
const START_MS = Date.parse('2026-08-30T00:00Z');
const END_MS = START_MS + DAYS * DAY_MS;
const MONTH = '2026-10';
const REPEATS = 20;
const BATCH = 500;

/** What is measured, and how often. */
export async function benchUsage(receipts: number, seed: number): Promise<readonly Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'atelier-bench-'));
  const postgres = await startPostgres();
  try {
    const times = new Map<string, { [column: string]: number }>();
    const locations = { SQLite: join(folder, 'atelier.db'), ...(postgres && { Postgres: postgres.url }) };
    for (const [name, location] of Object.entries(locations)) {
      const database = await openDatabase(location);
      await fillAndTell(database, name, receipts, seed);
      for (const [title, action] of questions(database)) {
        const sorted = await timesOf(action);
        const row = { [`${name} p50`]: percentile(sorted, 0.5), [`${name} p95`]: percentile(sorted, 0.95) };
        times.set(title, { ...times.get(title), ...row });
      }
      await database.close();
    }
    return [...times].map(([name, values]) => ({ name, unit: '', values }));
  } finally {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fillAndTell(database: Database, name: string, receipts: number, seed: number): Promise<void> {
  const began = performance.now();
  await fill(database, receipts, seed);
  const seconds = (performance.now() - began) / 1000;
  say(`${name}: ${receipts} receipts written in ${Math.round(seconds)} s, ${Math.round(receipts / seconds)} a second`);
  // As a running database does by itself in the meantime.
  if (database.dialect === 'postgres') await sql`VACUUM ANALYZE`.execute(database.queries);
  for (const table of ['usage_hourly', 'usage_daily', 'usage_totals', 'bill_items'] as const) {
    const { rows } = await database.queries
      .selectFrom(table)
      .select(({ fn }) => fn.countAll<number>().as('rows'))
      .executeTakeFirstOrThrow();
    say(`${name}: ${table} has ${rows} rows`);
  }
}

/** In milliseconds, ascending. */
async function timesOf(action: (repeat: number) => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const start = performance.now();
    await action(repeat);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b);
}

// Questions.

type Question = readonly [title: string, action: (repeat: number) => Promise<unknown>];

function questions(database: Database): readonly Question[] {
  const reports = createUsageReports(database);
  const bills = createBills(database);
  const log = createRequestLog(database);
  const all: UsageFilter = { fromMs: START_MS, untilMs: END_MS };
  const month: UsageFilter = { fromMs: END_MS - 30 * DAY_MS, untilMs: END_MS };
  const report =
    (groupBy: UsageGrouping, filter: UsageFilter, timeZone = BEIJING) =>
    () =>
      reports.report({ ...filter, groupBy, timeZone, limit: 1000 });
  const page = (query: Partial<RequestQuery>) => () => log.page({ limit: 100, ...query });
  /** Other places in the log each time. */
  const deep = (query: Partial<RequestQuery>) => (repeat: number) =>
    log.page({ limit: 100, before: { startedAtMs: END_MS - (repeat + 1) * 4 * DAY_MS, id: 0 }, ...query });
  const groupings = [...TIME_GROUPINGS, ...OTHER_GROUPINGS];
  return [
    ...groupings.map((by): Question => [`by ${by}, 30 days`, report(by, month)]),
    ...groupings.map((by): Question => [`by ${by}, ${DAYS} days`, report(by, all)]),
    [`by day, ${DAYS} days, UTC`, report('day', all, 'UTC')],
    [`by day, ${DAYS} days, one key`, report('day', { ...all, keyId: keyOf(3) })],
    [`by day, ${DAYS} days, one key, UTC`, report('day', { ...all, keyId: keyOf(3) }, 'UTC')],
    [`by hour, ${DAYS} days, one model`, report('hour', { ...all, model: modelOf(7) })],
    [`by model, ${DAYS} days, one key`, report('model', { ...all, keyId: keyOf(3) })],
    [`by kind, 30 days`, () => reports.kinds(month)],
    [`by kind, ${DAYS} days`, () => reports.kinds(all)],
    ['bill, 1000 lines', () => bills.bill({ month: MONTH, limit: 1000 })],
    ['requests, newest', page({})],
    ['requests, deep', deep({})],
    ['requests of a key', deep({ keyId: keyOf(3) })],
    ['requests of a model', deep({ model: modelOf(7) })],
    ['requests of a region', deep({ region: 'frankfurt' })],
    ['requests that failed', deep({ ending: 'failed' })],
    ['requests of a key and a model it hardly uses', deep({ keyId: keyOf(3), model: modelOf(24) })],
    ['requests of a model that nobody used', page({ model: 'none' })],
    ['one request', (repeat) => log.find(`receipt-${repeat * 1000}`)],
  ];
}

// Receipts.

const KEYS = 60;
const MODELS = 30;
const PROTOCOLS = ['openai-chat', 'openai-responses', 'anthropic-messages', 'dashscope', 'openai-batches'];

const keyOf = (number: number): string => `key-${String(number).padStart(16, '0')}`;
const modelOf = (number: number): string => `qwen3-${number}b-instruct`;

/** Sixty people with two to five models each, most of their calls by one wire, busier by day than by night. */
async function fill(database: Database, receipts: number, seed: number): Promise<void> {
  const random = randomFrom(seed);
  const upTo = (bound: number): number => Math.floor(random() * bound);
  const store = createReceiptStore(database);
  for (let written = 0; written < receipts; written += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, receipts - written) }, (_, at): Receipt => {
      const key = upTo(KEYS);
      const input = 20 + upTo(4000);
      const output = upTo(1200);
      const share = (written + at + random()) / receipts;
      const hour = share * DAYS * 24;
      const startedAtMs = Math.floor(START_MS + (hour + 3 * Math.sin((hour / 24) * 2 * Math.PI)) * 3_600_000);
      const inputNano = input * 800;
      const outputNano = output * 2000;
      return {
        receiptId: `receipt-${written + at}`,
        requestId: `request-${written + at}`,
        protocol: PROTOCOLS[(key + (random() < 0.1 ? 1 : 0)) % PROTOCOLS.length] ?? '',
        keyId: keyOf(key),
        workspaceId: key < 30 ? 'default' : `ws-${key % 8}`,
        region: (random() < 0.9 ? undefined : REGIONS[key % REGIONS.length]) ?? 'beijing',
        priority: 'live',
        charge: {
          lines: [
            { item: 'input_token', tokens: input, nano: inputNano },
            { item: 'output_token', tokens: output, nano: outputNano },
          ],
          totalNano: inputNano + outputNano,
          freeTokens: 0,
        },
        model: modelOf((key * 7 + Math.floor(random() * random() * (2 + (key % 4)))) % MODELS),
        servedBy: 'upstream/one',
        usage: { input: { ...NO_USAGE.input, total: input }, output: { ...NO_USAGE.output, total: output } },
        ending: random() < 0.95 ? 'completed' : random() < 0.5 ? 'failed' : 'client-gone',
        startedAtMs,
        totalMs: random() * 10_000,
        firstTokenMs: random() * 500,
      };
    });
    await store.write(batch.map((receipt) => ({ receipt, quota: undefined })));
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** A Postgres of its own, as the tests have one; undefined where none runs. */
async function startPostgres(): Promise<{ readonly url: string; stop(): Promise<void> } | undefined> {
  const child = fork(join(import.meta.dirname, '../test/support/postgres-process.ts'));
  const [door] = (await once(child, 'message')) as [PostgresDoor];
  if ('missing' in door) {
    say(door.missing);
    return undefined;
  }
  return {
    url: door.url + door.template,
    stop: async () => {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
