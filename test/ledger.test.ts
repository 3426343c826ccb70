/** The ledger on a real database: whatever happens, receipts, quotas, budgets and sums agree. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LedgerOptions, openLedger, type RunningLedger } from '../src/billing/ledger.ts';
import { createPriceBook } from '../src/billing/price-book.ts';
import { permissiveCard } from '../src/core/models.ts';
import type { ClosedCall, OpenAccount, OpenedCall, Receipt } from '../src/core/ports.ts';
import type { ReceiptStore } from '../src/core/receipts.ts';
import { type Usage, usageOf } from '../src/core/usage.ts';
import { type Database, openDatabase } from '../src/stores/sql/database.ts';
import { createReceiptStore } from '../src/stores/sql/receipts.ts';
import { fixedClock, silentLog } from './support/context.ts';
import { onEachDatabase } from './support/databases.ts';
import { platformWatch } from './support/ledger.ts';
import { sumsThatDisagree } from './support/sums.ts';

const tier = { overTokens: 0, upToTokens: null, inputPico: 1_234_567, outputPico: 7_654_321, outputThinkingPico: 0 };
const prices = {
  tiers: [tier],
  cacheReadPermille: 200,
  explicitCacheReadPermille: 100,
  cacheWritePermille: 1250,
  batchPermille: 500,
};
const catalogue = {
  find: (id: string) => {
    const terms = { prices, freeQuota: { tokens: 300, days: 90, isPaidAfter: true } };
    return { ...permissiveCard(id), terms: { beijing: terms, singapore: terms } };
  },
  list: () => [],
};

/** A server: a ledger that can be killed, so that nothing of it reaches the database any more. */
interface TestServer {
  readonly ledger: RunningLedger;
  readonly open: Map<string, OpenAccount>;
  kill(): void;
  /** The database has what was waiting, and nobody learns of it. */
  killAfterWriting(): Promise<void>;
}

let homes: string[] = [];
let servers: TestServer[] = [];
beforeEach(() => {
  homes = [];
  servers = [];
});
afterEach(async () => {
  for (const server of servers) server.kill();
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

function makeHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'atelier-ledger-'));
  homes.push(home);
  return home;
}

const clock = fixedClock();

async function start(database: Database, home: string, changes: Partial<LedgerOptions> = {}): Promise<TestServer> {
  const store = createReceiptStore(database);
  let isDead = false;
  const never = new Promise<never>(() => {});
  const mortal: ReceiptStore = {
    write: async (calls) => {
      if (isDead) return never;
      const unwritable = await store.write(calls);
      return isDead ? never : unwritable;
    },
    sums: (month) => (isDead ? never : store.sums(month)),
  };
  const ledger = await openLedger({
    journal: { folder: join(home, 'journal') },
    store: mortal,
    prices: createPriceBook({ catalogue, modelOf: (id) => id, overrides: [] }),
    platform: platformWatch(),
    clock,
    log: silentLog,
    spoolReceipts: 1_000_000,
    quota: { enabled: true, freeTierOnly: false },
    ...changes,
  });
  const server = {
    ledger,
    open: new Map<string, OpenAccount>(),
    kill: () => {
      isDead = true;
    },
    killAfterWriting: async () => {
      void ledger.flush();
      // The flush has asked the database by now; what is asked next is answered next.
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
      isDead = true;
      await database.queries
        .transaction()
        .execute((transaction) => transaction.selectFrom('receipts').select('id').execute());
    },
  };
  servers.push(server);
  return server;
}

function callOf(receiptId: string, changes: Partial<OpenedCall> = {}): OpenedCall {
  return {
    receiptId,
    requestId: receiptId,
    protocol: 'test',
    keyId: 'key-1',
    workspaceId: 'default',
    region: 'beijing',
    priority: 'live',
    model: 'a',
    startedAtMs: clock.now(),
    isStreaming: true,
    ...changes,
  };
}

const completed = (usage: Usage): ClosedCall => ({ servedBy: 'x', usage, ending: 'completed', totalMs: 1 });

interface Step {
  readonly does:
    | 'call'
    | 'open'
    | 'end'
    | 'flush'
    | 'refresh'
    | 'kill'
    | 'kill-after-writing'
    | 'restart'
    | 'next-month';
  readonly server: number;
  readonly key: string;
  readonly model: string;
  readonly region: 'beijing' | 'singapore';
  readonly input: number;
  readonly output: number;
}

const step = fc.record<Step>({
  does: fc.constantFrom(
    'call',
    'call',
    'call',
    'open',
    'end',
    'flush',
    'refresh',
    'kill',
    'kill-after-writing',
    'restart',
    'next-month',
  ),
  server: fc.nat(1),
  key: fc.constantFrom('key-1', 'key-2'),
  model: fc.constantFrom('a', 'b'),
  region: fc.constantFrom('beijing', 'singapore'),
  input: fc.nat(100),
  output: fc.nat(100),
});

/** Runs the steps on two servers with one database, and tells what they let end and what they left open. */
async function play(database: Database, steps: readonly Step[]) {
  const homesOfServers = [makeHome(), makeHome()];
  const running = [await start(database, homesOfServers[0] ?? ''), await start(database, homesOfServers[1] ?? '')];
  const ended: Receipt[] = [];
  const opened = new Set<string>();
  let ids = 0;
  const openCall = (server: TestServer, { key, model, region, input, output }: Step): string => {
    const receiptId = `receipt-${++ids}`;
    opened.add(receiptId);
    const call = callOf(receiptId, { keyId: key, workspaceId: `ws-${key}`, region, model });
    server.open.set(
      receiptId,
      server.ledger.open(call, () => usageOf({ input, output })),
    );
    return receiptId;
  };
  const end = (server: TestServer, receiptId: string, { input, output }: Step): void => {
    const account = server.open.get(receiptId);
    server.open.delete(receiptId);
    if (account) ended.push(account.close(completed(usageOf({ input, output }))));
  };
  const restart = async (index: number): Promise<void> => {
    running[index] = await start(database, homesOfServers[index] ?? '');
  };
  for (const each of steps) {
    const server = running[each.server];
    if (!server) throw new Error('no server');
    const [oldest] = server.open.keys();
    if (each.does === 'call') end(server, openCall(server, each), each);
    else if (each.does === 'open') openCall(server, each);
    else if (each.does === 'end' && oldest) end(server, oldest, each);
    else if (each.does === 'flush') await server.ledger.flush();
    else if (each.does === 'refresh') await server.ledger.refresh();
    else if (each.does === 'next-month') clock.advance(31 * 86_400_000);
    else if (each.does === 'kill' || each.does === 'kill-after-writing') {
      if (each.does === 'kill') server.kill();
      else await server.killAfterWriting();
      await restart(each.server);
    } else if (each.does === 'restart') {
      for (const id of server.open.keys()) end(server, id, each);
      await server.ledger.close();
      await restart(each.server);
    }
  }
  for (const server of running) server.kill();
  // What the last ones left is seen through by the next.
  for (const index of [0, 1]) {
    await restart(index);
    await running[index]?.ledger.close();
  }
  return { ended, opened };
}

onEachDatabase((databases) => {
  let database: Database;
  beforeEach(async () => {
    database = await databases.open();
  });
  afterEach(() => database.close());

  it('has one receipt of every call, and sums that agree, whatever is killed when', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        for (const table of [
          'receipts',
          'spending',
          'free_quotas',
          'usage_hourly',
          'usage_daily',
          'usage_totals',
          'bill_items',
        ] as const)
          await database.queries.deleteFrom(table).execute();
        const { ended, opened } = await play(database, steps);
        const rows = await database.queries
          .selectFrom('receipts')
          .select(['receipt_id', 'ending', 'error_code', 'charge_nano', 'free_tokens'])
          .execute();
        const byId = new Map(rows.map((row) => [row.receipt_id, row]));
        expect(rows).toHaveLength(opened.size);
        for (const { receiptId, charge } of ended)
          expect(byId.get(receiptId)).toMatchObject({
            ending: 'completed',
            charge_nano: charge.totalNano,
            free_tokens: charge.freeTokens,
          });
        expect(rows.filter((row) => row.error_code === 'process-killed')).toHaveLength(opened.size - ended.length);
        expect(await sumsThatDisagree(database)).toEqual([]);
      }),
      { numRuns: databases.name === 'SQLite' ? 60 : 12 },
    );
  });

  it('gives away no more than is free when one server has the database for itself', async () => {
    const { ledger } = await start(database, makeHome());
    for (let index = 0; index < 50; index++) {
      const usage = usageOf({ input: 7, output: 4 });
      ledger.open(callOf(`receipt-${index}`), () => usage).close(completed(usage));
      if (index % 7 === 0) await ledger.refresh();
      if (index % 5 === 0) await ledger.flush();
    }
    await ledger.flush();
    expect(await database.queries.selectFrom('free_quotas').select('used_tokens').execute()).toEqual([
      { used_tokens: 300 },
    ]);
    expect(await sumsThatDisagree(database)).toEqual([]);
    await ledger.close();
  });
});

describe('a full disk', () => {
  it('keeps receipts until there is space again', async () => {
    const home = makeHome();
    const database = await openDatabase(join(home, 'atelier.db'));
    const { ledger } = await start(database, home);
    const { rows } = await sql<{ page_count: number }>`PRAGMA page_count`.execute(database.queries);
    await sql`PRAGMA max_page_count = ${sql.lit(rows[0]?.page_count ?? 0)}`.execute(database.queries);
    const usage = usageOf({ input: 1, output: 1 });
    for (let index = 0; index < 300; index++)
      ledger.open(callOf(`receipt-${index}`), () => usage).close(completed(usage));
    await ledger.flush();
    const count = async () => (await database.queries.selectFrom('receipts').select('id').execute()).length;
    expect(await count()).toBeLessThan(300);
    await sql`PRAGMA max_page_count = 1000000`.execute(database.queries);
    await ledger.flush();
    expect(await count()).toBe(300);
    expect(await sumsThatDisagree(database)).toEqual([]);
    await ledger.close();
    await database.close();
  });
});
