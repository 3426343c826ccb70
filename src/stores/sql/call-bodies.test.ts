import { afterEach, beforeEach, expect, it } from 'vitest';
import { fixedClock, silentLog } from '../../../test/support/context.ts';
import { onEachDatabase } from '../../../test/support/databases.ts';
import { createCallBodies } from './call-bodies.ts';
import type { Database } from './database.ts';

const BODY = { request: '{"model":"qwen-plus"}', reply: '{"ending":"completed"}' };

onEachDatabase((databases) => {
  let database: Database;
  beforeEach(async () => {
    database = await databases.open();
  });
  afterEach(() => database.close());

  it('gives a body back until its time is up', async () => {
    const clock = fixedClock();
    const bodies = createCallBodies(database, { clock, log: silentLog });
    bodies.keep('receipt-1', BODY, clock.now() + 1000);
    bodies.keep('receipt-1', { request: 'second', reply: 'second' }, clock.now() + 1000);
    await bodies.close();
    expect(await bodies.find('receipt-1')).toEqual(BODY);
    expect(await bodies.find('receipt-2')).toBeUndefined();
    clock.advance(1000);
    expect(await bodies.find('receipt-1')).toBeUndefined();
  });

  it('writes as many as there are', async () => {
    const bodies = createCallBodies(database, { clock: fixedClock(0), log: silentLog });
    for (let call = 0; call < 123; call++) bodies.keep(`receipt-${call}`, BODY, 1);
    await bodies.close();
    const rows = await database.queries.selectFrom('call_bodies').select('receipt_id').execute();
    expect(rows).toHaveLength(123);
  });

  it('loses what is too much or cannot be written, and tells how many', async () => {
    const warnings: object[] = [];
    const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
    const bodies = createCallBodies(database, { clock: fixedClock(0), log, maxWaitingCharacters: 100 });
    for (let call = 0; call < 5; call++) bodies.keep(`receipt-${call}`, BODY, 1);
    await bodies.flush();
    expect(await bodies.find('receipt-1')).toEqual(BODY);
    expect(warnings).toEqual([{ bodies: 3 }]);

    const broken = Object.create(database, {
      insertNew: { value: () => Promise.reject(new Error('disk full')) },
    }) as Database;
    const lost = createCallBodies(broken, { clock: fixedClock(0), log });
    lost.keep('receipt-9', BODY, 1);
    await lost.close();
    expect(warnings.at(-1)).toEqual({ bodies: 1 });
  });
});
