import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Database, openDatabase } from './database.ts';
import { createSealer } from './sealing.ts';

let database: Database;
beforeEach(async () => {
  database = await openDatabase(':memory:');
});
afterEach(() => database.close());

it('opens what it sealed, whatever it says', () => {
  const sealer = createSealer(database);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const sealed = sealer.seal('w', text);
      expect(sealer.open('w', sealed)).toBe(text);
      expect(sealer.seal('w', text)).toBe(sealed);
    }),
  );
});

it('opens nothing else', () => {
  const sealer = createSealer(database);
  const sealed = sealer.seal('w', 'a secret thought');
  expect(sealed).not.toContain('secret');
  expect(sealer.open('other', sealed)).toBeUndefined();
  for (let place = 0; place < sealed.length; place += 5) {
    const changed = sealed.slice(0, place) + (sealed[place] === 'A' ? 'B' : 'A') + sealed.slice(place + 1);
    expect(sealer.open('w', changed)).toBeUndefined();
  }
  for (const foreign of ['', 'AAAA', 'gAAAAABn', '{}']) expect(sealer.open('w', foreign)).toBeUndefined();
});

it('keeps its key with the database', () => {
  const sealed = createSealer(database).seal('w', 'kept');
  expect(createSealer(database).open('w', sealed)).toBe('kept');
});
