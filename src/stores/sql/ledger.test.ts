import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Logger, Receipt } from '../../core/ports.ts';
import { usageOf } from '../../core/usage.ts';
import { type Database, openDatabase } from './database.ts';
import { createLedger, type SqliteLedger } from './ledger.ts';

let folder: string;
let database: Database;
let ledger: SqliteLedger;
let lines: string[];
const log: Logger = {
  debug: () => {},
  info: () => {},
  warn: (_, message) => lines.push(message),
  error: (_, message) => lines.push(message),
};

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'atelier-ledger-'));
  database = await openDatabase(path.join(folder, 'atelier.db'));
  lines = [];
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
  ledger = createLedger(database, { log, spoolRows: 1000 });
});
afterEach(async () => {
  vi.useRealTimers();
  await ledger.close();
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

function receipt(requestId: string, changes: Partial<Receipt> = {}): Receipt {
  return {
    requestId,
    protocol: 'openai-chat',
    keyId: 'key-1',
    priority: 'live',
    charge: { lines: [{ item: 'input_token', tokens: 20, nano: 40_000 }], totalNano: 40_000 },
    model: 'qwen-plus',
    servedBy: 'embedded/qwen2.5-coder-0.5b',
    usage: usageOf({ input: 20, output: 7, cachedRead: 12, reasoning: 3 }),
    ending: 'completed',
    startedAtMs: 1_700_000_000_000,
    totalMs: 12.5,
    firstTokenMs: 3.25,
    ...changes,
  };
}

const count = () => database.sqlite.prepare<[], number>('SELECT count(*) FROM receipts').pluck().get();
const ids = () => database.sqlite.prepare<[], string>('SELECT request_id FROM receipts ORDER BY id').pluck().all();
const pages = () => database.sqlite.pragma('page_count', { simple: true });
const limitPages = (limit: unknown) => database.sqlite.pragma(`max_page_count = ${limit}`);

it('writes nothing while recording, and everything after 100 ms', () => {
  ledger.record(receipt('a'));
  ledger.record(receipt('b'));
  expect(count()).toBe(0);
  vi.advanceTimersByTime(100);
  expect(ids()).toEqual(['a', 'b']);
});

it('keeps every count in its own column', async () => {
  const usage = { ...usageOf({ input: 20, output: 7, cachedRead: 12, reasoning: 3 }), hostedTools: { web_search: 2 } };
  ledger.record(receipt('a', { usage, ending: 'failed', errorCode: 'engine-failed', priority: 'batch' }));
  await ledger.flush();
  expect(await database.queries.selectFrom('receipts').selectAll().executeTakeFirstOrThrow()).toMatchObject({
    request_id: 'a',
    ending: 'failed',
    error_code: 'engine-failed',
    total_ms: 12.5,
    first_token_ms: 3.25,
    input_total: 20,
    input_cached_read: 12,
    output_total: 7,
    output_reasoning: 3,
    hosted_tools: '{"web_search":2}',
    priority: 'batch',
  });
});

it('writes a full batch in the next turn of the loop', () => {
  for (let index = 0; index < 200; index++) ledger.record(receipt(`r${index}`));
  expect(count()).toBe(0);
  vi.advanceTimersByTime(0);
  expect(count()).toBe(200);
});

it('writes what is left when it closes', async () => {
  for (let index = 0; index < 450; index++) ledger.record(receipt(`r${index}`));
  await ledger.close();
  expect(count()).toBe(450);
});

it('keeps receipts while the disk is full, drops the oldest beyond its bound, and recovers by itself', async () => {
  limitPages(pages());
  for (let index = 0; index < 1100; index++) ledger.record(receipt(`r${index}`));
  await ledger.flush();
  expect(lines).toEqual(['receipts cannot be written; they wait in memory']);
  limitPages(1_000_000);
  vi.advanceTimersByTime(2000);
  expect(lines[1]).toBe('receipts are written again');
  expect(count()).toBe(1000);
  expect(ids()[0]).toBe('r100');
  expect(ids().at(-1)).toBe('r1099');
});

it('never lets one bad receipt hold up the others', async () => {
  ledger.record(receipt('a'));
  ledger.record(receipt('bad', { model: undefined as unknown as string }));
  ledger.record(receipt('b'));
  await ledger.flush();
  expect(ids()).toEqual(['a', 'b']);
  expect(lines).toEqual(['a receipt could not be stored and is only in this line']);
});
