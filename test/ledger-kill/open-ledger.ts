/** The ledger of a home folder on a database, without a server around it. */
import { join } from 'node:path';
import { openLedger, type RunningLedger } from '../../src/billing/ledger.ts';
import { createPriceBook } from '../../src/billing/price-book.ts';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import { systemClock } from '../../src/core/system.ts';
import { openDatabase } from '../../src/stores/sql/database.ts';
import { createReceiptStore } from '../../src/stores/sql/receipts.ts';
import { silentLog } from '../support/context.ts';
import { platformWatch } from '../support/ledger.ts';

/** Small, so that files of the journal begin and go all the time. */
const SEGMENT_BYTES = 50_000;

export async function openTestLedger(
  home: string,
  location: string,
): Promise<{ readonly ledger: RunningLedger; close(): Promise<void> }> {
  const database = await openDatabase(location);
  const ledger = await openLedger({
    journal: { folder: join(home, 'journal'), segmentBytes: SEGMENT_BYTES },
    store: createReceiptStore(database),
    prices: createPriceBook({ catalogue: loadCatalogue(), modelOf: (id) => id, overrides: [] }),
    platform: platformWatch(),
    clock: systemClock,
    log: silentLog,
    spoolReceipts: 100_000,
    quota: { enabled: true, freeTierOnly: false },
  });
  return {
    ledger,
    close: async () => {
      await ledger.close();
      await database.close();
    },
  };
}
