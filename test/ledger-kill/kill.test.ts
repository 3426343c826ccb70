/** The short version of a thousand kills (`run.ts`). */
import { expect, it } from 'vitest';
import { DATABASES, onEachDatabase } from '../support/databases.ts';
import { killLedger, killServer } from './rounds.ts';

onEachDatabase((databases) => {
  it('a ledger that is killed under load loses no receipt and doubles none, and all sums agree', async () => {
    const database = await databases.create();
    const { faults, calls, receipts } = await killLedger({ kills: 4, location: database.location });
    await database.remove();
    expect(faults).toEqual([]);
    expect(receipts).toBeGreaterThanOrEqual(calls);
  });
});

it(`a server that is killed while clients stream has a receipt of all they saw (on ${DATABASES[0]?.name})`, async () => {
  const { faults } = await killServer({ kills: 3 });
  expect(faults).toEqual([]);
});
