import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { testOwner } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import type { Database } from './database.ts';
import { createSealer } from './sealing.ts';

const ours = testOwner();

onEachDatabase((databases) => {
  let database: Database;
  beforeEach(async () => {
    database = await databases.open();
  });
  afterEach(() => database.close());

  it('opens what it sealed, whatever it says', async () => {
    const sealer = await createSealer(database);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const sealed = sealer.seal(ours, text);
        expect(sealer.open(ours, sealed)).toBe(text);
        expect(sealer.seal(ours, text)).toBe(sealed);
      }),
    );
  });

  it('opens nothing else', async () => {
    const sealer = await createSealer(database);
    const sealed = sealer.seal(ours, 'a secret thought');
    expect(sealed).not.toContain('secret');
    const singapore = testOwner({ region: 'singapore' });
    for (const owner of [testOwner({ workspaceId: 'other' }), singapore, testOwner({ region: 'virginia' })])
      expect(sealer.open(owner, sealed)).toBeUndefined();
    const sealedThere = sealer.seal(singapore, 'a secret thought');
    expect(sealer.open(singapore, sealedThere)).toBe('a secret thought');
    expect(sealer.open(ours, sealedThere)).toBeUndefined();
    for (let place = 0; place < sealed.length; place += 5) {
      const changed = sealed.slice(0, place) + (sealed[place] === 'A' ? 'B' : 'A') + sealed.slice(place + 1);
      expect(sealer.open(ours, changed)).toBeUndefined();
    }
    for (const foreign of ['', 'AAAA', 'gAAAAABn', '{}']) expect(sealer.open(ours, foreign)).toBeUndefined();
  });

  it('keeps its key with the database', async () => {
    const sealed = (await createSealer(database)).seal(ours, 'kept');
    expect((await createSealer(database)).open(ours, sealed)).toBe('kept');
  });
});
