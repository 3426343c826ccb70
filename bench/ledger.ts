/** What a call's accounts cost: begun and ended in the journal, on the way of the call; and all in all, with the database. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { openLedger } from '../src/billing/ledger.ts';
import { createPriceBook } from '../src/billing/price-book.ts';
import { loadCatalogue } from '../src/catalogue/load.ts';
import { systemClock, systemIds } from '../src/core/system.ts';
import { usageOf } from '../src/core/usage.ts';
import { openDatabase } from '../src/stores/sql/database.ts';
import { createReceiptStore } from '../src/stores/sql/receipts.ts';
import { silentLog } from '../test/support/context.ts';
import { platformWatch } from '../test/support/ledger.ts';
import type { Row } from './gateway.ts';

const CALLS_A_TURN = 50;

export async function benchLedger(calls: number): Promise<readonly Row[]> {
  const home = mkdtempSync(join(tmpdir(), 'atelier-bench-'));
  const database = await openDatabase(join(home, 'atelier.db'));
  const ledger = await openLedger({
    journal: { folder: join(home, 'journal') },
    store: createReceiptStore(database),
    prices: createPriceBook({ catalogue: loadCatalogue(), modelOf: (id) => id, overrides: [] }),
    platform: platformWatch(),
    clock: systemClock,
    log: silentLog,
    spoolReceipts: Number.MAX_SAFE_INTEGER,
    quota: { enabled: true, freeTierOnly: false },
  });
  const usage = usageOf({ input: 120, output: 80 });
  const micros: number[] = [];
  const startedAt = performance.now();
  for (let call = 0; call < calls; call++) {
    const from = performance.now();
    const nowMs = Date.now();
    const account = ledger.open(
      {
        // As metering makes them: they begin with the time.
        receiptId: `${nowMs.toString(16).padStart(12, '0')}${systemIds.uuid().slice(13)}`,
        requestId: systemIds.uuid(),
        protocol: 'openai-chat',
        keyId: 'key-1',
        workspaceId: 'default',
        region: 'beijing',
        priority: 'live',
        model: 'qwen-plus',
        startedAtMs: nowMs,
        isStreaming: true,
      },
      () => usage,
    );
    account.close({ servedBy: 'scripted/echo', usage, ending: 'completed', totalMs: 12.5, firstTokenMs: 3 });
    micros.push((performance.now() - from) * 1000);
    if (call % CALLS_A_TURN === 0) await setImmediate();
  }
  await ledger.flush();
  const wholeMicros = ((performance.now() - startedAt) * 1000) / calls;
  await ledger.close();
  await database.close();
  rmSync(home, { recursive: true, force: true });
  micros.sort((a, b) => a - b);
  const at = (share: number): number => micros[Math.floor(micros.length * share)] ?? 0;
  return [
    { name: 'on the way of a call, p50', unit: 'µs', values: { ledger: at(0.5) } },
    { name: 'on the way of a call, p99', unit: 'µs', values: { ledger: at(0.99) } },
    { name: 'all in all, SQLite included', unit: 'µs', values: { ledger: wholeMicros } },
  ];
}
